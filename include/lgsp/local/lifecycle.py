"""Bringing the stack up in the background, and down again."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import click

from lgsp.errors import LgspError
from lgsp.local import stack
from lgsp.local.processes import end, start, wait_until_gone
from lgsp.local.province import Simulation
from lgsp.local.stack import Stack
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server

STOP_SECONDS = 60


class NotUp(LgspError):
    """The stack does not run, or did not come up; the message says why."""


def up(settings: Settings, simulated: Simulation | None = None) -> Stack:
    """The running stack; started in the background, its progress shown, unless it already runs."""
    before = stack.load(settings.home)
    if before.is_up() and before.phase == stack.READY:
        return before
    if not before.is_up():
        _clear_away(settings, before)
        before = _launch(settings, simulated)
    return _follow(settings, before)


def down(settings: Settings) -> bool:
    """End the stack and the embedded database; whether anything ran."""
    running = stack.load(settings.home)
    was_up = running.is_up()
    _clear_away(settings, running)
    return Server(settings.home).stop() or was_up


def running(settings: Settings) -> Stack:
    """The stack of this home, which must be up."""
    found = stack.load(settings.home)
    if not found.is_up() or found.phase != stack.READY:
        raise NotUp(f"the stack of {settings.home} is not up ({found.phase}): {found.reason or 'run `make demo`'}")
    return found


def _launch(settings: Settings, simulated: Simulation | None) -> Stack:
    settings.home.mkdir(parents=True, exist_ok=True)
    log = _log(settings)
    log.unlink(missing_ok=True)
    province = ["--province", simulated.size, "--days", str(simulated.days)] if simulated else []
    environment = {**settings.environment, "LGSP_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "lgsp.local.supervisor", *province]
    known, _ = start("supervisor", command, environment, log)
    return Stack(stack.STARTING, supervisor=known)


def _follow(settings: Settings, launched: Stack) -> Stack:
    shown = 0
    supervisor = launched.supervisor
    while True:
        is_alive = supervisor is not None and supervisor.is_alive()
        found = stack.load(settings.home)
        text = _log(settings).read_text(errors="replace") if _log(settings).exists() else ""
        click.echo(text[shown:], nl=False)
        shown = len(text)
        if is_alive and found.phase == stack.READY and found.is_up():
            return found
        if not is_alive:
            raise NotUp(found.reason or f"the stack did not come up; the log is {_log(settings)}")
        time.sleep(0.2)


def _clear_away(settings: Settings, before: Stack) -> None:
    if before.supervisor and before.supervisor.is_alive():
        os.kill(before.supervisor.pid, signal.SIGTERM)
        wait_until_gone(before.supervisor, STOP_SECONDS)
    # A supervisor that was killed could not take its children along.
    left = [*before.children, *([before.supervisor] if before.supervisor else [])]
    end(left)
    if before.phase != stack.STOPPED:
        stack.save(settings.home, Stack(stack.STOPPED, airflow_port=before.airflow_port))


def _log(settings: Settings) -> Path:
    return settings.home / "logs" / "supervisor.log"
