"""CPU seconds of the embedded PostgreSQL server."""

from __future__ import annotations

import os
from pathlib import Path


def postmaster(home: Path) -> int:
    """The process id of the server of a home."""
    return int((home / "pg" / "postmaster.pid").read_text().splitlines()[0])


def server_seconds(postmaster: int) -> float:
    """The CPU seconds of the server and all its child processes, also of those that ended."""
    times = [_stat(pid)[13:17] for pid in (postmaster, *children(postmaster))]
    ticks = sum(int(used) for process in times for used in process[:2]) + sum(int(used) for used in times[0][2:])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(postmaster: int) -> list[int]:
    """The process ids of its children."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stat(pid)[3] == str(postmaster)]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat by position; zeros when the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ["0"] * 20
    return ["", "", *text.rpartition(")")[2].split()]
