"""Measure bulk loading into SQL and Parquet, both verified, against a bare COPY and against dlt, on the same rows.

    python -m tests.bench.loading --home /var/tmp/bench              500,000 dossier events, then 5 % of them changed

The three run in rotation; the median of each counts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import click
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lgsp import install
from lgsp.check import gate
from lgsp.publish import merge, publication, session, table_rules
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.snapshots import changes, pointer
from lgsp.store.embedded_postgres import Server
from tests.bench.base import events, seed
from tests.bench.peers import DLT_SETTINGS

TABLE = "dossier_event"
ROWS_PER_MERGE = 500_000  # as a publication merges them: the rows of about 100,000 dossiers at once
GUARANTEES = {
    "COPY": "the rows are in one table; replaced versions are deleted, nothing is verified, no files",
    "ours": "rows and files in one commit; replaced versions retained; every file read back and compared with SQL; signed",
    "dlt": "two pipelines with two states, first SQL, then files; replaced versions deleted, files appended; nothing verified",
}
# A program for a process of its own; its arguments are the database URL, the folder and the files of rows.
DLT_PROGRAM = """
import json, os, sys, time
import dlt, pyarrow.parquet as pq
from dlt.destinations import filesystem, postgres

url, folder, *files = sys.argv[1:]
results = []
for file in files:
    rows, started, cpu = pq.read_table(file), time.monotonic(), sum(os.times()[:4])
    merge = {"table_name": "dossier_event", "write_disposition": "merge", "primary_key": ["dossier_id", "event_seq"]}
    dlt.pipeline("sql", destination=postgres(url), dataset_name="peer").run(rows, **merge)
    dlt.pipeline("files", destination=filesystem(folder), dataset_name="peer").run(rows, loader_file_format="parquet", **merge)
    results.append([time.monotonic() - started, sum(os.times()[:4]) - cpu])
print(json.dumps(results))
"""


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder in which the seed is kept for later runs.",
)
@click.option("--rows", default=500_000, show_default=True)
@click.option("--times", default=3, show_default=True)
def main(home: Path, rows: int, times: int) -> None:
    """Measure the three on the same rows, in rotation."""
    work_folder = home / "loading"
    shutil.rmtree(work_folder, ignore_errors=True)
    first = events(seed(home / "seed"), rows)
    loads = [first, _changed(first)]
    gate.evaluate("nothing", [])  # import everything before the measurement
    loaders: dict[str, Callable[[Path, list[pa.Table]], list[float]]] = {
        "COPY": _copy,
        "ours": _ours,
        "dlt": _dlt,
    }
    results: dict[str, list[list[float]]] = {name: [] for name in loaders}
    try:
        for number in range(times):
            for name, load in loaders.items():
                folder = work_folder / f"{name}-{number}"
                with _server(folder):
                    results[name].append(load(folder, loads))
                shutil.rmtree(folder)
    finally:
        shutil.rmtree(work_folder, ignore_errors=True)
    _print(results, [table.num_rows for table in loads])


def _changed(rows: pa.Table) -> pa.Table:
    """5 % as many rows: half of them newer versions, half of new dossiers."""
    half = rows.num_rows // 40
    newer = rows.slice(rows.num_rows // 2, half)
    day = pa.scalar(86_400_000_000, pa.duration("us"))
    newer = newer.set_column(7, "source_updated_at", pc.add(newer["source_updated_at"], day))
    new = rows.slice(0, half)
    renamed = pc.binary_join_element_wise(new["dossier_id"], "new", ".")
    return pa.concat_tables([newer.cast(rows.schema), new.set_column(0, "dossier_id", renamed).cast(rows.schema)])


def _copy(folder: Path, loads: list[pa.Table]) -> list[float]:
    """COPY into an empty table with the same columns and indexes; rows to be replaced are deleted first."""
    seconds = []
    with adbc.connect(Server(folder).url(), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("create schema bare")
        cursor.execute(f"create table bare.{TABLE} (like shared.{TABLE} including all)")
        for number, rows in enumerate(loads, 1):
            numbered = rows.append_column("snapshot_id", pa.array([number] * rows.num_rows, pa.int64()))
            started = time.monotonic()
            cursor.adbc_ingest(
                TABLE if number == 1 else "newer",
                numbered,
                mode="append" if number == 1 else "create",
                db_schema_name="bare",
            )
            if number > 1:
                cursor.execute(
                    f"delete from bare.{TABLE} s using bare.newer n where (s.dossier_id, s.event_seq) = (n.dossier_id, n.event_seq)"
                )
                cursor.execute(f"insert into bare.{TABLE} select * from bare.newer")
            seconds.append(time.monotonic() - started)
    return seconds


def _ours(folder: Path, loads: list[pa.Table]) -> list[float]:
    """As a publication does it: stage, merge with history, write the changed months, verify, sign, commit, switch."""
    settings, seconds = _settings(folder), []
    for rows in loads:
        started = time.monotonic()
        with session.open_session(settings) as publish_session:
            transaction, changed = publish_session.transaction, changes.Changes()
            metadata = publication.next_metadata(transaction, [], None)
            transaction.do("create temporary table scope_dossier (dossier_id text primary key) on commit drop")
            for start in range(0, rows.num_rows, ROWS_PER_MERGE):
                merge.stage_rows(transaction, contract.load(TABLE), rows.slice(start, ROWS_PER_MERGE))
                transaction.do("truncate scope_dossier")
                transaction.do(f"insert into scope_dossier select distinct dossier_id from new_{TABLE}")
                # replace single events, not whole dossiers: this measures the loading of a table
                scope = f"s.dossier_id in (select dossier_id from scope_dossier) and (s.dossier_id, s.event_seq) in (select dossier_id, event_seq from new_{TABLE})"
                merge.merge_staged(transaction, contract.load(TABLE), scope, metadata.snapshot_id, changed)
            if metadata.snapshot_id == 1:  # the first snapshot needs a result of every rule, also for empty tables
                for rule in contract.rules("table"):
                    changed.add(rule.table, ["2025-11"], 0)
            judgement = table_rules.judge(transaction, metadata.snapshot_id, changed, table_rules.NO_OVERRIDE)
            publication.write(settings, transaction, metadata, changed, judgement, 0.0)
            publish_session.commit(metadata)
        seconds.append(time.monotonic() - started)
    in_files = sum(pq.read_metadata(path).num_rows for path in (settings.shared / "current" / TABLE).rglob("*.parquet"))
    assert in_files == pointer.manifest(settings.shared, 2)["tables"][TABLE]["rows"] == _expected_rows(loads)
    return seconds


def _dlt(folder: Path, loads: list[pa.Table]) -> list[float]:
    """A merge into PostgreSQL and the same into Parquet files."""
    files = []
    for number, rows in enumerate(loads):
        files.append(folder / f"{number}.parquet")
        pq.write_table(rows, files[-1])
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {**DLT_SETTINGS, "DLT_DATA_DIR": str(folder / "dlt"), "HOME": str(folder)}
    completed = subprocess.run(
        [sys.executable, "-c", DLT_PROGRAM, Server(folder).url(), (folder / "files").as_uri(), *map(str, files)],
        capture_output=True, text=True, check=False, env=environment, cwd=folder,
    )  # fmt: skip
    if completed.returncode:
        raise click.ClickException(f"dlt failed:\n{completed.stderr[-2000:]}")
    with psycopg.connect(Server(folder).url()) as connection:
        row = connection.execute(f"select count(*) from peer.{TABLE}").fetchone()
    in_files = sum(pq.read_metadata(path).num_rows for path in (folder / "files" / "peer" / TABLE).rglob("*.parquet"))
    click.echo(
        f"dlt: {row[0] if row else 0:,} rows in SQL, {in_files:,} in Parquet; {_expected_rows(loads):,} expected"
    )
    return [seconds for seconds, _ in json.loads(completed.stdout.splitlines()[-1])]


def _expected_rows(loads: list[pa.Table]) -> int:
    return int(loads[0].num_rows + loads[1].num_rows // 2)


@contextmanager
def _server(folder: Path) -> Any:
    """A new store with a running server in a folder, for the duration of the block."""
    install.ensure(_settings(folder))
    try:
        yield
    finally:
        Server(folder).stop()


def _settings(folder: Path) -> Settings:
    return Settings.from_env({"LGSP_HOME": str(folder), "LGSP_TOKEN_KEY": "only-for-measuring"})


def _print(results: dict[str, list[list[float]]], counts: list[int]) -> None:
    floor = [median(run[load] for run in results["COPY"]) for load in range(len(counts))]
    for name, runs in results.items():
        for load, rows in enumerate(counts):
            seconds = median(run[load] for run in runs)
            kind = "first" if load == 0 else "merge"
            click.echo(
                f"{name:<6}{kind:<7}{rows:>9,} rows {seconds:>8.2f} s {rows / seconds:>10,.0f} rows/s {seconds / floor[load]:>6.1f} times COPY"
            )
        click.echo(f"       {GUARANTEES[name]}")


if __name__ == "__main__":
    main()
