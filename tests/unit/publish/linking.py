"""Dossier records for the linking tests, and the tables that linking derives from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from lgsp.publish import link_dossiers
from lgsp.schema import records

DAY = datetime(2026, 8, 3, 2, tzinfo=UTC)
TYPES = {
    "text": pa.string(), "text[]": pa.list_(pa.string()), "boolean": pa.bool_(), "integer": pa.int32(), "bigint": pa.int64(),
    "timestamptz": pa.timestamp("us", "UTC"),
}  # fmt: skip

OFFERINGS = pa.schema([
    ("service_code", pa.string()), ("organisation_id", pa.string()), ("valid_from", pa.date32()), ("valid_to", pa.date32()),
    ("online_level", pa.int32()),
])  # fmt: skip


def record(source: str, **columns: Any) -> dict[str, Any]:
    """A record of a source; `columns` replace those of an accepted dossier."""
    row = dict.fromkeys(records.DOSSIER.columns)
    row |= {
        "source": source, "source_key": f"{source}-1", "source_updated_at": DAY, "content_hash": source, "batch_id": f"{source}.1",
        "source_code": "H47-260803-0001", "is_deleted": False, "service_code": "UNKNOWN", "receiving_organisation_id": "H47.01",
        "channel": "unknown", "status": "accepted", "received_at": DAY, "events": "[]", "quality_flags": [],
    }  # fmt: skip
    return row | columns


def linked(
    con: duckdb.DuckDBPyConnection, *rows: dict[str, Any], offerings: tuple[dict[str, Any], ...] = ()
) -> list[dict[str, Any]]:
    """The dossiers of some records; the other derived tables stay in the connection."""
    schema = pa.schema([(name, TYPES[type_]) for name, type_ in records.DOSSIER.columns.items()])
    offered = pa.Table.from_pylist(list(offerings), schema=OFFERINGS)
    link_dossiers.derive(con, pa.Table.from_pylist(list(rows), schema=schema), offered)
    return rows_of(con, "dossier")


def rows_of(con: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    """The rows of a derived table, in the order of their first two columns."""
    rows: list[dict[str, Any]] = con.sql(f"select * from {table} order by 1, 2").to_arrow_table().to_pylist()
    return rows
