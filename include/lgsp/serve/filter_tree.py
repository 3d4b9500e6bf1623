"""The typed tree of a filter. A kind is string, number, boolean, date, instant, list or null."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from lgsp.schema.column import Column

KINDS = {
    "text": "string", "boolean": "boolean", "integer": "number", "bigint": "number", "double precision": "number",
    "numeric": "number",
    "date": "date", "timestamptz": "instant", "text[]": "list",
}  # fmt: skip

# The functions: the kinds that each argument may have, and the kind of the result.
STRING, DAY, INSTANT = ("string",), ("date", "instant"), ("instant",)
FUNCTIONS = {
    "contains": ((STRING, STRING), "boolean"), "startswith": ((STRING, STRING), "boolean"), "endswith": ((STRING, STRING), "boolean"),
    "tolower": ((STRING,), "string"), "toupper": ((STRING,), "string"),
    "year": ((DAY,), "number"), "month": ((DAY,), "number"), "day": ((DAY,), "number"), "date": ((INSTANT,), "date"),
}  # fmt: skip


@dataclass(frozen=True)
class ColumnOf:
    """A column of the set."""

    column: Column

    @property
    def kind(self) -> str:
        """The kind of its values."""
        return KINDS[self.column.base_type]


@dataclass(frozen=True)
class Value:
    """A literal; None is null."""

    value: str | bool | int | Decimal | float | date | datetime | None
    kind: str


@dataclass(frozen=True)
class Call:
    """A function of FUNCTIONS."""

    name: str
    arguments: tuple[Node, ...]
    kind: str


@dataclass(frozen=True)
class Compare:
    """A comparison: eq, ne, gt, ge, lt or le. It is never null."""

    operator: str
    left: Node
    right: Node
    kind: str = "boolean"


@dataclass(frozen=True)
class In:
    """Whether a value is one of a list of literals. It is never null."""

    left: Node
    values: tuple[Value, ...]
    kind: str = "boolean"


@dataclass(frozen=True)
class AnyOf:
    """Whether a list has one of these values; with None, whether it has any. It is never null."""

    column: Column
    values: tuple[Value, ...] | None
    kind: str = "boolean"


@dataclass(frozen=True)
class Logic:
    """`and` or `or` of two or more operands, or `not` of one."""

    operator: str
    operands: tuple[Node, ...]
    kind: str = "boolean"


Node = ColumnOf | Value | Call | Compare | In | AnyOf | Logic
