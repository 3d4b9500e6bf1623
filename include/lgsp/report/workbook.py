"""Write a report as an Excel workbook: numbers stay numbers, and no text becomes a formula."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]

# Excel shows numbers and dates in the reader's locale.
FORMATS: dict[str, dict[str, Any]] = {
    "text": {"text_wrap": True, "num_format": "@"}, "count": {"num_format": "#,##0"}, "ratio": {"num_format": "0.00%"},
    "points": {"num_format": "0.00"}, "day": {"num_format": "dd/mm/yyyy", "align": "left"},
}  # fmt: skip
SHEET_NAME_CHARACTERS = 31
OPTIONS = {
    "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "nan_inf_to_errors": True,
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: its heading, the number format of its values, and its width in characters."""

    heading: str
    kind: str = "text"
    width: int = 14


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name, title, columns and rows; a cell (kind, value) overrides the kind of its column."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]


def to_bytes(sheets: Sequence[Sheet], title: str, created: datetime) -> bytes:
    """The bytes of a workbook; the same sheets and the same time give the same bytes."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, OPTIONS)
    book.set_properties({"title": title, "created": created.astimezone(UTC).replace(tzinfo=None)})
    formats = {
        name: book.add_format({"valign": "top", "font_size": 11, **options}) for name, options in FORMATS.items()
    }
    heading_format = book.add_format({"bold": True, "bg_color": "#0D4477", "font_color": "#FFFFFF", "text_wrap": True, "valign": "vcenter"})  # fmt: skip
    title_format = book.add_format({"bold": True, "font_size": 13})
    for sheet in sheets:
        page = book.add_worksheet(sheet.name[:SHEET_NAME_CHARACTERS])
        page.write_string(0, 0, sheet.title, title_format)
        for column_number, column in enumerate(sheet.columns):
            page.set_column(column_number, column_number, column.width)
            page.write_string(1, column_number, column.heading, heading_format)
        rows = list(sheet.rows)
        for row_number, row in enumerate(rows, start=2):
            for column_number, value in enumerate(row):
                _write(page, row_number, column_number, value, sheet.columns[column_number].kind, formats)
        page.freeze_panes(2, 1)
        if rows:
            page.autofilter(1, 0, len(rows) + 1, len(sheet.columns) - 1)
        page.set_landscape()
        page.set_paper(9)  # A4
        page.fit_to_pages(1, 0)
        page.repeat_rows(1)
    book.close()
    return buffer.getvalue()


def _write(page: Any, row: int, column: int, value: Any, kind: str, formats: dict[str, Any]) -> None:
    if isinstance(value, tuple):
        kind, value = value
    if value is None:
        page.write_blank(row, column, None, formats[kind])
    elif isinstance(value, str):
        page.write_string(row, column, value, formats["text"])
    elif isinstance(value, date):
        page.write_datetime(row, column, datetime(value.year, value.month, value.day), formats["day"])
    else:
        page.write_number(row, column, value, formats["count" if kind == "text" else kind])
