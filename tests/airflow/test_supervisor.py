"""The supervisor: it dies loudly when a part dies, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from lgsp.local import stack
from lgsp.local.processes import Known, end, start
from lgsp.local.supervisor import Supervisor
from lgsp.settings import Settings

QUIET = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {QUIET}"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {QUIET!r}]); time.sleep(600)"
FAMOUS_LAST_WORDS = "import time; print('the disk is full', flush=True); time.sleep(600)"


class Small(Supervisor):
    """A supervisor of small programs."""

    def bring_up(self, simulated) -> None:
        for name, program in {"api-server": PARENT, "scheduler": FAMOUS_LAST_WORDS}.items():
            self.start(name, [sys.executable, "-c", program], os.environ)


@pytest.fixture
def small(tmp_path):
    return Small(Settings(home=tmp_path))


def wait_until(is_so, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.05)


def test_a_killed_part_ends_the_stack_loudly_and_takes_everything_along(small, tmp_path, capsys):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(small.run(None)))
    thread.start()
    wait_until(lambda: stack.load(tmp_path).phase == stack.READY)
    parent, victim = stack.load(tmp_path).children
    wait_until(lambda: psutil.Process(parent.pid).children() and "full" in victim.tail())
    family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children(recursive=True)]

    os.kill(victim.pid, signal.SIGKILL)
    thread.join(timeout=30)

    assert ended == [1]
    found = stack.load(tmp_path)
    assert found.phase == stack.FAILED
    said = capsys.readouterr().err
    for word in ("scheduler ended with -9", victim.log, "the disk is full"):
        assert word in found.reason
        assert word in said
    assert not [process for process in family if process.is_running()]
    assert not stack.load(tmp_path).is_up()


def test_a_part_that_does_not_listen_is_forced(tmp_path):
    known, _ = start("stubborn", [sys.executable, "-c", STUBBORN], os.environ, tmp_path / "log")
    wait_until(lambda: "deaf" in known.tail())
    end([known], grace_seconds=0.5)
    assert not known.is_alive()


def test_a_process_that_only_has_the_number_of_ours_is_left_alone(tmp_path):
    stranger, popen = start("stranger", [sys.executable, "-c", QUIET], os.environ, tmp_path / "log")
    mistaken = Known("ours", stranger.pid, stranger.started + 1000, stranger.log)
    try:
        assert not mistaken.is_alive()
        end([mistaken], grace_seconds=0.5)
        assert stranger.is_alive()
    finally:
        popen.kill()
        popen.wait()


def test_the_children_of_a_killed_parent_are_found_by_its_session(tmp_path):
    known, popen = start("parent", [sys.executable, "-c", PARENT], os.environ, tmp_path / "log")
    wait_until(lambda: psutil.Process(known.pid).children())
    (child,) = psutil.Process(known.pid).children()
    popen.kill()
    popen.wait()
    end([known])
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
