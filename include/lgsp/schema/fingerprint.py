"""Fingerprints: of a table's file format, and of the program that derives it."""

from __future__ import annotations

import hashlib

from lgsp.schema.contract import Contract


def shape(table: Contract) -> str:
    """A mark of what a table's files look like: another one means that they must be written again."""
    columns = [f"{column.name} {column.type}" for column in table.columns]
    cut = table.partition.name if table.partition else ""
    return mark([table.version, cut, *table.key, *columns])


def mark(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
