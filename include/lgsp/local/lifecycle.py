"""Starts the stack in the background and stops it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import click

from lgsp.errors import LgspError
from lgsp.local import stack
from lgsp.local.processes import start, terminate, wait_until_ended
from lgsp.local.province import Simulation
from lgsp.local.stack import Stack
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server

STOP_SECONDS = 60


class NotUp(LgspError):
    """The stack does not run or did not start; the message has the reason."""


def up(settings: Settings, simulated: Simulation | None = None) -> Stack:
    """Start the stack in the background and show its progress, unless it already runs; returns the running stack.

    Raises NotUp when it does not start.
    """
    current = stack.load(settings.home)
    if current.is_up() and current.phase == stack.READY:
        return current
    if not current.is_up():
        _end_processes(settings, current)
        current = _launch(settings, simulated)
    return _follow(settings, current)


def down(settings: Settings) -> bool:
    """Stop the stack and the embedded database; returns whether anything was running."""
    current = stack.load(settings.home)
    was_up = current.is_up()
    _end_processes(settings, current)
    return Server(settings.home).stop() or was_up


def running(settings: Settings) -> Stack:
    """The running stack of this home. Raises NotUp when it does not run."""
    current = stack.load(settings.home)
    if not current.is_up() or current.phase != stack.READY:
        reason = current.reason or "run `make demo` or `make up`"
        raise NotUp(f"the stack of {settings.home} is not running ({current.phase}): {reason}")
    return current


def _launch(settings: Settings, simulated: Simulation | None) -> Stack:
    settings.home.mkdir(parents=True, exist_ok=True)
    log = _log(settings)
    log.unlink(missing_ok=True)
    province = ["--province", simulated.size, "--days", str(simulated.days)] if simulated else []
    environment = {**settings.environment, "LGSP_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "lgsp.local.supervisor", *province]
    supervisor, _ = start("supervisor", command, environment, log)
    return Stack(stack.STARTING, supervisor=supervisor)


def _follow(settings: Settings, launched: Stack) -> Stack:
    """Print the supervisor's log until the stack is ready. Raises NotUp when the supervisor ends."""
    printed = 0
    supervisor = launched.supervisor
    while True:
        is_running = supervisor is not None and supervisor.is_running()
        current = stack.load(settings.home)
        text = _log(settings).read_text(encoding="utf-8", errors="replace") if _log(settings).exists() else ""
        click.echo(text[printed:], nl=False)
        printed = len(text)
        if is_running and current.phase == stack.READY and current.is_up():
            return current
        if not is_running:
            raise NotUp(current.reason or f"the stack did not start; its log is {_log(settings)}")
        time.sleep(0.2)


def _end_processes(settings: Settings, current: Stack) -> None:
    if current.supervisor and current.supervisor.is_running():
        os.kill(current.supervisor.pid, signal.SIGTERM)
        wait_until_ended(current.supervisor, STOP_SECONDS)
    # A supervisor that was killed could not end its children.
    terminate([*current.children, *([current.supervisor] if current.supervisor else [])])
    if current.phase != stack.STOPPED:
        stack.save(settings.home, Stack(stack.STOPPED, airflow_port=current.airflow_port, api_port=current.api_port))


def _log(settings: Settings) -> Path:
    return settings.home / "logs" / "supervisor.log"
