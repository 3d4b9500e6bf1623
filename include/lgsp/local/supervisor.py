"""Starts the stack, watches it, and ends all of it as soon as one part dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

import click
import psutil

from lgsp.errors import LgspError
from lgsp.local import airflow_environment, province, stack
from lgsp.local.airflow_api import Airflow
from lgsp.local.processes import Known, end, start
from lgsp.local.stack import Stack
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store.ports import free_port

READY_SECONDS = 240
UI_PORT = 8080
COMPONENTS = ("metadatabase", "scheduler", "dag_processor")
# Nothing here is deferrable, so the triggerer is left out: 200 MB on a small machine.
PROGRAMS = {
    "api-server": ["-m", "airflow", "api-server"],
    "scheduler": ["-m", "lgsp.local.preloaded_scheduler", "scheduler", "--skip-serve-logs"],
    "dag-processor": ["-m", "airflow", "dag-processor"],
}


class ChildDied(LgspError):
    """A part of the stack ended by itself; the message names it, its log and its last lines."""


class StopAsked(Exception):
    """Somebody asked the supervisor to end."""


class Supervisor:
    """The stack of one home while it runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[Known, subprocess.Popen[bytes]] = {}
        self.began = time.monotonic()
        self.is_stop_asked = False
        before = stack.load(settings.home)
        port = free_port(before.airflow_port or UI_PORT)
        own = Known("supervisor", os.getpid(), psutil.Process().create_time(), str(self.log("supervisor")))
        self.stack = Stack(stack.STARTING, supervisor=own, airflow_port=port)
        self.note()

    def log(self, name: str) -> Path:
        """Where a child's output goes."""
        return self.settings.home / "logs" / f"{name}.log"

    def say(self, what: str) -> None:
        """One progress line with the seconds since the beginning."""
        click.echo(f"{time.monotonic() - self.began:6.1f} s  {what}")

    def note(self, **changes: object) -> None:
        """Write down what runs now."""
        self.stack = self.stack.changed(children=tuple(self.children), **changes)
        stack.save(self.settings.home, self.stack)

    def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        """Start one child."""
        self.log(name).unlink(missing_ok=True)
        known, popen = start(name, arguments, env, self.log(name))
        self.children[known] = popen
        self.note()

    def ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; raising here could lose a child between its start and its being known."""
        self.is_stop_asked = True

    def watch(self) -> None:
        """Raise ChildDied when any child has ended, StopAsked when somebody wants the end."""
        if self.is_stop_asked:
            raise StopAsked
        for known, popen in self.children.items():
            if popen.poll() is not None:
                ending = f"{known.name} ended with {popen.returncode}; its log is {known.log}; it says:"
                raise ChildDied(f"{ending}\n{known.tail()}")

    def wait(self, what: str, is_done: Callable[[], bool]) -> None:
        """Wait for something, and for no longer than all children live."""
        deadline = time.monotonic() + READY_SECONDS
        while not is_done():
            self.watch()
            if time.monotonic() > deadline:
                raise ChildDied(f"{what}: not after {READY_SECONDS} s; the logs are in {self.log('').parent}")
            time.sleep(0.2)
        self.say(what)

    def finish(self, program: str, env: Mapping[str, str], arguments: Sequence[str], what: str) -> None:
        """Run a program to its end."""
        self.start(program, arguments, env)
        known, popen = next((k, p) for k, p in self.children.items() if k.name == program)
        while popen.poll() is None:
            self.watch()
            time.sleep(0.1)
        if popen.returncode:
            self.watch()
        del self.children[known]
        self.say(what)

    def bring_up(self, simulated: province.Simulation | None) -> None:
        """From nothing to a healthy stack whose Dags are known."""
        home = self.settings.home
        if simulated:
            self.start("province", simulated.command(home), self.settings.environment)
            self.note(has_province=True)
        env = airflow_environment.airflow(self.settings, self.stack.airflow_port, {})
        self.say("PostgreSQL answers")
        self.finish(
            "init",
            env,
            [str(Path(sys.executable).with_name("lgsp")), "init"],
            "schemas, roles and reference data are there",
        )
        self.finish(
            "migrate",
            env,
            [sys.executable, "-m", "airflow", "db", "migrate"],
            "Airflow's metadata is migrated",
        )
        if simulated:
            self.wait("the three simulated systems answer", lambda: province.is_ready(home))
            env.update(province.connections(home))
        for name, arguments in PROGRAMS.items():
            self.start(name, [sys.executable, *arguments], env)
        self.wait_for_airflow()

    def wait_for_airflow(self) -> None:
        """Wait until the components are healthy, make the pools, wait for the Dags."""
        airflow = client(self.settings, self.stack)

        def is_healthy() -> bool:
            health = airflow.health()
            return all(health.get(component) == "healthy" for component in COMPONENTS)

        def has_dags() -> bool:
            for file, trace in airflow.import_errors().items():
                raise ChildDied(f"{file} cannot be imported:\n{trace}")
            return expected_dags() <= airflow.dags().keys()

        self.wait("Airflow is healthy", is_healthy)
        for name, slots in airflow_environment.pools().items():
            airflow.create_pool(name, slots)
        self.wait("its Dags are read", has_dags)

    def run(self, simulated: province.Simulation | None) -> int:
        """Bring the stack up and watch it to its end; the exit code."""
        try:
            self.bring_up(simulated)
            self.note(phase=stack.READY)
            while True:
                self.watch()
                time.sleep(1)
        except StopAsked:
            self.close(stack.STOPPED, "")
            return 0
        except LgspError as error:
            self.close(stack.FAILED, str(error))
            click.echo(f"The stack is down: {error}", err=True)
            return 1
        finally:
            end(self.children)

    def close(self, phase: str, reason: str) -> None:
        """End every child and write down why."""
        end(self.children)
        self.children.clear()
        self.note(phase=phase, reason=reason)


def expected_dags() -> set[str]:
    """The Dags that must be there before the stack is of use."""
    return {
        *(f"ingest_{source}" for source in sources.names()),
        "publish_shared_dataset",
        "rebuild_from_landing",
    }


def client(settings: Settings, running: Stack) -> Airflow:
    """Airflow's API as its administrator."""
    return Airflow(running.airflow_url, "admin", airflow_environment.passwords(settings)["admin"])


@click.command()
@click.option("--province", "size", help="Also run the simulated province, of this size.")
@click.option("--days", type=int, default=90, show_default=True, help="The province's days of history.")
def main(size: str | None, days: int) -> None:
    """Bring up the stack of LGSP_HOME and watch it."""
    supervisor = Supervisor(Settings.from_env())
    signal.signal(signal.SIGTERM, supervisor.ask_to_stop)
    signal.signal(signal.SIGINT, supervisor.ask_to_stop)
    sys.exit(supervisor.run(province.Simulation(size, days) if size else None))


if __name__ == "__main__":
    main()
