"""Starts processes in their own sessions, identifies them by number and start time, and ends them with their children."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

GRACE_SECONDS = 15.0
TAIL_LINES = 15


@dataclass(frozen=True)
class ProcessHandle:
    """A process, identified so that a later process with the same number is not taken for it."""

    name: str
    pid: int
    started: float
    log: str

    def is_running(self) -> bool:
        """Whether this process still runs; False for another process with the same number."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) < 1
            return is_same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def tail(self) -> str:
        """The last 15 lines of its log."""
        path = Path(self.log)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-TAIL_LINES:])


def start(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> tuple[ProcessHandle, subprocess.Popen[bytes]]:
    """Start a program in its own session; its output is appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            list(arguments), env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return ProcessHandle(name, popen.pid, psutil.Process(popen.pid).create_time(), str(log)), popen


def terminate(leaders: Iterable[ProcessHandle], grace_seconds: float = GRACE_SECONDS) -> None:
    """End these processes, the other processes of their sessions and all their children: with SIGTERM, then SIGKILL.

    The other processes of a session are ended also when the session's leader has ended before.
    """
    leaders = list(leaders)
    members = {process for leader in leaders for process in _members(leader)}
    for process in members:
        _signal(process, signal.SIGTERM)
    _, running = psutil.wait_procs(members, timeout=grace_seconds)
    remaining = {*running, *(process for leader in leaders for process in _members(leader))}
    for process in remaining:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(remaining, timeout=grace_seconds)


def wait_until_ended(process: ProcessHandle, seconds: float) -> bool:
    """Whether a process that is not our child ended within the time."""
    deadline = time.monotonic() + seconds
    while process.is_running() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not process.is_running()


def _members(leader: ProcessHandle) -> set[psutil.Process]:
    """The processes of a leader's session and all its children."""
    members: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            # A session outlives its leader. A process with a reused number started later than the leader, never before it.
            if os.getsid(process.pid) == leader.pid and process.create_time() >= leader.started - 1:
                members.add(process)
    if leader.is_running():
        with suppress(psutil.Error):
            process = psutil.Process(leader.pid)
            members |= {process, *process.children(recursive=True)}
    return members


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)
