"""Measure the whole pipeline against a floor: records per second, peak memory and the share of each stage.

    make bench                        100,000 dossiers
    make bench DOSSIERS=1000000       a year of a province

The floor only downloads the same records, parses them and COPYs them unchanged, in the same run, from the same servers
on the same machine. Quote ratios: seconds depend on the machine.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
import orjson
import psycopg

from lgsp import check, harmonise, install, land, publish, store
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.store.embedded_postgres import Server
from lgsp.window import Window
from lgsp_province.defects.rates import RATES
from tests.bench import plain

# A plain loop cannot read invalid records or keys in another case, so these defects are left out; all others are included.
PLAIN_DEFECTS = ",".join(name for name, rate in RATES.items() if rate and name not in ("poison", "D42"))
YEAR = Window.of_days(date(2025, 11, 1), date(2026, 10, 31))


@dataclass
class Stage:
    """The elapsed seconds of one stage, and the peak memory of the process at its end."""

    name: str
    seconds: float
    peak_megabytes: int


def _timed(stages: list[Stage], name: str, work: Callable[[], Any]) -> Any:
    started = time.monotonic()
    result = work()
    stages.append(Stage(name, time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))
    return result


def pipeline(settings: Settings, window: Window = YEAR) -> dict[str, Any]:
    """Run all stages, as the Dags do."""
    stages: list[Stage] = []
    ids = _timed(stages, "land", lambda: [i for source in sources.names() for i in land.run(settings, source, window)])
    _timed(stages, "harmonise", lambda: harmonise.run(settings, ids))
    _timed(stages, "check", lambda: check.run(settings, ids))
    publication = _timed(stages, "publish", lambda: publish.run(settings))
    with store.connect(settings) as connection:
        batches = ledger.batches(connection, "published")
    assert publication is not None
    return {
        "records": sum(batch.counts["fetched_count"] for batch in batches), "batches": len(batches),
        "rows": publication.rows, "publish": publication.seconds,
        "stages": [[stage.name, round(stage.seconds, 1), stage.peak_megabytes] for stage in stages],
    }  # fmt: skip


def floor(settings: Settings, window: Window = YEAR) -> dict[str, Any]:
    """Process the same records in a plain loop: download, parse, COPY."""
    started, count = time.monotonic(), 0
    with psycopg.connect(store.url(settings)) as connection:
        connection.execute("create table if not exists public.floor (source text, key text, changed text, record text)")
        for source in sources.names():
            with connection.cursor().copy("copy public.floor from stdin") as copy:
                for key, changed, record in plain.READERS[source](settings.endpoint(source), window):
                    copy.write_row([source, key, changed, orjson.dumps(record).decode().replace("\\u0000", "")])
                    count += 1
    return {
        "records": count,
        "seconds": round(time.monotonic() - started, 1),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


@click.group()
def main() -> None:
    """Measure the pipeline from the sources to the published snapshot."""


@main.command()
@click.argument("side", type=click.Choice(["pipeline", "floor"]))
def one(side: str) -> None:
    """Measure one side in its own process, so that its peak memory is measured alone."""
    click.echo(json.dumps({"pipeline": pipeline, "floor": floor}[side](Settings.from_env())))


@main.command("run")
@click.option("--dossiers", default=100_000, show_default=True)
@click.option("--documents", default=2_000, show_default=True)
def compare(dossiers: int, documents: int) -> None:
    """Measure both sides one after the other with the same simulated province, and print the ratios."""
    with serving(dossiers, documents) as environment:
        results = {side: _measure(side, environment) for side in ("floor", "pipeline")}
    _print(results)


@contextmanager
def serving(dossiers: int, documents: int, defects: str = PLAIN_DEFECTS) -> Iterator[dict[str, str]]:
    """A simulated province in its own process and an empty home; the environment variables for both."""
    with province(dossiers, documents, defects) as connections, store_of(connections) as environment:
        yield environment


@contextmanager
def province(dossiers: int, documents: int, defects: str = PLAIN_DEFECTS) -> Iterator[dict[str, Any]]:
    """A simulated province in its own process; its connections by source."""
    folder = Path(tempfile.mkdtemp(prefix="lgsp-bench-"))
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "lgsp.cli", "province", "serve", "--size", "province", "--from", "2025-11-01", "--until", "2026-11-01",
               "--dossiers", str(dossiers), "--documents", str(documents), "--defects", defects, "--port-base", "0", "--ready-file", str(ready)]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not ready.exists():
            if server.poll() is not None:
                raise click.ClickException("the province did not start")
            time.sleep(0.2)
        yield json.loads(ready.read_text())["connections"]
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def store_of(connections: dict[str, Any]) -> Iterator[dict[str, str]]:
    """An empty home with a running server; the environment variables for it and for the sources."""
    home = Path(tempfile.mkdtemp(prefix="lgsp-bench-"))
    environment = _environment(home, connections)
    try:
        install.ensure(Settings.from_env(environment))
        yield environment
    finally:
        Server(home).stop()
        shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path, connections: dict[str, Any]) -> dict[str, str]:
    variables = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(connection) for source, connection in connections.items()}
    limits = {f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}": "6000000" for source in connections}
    return {**os.environ, **variables, **limits, "LGSP_HOME": str(home)}


def _measure(side: str, environment: dict[str, str]) -> dict[str, Any]:
    completed = subprocess.run(
        [sys.executable, "-m", "tests.bench.throughput", "one", side],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise click.ClickException(f"{side} failed:\n{completed.stderr[-2000:]}")
    result = json.loads(completed.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result


def _print(results: dict[str, dict[str, Any]]) -> None:
    ours, plain = results["pipeline"], results["floor"]
    seconds = sum(stage[1] for stage in ours["stages"])
    click.echo(
        f"floor     {plain['records']:>10,} records {plain['seconds']:>8.1f} s {plain['records'] / plain['seconds']:>8,.0f}/s   peak {plain['peak_megabytes']:,} MB"
    )
    click.echo(
        f"pipeline  {ours['records']:>10,} records {seconds:>8.1f} s {ours['records'] / seconds:>8,.0f}/s   peak {max(s[2] for s in ours['stages']):,} MB   in {ours['batches']} batches"
    )
    for name, stage_seconds, peak in ours["stages"]:
        click.echo(
            f"  {name:<10}{stage_seconds:>8.1f} s {100 * stage_seconds / seconds:>5.0f} %   peak so far {peak:,} MB"
        )
    click.echo(f"  parts of publish: {ours['publish']}")
    click.echo(f"  rows: {ours['rows']}")
    click.echo(
        f"ratio to the floor, per record: {(seconds / ours['records']) / (plain['seconds'] / plain['records']):.2f}"
    )


if __name__ == "__main__":
    main()
