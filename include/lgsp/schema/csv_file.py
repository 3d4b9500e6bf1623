"""Read a CSV file that people edit, as Excel and other programs save it."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from lgsp.errors import ContractError

SEPARATORS = (",", ";", "\t")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, without the mark.

    Raises ContractError when the file cannot be read or is in another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path.name} cannot be read: {error.strerror}") from error
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContractError(f"{path.name} line {line}: this is not UTF-8; save the file as UTF-8") from error


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a CSV file with these columns in any order: line number, and cells without surrounding whitespace.

    The separator is that of the first line: a comma, a semicolon (Excel on a Vietnamese Windows) or a tab. Lines without
    content, empty cells after the last column and Excel's line `sep=;` are skipped. Raises ContractError for other
    columns, and for a line with more or fewer cells.
    """
    text = read_text(path)
    first = text.partition("\n")[0].strip()
    separator = _separator(first, columns)
    lines = csv.reader(StringIO(text, newline=""), strict=True, delimiter=separator)
    if first.lower() == f"sep={separator}":
        next(lines)
    try:
        header = _without_empty_end(next(lines, []), 0)
        if sorted(header) != sorted(columns):
            raise ContractError(
                f"{path.name} line {max(lines.line_num, 1)}: the columns must be {','.join(columns)}"
                + ("" if separator in first else "; their separator is a comma or a semicolon")
            )
        for cells in lines:
            kept = _without_empty_end(cells, len(header))
            if not any(kept):
                continue
            if len(kept) > len(header):
                raise ContractError(f"{path.name} line {lines.line_num}: there are more fields than columns; quote a text that has a {_NAMES[separator]}")  # fmt: skip
            if len(kept) < len(header):
                raise ContractError(f"{path.name} line {lines.line_num}: {len(kept)} cells where {len(header)} are needed: {','.join(header)}")  # fmt: skip
            yield lines.line_num, dict(zip(header, kept, strict=True))
    except csv.Error as error:
        raise ContractError(f"{path.name} line {lines.line_num}: {error}") from error


_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}


def _separator(first: str, columns: Sequence[str]) -> str:
    """The separator that Excel's line `sep=` names, else the one that splits the first line into known columns."""
    if first.lower() in {f"sep={separator}" for separator in SEPARATORS}:
        return first[-1]
    known = {
        separator: len({cell.strip(' "') for cell in first.split(separator)} & set(columns)) for separator in SEPARATORS
    }
    return max(SEPARATORS, key=lambda separator: known[separator])


def _without_empty_end(cells: list[str], length: int) -> list[str]:
    """The cells without surrounding whitespace, and without empty cells at the end beyond a length."""
    kept = [cell.strip() for cell in cells]
    while len(kept) > length and not kept[-1]:
        kept.pop()
    return kept
