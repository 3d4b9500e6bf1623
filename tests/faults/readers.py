"""Readers under load: many processes read without pause while snapshots are published as fast as they can be.

    python -m tests.faults.readers --seconds 60 --readers 8

Every read must equal exactly one published snapshot, and no reader may see an older one than before; nobody may wait
for a lock. What publications cost readers is told beside what any other busy process costs them, as they share the
cores; what an idle transaction costs publications, beside those without one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psycopg

from lgsp import publish, store
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp_province import World, serving
from tests.faults import changing, reading
from tests.faults.reading import KINDS, Judged, Published, Read, Seen
from tests.integration.conftest import FIRST, MIDNIGHT, WHOLE, Installation

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.reading", "tests.faults.changing", "lgsp.publish"])
PHASES = ("nothing published", "beside a busy process", "beside publications", "… and an idle transaction")
QUIET, SPINNING, PUBLISHING, HOLDING = range(len(PHASES))
SAMPLED_EVERY, FEWEST, PATIENCE_SECONDS = 0.02, 2, 180.0

# The seconds that each publication of a phase took up to now; None where nothing is published.
SoFar = Callable[[], list[float] | None]

# Whoever waits for a lock while a reader waits, or holds it.
WAITING = """
select count(*) from pg_stat_activity w
where w.datname = current_database() and w.wait_event_type = 'Lock' and (w.application_name = %(reader)s or exists (
    select from pg_stat_activity b where b.pid = any(pg_blocking_pids(w.pid)) and b.application_name = %(reader)s))
"""


@dataclass
class Report:
    """What was read, published and waited for."""

    reads: dict[str, list[Read]] = field(default_factory=dict)
    judged: Judged = field(default_factory=Judged)
    publications: dict[int, list[float]] = field(default_factory=dict)
    samples: int = 0
    waits: int = 0

    @property
    def is_good(self) -> bool:
        """Whether nobody saw what was never published, went back in time, or waited."""
        return not (self.judged.torn or self.judged.back or self.waits)

    def milliseconds(self, kind: str, phase: int) -> tuple[int, float, float]:
        """How many reads of a kind there were in a phase; half, and all but one in a hundred, took no longer."""
        took = sorted(read.seconds * 1000 for read in self.reads[kind] if read.phase == phase)
        if not took:
            return 0, 0.0, 0.0
        return len(took), statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.99))]

    def publication(self, phase: int) -> tuple[int, float]:
        """How many publications there were in a phase, and the seconds that half of them took at most."""
        took = self.publications[phase]
        return len(took), statistics.median(took) if took else 0.0


def run(settings: Settings, seconds: float, readers: int, size: int = 200, rounds: int = 1) -> Report:
    """Read and publish on a published installation, with so many readers in all.

    Each phase lasts so many seconds, cut into rounds so that a machine that is busy with other things slows all phases
    alike; those that publish last until two publications were measured.
    """
    report, url = Report(), store.url(settings)
    phase, ready, out = PROCESSES.Value("i", reading.BETWEEN), PROCESSES.Semaphore(0), PROCESSES.Queue()
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(readers)]
    workers = [
        PROCESSES.Process(target=reading.work, args=(kind, url, settings.shared, phase, ready, out), daemon=True)
        for kind in kinds
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert ready.acquire(timeout=PATIENCE_SECONDS), "a reader does not come to read"
    idle: list[Read] = []
    for now, beside in [*enumerate((_nothing, _spinning, _publishing, _publishing))] * rounds:
        with _holding(url, now == HOLDING) as held, beside(settings, size) as so_far:
            phase.value = now
            _sample(url, seconds / rounds, report, so_far)
            phase.value = reading.BETWEEN
            idle += held()
        report.publications.setdefault(now, []).extend(so_far() or [])
    phase.value = reading.STOP
    published = _published(settings)
    report.judged.add("an idle transaction", idle, published)
    for _ in workers:
        kind, reads = out.get(timeout=PATIENCE_SECONDS)
        _add(report, kind, reads, published)
    return report


def _add(report: Report, kind: str, reads: list[Read] | str, published: Published) -> None:
    if isinstance(reads, str):
        raise click.ClickException(f"a reader failed, {kind}:\n{reads}")
    report.judged.add(kind, reads, published)
    report.reads.setdefault(kind, []).extend(reads)


def _published(settings: Settings) -> Published:
    told: dict[int, dict[str, reading.Sums]] = {}
    with store.connect(settings) as connection:
        for row in connection.execute("select snapshot_id as s, table_name as t, row_count as n, content_hash::text as h from ledger.publication_table").fetchall():  # fmt: skip
            told.setdefault(int(str(row["s"])), {})[str(row["t"])] = (int(str(row["n"])), int(str(row["h"])))
    return told


def _sample(url: str, seconds: float, report: Report, so_far: SoFar) -> None:
    """Let the time pass, looking all the while whether a reader waits for somebody, or somebody for a reader."""
    begun = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < begun + seconds or _lacks(so_far(), begun):
            row = connection.execute(WAITING, {"reader": reading.NAME}).fetchone()
            assert row is not None
            report.samples, report.waits = report.samples + 1, report.waits + int(row[0])
            time.sleep(SAMPLED_EVERY)


def _lacks(took: list[float] | None, begun: float) -> bool:
    return took is not None and len(took) < FEWEST and time.monotonic() < begun + PATIENCE_SECONDS


@contextmanager
def _holding(url: str, is_wanted: bool) -> Iterator[Callable[[], list[Read]]]:
    """A reader that reads, stays idle in its transaction, and reads again when asked: it must see the same."""
    if not is_wanted:
        yield list
        return
    with reading.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            first = reading.whole(connection)

            def again() -> list[Read]:
                seen = reading.whole(connection)
                return [Read(HOLDING, 0.0, told) for told in (first, Seen(seen.tables, first.snapshot_id))]

            yield again


@contextmanager
def _nothing(settings: Settings, size: int) -> Iterator[SoFar]:
    yield lambda: None


@contextmanager
def _spinning(settings: Settings, size: int) -> Iterator[SoFar]:
    """One process that does nothing but take its share of the cores, as a publisher does."""
    spinner = PROCESSES.Process(target=_spin, daemon=True)
    spinner.start()
    yield lambda: None
    spinner.kill()
    spinner.join()


def _spin() -> None:
    while True:
        pass


@contextmanager
def _publishing(settings: Settings, size: int) -> Iterator[SoFar]:
    """One publication after the other, each of two batches that nobody has seen yet; the seconds each has taken."""
    stop, out = PROCESSES.Event(), PROCESSES.Queue()
    took: list[float] = []

    def so_far() -> list[float]:
        while not out.empty():
            took.append(out.get())
        return took

    publisher = PROCESSES.Process(target=_publish, args=(settings, size, stop, out), daemon=True)
    publisher.start()
    out.get(timeout=PATIENCE_SECONDS)  # the first is not measured: its imports are not what a publication costs
    yield so_far
    stop.set()
    publisher.join(PATIENCE_SECONDS)
    so_far()


def _publish(settings: Settings, size: int, stop: Any, out: Any) -> None:
    while not stop.is_set():
        changing.batches(settings, size)
        begun = time.monotonic()
        assert publish.run(settings) is not None
        out.put(time.monotonic() - begun)


def lines(report: Report) -> Iterator[str]:
    """The report as text."""
    yield f"{'':<24}{'':<27}{'reads':>7}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}{'p99 ratio':>11}"
    for kind in sorted(report.reads, key=list(KINDS).index):
        _, *quiet = report.milliseconds(kind, QUIET)
        for phase, name in enumerate(PHASES):
            count, *took = report.milliseconds(kind, phase)
            ratios = "".join(f"{now / before:>11.2f}" for now, before in zip(took, quiet, strict=True) if before)
            yield f"{'' if phase else kind:<24}{name:<27}{count:>7,}{took[0]:>9.1f}{took[1]:>9.1f}{ratios}"
    (alone, seconds), (held, seconds_held) = report.publication(PUBLISHING), report.publication(HOLDING)
    yield f"publications: {alone} of {seconds:.2f} s; beside an idle transaction {held} of {seconds_held:.2f} s, ratio {seconds_held / seconds if seconds else 0:.2f}"
    yield f"waits for a lock with a reader in them: {report.waits} in {report.samples:,} samples"
    judged = report.judged
    yield f"snapshots seen: {len(judged.snapshots)}; files loudly gone, plain path: {judged.gone}; torn reads: {len(judged.torn)}; reads back in time: {len(judged.back)}"
    yield from (judged.torn + judged.back)[:10]


@contextmanager
def installation(dossiers: int) -> Iterator[Settings]:
    """A published installation with a server of its own, as durable as a real one."""
    home = Path(tempfile.mkdtemp(prefix="lgsp-readers-"))
    world = World.generate("tiny", 7, FIRST, WHOLE.days()[-1], dossiers_count=dossiers, documents_count=60)
    try:
        with serving(world, as_of=MIDNIGHT) as connections:
            told = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(told) for source, told in connections.items()}
            made = Installation(Settings.from_env({**told, "LGSP_HOME": str(home), "LGSP_TOKEN_KEY": "only-for-tests"}))
            made.run_all()
            made.publish()
        yield made.settings
    finally:
        Server(home).stop()
        shutil.rmtree(home)


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Of each of the four phases, in all.")
@click.option("--readers", default=8, show_default=True)
@click.option("--dossiers", default=2000, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Every phase comes so often.")
@click.option("--changes", default=200, show_default=True, help="Records of each source that a publication changes.")
def main(seconds: float, readers: int, dossiers: int, rounds: int, changes: int) -> None:
    """Read from many processes while publishing; exit 1 on a torn read, one back in time, or a wait for a lock."""
    with installation(dossiers) as settings:
        click.echo(f"{os.cpu_count()} cores, load before it began {os.getloadavg()[0]:.1f}")
        report = run(settings, seconds, readers, changes, rounds)
    for line in lines(report):
        click.echo(line)
    if not report.is_good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
