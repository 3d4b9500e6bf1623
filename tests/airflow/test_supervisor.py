"""The supervisor fails with the cause when a child process ends, and leaves no process running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from lgsp.local import stack
from lgsp.local.processes import ProcessHandle, start, terminate
from lgsp.local.supervisor import Supervisor
from lgsp.settings import Settings

QUIET = "import time; time.sleep(600)"
STUBBORN = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignoring SIGTERM', flush=True); {QUIET}"
)
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {QUIET!r}]); time.sleep(600)"
FULL_DISK = "import time; print('the disk is full', flush=True); time.sleep(600)"


class Small(Supervisor):
    """A supervisor of two small programs."""

    def bring_up(self, simulated) -> None:
        for name, program in {"api-server": PARENT, "scheduler": FULL_DISK}.items():
            self.start(name, [sys.executable, "-c", program], os.environ)


@pytest.fixture
def small(tmp_path):
    return Small(Settings(home=tmp_path))


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not become true within {seconds:g} s")
        time.sleep(0.05)


def test_a_killed_child_ends_the_whole_stack_with_its_cause(small, tmp_path, capsys):
    exit_codes = []
    thread = threading.Thread(target=lambda: exit_codes.append(small.supervise(None)))
    thread.start()
    wait_until(lambda: stack.load(tmp_path).phase == stack.READY)
    parent, victim = stack.load(tmp_path).children
    wait_until(lambda: psutil.Process(parent.pid).children() and "full" in victim.tail())
    family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children(recursive=True)]

    os.kill(victim.pid, signal.SIGKILL)
    thread.join(timeout=30)

    assert exit_codes == [1]
    loaded = stack.load(tmp_path)
    assert loaded.phase == stack.FAILED
    errors = capsys.readouterr().err
    for word in ("scheduler ended with -9", victim.log, "the disk is full"):
        assert word in loaded.reason
        assert word in errors
    assert not [process for process in family if process.is_running()]
    assert not stack.load(tmp_path).is_up()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path):
    known, _ = start("stubborn", [sys.executable, "-c", STUBBORN], os.environ, tmp_path / "log")
    wait_until(lambda: "ignoring SIGTERM" in known.tail())
    terminate([known], grace_seconds=0.5)
    assert not known.is_running()


def test_another_process_with_a_reused_pid_is_not_ended(tmp_path):
    stranger, popen = start("stranger", [sys.executable, "-c", QUIET], os.environ, tmp_path / "log")
    mistaken = ProcessHandle("ours", stranger.pid, stranger.started + 1000, stranger.log)
    try:
        assert not mistaken.is_running()
        terminate([mistaken], grace_seconds=0.5)
        assert stranger.is_running()
    finally:
        popen.kill()
        popen.wait()


def test_children_of_a_killed_parent_are_found_by_its_session(tmp_path):
    known, popen = start("parent", [sys.executable, "-c", PARENT], os.environ, tmp_path / "log")
    wait_until(lambda: psutil.Process(known.pid).children())
    (child,) = psutil.Process(known.pid).children()
    popen.kill()
    popen.wait()
    terminate([known])
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
