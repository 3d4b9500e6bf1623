"""Readers under load: many processes read without pause while snapshots are published one after the other.

    python -m tests.faults.readers --seconds 60 --readers 8

Every read must equal exactly one published snapshot that is not older than the reader's last one, and no process may wait
for a lock together with a reader. The report compares read times during publications with read times during any other
busy process, because they share the cores, and publication times with and without an idle transaction of a reader.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
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
from tests.faults.reading import KINDS, Judgement, Published, Read, Seen
from tests.integration.conftest import FIRST, MIDNIGHT, WHOLE, Installation

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.reading", "tests.faults.changing", "lgsp.publish"])
PHASES = ("nothing published", "with a busy process", "with publications", "… and an idle transaction")
QUIET, SPINNING, PUBLISHING, HOLDING = range(len(PHASES))
SAMPLE_SECONDS, LEAST_PUBLICATIONS, TIMEOUT_SECONDS = 0.02, 2, 180.0

# Returns the seconds of each publication of a phase so far; None in a phase without publications.
SoFar = Callable[[], list[float] | None]

# The processes that wait for a lock and are readers, or are blocked by a reader.
WAITING = """
select count(*) from pg_stat_activity w
where w.datname = current_database() and w.wait_event_type = 'Lock' and (w.application_name = %(reader)s or exists (
    select from pg_stat_activity b where b.pid = any(pg_blocking_pids(w.pid)) and b.application_name = %(reader)s))
"""


@dataclass
class Report:
    """The reads, publications and waits of a measurement."""

    reads: dict[str, list[Read]] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=Judgement)
    publications: dict[int, list[float]] = field(default_factory=dict)
    samples: int = 0
    waits: int = 0

    @property
    def is_good(self) -> bool:
        """Whether every read was a published snapshot, no reader went back in time, and no process waited."""
        return not (self.judgement.torn or self.judgement.backward or self.waits)

    def milliseconds(self, kind: str, phase: int) -> tuple[int, float, float]:
        """The number of reads of a kind in a phase, and the median and 99th percentile of their milliseconds."""
        times = sorted(read.seconds * 1000 for read in self.reads[kind] if read.phase == phase)
        if not times:
            return 0, 0.0, 0.0
        return len(times), statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.99))]

    def publication(self, phase: int) -> tuple[int, float]:
        """The number of publications in a phase, and the median of their seconds."""
        seconds = self.publications[phase]
        return len(seconds), statistics.median(seconds) if seconds else 0.0


def measure(
    settings: Settings,
    seconds: float,
    readers: int,
    size: int = 200,
    rounds: int = 1,
    pause: float = 0.05,
    phases: Sequence[int] = (QUIET, SPINNING, PUBLISHING, HOLDING),
) -> Report:
    """Read and publish on a published installation, with `readers` processes in total.

    Each phase lasts `seconds`, divided into rounds so that other load on the machine affects all phases equally. A phase
    with publications lasts until two of them are measured. `size` is the number of records of each source that a
    publication changes. Each reader waits `pause` seconds after a read.
    """
    report, url = Report(), store.url(settings)
    phase, ready, out = PROCESSES.Value("i", reading.BETWEEN), PROCESSES.Semaphore(0), PROCESSES.Queue()
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(readers)]
    workers = [
        PROCESSES.Process(
            target=reading.read_until_stopped, args=(kind, url, settings.shared, phase, ready, out, pause), daemon=True
        )
        for kind in kinds
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert ready.acquire(timeout=TIMEOUT_SECONDS), "a reader is not ready"
    idle: list[Read] = []
    loads = (_nothing, _spinning, _publishing, _publishing)
    for now in [*phases] * rounds:
        with _holding(url, now == HOLDING) as reread, loads[now](settings, size) as so_far:
            phase.value = now
            _sample(url, seconds / rounds, report, so_far)
            phase.value = reading.BETWEEN
            idle += reread()
        report.publications.setdefault(now, []).extend(so_far() or [])
    phase.value = reading.STOP
    published = _published(settings)
    report.judgement.add("an idle transaction", idle, published)
    for _ in workers:
        kind, reads = out.get(timeout=TIMEOUT_SECONDS)
        _add(report, kind, reads, published)
    return report


def _add(report: Report, kind: str, reads: list[Read] | str, published: Published) -> None:
    if isinstance(reads, str):
        raise click.ClickException(f"a reader failed, {kind}:\n{reads}")
    report.judgement.add(kind, reads, published)
    report.reads.setdefault(kind, []).extend(reads)


def _published(settings: Settings) -> Published:
    published: dict[int, dict[str, reading.Sums]] = {}
    with store.connect(settings) as connection:
        for row in connection.execute("select snapshot_id as s, table_name as t, row_count as n, content_hash::text as h from ledger.publication_table").fetchall():  # fmt: skip
            published.setdefault(int(str(row["s"])), {})[str(row["t"])] = (int(str(row["n"])), int(str(row["h"])))
    return published


def _sample(url: str, seconds: float, report: Report, so_far: SoFar) -> None:
    """For `seconds` and until enough publications are measured, count the waits for locks with a reader in them."""
    started = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < started + seconds or _needs_more(so_far(), started):
            row = connection.execute(WAITING, {"reader": reading.NAME}).fetchone()
            assert row is not None
            report.samples, report.waits = report.samples + 1, report.waits + int(row[0])
            time.sleep(SAMPLE_SECONDS)


def _needs_more(publications: list[float] | None, started: float) -> bool:
    is_late = time.monotonic() > started + TIMEOUT_SECONDS
    return publications is not None and len(publications) < LEAST_PUBLICATIONS and not is_late


@contextmanager
def _holding(url: str, is_wanted: bool) -> Iterator[Callable[[], list[Read]]]:
    """A reader that reads, stays idle in its transaction, and reads again when called: it must see the same snapshot."""
    if not is_wanted:
        yield list
        return
    with reading.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            first = reading.read_all(connection)

            def again() -> list[Read]:
                second = reading.read_all(connection)
                return [Read(HOLDING, 0.0, seen) for seen in (first, Seen(second.tables, first.snapshot_id))]

            yield again


@contextmanager
def _nothing(settings: Settings, size: int) -> Iterator[SoFar]:
    yield lambda: None


@contextmanager
def _spinning(settings: Settings, size: int) -> Iterator[SoFar]:
    """One process in an endless loop: it takes its share of the cores, as a publisher does."""
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
    """One publication after the other, each of two new batches; the seconds each took."""
    stop, out = PROCESSES.Event(), PROCESSES.Queue()
    seconds: list[float] = []

    def so_far() -> list[float]:
        while not out.empty():
            seconds.append(out.get())
        return seconds

    publisher = PROCESSES.Process(target=_publish, args=(settings, size, stop, out), daemon=True)
    publisher.start()
    out.get(timeout=TIMEOUT_SECONDS)  # the first is not measured: it includes the imports
    yield so_far
    stop.set()
    publisher.join(TIMEOUT_SECONDS)
    so_far()


def _publish(settings: Settings, size: int, stop: Any, out: Any) -> None:
    while not stop.is_set():
        changing.batches(settings, size)
        started = time.monotonic()
        assert publish.run(settings) is not None
        out.put(time.monotonic() - started)


def lines(report: Report) -> Iterator[str]:
    """The lines of the report."""
    yield f"{'':<24}{'':<27}{'reads':>7}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}{'p99 ratio':>11}"
    for kind in sorted(report.reads, key=list(KINDS).index):
        _, *quiet = report.milliseconds(kind, QUIET)
        for phase, name in enumerate(PHASES):
            count, *times = report.milliseconds(kind, phase)
            ratios = "".join(f"{now / before:>11.2f}" for now, before in zip(times, quiet, strict=True) if before)
            yield f"{'' if phase else kind:<24}{name:<27}{count:>7,}{times[0]:>9.1f}{times[1]:>9.1f}{ratios}"
    (count, seconds), (idle_count, idle_seconds) = report.publication(PUBLISHING), report.publication(HOLDING)
    yield (
        f"publications: {count} of {seconds:.2f} s; with an idle transaction {idle_count} of {idle_seconds:.2f} s, "
        f"ratio {idle_seconds / seconds if seconds else 0:.2f}"
    )
    yield f"waits for a lock with a reader in them: {report.waits} in {report.samples:,} samples"
    judgement = report.judgement
    yield (
        f"snapshots seen: {len(judgement.snapshots)}; reads with a missing file (plain path): {judgement.missing}; "
        f"torn reads: {len(judgement.torn)}; reads back in time: {len(judgement.backward)}"
    )
    yield from (judgement.torn + judgement.backward)[:10]


@contextmanager
def installation(dossiers: int) -> Iterator[Settings]:
    """A published installation with its own server, which is as durable as in production."""
    home = Path(tempfile.mkdtemp(prefix="lgsp-readers-"))
    world = World.generate("tiny", 7, FIRST, WHOLE.days()[-1], dossiers_count=dossiers, documents_count=60)
    try:
        with serving(world, as_of=MIDNIGHT) as connections:
            environment = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(value) for source, value in connections.items()}
            environment |= {"LGSP_HOME": str(home), "LGSP_TOKEN_KEY": "only-for-tests"}
            published = Installation(Settings.from_env(environment))
            published.ingest_all()
            published.publish()
        yield published.settings
    finally:
        Server(home).stop()
        shutil.rmtree(home)


@click.command()
@click.option(
    "--seconds", default=60.0, show_default=True, help="The seconds of each of the four phases, over all rounds."
)
@click.option("--readers", default=8, show_default=True)
@click.option("--dossiers", default=2000, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="How many times each phase is repeated.")
@click.option(
    "--changes", default=200, show_default=True, help="The number of records of each source that a publication changes."
)
def main(seconds: float, readers: int, dossiers: int, rounds: int, changes: int) -> None:
    """Read from many processes while publishing; exit 1 on a torn read, a read back in time, or a wait for a lock."""
    with installation(dossiers) as settings:
        click.echo(f"{os.cpu_count()} cores, load before the start {os.getloadavg()[0]:.1f}")
        report = measure(settings, seconds, readers, changes, rounds)
    for line in lines(report):
        click.echo(line)
    if not report.is_good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
