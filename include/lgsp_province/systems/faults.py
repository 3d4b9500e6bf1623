"""Plans faults of the simulated systems and applies them to matching requests by count."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = frozenset(
    {
        "429-seconds",
        "429-date",
        "429-bare",
        "404",
        "500",
        "503",
        "expire-token",
        "truncate",
        "html-200",
        "slow",
        "redirect",
        "shift-pages",
        "count-off",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: it applies to `times` matching requests, after the first `after` of them."""

    kind: str
    path: str = ""
    after: int = 0
    times: int = 1
    value: Any = None

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> "Fault":
        """The fault described by one entry of a control request. Raises ValueError when a kind or key is unknown."""
        entry = dict(entry)
        kind = str(entry.pop("fault", ""))
        unknown = set(entry) - {"path", "after", "times", "value"}
        if kind not in KINDS or unknown:
            raise ValueError(f"unknown fault {kind!r} or unknown keys {sorted(unknown)}; known kinds: {sorted(KINDS)}")
        return cls(
            kind,
            str(entry.get("path", "")),
            int(entry.get("after", 0)),
            int(entry.get("times", 1)),
            entry.get("value"),
        )


class Plan:
    """The planned faults, with the number of requests that matched each of them. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._match_counts: list[int] = []
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Replace the plan and reset its counts."""
        with self._lock:
            self._faults = list(faults)
            self._match_counts = [0] * len(self._faults)

    def faults_for(self, target: str) -> list[Fault]:
        """The faults that apply to a request; counts the request for each fault that it matches."""
        with self._lock:
            active = []
            for index, fault in enumerate(self._faults):
                if fault.path not in target:
                    continue
                self._match_counts[index] += 1
                if fault.after < self._match_counts[index] <= fault.after + fault.times:
                    active.append(fault)
            return active
