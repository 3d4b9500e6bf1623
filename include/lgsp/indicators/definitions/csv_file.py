"""Read the typed rows of a definition file in CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions.source_row import SourceRow
from lgsp.schema import contract, csv_file
from lgsp.schema.column import Column


def rows(name: str, path: Path) -> Iterator[SourceRow]:
    """The rows of a CSV file, with the column types of the table's contract.

    Raises ContractError for other columns, and for a value that does not have the type of its column.
    """
    columns = {c.name: c for c in contract.load(name).columns if c.name not in contract.LINEAGE}
    for line, cells in csv_file.rows(path, list(columns)):
        yield SourceRow(path.name, line, {n: _value(c, cells[n], path, line) for n, c in columns.items()})


def _value(column: Column, text: str, path: Path, line: int) -> Any:
    if not text:
        if column.is_required or column.is_key:
            raise ContractError(f"{path.name} line {line}: {column.name} is missing")
        return None
    try:
        return _CONVERTERS[column.type](text)
    except ValueError as error:
        expected = "is no date; write it as 2026-01-10" if column.type == "date" else f"is not of type {column.type}"
        raise ContractError(f"{path.name} line {line}: {column.name} {text!r} {expected}") from error


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL does not store a zero byte in a text")
    return text


def _number(text: str) -> float:
    # Excel on a Vietnamese Windows writes 0,8. Where the sign may also separate thousands, as in 1,500, it is refused.
    if re.fullmatch(r"-?[1-9]\d{0,2}(?:[.,]\d{3})+", text):
        raise ValueError("the separator may mean thousands or decimals")
    if re.fullmatch(r"-?\d+,\d+", text):
        text = text.replace(",", ".")
    if not math.isfinite(value := float(text)):
        raise ValueError("a number must be finite")
    return value


def _integer(text: str) -> int:
    if not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError("the number does not fit into 64 bits")
    return value


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "text": _text, "date": date.fromisoformat, "double precision": _number, "bigint": _integer,
}  # fmt: skip
