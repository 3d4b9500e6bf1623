"""Our rows against the published ones, in both directions, and the differences in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

SHOWN = 20
Row = dict[str, Any]
_ABOUT = ("batch_id", "snapshot_id", "source_updated_at")


def differences(
    table: str, key: tuple[str, ...], ours: Iterable[tuple[tuple[Any, ...], Row]], theirs: Iterable[Row]
) -> list[str]:
    """What is missing, what nobody knows of, and what is not the same, one line each."""
    wanted, told = dict(ours), {tuple(row[column] for column in key): row for row in theirs}
    lines = [f"{_named(table, each)}: is not published; ours {wanted[each]}" for each in wanted.keys() - told.keys()]
    lines += [
        f"{_named(table, each)}: only published; {_facts(told[each], key)}" for each in told.keys() - wanted.keys()
    ]
    for each in wanted.keys() & told.keys():
        unlike = [
            f"{column} ours {value} theirs {told[each][column]}"
            for column, value in wanted[each].items()
            if not is_same(value, told[each][column])
        ]
        if unlike:
            lines.append(f"{_named(table, each)}: {'; '.join(unlike)}")
    return sorted(lines)


def is_same(ours: Any, theirs: Any) -> bool:
    """Whether two values are the same; a float is what an exact fraction becomes, up to its last digits."""
    if isinstance(ours, Fraction) and theirs is not None:
        return math.isclose(float(ours), theirs, rel_tol=1e-13, abs_tol=1e-300)
    return type(ours) is type(theirs) and ours == theirs if isinstance(ours, bool) else bool(ours == theirs)


def told(lines: list[str]) -> str:
    """The first differences, and how many there are."""
    shown = "\n".join(f"  {line}" for line in lines[:SHOWN])
    return f"{len(lines):,} rows are not the same:\n{shown}"


def _named(table: str, key: tuple[Any, ...]) -> str:
    return f"{table} {' '.join(map(str, key))}"


def _facts(row: Row, key: tuple[str, ...]) -> Row:
    return {column: value for column, value in row.items() if column not in (*key, *_ABOUT)}
