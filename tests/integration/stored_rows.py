"""The rows of the shared tables in the types of their contracts, to compare what different readers get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from lgsp.schema import contract
from lgsp.schema.contract import Contract
from tests.integration.conftest import Installation

Row = tuple[Any, ...]


def _normalised(value: Any, kind: str) -> Any:
    """A value in the type of the contract; fails when the reader gave a type that cannot be converted exactly."""
    if kind == "text[]":
        return None if value is None else tuple(value)
    if pd.isna(value):
        return None
    if kind == "timestamptz":
        assert value.tzinfo is not None, "a time without its zone"
        instant = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
        return instant.astimezone(UTC)
    if kind in ("integer", "bigint"):  # pandas reads a column with nulls as float
        assert value == int(value)
        return int(value)
    expected_type = {"text": str, "boolean": bool, "date": date, "double precision": float}[kind]
    result = bool(value) if kind == "boolean" else value
    assert isinstance(result, expected_type) and not isinstance(result, datetime), f"{value!r} is not a {kind}"
    return result


def rows_of(table: Contract, rows: Iterable[Row]) -> Counter[Row]:
    """The rows that a reader got, each with how often, in the types of the contract."""
    kinds = [column.type for column in table.columns]
    return Counter(tuple(_normalised(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in rows)


def stored_rows(installation: Installation) -> dict[str, Counter[Row]]:
    """The rows of every table of the newest snapshot, read with the driver of the platform."""
    stored = {}
    for table in contract.every():
        rows = installation.query(f"select {', '.join(table.names)} from shared.{table.name}")
        stored[table.name] = rows_of(table, (tuple(row.values()) for row in rows))
    empty = {name for name, rows in stored.items() if not rows}
    assert empty == {"manual_indicator"}, "a table without rows proves nothing; only reported figures are missing here"
    return stored
