"""Measure the harmonise stage alone: dossiers per second and core, and the time of each part.

    make bench-harmonise                    100,000 dossiers
    make bench-harmonise DOSSIERS=1000000   a year of a province

Times are CPU seconds on one thread; the landed pages are the same for every measured part.
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
# The timed functions: each without the time of the timed functions that it calls.
PARTS: tuple[tuple[Any, str, str], ...] = (
    (duckdb_functions, "load", "vocabulary"),
    (parse_pages, "_insert_records", "unpack, split into records, hash"),
    (parse_pages, "_find_drift", "check every field name"),
    (parse_pages, "_repair_texts", "repair distinct texts"),
    (parse_pages, "read", "extract and repair fields"),
    (context.HarmoniseContext, "stage_organisations", "agencies"),
    (context.HarmoniseContext, "_match", "match spellings of agencies"),
    (context.HarmoniseContext, "_applicant_places", "locate applicants"),
    (context.HarmoniseContext, "stage", "write harmonised records"),
)


class Parts:
    """CPU seconds of each part, without its inner parts."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; its time is added under this name."""

        def measured(*arguments: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            started = time.process_time()
            try:
                return work(*arguments, **options)
            finally:
                seconds = time.process_time() - started
                self.seconds[name] += seconds - self._inner.pop()
                if self._inner:
                    self._inner[-1] += seconds

        return measured


@contextmanager
def _one_thread(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The DuckDB of the harmonise stage on one thread."""
    with context.duck(settings) as connection:
        connection.execute("set threads = 1")
        yield connection


def measure(settings: Settings) -> None:
    """Land both dossier sources, harmonise them, and print the times."""
    ids = {source: land.run(settings, source, YEAR) for source in SOURCES}
    parts = Parts()
    for owner, name, label in PARTS:
        setattr(owner, name, parts.timed(label, getattr(owner, name)))
    stage.duck = _one_thread  # type: ignore[attr-defined]
    for source in SOURCES:
        parts.seconds.clear()
        started = time.process_time()
        harmonise.run(settings, ids[source])
        seconds = time.process_time() - started
        with store.connect(settings) as connection:
            count = sum(ledger.batch(connection, batch_id).counts["fetched_count"] for batch_id in ids[source])
        click.echo(
            f"{source}: {count:,} dossiers in {len(ids[source])} batches, {count / seconds:,.0f} a second and core"
        )
        parts.seconds["other"] = seconds - sum(parts.seconds.values())
        for name, part_seconds in sorted(parts.seconds.items(), key=lambda part: -part[1]):
            click.echo(
                f"  {part_seconds / count * 1e6:>6.1f} µs a dossier {100 * part_seconds / seconds:>4.0f} %  {name}"
            )


@click.command()
@click.option("--dossiers", default=100_000, show_default=True)
def main(dossiers: int) -> None:
    """Measure with a simulated province started for this run."""
    with serving(dossiers, documents=100) as environment:
        measure(Settings.from_env(environment))


if __name__ == "__main__":
    main()
