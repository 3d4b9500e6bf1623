"""Bulk loading: our way into SQL and Parquet, both proven, against a bare COPY and against dlt, in one run on the same rows.

    python -m tests.bench.loading --home /var/tmp/bench              500,000 dossier events, then 5 % of them changed

dlt is installed into a virtual environment of its own in the home. The three take turns; the median of each counts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
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
from tests.bench.base import seed, steps

DLT = "dlt[postgres,parquet,filesystem]==1.31.0"
TABLE = "dossier_event"
AT_ONCE = 500_000  # rows that a publication derives and merges together: those of about 100,000 dossiers
GUARANTEES = {
    "COPY": "the rows are in one table; replaced versions gone, nothing compared, no files",
    "ours": "rows and files by one commit; replaced versions kept; every file read back and equal to SQL, or nothing; signed",
    "dlt": "two pipelines with two states, SQL and then files; replaced versions gone, files appended to; nothing compared",
}
# Run by the Python that has dlt: argv are the database, the folder, then the files of rows.
PEER = """
import json, os, sys, time
import dlt, pyarrow.parquet as pq
from dlt.destinations import filesystem, postgres

url, folder, *files = sys.argv[1:]
told = []
for file in files:
    rows, begun, used = pq.read_table(file), time.monotonic(), sum(os.times()[:4])
    merge = {"table_name": "dossier_event", "write_disposition": "merge", "primary_key": ["dossier_id", "event_seq"]}
    dlt.pipeline("sql", destination=postgres(url), dataset_name="peer").run(rows, **merge)
    dlt.pipeline("files", destination=filesystem(folder), dataset_name="peer").run(rows, loader_file_format="parquet", **merge)
    told.append([time.monotonic() - begun, sum(os.times()[:4]) - used])
print(json.dumps(told))
"""


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), required=True, help="Where seed and dlt are kept for the next time."
)
@click.option("--rows", default=500_000, show_default=True)
@click.option("--times", default=3, show_default=True)
def main(home: Path, rows: int, times: int) -> None:
    """Measure the three on the same rows, in turn."""
    place = home / "loading"
    shutil.rmtree(place, ignore_errors=True)
    first = steps(seed(home / "seed"), rows)
    loads = [first, _changed(first)]
    gate.facts("nothing", {}, [], {})  # what is imported once in a process is no part of loading
    python = _peer(home)
    ways: dict[str, Callable[[Path, list[pa.Table]], list[float]]] = {
        "COPY": _copy,
        "ours": _ours,
        "dlt": lambda folder, given: _dlt(folder, given, python),
    }
    told: dict[str, list[list[float]]] = {name: [] for name in ways}
    try:
        for number in range(times):
            for name, way in ways.items():
                folder = place / f"{name}-{number}"
                with _server(folder):
                    told[name].append(way(folder, loads))
                shutil.rmtree(folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _tell(told, [table.num_rows for table in loads])


def _changed(rows: pa.Table) -> pa.Table:
    """A twentieth as many rows: half of them newer versions, half of dossiers never seen."""
    half = rows.num_rows // 40
    newer = rows.slice(rows.num_rows // 2, half)
    day = pa.scalar(86_400_000_000, pa.duration("us"))
    newer = newer.set_column(7, "source_updated_at", pc.add(newer["source_updated_at"], day))
    new = rows.slice(0, half)
    renamed = pc.binary_join_element_wise(new["dossier_id"], "new", ".")
    return pa.concat_tables([newer.cast(rows.schema), new.set_column(0, "dossier_id", renamed).cast(rows.schema)])


def _copy(folder: Path, loads: list[pa.Table]) -> list[float]:
    """COPY into an empty table with the same columns and indexes; what replaces rows has to delete them first."""
    taken = []
    with adbc.connect(Server(folder).url(), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("create schema bare")
        cursor.execute(f"create table bare.{TABLE} (like shared.{TABLE} including all)")
        for number, rows in enumerate(loads, 1):
            numbered = rows.append_column("snapshot_id", pa.array([number] * rows.num_rows, pa.int64()))
            begun = time.monotonic()
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
            taken.append(time.monotonic() - begun)
    return taken


def _ours(folder: Path, loads: list[pa.Table]) -> list[float]:
    """As a publication does it: stage, merge with history, write the months that changed, prove, sign, commit, point."""
    settings, taken = _settings(folder), []
    for rows in loads:
        begun = time.monotonic()
        with session.begin(settings) as mine:
            transaction, touched = mine.transaction, changes.Touched()
            said = publication.facts(transaction, [], None)
            transaction.do("create temporary table scope_dossier (dossier_id text primary key) on commit drop")
            for start in range(0, rows.num_rows, AT_ONCE):
                merge.stage(transaction, contract.load(TABLE), rows.slice(start, AT_ONCE))
                transaction.do("truncate scope_dossier")
                transaction.do(f"insert into scope_dossier select distinct dossier_id from new_{TABLE}")
                # of a dossier that is told again only what is told again: it is a table that is loaded here, no dossier
                scope = f"s.dossier_id in (select dossier_id from scope_dossier) and (s.dossier_id, s.event_seq) in (select dossier_id, event_seq from new_{TABLE})"
                merge.table(transaction, contract.load(TABLE), scope, said.snapshot_id, touched)
            if said.snapshot_id == 1:  # is asked every rule, also of tables that are empty
                for rule in contract.rules("table"):
                    touched.add(rule.table, ["2025-11"], 0)
            judgement = table_rules.judge(transaction, said.snapshot_id, touched, table_rules.NOBODY)
            publication.seal(settings, transaction, said, touched, judgement, 0.0)
            mine.conclude(said)
        taken.append(time.monotonic() - begun)
    held = sum(pq.read_metadata(path).num_rows for path in (settings.shared / "current" / TABLE).rglob("*.parquet"))
    assert held == pointer.manifest(settings.shared, 2)["tables"][TABLE]["rows"] == _truth(loads)
    return taken


def _dlt(folder: Path, loads: list[pa.Table], python: Path) -> list[float]:
    """A merge into PostgreSQL and the same into Parquet files."""
    files = []
    for number, rows in enumerate(loads):
        files.append(folder / f"{number}.parquet")
        pq.write_table(rows, files[-1])
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"DLT_DATA_DIR": str(folder / "dlt"), "HOME": str(folder), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    done = subprocess.run(
        [python, "-c", PEER, Server(folder).url(), (folder / "files").as_uri(), *map(str, files)],
        capture_output=True, text=True, check=False, env=environment, cwd=folder,
    )  # fmt: skip
    if done.returncode:
        raise click.ClickException(f"dlt failed:\n{done.stderr[-2000:]}")
    with psycopg.connect(Server(folder).url()) as connection:
        row = connection.execute(f"select count(*) from peer.{TABLE}").fetchone()
    held = sum(pq.read_metadata(path).num_rows for path in (folder / "files" / "peer" / TABLE).rglob("*.parquet"))
    click.echo(f"dlt: {row[0] if row else 0:,} rows in SQL, {held:,} in Parquet; {_truth(loads):,} is right")
    return [seconds for seconds, _ in json.loads(done.stdout.splitlines()[-1])]


def _truth(loads: list[pa.Table]) -> int:
    return int(loads[0].num_rows + loads[1].num_rows // 2)


@contextmanager
def _server(folder: Path) -> Any:
    """A store of its own in a folder, running."""
    install.ensure(_settings(folder))
    try:
        yield
    finally:
        Server(folder).stop()


def _settings(folder: Path) -> Settings:
    return Settings.from_env({"LGSP_HOME": str(folder), "LGSP_TOKEN_KEY": "only-for-measuring"})


def _peer(home: Path) -> Path:
    """The Python that has dlt."""
    python = home / "dlt" / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or "uv"
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", home / "dlt"], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, DLT, "adbc-driver-postgresql"], check=True)
    return python


def _tell(told: dict[str, list[list[float]]], counts: list[int]) -> None:
    floor = [median(run[load] for run in told["COPY"]) for load in range(len(counts))]
    for name, runs in told.items():
        for load, rows in enumerate(counts):
            seconds = median(run[load] for run in runs)
            what = "first" if load == 0 else "merge"
            click.echo(
                f"{name:<6}{what:<7}{rows:>9,} rows {seconds:>8.2f} s {rows / seconds:>10,.0f} rows/s {seconds / floor[load]:>6.1f} times COPY"
            )
        click.echo(f"       {GUARANTEES[name]}")


if __name__ == "__main__":
    main()
