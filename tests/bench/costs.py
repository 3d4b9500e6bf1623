"""Measure what the ordinary work of a province costs, in CPU seconds of Python and of PostgreSQL.

    python -m tests.bench.costs                     a year of 30,000 dossiers, a Sunday, and a backfill of ten days
    python -m tests.bench.costs --dossiers 100000

Every stage of every batch runs in a process forked from one that has imported everything, as Airflow's tasks do. CPU
seconds depend on the machine: compare two versions on the same one.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import click
import psycopg

from lgsp import check, harmonise, land, publish, store
from lgsp.local import preloaded_scheduler
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.window import Window
from tests.bench import cpu
from tests.bench.throughput import serving

FIRST, SATURDAY = date(2025, 11, 1), date(2026, 10, 17)
SUNDAY, BACKFILLED_DAYS = SATURDAY + timedelta(days=1), 10
HISTORY_BYTES = "select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'history' and relkind = 'r'"


@dataclass
class Cost:
    """The cost of one step: CPU seconds of Python and of PostgreSQL, elapsed seconds, requests, and changed rows by table."""

    python: float = 0.0
    postgresql: float = 0.0
    elapsed: float = 0.0
    requests: int = 0
    history_bytes: int = 0
    rows: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def measured(self, settings: Settings) -> Iterator[None]:
        """Add the cost of the block, and of the processes that it forks and waits for."""
        postmaster = cpu.postmaster(settings.home)
        server, started, own = cpu.server_seconds(postmaster), time.monotonic(), os.times()
        with psycopg.connect(store.url(settings)) as connection:
            calls, size = _numbers(connection)
        yield
        used = os.times()
        self.python += sum(used[:4]) - sum(own[:4])
        self.elapsed += time.monotonic() - started
        self.postgresql += cpu.server_seconds(postmaster) - server
        with psycopg.connect(store.url(settings)) as connection:
            calls_now, size_now = _numbers(connection)
        self.requests += calls_now - calls
        self.history_bytes += size_now - size

    def __str__(self) -> str:
        rows = sum(self.rows.values())
        return (
            f"{self.python + self.postgresql:>8.2f} CPU s ({self.python:.2f} Python, {self.postgresql:.2f} PostgreSQL) {self.elapsed:>8.2f} s"
            + (f"  {self.requests:,} requests" if self.requests else "")
            + (f"  {rows:,} rows, {self.history_bytes / 2**20:,.1f} MB of history" if self.rows else "")
        )


def _numbers(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """The number of requests so far, and the bytes of all history tables."""
    calls, size = (
        connection.execute(f"select ({statement})").fetchone()  # type: ignore[call-overload]
        for statement in ("select count(*) from ledger.source_call", HISTORY_BYTES)
    )
    return int(calls[0]), int(size[0])


def _in_task(work: Callable[[], Any]) -> Any:
    """Run work in a forked process, as Airflow runs a task; its result, which must be JSON."""
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        code = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as file:
        answer = file.read()
    if os.waitpid(pid, 0)[1]:
        raise click.ClickException("a task failed")
    return json.loads(answer)


def _ingest(settings: Settings, source: str, window: Window, costs: dict[str, Cost]) -> None:
    """Land, harmonise and check one window of a source, each stage in a task of its own."""
    with costs.setdefault("land", Cost()).measured(settings):
        ids = _in_task(lambda: land.run(settings, source, window))
    with costs.setdefault("harmonise", Cost()).measured(settings):
        ids = _in_task(lambda: harmonise.run(settings, ids))
    with costs.setdefault("check", Cost()).measured(settings):
        _in_task(lambda: check.run(settings, ids))


def _publish(settings: Settings) -> Cost:
    cost = Cost()

    def work() -> dict[str, int]:
        publication = publish.run(settings)
        return publication.rows if publication else {}

    with cost.measured(settings):
        cost.rows = {name: rows for name, rows in _in_task(work).items() if rows}
    return cost


def _report(name: str, cost: Cost, is_detailed: bool = False) -> None:
    click.echo(f"{name:<44}{cost}")
    if is_detailed:
        click.echo(f"{'':<8}{cost.rows}")


@click.command()
@click.option("--dossiers", default=30_000, show_default=True)
@click.option("--documents", default=2_000, show_default=True)
def main(dossiers: int, documents: int) -> None:
    """Measure a first publication of a year, a quiet day, and a backfill."""
    preloaded_scheduler.preload()
    logging.disable(logging.WARNING)
    with serving(dossiers, documents, defects="all") as environment:
        settings = Settings.from_env(environment)
        click.echo(f"{dossiers:,} dossiers from {FIRST} to {SATURDAY}")
        costs: dict[str, Cost] = {}
        for source in sources.names():
            _ingest(settings, source, Window.of_days(FIRST, SATURDAY), costs)
        for stage, cost in costs.items():
            _report(f"a year: {stage}", cost)
        _report("a year: first publication", _publish(settings))
        for source in sources.names():
            costs = {}
            _ingest(settings, source, Window.of_days(SUNDAY, SUNDAY), costs)
            for stage, cost in costs.items():
                _report(f"a Sunday of {source}: {stage}", cost)
        _report("a Sunday: publication", _publish(settings), is_detailed=True)
        costs = {}
        for number in range(1, BACKFILLED_DAYS + 1):
            for source in sources.names():
                _ingest(settings, source, Window.of_days(SUNDAY + timedelta(number), SUNDAY + timedelta(number)), costs)
        for stage, cost in costs.items():
            _report(f"{BACKFILLED_DAYS} days, one by one: {stage}", cost)
        _report(f"{BACKFILLED_DAYS} days, one by one: publication", _publish(settings), is_detailed=True)


if __name__ == "__main__":
    sys.exit(main())
