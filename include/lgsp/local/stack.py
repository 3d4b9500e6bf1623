"""Stores which processes run for one home in ``stack.json``, so that later commands find them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lgsp import files
from lgsp.local.processes import ProcessHandle

STARTING, READY, FAILED, STOPPED = "starting", "ready", "failed", "stopped"


@dataclass(frozen=True)
class Stack:
    """The processes of one home, their phase and the ports of Airflow and the read API. `reason` is set when the stack failed."""

    phase: str
    supervisor: ProcessHandle | None = None
    children: tuple[ProcessHandle, ...] = ()
    airflow_port: int = 0
    api_port: int = 0
    has_province: bool = False
    reason: str = ""

    @property
    def airflow_url(self) -> str:
        """The address of the UI and the API."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def api_url(self) -> str:
        """The root of the read API."""
        return f"http://127.0.0.1:{self.api_port}/v1/"

    def is_up(self) -> bool:
        """Whether the supervisor of this stack still runs."""
        return self.phase in (STARTING, READY) and self.supervisor is not None and self.supervisor.is_running()

    def changed(self, **values: Any) -> Stack:
        """A copy of this stack with changed values."""
        return replace(self, **values)


def path(home: Path) -> Path:
    """The file with the stack of a home."""
    return home / "stack.json"


def load(home: Path) -> Stack:
    """The stack as it was last saved; a stopped one when none was ever saved."""
    if not path(home).exists():
        return Stack(STOPPED)
    content = json.loads(path(home).read_text(encoding="utf-8"))
    content["supervisor"] = ProcessHandle(**content["supervisor"]) if content["supervisor"] else None
    content["children"] = tuple(ProcessHandle(**child) for child in content["children"])
    # Ignore unknown keys: a stack that another version of this code started must still be found and stopped.
    return Stack(**{f.name: content[f.name] for f in fields(Stack) if f.name in content})


def save(home: Path, stack: Stack) -> None:
    """Save the stack atomically."""
    files.replace(path(home), json.dumps(asdict(stack), indent=1).encode())
