"""Read written files back with DuckDB: their rows and content hashes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.schema.contract import Column, Contract

ARROW_TYPES = {
    "string": "text", "bool": "boolean", "int32": "integer", "int64": "bigint", "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamptz", "double": "double precision",
}  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """How many rows, and the sums of their content hashes: with and without their lineage."""

    rows: int
    content_hash: int
    data_hash: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.rows + other.rows, self.content_hash + other.content_hash, self.data_hash + other.data_hash)


NOTHING = Sums(0, 0, 0)


def as_written(path: Path) -> Contract:
    """The table of a file as it was when the file was written: an older version had other columns."""
    schema = pq.read_schema(path)
    about = {name.decode(): value.decode() for name, value in (schema.metadata or {}).items()}
    columns = tuple(Column(column.name, _type(column.type), "", "", False, False, False) for column in schema)
    return Contract(about["contract"].removeprefix("lgsp."), "", "", "", columns, ())


def _type(arrow: pa.DataType) -> str:
    if pa.types.is_list(arrow):
        return f"{_type(arrow.value_type)}[]"
    return ARROW_TYPES[str(arrow)]


def read_sums(paths: list[Path]) -> Sums:
    """Rows and content hashes of some files, as DuckDB reads them back, each over the columns it was written with."""
    alike: dict[Contract, list[str]] = {}
    for path in paths:
        alike.setdefault(as_written(path), []).append(str(path))
    return sum((_sums(table, group) for table, group in alike.items()), NOTHING)


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    """The DuckDB of this process that reads files back: to open another costs more than to read a small file."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    return con


def _sums(table: Contract, paths: list[str]) -> Sums:
    con = _reader().cursor()
    try:
        con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        whole, data = table.hash_sql("duckdb", table.names), table.hash_sql("duckdb", table.data_names)
        row = con.execute(
            f"select count(*), coalesce(sum({whole}), 0), coalesce(sum({data}), 0) from read_parquet(?, hive_partitioning = false)",
            [paths],
        ).fetchone()
    finally:
        con.close()
    assert row is not None
    return Sums(int(row[0]), int(row[1]), int(row[2]))
