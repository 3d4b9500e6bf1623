"""The text of a definition file, and the rows of one that is a list."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions.source_row import SourceRow
from lgsp.schema import contract


def text(path: Path) -> str:
    """What a file says, with or without the mark that Excel puts first. Raises ContractError when it is not UTF-8."""
    try:
        told = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return told.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = told.count(b"\n", 0, error.start) + 1
        raise ContractError(f"{path.name} line {line}: this is not UTF-8; save the file as UTF-8") from error


def listed(name: str, path: Path) -> Iterator[SourceRow]:
    """The rows of a CSV file, typed as the table's contract says. Raises ContractError for what is not so."""
    columns = {c.name: c for c in contract.load(name).columns if c.name not in contract.LINEAGE}
    lines = csv.DictReader(StringIO(text(path), newline=""), strict=True)
    try:
        if sorted(lines.fieldnames or ()) != sorted(columns):
            raise ContractError(f"{path.name} line 1: the columns must be {','.join(columns)}")
        for line in lines:
            if None in line:
                raise ContractError(f"{path.name} line {lines.line_num}: there are more fields than columns; quote a text that has a comma")  # fmt: skip
            yield SourceRow(path.name, lines.line_num, {n: _value(c, line[n] or "", path, lines.line_num) for n, c in columns.items()})  # fmt: skip
    except csv.Error as error:
        raise ContractError(f"{path.name} line {lines.line_num}: {error}") from error


def _value(column: contract.Column, said: str, path: Path, line: int) -> Any:
    said = said.strip()
    if not said:
        if column.is_required or column.is_key:
            raise ContractError(f"{path.name} line {line}: {column.name} is missing")
        return None
    try:
        return _READ[column.type](said)
    except ValueError as error:
        raise ContractError(f"{path.name} line {line}: {column.name} {said!r} is no {column.type}") from error


def _text(said: str) -> str:
    if "\0" in said:
        raise ValueError("PostgreSQL holds no text with a zero byte")
    return said


def _number(said: str) -> float:
    if not math.isfinite(value := float(said)):
        raise ValueError("nothing can be held against it")
    return value


def _whole(said: str) -> int:
    if not -(2**63) <= (value := int(said)) < 2**63:
        raise ValueError("it does not fit its column")
    return value


_READ: dict[str, Callable[[str], Any]] = {
    "text": _text, "date": date.fromisoformat, "double precision": _number, "bigint": _whole,
}  # fmt: skip
