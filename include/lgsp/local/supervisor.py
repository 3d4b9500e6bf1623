"""Starts the processes of the stack, watches them, and ends all of them as soon as one ends by itself."""

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
from lgsp.local.processes import ProcessHandle, start, terminate
from lgsp.local.stack import Stack
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store.ports import free_port, is_listening

READY_SECONDS = 240
UI_PORT, API_PORT = 8080, 8090
API = "read-api"
COMPONENTS = ("metadatabase", "scheduler", "dag_processor")
# No triggerer: no task here is deferrable, and it needs 200 MB of memory.
PROGRAMS = {
    "api-server": ["-m", "airflow", "api-server"],
    "scheduler": ["-m", "lgsp.local.preloaded_scheduler", "scheduler", "--skip-serve-logs"],
    "dag-processor": ["-m", "airflow", "dag-processor"],
}


class StackFailed(LgspError):
    """A process of the stack ended by itself or did not start in time; the message names its log."""


class StopRequested(Exception):
    """The supervisor got a signal to stop."""


class Supervisor:
    """Starts and watches the stack of one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[ProcessHandle, subprocess.Popen[bytes]] = {}
        self.started = time.monotonic()
        self.is_stop_requested = False
        before = stack.load(settings.home)
        airflow, api = free_port(before.airflow_port or UI_PORT), free_port(before.api_port or API_PORT)
        log = str(self.log("supervisor"))
        own = ProcessHandle("supervisor", os.getpid(), psutil.Process().create_time(), log)
        self.stack = Stack(stack.STARTING, supervisor=own, airflow_port=airflow, api_port=api)
        self.save()

    def log(self, name: str) -> Path:
        """The log file of a child."""
        return self.settings.home / "logs" / f"{name}.log"

    def report(self, message: str) -> None:
        """Print one progress line with the seconds since the start."""
        click.echo(f"{time.monotonic() - self.started:6.1f} s  {message}")

    def save(self, **changes: object) -> None:
        """Save the processes that run now, with changed values of the stack."""
        self.stack = self.stack.changed(children=tuple(self.children), **changes)
        stack.save(self.settings.home, self.stack)

    def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        """Start one child."""
        self.log(name).unlink(missing_ok=True)
        handle, popen = start(name, arguments, env, self.log(name))
        self.children[handle] = popen
        self.save()

    def request_stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal. Raising here could lose a child that was started but not yet saved."""
        self.is_stop_requested = True

    def check_children(self) -> None:
        """Raise StackFailed when a child has ended, StopRequested after a signal to stop."""
        if self.is_stop_requested:
            raise StopRequested
        for handle, popen in self.children.items():
            if popen.poll() is not None:
                ending = f"{handle.name} ended with {popen.returncode}; the last lines of its log {handle.log}:"
                raise StackFailed(f"{ending}\n{handle.tail()}")

    def wait(self, condition: str, is_met: Callable[[], bool]) -> None:
        """Wait until a condition is met. Raises StackFailed when a child ends first, or after 240 seconds."""
        deadline = time.monotonic() + READY_SECONDS
        while not is_met():
            self.check_children()
            if time.monotonic() > deadline:
                raise StackFailed(f"{condition}: not after {READY_SECONDS} s; the logs are in {self.log('').parent}")
            time.sleep(0.2)
        self.report(condition)

    def run_to_end(self, program: str, env: Mapping[str, str], arguments: Sequence[str], result: str) -> None:
        """Run a program to its end, then report its result. Raises StackFailed when it fails."""
        self.start(program, arguments, env)
        handle, popen = next((h, p) for h, p in self.children.items() if h.name == program)
        while popen.poll() is None:
            self.check_children()
            time.sleep(0.1)
        if popen.returncode:
            self.check_children()
        del self.children[handle]
        self.report(result)

    def bring_up(self, simulated: province.Simulation | None) -> None:
        """Start everything and wait until Airflow is healthy and has parsed the Dags."""
        home = self.settings.home
        if simulated:
            self.start("province", simulated.command(home), self.settings.environment)
            self.save(has_province=True)
        env = airflow_environment.airflow(self.settings, self.stack.airflow_port, {})
        self.report("PostgreSQL answers")
        self.run_to_end(
            "init",
            env,
            [str(Path(sys.executable).with_name("lgsp")), "init"],
            "the database has its schemas, roles and reference data",
        )
        self.run_to_end(
            "migrate",
            env,
            [sys.executable, "-m", "airflow", "db", "migrate"],
            "Airflow's metadata database is migrated",
        )
        if simulated:
            self.wait("the simulated systems answer", lambda: province.is_ready(home))
            env.update(province.connections(home) | province.call_limits(home))
            # What maintains and reports a dataset waits until the demo has published one.
            env["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] = "True"
        for name, arguments in PROGRAMS.items():
            self.start(name, [sys.executable, *arguments], env)
        self.start(
            API,
            [str(Path(sys.executable).with_name("lgsp")), "serve", "--port", str(self.stack.api_port)],
            self.api_environment(),
        )
        self.wait_for_airflow()
        self.wait("the read API answers", lambda: is_listening(self.stack.api_port))

    def api_environment(self) -> dict[str, str]:
        """The environment of the read API. It listens on loopback, so it needs no certificate."""
        given = self.settings.environment
        kept = {
            name: value for name, value in given.items() if name not in ("LGSP_SERVE_CERTIFICATE", "LGSP_SERVE_KEY")
        }
        return {**kept, "LGSP_HOME": str(self.settings.home), "PYTHONUNBUFFERED": "1"}

    def wait_for_airflow(self) -> None:
        """Wait until the components are healthy, create the pools, wait for the Dags, unpause those that ingest and publish."""
        airflow = client(self.settings, self.stack)

        def is_healthy() -> bool:
            health = airflow.health()
            return all(health.get(component) == "healthy" for component in COMPONENTS)

        def has_dags() -> bool:
            for file, trace in airflow.import_errors().items():
                raise StackFailed(f"the Dag file {file} cannot be imported:\n{trace}")
            return expected_dags() <= airflow.dags().keys()

        self.wait("Airflow is healthy", is_healthy)
        for name, slots in airflow_environment.pools().items():
            airflow.create_pool(name, slots)
        self.wait("Airflow has parsed the Dags", has_dags)
        if self.stack.has_province:
            for dag_id in expected_dags():
                airflow.unpause(dag_id)

    def supervise(self, simulated: province.Simulation | None) -> int:
        """Start the stack and watch it until it ends; returns the exit code."""
        try:
            self.bring_up(simulated)
            self.save(phase=stack.READY)
            while True:
                self.check_children()
                time.sleep(1)
        except StopRequested:
            self.close(stack.STOPPED, "")
            return 0
        except LgspError as error:
            self.close(stack.FAILED, str(error))
            click.echo(f"The stack is down: {error}", err=True)
            return 1
        finally:
            terminate(self.children)

    def close(self, phase: str, reason: str) -> None:
        """End every child, then save the phase and the reason."""
        terminate(self.children)
        self.children.clear()
        self.save(phase=phase, reason=reason)


def expected_dags() -> set[str]:
    """The Dags that must exist before the stack can be used."""
    return {
        *(f"ingest_{source}" for source in sources.names()),
        "publish_shared_dataset",
        "rebuild_from_landing",
    }


def client(settings: Settings, running: Stack) -> Airflow:
    """A client of Airflow's API with the administrator's password."""
    return Airflow(running.airflow_url, "admin", airflow_environment.passwords(settings)["admin"])


@click.command()
@click.option("--province", "size", help="Also run the simulated province with this size.")
@click.option("--days", type=int, default=90, show_default=True, help="Days of history of the simulated province.")
def main(size: str | None, days: int) -> None:
    """Start the stack of LGSP_HOME and watch it."""
    supervisor = Supervisor(Settings.from_env())
    signal.signal(signal.SIGTERM, supervisor.request_stop)
    signal.signal(signal.SIGINT, supervisor.request_stop)
    sys.exit(supervisor.supervise(province.Simulation(size, days) if size else None))


if __name__ == "__main__":
    main()
