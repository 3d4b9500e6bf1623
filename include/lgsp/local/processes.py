"""Our processes: started in sessions of their own, known again by number and start time, ended together."""

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
class Known:
    """A process that can be told from a later one with the same number."""

    name: str
    pid: int
    started: float
    log: str

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) < 1
            return is_same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def tail(self) -> str:
        """The last lines of its log."""
        path = Path(self.log)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-TAIL_LINES:])


def start(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> tuple[Known, subprocess.Popen[bytes]]:
    """Start a program in a session of its own, its output going to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            list(arguments), env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return Known(name, popen.pid, psutil.Process(popen.pid).create_time(), str(log)), popen


def end(leaders: Iterable[Known], grace_seconds: float = GRACE_SECONDS) -> None:
    """End the groups of these processes and all that descend from them: asked first, then forced.

    A group whose leader has died is ended too, as long as it is still the group of that leader.
    """
    leaders = list(leaders)
    members = {process for leader in leaders for process in _members(leader)}
    for process in members:
        _signal(process, signal.SIGTERM)
    _, left = psutil.wait_procs(members, timeout=grace_seconds)
    stubborn = {*left, *(process for leader in leaders for process in _members(leader))}
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=grace_seconds)


def wait_until_gone(process: Known, seconds: float) -> bool:
    """Whether a process that somebody else reaps has ended within the time."""
    deadline = time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not process.is_alive()


def _members(leader: Known) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            # The session outlives its leader and the group; a reused number cannot be older than the leader.
            if os.getsid(process.pid) == leader.pid and process.create_time() >= leader.started - 1:
                found.add(process)
    if leader.is_alive():
        with suppress(psutil.Error):
            process = psutil.Process(leader.pid)
            found |= {process, *process.children(recursive=True)}
    return found


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)
