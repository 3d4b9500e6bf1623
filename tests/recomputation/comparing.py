"""Compares computed rows with published rows, in both directions, and describes the differences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

MAX_SHOWN = 20
Row = dict[str, Any]
_UNCOMPARED = ("batch_id", "snapshot_id", "source_updated_at")


def differences(
    table: str, key: tuple[str, ...], computed_rows: Iterable[tuple[tuple[Any, ...], Row]], rows: Iterable[Row]
) -> list[str]:
    """One line for each row that is only computed, only published, or not equal."""
    computed, published = dict(computed_rows), {tuple(row[column] for column in key): row for row in rows}
    lines = [
        f"{_label(table, k)}: is not published; computed {computed[k]}" for k in computed.keys() - published.keys()
    ]
    lines += [
        f"{_label(table, k)}: is only published: {_values(published[k], key)}"
        for k in published.keys() - computed.keys()
    ]
    for k in computed.keys() & published.keys():
        differing = [
            f"{column} computed {value}, published {published[k][column]}"
            for column, value in computed[k].items()
            if not is_equal(value, published[k][column])
        ]
        if differing:
            lines.append(f"{_label(table, k)}: {'; '.join(differing)}")
    return sorted(lines)


def is_equal(computed: Any, published: Any) -> bool:
    """Whether two values are equal; a computed fraction and a published float may differ in the last digits."""
    if isinstance(computed, Fraction) and published is not None:
        return math.isclose(float(computed), published, rel_tol=1e-13, abs_tol=1e-300)
    if isinstance(computed, bool):
        return type(computed) is type(published) and computed == published
    return bool(computed == published)


def summary(lines: list[str]) -> str:
    """The number of differences, and the first of them."""
    first = "\n".join(f"  {line}" for line in lines[:MAX_SHOWN])
    return f"{len(lines):,} rows differ:\n{first}"


def _label(table: str, key: tuple[Any, ...]) -> str:
    return f"{table} {' '.join(map(str, key))}"


def _values(row: Row, key: tuple[str, ...]) -> Row:
    return {column: value for column, value in row.items() if column not in (*key, *_UNCOMPARED)}
