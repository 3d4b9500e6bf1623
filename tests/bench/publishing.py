"""Measure publications by the size of the change: a base of many dossier events, then days with 1 k, 10 k and 100 k events.

    python -m tests.bench.publishing --home /var/tmp/bench              a base of 1,000,000 events
    python -m tests.bench.publishing --home /var/tmp/bench --events 5000000

The base is kept in `--home` and copied for each run. Each `publish.run` is measured in its own process. Quote ratios: seconds
depend on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click
import psycopg
import pyarrow.parquet as pq

from lgsp import install, publish, store
from lgsp.publish.context import PublishRun
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from tests.bench import cpu
from tests.bench.base import BatchGenerator, Change, seed

CHANGES = (
    Change("1 k", 200),
    Change("10 k", 2_000),
    Change("a day", 4_000),
    Change("a day, all year", 4_000, is_scattered=True),
    Change("100 k", 20_000),
)


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder in which the base is kept for later runs.",
)
@click.option("--events", default=1_000_000, show_default=True)
@click.option(
    "--times", default=1, show_default=True, help="The number of measurements of each change; the median counts."
)
@click.option("--only", help="Measure only the changes with these names, separated by commas.")
@click.option("--one", "is_single", hidden=True, is_flag=True)
def main(home: Path, events: int, times: int, only: str | None, is_single: bool) -> None:
    """Measure publications of different sizes."""
    if is_single:
        click.echo(json.dumps(_published(Settings.from_env())))
        return
    names = only.split(",") if only else [change.name for change in CHANGES]
    base = _base(home, events)
    results: dict[str, list[dict[str, Any]]] = {}
    with _copied(home, base) as settings:
        generator, number = BatchGenerator(settings, seed(home / "seed"), events), 0
        for _ in range(times):
            for change in CHANGES:
                if change.name in names:
                    number += 1
                    generator.write_day(change, number)
                    results.setdefault(change.name, []).append(_measure(settings))
    _print({name: sorted(runs, key=lambda run: run["total"])[len(runs) // 2] for name, runs in results.items()})


def _environment(home: Path) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("LGSP_")}
    return {**inherited, "LGSP_HOME": str(home), "LGSP_TOKEN_KEY": "only-for-measuring"}


def _base(home: Path, events: int) -> Path:
    """The home of a published store with that number of dossier events; created at first use."""
    base = home / f"base-{events}"
    if not (base / "published.json").exists():
        Server(base).stop()
        shutil.rmtree(base, ignore_errors=True)
        settings = Settings.from_env(_environment(base))
        install.ensure(settings)
        started = time.monotonic()
        records = BatchGenerator(settings, seed(home / "seed"), events).write_year()
        click.echo(f"base: {records:,} records written in {time.monotonic() - started:.0f} s")
        result = _measure(settings)
        _vacuum(settings)
        Server(base).stop()
        (base / "published.json").write_text(json.dumps(result))
    result = json.loads((base / "published.json").read_text())
    click.echo(
        f"base: {result['total']:.0f} s ({sum(result['cpu'].values()):.0f} CPU s), {result['rows']}, {result['seconds']}, {result['cpu']}, {_memory(result)}"
    )
    return base


def _vacuum(settings: Settings) -> None:
    """Do what autovacuum does before the next day, and delete the staging."""
    shutil.rmtree(settings.staging)
    with psycopg.connect(store.url(settings), autocommit=True) as connection:
        connection.execute("vacuum (freeze, analyze)")
        connection.execute("alter system set autovacuum = off")  # not during a measurement


@contextmanager
def _copied(home: Path, base: Path) -> Iterator[Settings]:
    copy = Path(tempfile.mkdtemp(prefix="run-", dir=home))
    subprocess.run(["cp", "-a", "--reflink=auto", f"{base}/.", copy], check=True)  # keeps hard links
    settings = Settings.from_env(_environment(copy))
    try:
        install.ensure(settings)
        with store.connect(settings) as connection:  # write the copy to disk before the measurement
            connection.execute("checkpoint")
        yield settings
    finally:
        Server(copy).stop()
        shutil.rmtree(copy)


def _measure(settings: Settings) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.publishing", "--home", str(settings.home), "--one"]
    memory_watch = _MemoryWatch(settings.home)
    completed = subprocess.run(command, env=_environment(settings.home), capture_output=True, text=True, check=False)
    peak = memory_watch.stop()
    if completed.returncode:
        raise click.ClickException(f"the publication failed:\n{completed.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return {**result, "server_megabytes": peak}


def _published(settings: Settings) -> dict[str, Any]:
    install.ensure(settings)
    meter = _CpuMeter(settings.home)
    PublishRun.timed = meter.timed  # type: ignore[method-assign, assignment]
    started = time.monotonic()
    publication = publish.run(settings)
    seconds = time.monotonic() - started
    assert publication is not None
    written = _written(settings.shared / "snapshots", publication.snapshot_id)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024
    return {
        "total": seconds,
        "cpu": meter.seconds,
        "seconds": publication.seconds,
        "rows": publication.rows,
        "written": written,
        "megabytes": peak,
    }


def _written(snapshots: Path, snapshot_id: int) -> dict[str, int]:
    """The number of files of a snapshot that are not in the previous one, and the number of their rows."""
    before = {path.name for path in (snapshots / str(snapshot_id - 1)).rglob("*.parquet")}
    new = [path for path in (snapshots / str(snapshot_id)).rglob("*.parquet") if path.name not in before]
    return {"parts": len(new), "rows": sum(pq.read_metadata(path).num_rows for path in new)}


class _CpuMeter:
    """The CPU seconds of each step of a publication, here and in PostgreSQL together."""

    def __init__(self, home: Path) -> None:
        self.seconds: dict[str, float] = {}
        self._postmaster = cpu.postmaster(home)
        self._timed = PublishRun.timed

    @property
    def timed(self) -> Callable[[PublishRun, str], AbstractContextManager[None]]:
        """A replacement of `PublishRun.timed` that also adds the CPU seconds of the block."""

        @contextmanager
        def timed(run: PublishRun, step: str) -> Iterator[None]:
            started = self._now()
            with self._timed(run, step):
                yield
            self.seconds[step] = round(self.seconds.get(step, 0.0) + self._now() - started, 2)

        return timed

    def _now(self) -> float:
        return time.process_time() + cpu.server_seconds(self._postmaster)


class _MemoryWatch:
    """Watches a running PostgreSQL for the peak of the private memory of all its processes."""

    def __init__(self, home: Path) -> None:
        self._postmaster, self._peak, self._is_over = cpu.postmaster(home), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End the watch; the peak in megabytes."""
        self._is_over.set()
        self._thread.join()
        return self._peak // 1024

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            self._peak = max(self._peak, sum(_private(pid) for pid in cpu.children(self._postmaster)))


def _private(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _memory(result: dict[str, Any]) -> str:
    return f"peak {result['megabytes']:,} MB, server {result['server_megabytes']:,} MB"


def _print(results: dict[str, dict[str, Any]]) -> None:
    floor = next(iter(results.values()))
    parts = list(floor["seconds"])
    for change, result in results.items():
        cpu = sum(result["cpu"].values())
        click.echo(
            f"{change}: {result['total']:.2f} s, {result['total'] / floor['total']:.2f} times as long as {next(iter(results))}; "
            f"{cpu:.2f} CPU s, {cpu / sum(floor['cpu'].values()):.2f} times; {result['rows'].get('dossier_event', 0):,} events, "
            f"{result['written']['parts']} files with {result['written']['rows']:,} rows; {_memory(result)}"
        )
        click.echo("    " + "".join(f"{name:>24}" for name in parts))
        for unit, label in (("seconds", "   s"), ("cpu", " cpu")):
            click.echo(label + "".join(f"{result[unit].get(name, 0):>24.2f}" for name in parts))


if __name__ == "__main__":
    main()
