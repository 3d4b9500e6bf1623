"""Harmonising alone: dossiers per second and core, and where the time goes.

    make bench-harmonise                    100,000 dossiers
    make bench-harmonise DOSSIERS=1000000   a year of a province

Seconds are those of the processor, on one thread; what is landed stays the same for every part that is measured.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import duckdb

from lgsp import harmonise, land, store
from lgsp.harmonise import context, duckdb_functions, parse_pages, stage
from lgsp.settings import Settings
from lgsp.store import ledger
from tests.bench.throughput import YEAR, serving

SOURCES = ("one_stop_shop", "online_services")
# What is timed: each part without those that it calls.
PARTS: tuple[tuple[Any, str, str], ...] = (
    (duckdb_functions, "load", "vocabulary"),
    (parse_pages, "_explode", "unpack, cut into records, hash"),
    (parse_pages, "_audit", "look at every field name"),
    (parse_pages, "_read_words", "treat distinct texts"),
    (parse_pages, "read", "take out and treat fields"),
    (context.Workbench, "organisations", "agencies"),
    (context.Workbench, "_match", "match spellings of agencies"),
    (context.Workbench, "_applicant_places", "place applicants"),
    (context.Workbench, "stage", "records in one language, written"),
)


class Parts:
    """Processor seconds of each part, its inner parts left out."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, booked under a name."""

        def measured(*given: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            begun = time.process_time()
            try:
                return work(*given, **named)
            finally:
                took = time.process_time() - begun
                self.seconds[name] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return measured


@contextmanager
def _one_thread(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The workbench's DuckDB on one thread."""
    with context.duck(settings) as connection:
        connection.execute("set threads = 1")
        yield connection


def measure(settings: Settings) -> None:
    """Land both dossier systems, harmonise what was landed, tell what it took."""
    ids = {source: land.run(settings, source, YEAR) for source in SOURCES}
    parts = Parts()
    for holder, name, told in PARTS:
        setattr(holder, name, parts.timed(told, getattr(holder, name)))
    stage.duck = _one_thread  # type: ignore[attr-defined]
    for source in SOURCES:
        parts.seconds.clear()
        begun = time.process_time()
        harmonise.run(settings, ids[source])
        seconds = time.process_time() - begun
        with store.connect(settings) as connection:
            count = sum(ledger.batch(connection, batch_id).counts["fetched_count"] for batch_id in ids[source])
        click.echo(
            f"{source}: {count:,} dossiers in {len(ids[source])} batches, {count / seconds:,.0f} a second and core"
        )
        parts.seconds["the rest"] = seconds - sum(parts.seconds.values())
        for name, took in sorted(parts.seconds.items(), key=lambda part: -part[1]):
            click.echo(f"  {took / count * 1e6:>6.1f} µs a dossier {100 * took / seconds:>4.0f} %  {name}")


@click.command()
@click.option("--dossiers", default=100_000, show_default=True)
def main(dossiers: int) -> None:
    """Measure against a province of its own."""
    with serving(dossiers, documents=100) as environment:
        measure(Settings.from_env(environment))


if __name__ == "__main__":
    main()
