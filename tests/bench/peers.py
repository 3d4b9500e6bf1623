"""Measure the pipeline against dlt: CPU seconds from the same three servers into PostgreSQL and Parquet, in one run.

    make bench-peers                    100,000 dossiers
    make bench-peers DOSSIERS=30000

Each side runs in its own process with an empty store, after its libraries are loaded. CPU seconds are those of its
Python processes and of its PostgreSQL server, until everything is written to disk. Quote ratios: seconds depend on the
machine. What the sides guarantee differs: docs/performance.md.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median

import click
import psycopg

from lgsp import store
from lgsp.local import preloaded_scheduler
from lgsp.settings import Settings
from lgsp.window import Window
from tests.bench import cpu, throughput

ROOT = Path(__file__).resolve().parents[2]
# The environment of both forms of dlt. Where Airflow is installed, dlt looks for each of its settings in Airflow's
# variables, which costs seconds.
DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
}


@dataclass
class Cost:
    """What one side needed: CPU seconds of Python and of PostgreSQL, elapsed seconds, and its largest memory in MB."""

    records: int = 0
    python: float = 0.0
    postgresql: float = 0.0
    elapsed: float = 0.0
    peak_megabytes: int = 0

    @property
    def seconds(self) -> float:
        """All CPU seconds."""
        return self.python + self.postgresql

    @contextmanager
    def measured(self, settings: Settings) -> Iterator[None]:
        """Add the cost of the block and of the child processes that it waits for."""
        _checkpoint(settings)
        postmaster = cpu.postmaster(settings.home)
        server, started, own = cpu.server_seconds(postmaster), time.monotonic(), os.times()
        yield
        _checkpoint(settings)
        used = os.times()
        self.python += sum(used[:4]) - sum(own[:4])
        self.elapsed += time.monotonic() - started
        self.postgresql += cpu.server_seconds(postmaster) - server
        self.peak_megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _checkpoint(settings: Settings) -> None:
    """Write all changed pages to disk, so that each side is charged for its own."""
    with psycopg.connect(store.url(settings), autocommit=True) as connection:
        connection.execute("checkpoint")


def _floor(settings: Settings, window: Window) -> int:
    return int(throughput.floor(settings, window)["records"])


def _lgsp(settings: Settings, window: Window) -> int:
    return int(throughput.pipeline(settings, window)["records"])


def _dlt(settings: Settings, window: Window) -> int:
    from tests.bench import dlt_pipelines, dlt_province

    rows = dlt_pipelines.to_both(settings, window)
    return sum(rows[name] for name in dlt_province.RECORDS)


def _dlt_default(settings: Settings, window: Window) -> int:
    from tests.bench import dlt_pipelines, dlt_province

    rows = dlt_pipelines.to_postgresql(settings, window)
    return sum(rows[name] for name in dlt_province.RECORDS)


@dataclass(frozen=True)
class Side:
    """One way to load the sources: the function that does it returns how many records it read."""

    load: Callable[[Settings, Window], int]
    preload: Callable[[], None]
    title: str


def _preload_nothing() -> None:
    """The floor needs only what this module imports."""


def _preload_dlt() -> None:
    import adbc_driver_manager.dbapi
    import dlt.destinations.impl.filesystem.filesystem
    import dlt.destinations.impl.postgres.postgres

    from tests.bench import dlt_pipelines

    assert adbc_driver_manager and dlt and dlt_pipelines


SIDES: Mapping[str, Side] = {
    "floor": Side(_floor, _preload_nothing, "plain loop: download, parse, COPY into one table"),
    "lgsp": Side(_lgsp, preloaded_scheduler.preload, "land, harmonise, check, publish"),
    "dlt": Side(_dlt, _preload_dlt, "dlt with Arrow tables to Parquet and PostgreSQL"),
    "dlt-default": Side(_dlt_default, _preload_dlt, "dlt with dictionaries to PostgreSQL"),
}


@click.group()
def main() -> None:
    """Measure the pipeline and dlt from the same servers."""


@main.command()
@click.argument("side", type=click.Choice(list(SIDES)))
@click.option("--from", "first", default=str(throughput.YEAR.days()[0]), show_default=True)
@click.option("--to", "last", default=str(throughput.YEAR.days()[-1]), show_default=True, help="the last day, included")
def one(side: str, first: str, last: str) -> None:
    """Measure one side with the sources and the store of the environment, and print its cost as JSON."""
    logging.disable(logging.WARNING)
    settings, chosen, cost = Settings.from_env(), SIDES[side], Cost()
    chosen.preload()
    with cost.measured(settings):
        cost.records = chosen.load(settings, Window.of_days(date.fromisoformat(first), date.fromisoformat(last)))
    click.echo(json.dumps(asdict(cost)))


@main.command("run")
@click.option("--dossiers", default=100_000, show_default=True)
@click.option("--documents", default=2_000, show_default=True)
@click.option("--times", default=1, show_default=True, help="Measure every side so often, in rotation; medians count.")
def compare(dossiers: int, documents: int, times: int) -> None:
    """Measure all sides one after the other with the same simulated province, and print the ratios."""
    costs: dict[str, list[Cost]] = {name: [] for name in SIDES}
    with throughput.province(dossiers, documents) as connections:
        for _ in range(times):
            for name, measured in costs.items():
                with throughput.store_of(connections) as environment:
                    measured.append(measure(name, environment))
    for line in report(costs):
        click.echo(line)


def measure(side: str, environment: Mapping[str, str], *options: str) -> Cost:
    """The cost of one side in a process of its own. Raises ClickException when it fails."""
    completed = subprocess.run(
        [sys.executable, "-m", "tests.bench.peers", "one", side, *options],
        env={**environment, **DLT_SETTINGS, "DLT_DATA_DIR": environment["LGSP_HOME"]},
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    if completed.returncode:
        raise click.ClickException(f"{side} failed:\n{completed.stderr[-2000:]}")
    return Cost(**json.loads(completed.stdout.splitlines()[-1]))


def report(costs: Mapping[str, list[Cost]]) -> Iterator[str]:
    """Lines with the median cost of each side and its ratio to that of the pipeline."""
    medians = {name: median(cost.seconds for cost in measured) for name, measured in costs.items()}
    for name, measured in costs.items():
        typical = min(measured, key=lambda cost: abs(cost.seconds - medians[name]))
        yield (
            f"{name:<12}{typical.records:>10,} records {medians[name]:>9.1f} CPU s ({typical.python:.1f} Python, {typical.postgresql:.1f} PostgreSQL) "
            f"{typical.elapsed:>8.1f} s   peak {typical.peak_megabytes:,} MB   lgsp / {name}: {medians['lgsp'] / medians[name]:.2f}   {SIDES[name].title}"
        )


if __name__ == "__main__":
    main()
