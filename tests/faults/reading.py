"""Reader processes that read as other programs do, and the check that every read was one published snapshot."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet as pq
from psycopg import IsolationLevel

from lgsp.schema import contract

# Related tables that nearly every publication changes.
TABLES = ("dossier", "dossier_event", "service_kpi", "zero_activity")
NAME = "reader under load"
BETWEEN, STOP = -1, -2  # BETWEEN: nothing is measured; STOP: the readers end

Sums = tuple[int, int]  # rows, and the sum of their content hashes
Published = Mapping[int, Mapping[str, Sums]]


@dataclass(frozen=True)
class Seen:
    """The sums of the tables that one read saw, and the snapshot id that it read with them."""

    tables: Mapping[str, Sums]
    snapshot_id: int | None = None
    is_missing: bool = False  # a file was missing, and the read failed with an error


@dataclass(frozen=True)
class Read:
    """One read: its phase, its duration in seconds, and what it saw."""

    phase: int
    seconds: float
    seen: Seen


@dataclass
class Judgement:
    """The result over many reads: each must equal one published snapshot that is not older than that of the read before."""

    torn: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    missing: int = 0
    snapshots: set[int] = field(default_factory=set)

    def add(self, kind: str, reads: Sequence[Read], published: Published) -> None:
        """Add the reads of one reader, in their order."""
        last = 0
        for seen in (read.seen for read in reads):
            if seen.is_missing:
                self.missing += 1
                continue
            equal = [number for number, tables in published.items() if _is_equal(seen, number, tables)]
            if not equal:
                self.torn.append(f"{kind}: snapshot {seen.snapshot_id}, {dict(seen.tables)}")
            elif max(equal) < last:
                self.backward.append(f"{kind}: snapshot {max(equal)} after {last}")
            else:
                last = min(number for number in equal if number >= last)
                self.snapshots.add(last)


def _is_equal(seen: Seen, number: int, tables: Mapping[str, Sums]) -> bool:
    return seen.snapshot_id in (None, number) and all(tables[name] == sums for name, sums in seen.tables.items())


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection with the role lgsp_reader."""
    return psycopg.connect(url, application_name=NAME, options="-c role=lgsp_reader", autocommit=True)


def _sql(table: str) -> str:
    shared = contract.load(table)
    return f"select count(*), coalesce(sum({shared.hash_sql('postgresql', shared.names)}), 0) from shared.{table}"


def read_all(connection: psycopg.Connection[tuple[Any, ...]], pause: float = 0.0) -> Seen:
    """Read the tables one after the other in the current transaction, with a pause of so many seconds before each."""
    row = connection.execute("select max(snapshot_id) from shared.snapshot").fetchone()
    assert row is not None
    tables = {}
    for table in TABLES:
        time.sleep(pause)
        sums = connection.execute(_sql(table)).fetchone()
        assert sums is not None
        tables[table] = (int(sums[0]), int(sums[1]))
    return Seen(tables, row[0])


def one_statement(url: str, root: Path) -> Iterator[Seen]:
    """Several tables in one SQL statement."""
    tables = ", ".join(f"({_sql(table)}) as t{number}" for number, table in enumerate(TABLES))
    with connect(url) as connection:
        while True:
            row = connection.execute(f"select (select max(snapshot_id) from shared.snapshot), * from {tables}").fetchone()  # fmt: skip
            assert row is not None
            sums = [(int(row[at]), int(row[at + 1])) for at in range(1, len(row), 2)]
            yield Seen(dict(zip(TABLES, sums, strict=True)), row[0])


def one_transaction(url: str, root: Path) -> Iterator[Seen]:
    """Several tables in several statements of one REPEATABLE READ transaction, with pauses between them."""
    with connect(url) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        while True:
            with connection.transaction():
                seen = read_all(connection, pause=0.01)
            yield seen


def files_of_one_snapshot(url: str, root: Path) -> Iterator[Seen]:
    """Several tables as Parquet, in the snapshot folder that `current` points to at the start of the read."""
    with duckdb.connect(config={"threads": 1}) as con:
        while True:
            snapshot = Path(os.path.realpath(root / "current"))
            yield Seen({table: _in_files(con, snapshot / table, table) for table in TABLES}, int(snapshot.name))


def files_through_the_pointer(url: str, root: Path) -> Iterator[Seen]:
    """One table as Parquet below `current` itself, by DuckDB and by Arrow in turn; a file may be missing after a switch."""
    with duckdb.connect(config={"threads": 1}) as con:
        while True:
            for table in TABLES:
                for read in (_in_files, _in_arrow):
                    try:
                        yield Seen({table: read(con, root / "current" / table, table)})
                    except (duckdb.IOException, FileNotFoundError):
                        yield Seen({}, is_missing=True)


def _in_files(con: duckdb.DuckDBPyConnection, folder: Path, table: str) -> Sums:
    return _sums(con, table, f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)")


def _in_arrow(con: duckdb.DuckDBPyConnection, folder: Path, table: str) -> Sums:
    con.register("arrow", pq.read_table(folder))  # as pandas.read_parquet does
    return _sums(con, table, "arrow")


def _sums(con: duckdb.DuckDBPyConnection, table: str, source: str) -> Sums:
    shared = contract.load(table)
    query = f"select count(*), coalesce(sum({shared.hash_sql('duckdb', shared.names)}), 0) from {source}"
    ((rows, content),) = con.execute(query).fetchall()
    return int(rows), int(content)


KINDS: dict[str, Callable[[str, Path], Iterator[Seen]]] = {
    "one SQL statement": one_statement,
    "one SQL transaction": one_transaction,
    "Parquet, resolved once": files_of_one_snapshot,
    "Parquet, plain path": files_through_the_pointer,
}


def read_until_stopped(kind: str, url: str, root: Path, phase: Any, ready: Any, out: Any, pause: float) -> None:
    """Read once and report ready, then read, with pauses, until the phase is STOP; put all reads, or a traceback, into `out`."""
    reads: list[Read] = []
    try:
        source = KINDS[kind](url, root)
        next(source)
        ready.release()
        while (now := phase.value) != STOP:
            started = time.monotonic()
            seen = next(source)
            seconds = time.monotonic() - started
            reads.append(Read(now if phase.value == now else BETWEEN, seconds, seen))
            time.sleep(pause)
    except Exception:  # noqa: BLE001  the parent process reports it
        ready.release()
        out.put((kind, traceback.format_exc()))
    else:
        out.put((kind, reads))
