"""Read written Parquet files back with DuckDB, to count their rows and compute their content hashes."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.schema.contract import Column, Contract
from lgsp.sql import one_row

ARROW_TYPES = {
    "string": "text", "bool": "boolean", "int32": "integer", "int64": "bigint", "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamptz", "double": "double precision",
}  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """The number of rows and the sums of their hashes, over all columns and (`data_hash`) without lineage columns."""

    rows: int
    content_hash: int
    data_hash: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.rows + other.rows, self.content_hash + other.content_hash, self.data_hash + other.data_hash)


NO_ROWS = Sums(0, 0, 0)


def contract_of(path: Path) -> Contract:
    """The contract that a file was written with: its columns may differ from those of today's contract."""
    schema = pq.read_schema(path)
    metadata = {name.decode(): value.decode() for name, value in (schema.metadata or {}).items()}
    columns = tuple(Column(column.name, _type(column.type), "", "", False, False, False) for column in schema)
    return Contract(metadata["contract"].removeprefix("lgsp."), "", "", "", columns, ())


def _type(arrow: pa.DataType) -> str:
    if pa.types.is_list(arrow):
        return f"{_type(arrow.value_type)}[]"
    return ARROW_TYPES[str(arrow)]


def read_sums(paths: list[Path]) -> Sums:
    """The sums over all rows of some files, read back with DuckDB, each over the columns it was written with."""
    by_contract: dict[Contract, list[str]] = {}
    for path in paths:
        by_contract.setdefault(contract_of(path), []).append(str(path))
    return sum((_sums(table, group) for table, group in by_contract.items()), NO_ROWS)


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    """The DuckDB connection of this process: opening another one takes longer than reading a small file."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    return con


def _sums(table: Contract, paths: list[str]) -> Sums:
    con = _reader().cursor()
    try:
        con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        whole, data = table.hash_sql("duckdb", table.names), table.hash_sql("duckdb", table.data_names)
        cursor = con.execute(
            f"select count(*), coalesce(sum({whole}), 0), coalesce(sum({data}), 0) from read_parquet(?, hive_partitioning = false)",
            [[glob.escape(path) for path in paths]],
        )
        row = one_row(cursor)
    finally:
        con.close()
    return Sums(int(row[0]), int(row[1]), int(row[2]))
