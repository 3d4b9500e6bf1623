"""The simulated province as a part of the stack: how it is started and where its systems answer."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from lgsp.settings import connection_variable
from lgsp.window import Window


@dataclass(frozen=True)
class Simulation:
    """A province of one size (tiny, demo, province) with so many days of history before today."""

    size: str
    days: int

    def command(self, home: Path) -> list[str]:
        """The command that serves it; it writes the ready file once its systems answer."""
        ready = _ready_file(home)
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        return [
            str(Path(sys.executable).with_name("lgsp")), "province", "serve",
            "--size", self.size, "--days", str(self.days), "--port-base", "0",
            "--ready-file", str(ready),
        ]  # fmt: skip


def is_ready(home: Path) -> bool:
    """Whether its systems answer."""
    return _ready_file(home).exists()


def connections(home: Path) -> dict[str, str]:
    """The environment that leads the platform to the simulated systems."""
    told = _told(home)
    return {connection_variable(source): json.dumps(connection) for source, connection in told["connections"].items()}


def span(home: Path) -> Window:
    """The local days its world has lived through."""
    told = _told(home)
    return Window.of_days(date.fromisoformat(told["from"]), date.fromisoformat(told["to"]))


def _told(home: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_ready_file(home).read_text())
    return told


def _ready_file(home: Path) -> Path:
    return home / "province" / "ready.json"
