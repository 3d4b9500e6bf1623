"""Read the text of a definition file, and the rows of a CSV file."""

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


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without the byte order mark that Excel writes.

    Raises ContractError when the file cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContractError(f"{path.name} line {line}: this is not UTF-8; save the file as UTF-8") from error


def rows(name: str, path: Path) -> Iterator[SourceRow]:
    """The rows of a CSV file, with the column types of the table's contract.

    Raises ContractError for other columns, and for a value that does not have the type of its column.
    """
    columns = {c.name: c for c in contract.load(name).columns if c.name not in contract.LINEAGE}
    lines = csv.DictReader(StringIO(read_text(path), newline=""), strict=True)
    try:
        if sorted(lines.fieldnames or ()) != sorted(columns):
            raise ContractError(f"{path.name} line 1: the columns must be {','.join(columns)}")
        for line in lines:
            if None in line:
                raise ContractError(f"{path.name} line {lines.line_num}: there are more fields than columns; quote a text that has a comma")  # fmt: skip
            yield SourceRow(path.name, lines.line_num, {n: _value(c, line[n] or "", path, lines.line_num) for n, c in columns.items()})  # fmt: skip
    except csv.Error as error:
        raise ContractError(f"{path.name} line {lines.line_num}: {error}") from error


def _value(column: contract.Column, text: str, path: Path, line: int) -> Any:
    text = text.strip()
    if not text:
        if column.is_required or column.is_key:
            raise ContractError(f"{path.name} line {line}: {column.name} is missing")
        return None
    try:
        return _CONVERTERS[column.type](text)
    except ValueError as error:
        raise ContractError(f"{path.name} line {line}: {column.name} {text!r} is not of type {column.type}") from error


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL does not store a zero byte in a text")
    return text


def _number(text: str) -> float:
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
