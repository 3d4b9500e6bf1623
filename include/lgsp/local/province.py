"""The simulated province as a part of the stack: the command that starts it and the connections to its systems."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from lgsp.settings import connection_variable
from lgsp.window import Window

CALLS_PER_MINUTE = "60000"
# Its lists have no agencies that ended (D48): a list of November 2026 has no district.
DEFECTS = "all,D48"


@dataclass(frozen=True)
class Simulation:
    """The options of a simulated province: its size (tiny, demo, province) and its days of history before today."""

    size: str
    days: int

    def command(self, home: Path) -> list[str]:
        """The command that starts it. It writes the ready file when its systems answer."""
        ready = _ready_file(home)
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        return [
            str(Path(sys.executable).with_name("lgsp")), "province", "serve",
            "--size", self.size, "--days", str(self.days), "--defects", DEFECTS, "--port-base", "0",
            "--ready-file", str(ready),
        ]  # fmt: skip


def is_ready(home: Path) -> bool:
    """Whether the systems of the province answer."""
    return _ready_file(home).exists()


def connections(home: Path) -> dict[str, str]:
    """The connection variables of the simulated systems, by name."""
    ready = _ready_content(home)
    return {connection_variable(source): json.dumps(connection) for source, connection in ready["connections"].items()}


def call_limits(home: Path) -> dict[str, str]:
    """The variables with the limits of calls per minute: the simulated systems take more calls than real ones."""
    return {f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}": CALLS_PER_MINUTE for source in source_names(home)}


def source_names(home: Path) -> tuple[str, ...]:
    """The names of the sources that the province simulates, in alphabetical order."""
    return tuple(sorted(_ready_content(home)["connections"]))


def span(home: Path) -> Window:
    """The window of the local days that the province has data for."""
    ready = _ready_content(home)
    return Window.of_days(date.fromisoformat(ready["from"]), date.fromisoformat(ready["to"]))


def _ready_content(home: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_ready_file(home).read_text(encoding="utf-8"))
    return content


def _ready_file(home: Path) -> Path:
    return home / "province" / "ready.json"
