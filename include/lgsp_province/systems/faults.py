"""Misbehaviour on demand: a plan of faults, applied to matching requests by their count."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = frozenset(
    {
        "429-seconds",
        "429-date",
        "429-bare",
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
    """One planned fault: let `after` matching requests pass, then strike `times`."""

    kind: str
    path: str = ""
    after: int = 0
    times: int = 1
    value: Any = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Fault":
        """From one entry of a control request; `ValueError` for an unknown kind or key."""
        entry = dict(entry)
        kind = str(entry.pop("fault", ""))
        unknown = set(entry) - {"path", "after", "times", "value"}
        if kind not in KINDS or unknown:
            raise ValueError(f"fault {kind!r} with {sorted(unknown)} is not known; kinds: {sorted(KINDS)}")
        return cls(
            kind,
            str(entry.get("path", "")),
            int(entry.get("after", 0)),
            int(entry.get("times", 1)),
            entry.get("value"),
        )


class Plan:
    """The faults that are still to come, with how often each has matched. Safe between threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._matched: list[int] = []
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Forget the old plan and its counts."""
        with self._lock:
            self._faults = list(faults)
            self._matched = [0] * len(self._faults)

    def strike(self, target: str) -> list[Fault]:
        """The faults that this request meets; counts the request for each that it matches."""
        with self._lock:
            met = []
            for place, fault in enumerate(self._faults):
                if fault.path not in target:
                    continue
                self._matched[place] += 1
                if fault.after < self._matched[place] <= fault.after + fault.times:
                    met.append(fault)
            return met
