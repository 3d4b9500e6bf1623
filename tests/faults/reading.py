"""Readers as other programs are, each a process of its own, and the judge of what they saw."""

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

# Tables that hang together, and that nearly every publication changes.
TABLES = ("dossier", "dossier_event", "service_kpi", "zero_activity")
NAME = "reader under load"
THINKING_SECONDS = 0.05
BETWEEN, STOP = -1, -2  # phases in which nothing is measured, and after which nobody reads

Sums = tuple[int, int]  # rows, and the sum of their content hashes
Published = Mapping[int, Mapping[str, Sums]]


@dataclass(frozen=True)
class Seen:
    """What one read saw of which tables, and the snapshot it was told they are of."""

    tables: Mapping[str, Sums]
    snapshot_id: int | None = None
    is_gone: bool = False  # a file was, loudly, not there any more


@dataclass(frozen=True)
class Read:
    """One read: in which phase, how long it took, what it saw."""

    phase: int
    seconds: float
    seen: Seen


@dataclass
class Judged:
    """What many reads prove: each must equal one published snapshot, and none may be older than the one before it."""

    torn: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    gone: int = 0
    snapshots: set[int] = field(default_factory=set)

    def add(self, kind: str, reads: Sequence[Read], published: Published) -> None:
        """Judge the reads of one reader, in their order."""
        last = 0
        for seen in (read.seen for read in reads):
            if seen.is_gone:
                self.gone += 1
                continue
            alike = [number for number, tables in published.items() if _is_equal(seen, number, tables)]
            if not alike:
                self.torn.append(f"{kind}: of snapshot {seen.snapshot_id}, {dict(seen.tables)}")
            elif max(alike) < last:
                self.back.append(f"{kind}: {max(alike)} after {last}")
            else:
                last = min(number for number in alike if number >= last)
                self.snapshots.add(last)


def _is_equal(seen: Seen, number: int, tables: Mapping[str, Sums]) -> bool:
    return seen.snapshot_id in (None, number) and all(tables[name] == sums for name, sums in seen.tables.items())


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection with the rights of those who only read."""
    return psycopg.connect(url, application_name=NAME, options="-c role=lgsp_reader", autocommit=True)


def _sql(table: str) -> str:
    told = contract.load(table)
    return f"select count(*), coalesce(sum({told.hash_sql('postgresql', told.names)}), 0) from shared.{table}"


def whole(connection: psycopg.Connection[tuple[Any, ...]], pause: float = 0.0) -> Seen:
    """The tables one after the other, in the transaction the connection is in."""
    row = connection.execute("select max(snapshot_id) from shared.snapshot").fetchone()
    assert row is not None
    seen = {}
    for table in TABLES:
        time.sleep(pause)
        told = connection.execute(_sql(table)).fetchone()
        assert told is not None
        seen[table] = (int(told[0]), int(told[1]))
    return Seen(seen, row[0])


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
    """Several tables in several statements of one REPEATABLE READ transaction, with time between them."""
    with connect(url) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        while True:
            with connection.transaction():
                seen = whole(connection, pause=0.01)
            yield seen


def files_of_one_snapshot(url: str, root: Path) -> Iterator[Seen]:
    """Several tables as Parquet, below the folder that `current` leads to now."""
    with duckdb.connect(config={"threads": 1}) as con:
        while True:
            snapshot = Path(os.path.realpath(root / "current"))
            yield Seen({table: _in_files(con, snapshot / table, table) for table in TABLES}, int(snapshot.name))


def files_through_the_pointer(url: str, root: Path) -> Iterator[Seen]:
    """One table as Parquet below `current` itself, by DuckDB and by Arrow in turn: overtaken, it may be told so."""
    with duckdb.connect(config={"threads": 1}) as con:
        while True:
            for table in TABLES:
                for read in (_in_files, _in_arrow):
                    try:
                        yield Seen({table: read(con, root / "current" / table, table)})
                    except (duckdb.IOException, FileNotFoundError):
                        yield Seen({}, is_gone=True)


def _in_files(con: duckdb.DuckDBPyConnection, folder: Path, table: str) -> Sums:
    return _sums(con, table, f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)")


def _in_arrow(con: duckdb.DuckDBPyConnection, folder: Path, table: str) -> Sums:
    con.register("arrow", pq.read_table(folder))  # as pandas.read_parquet does
    return _sums(con, table, "arrow")


def _sums(con: duckdb.DuckDBPyConnection, table: str, source: str) -> Sums:
    told = contract.load(table)
    query = f"select count(*), coalesce(sum({told.hash_sql('duckdb', told.names)}), 0) from {source}"
    ((rows, content),) = con.execute(query).fetchall()
    return int(rows), int(content)


KINDS: dict[str, Callable[[str, Path], Iterator[Seen]]] = {
    "one SQL statement": one_statement,
    "one SQL transaction": one_transaction,
    "Parquet, resolved once": files_of_one_snapshot,
    "Parquet, plain path": files_through_the_pointer,
}


def work(kind: str, url: str, root: Path, phase: Any, ready: Any, out: Any) -> None:
    """Read once, then until the phase is STOP, then hand over every read, or why it could not."""
    reads: list[Read] = []
    try:
        source = KINDS[kind](url, root)
        next(source)
        ready.release()
        while (now := phase.value) != STOP:
            begun = time.monotonic()
            seen = next(source)
            took = time.monotonic() - begun
            reads.append(Read(now if phase.value == now else BETWEEN, took, seen))
            time.sleep(THINKING_SECONDS)
    except Exception:  # noqa: BLE001  the parent tells it
        ready.release()
        out.put((kind, traceback.format_exc()))
    else:
        out.put((kind, reads))
