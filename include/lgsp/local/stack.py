"""What runs for one home, kept in ``stack.json`` so that another command finds it again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lgsp import files
from lgsp.local.processes import Known

STARTING, READY, FAILED, STOPPED = "starting", "ready", "failed", "stopped"


@dataclass(frozen=True)
class Stack:
    """The processes of one home and where they answer."""

    phase: str
    supervisor: Known | None = None
    children: tuple[Known, ...] = ()
    airflow_port: int = 0
    has_province: bool = False
    reason: str = ""

    @property
    def airflow_url(self) -> str:
        """Where the UI and the API answer."""
        return f"http://127.0.0.1:{self.airflow_port}"

    def is_up(self) -> bool:
        """Whether the supervisor of this stack still watches it."""
        return self.phase in (STARTING, READY) and self.supervisor is not None and self.supervisor.is_alive()

    def changed(self, **values: Any) -> Stack:
        """This stack with other values."""
        return replace(self, **values)


def path(home: Path) -> Path:
    """The file that describes the stack of a home."""
    return home / "stack.json"


def load(home: Path) -> Stack:
    """The stack as it was last written down; a stopped one when there never was any."""
    if not path(home).exists():
        return Stack(STOPPED)
    told = json.loads(path(home).read_text())
    told["supervisor"] = Known(**told["supervisor"]) if told["supervisor"] else None
    told["children"] = tuple(Known(**child) for child in told["children"])
    # A stack that another version of this code started must still be found, to be stopped.
    return Stack(**{f.name: told[f.name] for f in fields(Stack) if f.name in told})


def save(home: Path, stack: Stack) -> None:
    """Write the stack down, whole or not at all."""
    files.replace(path(home), json.dumps(asdict(stack), indent=1).encode())
