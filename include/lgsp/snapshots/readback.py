"""Read written Parquet files back with DuckDB, to count their rows and compute their content hashes."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.schema.column import Column
from lgsp.schema.contract import Contract

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
    return sum(read_sums_of_each(paths).values(), NO_ROWS)


def read_sums_of_each(paths: list[Path]) -> dict[Path, Sums]:
    """The sums over the rows of each file; files with the same columns are read by one query."""
    by_contract: dict[Contract, list[str]] = {}
    for path in paths:
        by_contract.setdefault(contract_of(path), []).append(str(path))
    found = {name: sums for table, group in by_contract.items() for name, sums in _sums(table, group).items()}
    return {path: found.get(str(path), NO_ROWS) for path in paths}


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    """The DuckDB connection of this process: opening another one takes longer than reading a small file."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    return con


def _sums(table: Contract, paths: list[str]) -> dict[str, Sums]:
    con = _reader().cursor()
    try:
        con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        whole, data = table.hash_sql("duckdb", table.names), table.hash_sql("duckdb", table.data_names)
        rows = con.execute(
            f"select filename, count(*), sum({whole}), sum({data}) from read_parquet(?, hive_partitioning = false, filename = true) group by 1",
            [[glob.escape(path) for path in paths]],
        ).fetchall()
    finally:
        con.close()
    return {name: Sums(count, int(content), int(data)) for name, count, content, data in rows}
