"""What a publication costs against the size of the change: a base of many dossier events, then days of 1 k, 10 k and 100 k of them.

    python -m tests.bench.publishing --home /var/tmp/bench              a base of 1,000,000 events
    python -m tests.bench.publishing --home /var/tmp/bench --events 5000000

The base is kept in the home and copied for each run; what is measured is `publish.run`, each in a process of its own.
Ratios are what to quote: seconds depend on the machine.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psycopg
import pyarrow.parquet as pq

from lgsp import install, publish, store
from lgsp.publish import stage
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from tests.bench.base import Change, Press, seed

CHANGES = (
    Change("1 k", 200),
    Change("10 k", 2_000),
    Change("a day", 4_000),
    Change("a day, all year", 4_000, is_scattered=True),
    Change("100 k", 20_000),
)


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), required=True, help="Where the base is kept for the next time."
)
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--times", default=1, show_default=True, help="How often each change is measured; the median counts.")
@click.option("--only", help="Measure only the changes of these names, parted by commas.")
@click.option("--one", hidden=True, is_flag=True)
def main(home: Path, events: int, times: int, only: str | None, one: bool) -> None:
    """Measure what publications of different sizes cost."""
    if one:
        click.echo(json.dumps(_published(Settings.from_env())))
        return
    names = only.split(",") if only else [change.name for change in CHANGES]
    base = _base(home, events)
    told: dict[str, list[dict[str, Any]]] = {}
    with _copied(home, base) as settings:
        press, number = Press(settings, seed(home / "seed"), events), 0
        for _ in range(times):
            for change in CHANGES:
                if change.name in names:
                    number += 1
                    press.change(change, number)
                    told.setdefault(change.name, []).append(_measure(settings))
    _tell({name: sorted(runs, key=lambda run: run["total"])[len(runs) // 2] for name, runs in told.items()})


def _environment(home: Path) -> dict[str, str]:
    named = {name: text for name, text in os.environ.items() if not name.startswith("LGSP_")}
    return {**named, "LGSP_HOME": str(home), "LGSP_TOKEN_KEY": "only-for-measuring"}


def _base(home: Path, events: int) -> Path:
    """The home of a store with so many dossier events, published; made when there is none."""
    base = home / f"base-{events}"
    if not (base / "published.json").exists():
        Server(base).stop()
        shutil.rmtree(base, ignore_errors=True)
        settings = Settings.from_env(_environment(base))
        install.ensure(settings)
        begun = time.monotonic()
        records = Press(settings, seed(home / "seed"), events).base()
        click.echo(f"base: {records:,} records printed in {time.monotonic() - begun:.0f} s")
        told = _measure(settings)
        _settle(settings)
        Server(base).stop()
        (base / "published.json").write_text(json.dumps(told))
    told = json.loads((base / "published.json").read_text())
    click.echo(
        f"base: {told['total']:.0f} s ({sum(told['cpu'].values()):.0f} s of the processor), {told['rows']}, {told['seconds']}, {told['cpu']}, {_memory(told)}"
    )
    return base


def _settle(settings: Settings) -> None:
    """What happens to a store by itself before the next day comes."""
    shutil.rmtree(settings.staging)
    with psycopg.connect(store.url(settings), autocommit=True) as connection:
        connection.execute("vacuum (freeze, analyze)")
        connection.execute("alter system set autovacuum = off")  # not while something is measured


@contextmanager
def _copied(home: Path, base: Path) -> Iterator[Settings]:
    copy = Path(tempfile.mkdtemp(prefix="run-", dir=home))
    subprocess.run(["cp", "-a", "--reflink=auto", f"{base}/.", copy], check=True)  # keeps hard links
    settings = Settings.from_env(_environment(copy))
    try:
        install.ensure(settings)
        with store.connect(settings) as connection:  # what a copy costs is no part of what is measured
            connection.execute("checkpoint")
        yield settings
    finally:
        Server(copy).stop()
        shutil.rmtree(copy)


def _measure(settings: Settings) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.publishing", "--home", str(settings.home), "--one"]
    watched = _Watched(settings.home)
    done = subprocess.run(command, env=_environment(settings.home), capture_output=True, text=True, check=False)
    peak = watched.stop()
    if done.returncode:
        raise click.ClickException(f"the publication failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**told, "server_megabytes": peak}


def _published(settings: Settings) -> dict[str, Any]:
    install.ensure(settings)
    metered: list[_Metered] = []

    def watch() -> _Metered:
        metered.append(_Metered(settings.home))
        return metered[0]

    stage.Stopwatch = watch  # type: ignore[assignment, misc]
    begun = time.monotonic()
    done = publish.run(settings)
    took = time.monotonic() - begun
    assert done is not None
    written = _written(settings.shared / "snapshots", done.snapshot_id)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024
    return {
        "total": took,
        "cpu": metered[0].cpu,
        "seconds": done.seconds,
        "rows": done.rows,
        "written": written,
        "megabytes": peak,
    }


def _written(snapshots: Path, snapshot_id: int) -> dict[str, int]:
    """How many files of a snapshot the one before it did not have, and how many rows they hold."""
    before = {path.name for path in (snapshots / str(snapshot_id - 1)).rglob("*.parquet")}
    new = [path for path in (snapshots / str(snapshot_id)).rglob("*.parquet") if path.name not in before]
    return {"parts": len(new), "rows": sum(pq.read_metadata(path).num_rows for path in new)}


class _Metered(stage.Stopwatch):
    """How long each part of a publication took, and the seconds of the processor it took here and in PostgreSQL."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.cpu: dict[str, float] = {}
        self._postmaster = _postmaster(home)
        self._used = self._now()

    def _now(self) -> float:
        return time.process_time() + _server_seconds(self._postmaster)

    def lap(self, name: str) -> None:
        """Book both since the last lap to a part."""
        super().lap(name)
        now = self._now()
        self.cpu[name] = round(self.cpu.get(name, 0.0) + now - self._used, 2)
        self._used = now


class _Watched:
    """A running PostgreSQL: the most private memory its processes held together."""

    def __init__(self, home: Path) -> None:
        self._postmaster, self._peak, self._is_over = _postmaster(home), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The peak since it was watched, in megabytes."""
        self._is_over.set()
        self._thread.join()
        return self._peak // 1024

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            self._peak = max(self._peak, sum(_private(pid) for pid in _children(self._postmaster)))


def _postmaster(home: Path) -> int:
    return int((home / "pg" / "postmaster.pid").read_text().splitlines()[0])


def _server_seconds(postmaster: int) -> float:
    """Of the server and all its children, those that ended included."""
    told = [_stat(pid)[13:17] for pid in (postmaster, *_children(postmaster))]
    ticks = sum(int(used) for times in told for used in times[:2]) + sum(int(used) for used in told[0][2:])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(postmaster: int) -> list[int]:
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stat(pid)[3] == str(postmaster)]


def _stat(pid: int) -> list[str]:
    """What the kernel tells of a process, by position; nothing where there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ["0"] * 20
    return ["", "", *told.rpartition(")")[2].split()]


def _private(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _memory(told: dict[str, Any]) -> str:
    return f"peak {told['megabytes']:,} MB, server {told['server_megabytes']:,} MB"


def _tell(measured: dict[str, dict[str, Any]]) -> None:
    floor = next(iter(measured.values()))
    parts = list(floor["seconds"])
    for of, told in measured.items():
        used = sum(told["cpu"].values())
        click.echo(
            f"{of}: {told['total']:.2f} s, {told['total'] / floor['total']:.2f} times as long as {next(iter(measured))}; "
            f"{used:.2f} s of the processor, {used / sum(floor['cpu'].values()):.2f} times; {told['rows'].get('dossier_event', 0):,} events, "
            f"{told['written']['parts']} files with {told['written']['rows']:,} rows; {_memory(told)}"
        )
        click.echo("   " + "".join(f"{name:>14}" for name in parts))
        for what in ("seconds", "cpu"):
            click.echo(f"{what:>7}"[-4:] + "".join(f"{told[what].get(name, 0):>14.2f}" for name in parts))


if __name__ == "__main__":
    main()
