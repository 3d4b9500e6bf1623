"""Describe the rows of a shared table as JSON Schema, for programs that get them as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from lgsp.schema.column import Column
from lgsp.schema.contract import Contract

SUFFIX = ".schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"}, "boolean": {"type": "boolean"}, "integer": {"type": "integer"}, "bigint": {"type": "integer"},
    "double precision": {"type": "number"}, "date": {"type": "string", "format": "date"},
    "timestamptz": {"type": "string", "format": "date-time"}, "text[]": {"type": "array", "items": {"type": "string"}},
}  # fmt: skip


def encode(table: Contract) -> bytes:
    """The schema of one row: an object with a property for each column. A later minor version may add columns."""
    schema = {
        "$schema": DIALECT, "$id": f"urn:lgsp:{table.name}:{table.version}", "title": table.meaning_vi,
        "description": table.description, "type": "object", "required": list(table.names),
        "properties": {column.name: _property(column) for column in table.columns},
    }  # fmt: skip
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _property(column: Column) -> dict[str, Any]:
    schema = {"title": column.note_vi, "description": column.note, **TYPES[column.type]}
    if column.codes:
        schema["enum"] = [*column.codes, *([None] if column.is_nullable else [])]
    if column.is_nullable:
        schema["type"] = [schema["type"], "null"]
    if column.deprecation:
        schema["deprecated"] = True
    return schema
