"""The formats of answers: which one a request asks for, and rows written in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from lgsp.schema.contract import Contract
from lgsp.serve.errors import ApiError

if TYPE_CHECKING:
    import pyarrow as pa

Row = Sequence[Any]
Batches = Iterator[list[tuple[Any, ...]]]

MEDIA_TYPES = {
    "json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv", "arrow": "application/vnd.apache.arrow.stream",
    "lgsp": "application/vnd.lgsp.envelope+json", "xml": "application/xml", "text": "text/plain", "yaml": "application/yaml",
    "jsonld": "application/ld+json", "turtle": "text/turtle",
}  # fmt: skip
OF_ROWS = ("json", "lgsp", "ndjson", "csv", "arrow")
OF_ROW = ("json", "lgsp")
STREAMS = ("ndjson", "csv", "arrow")


@dataclass(frozen=True)
class Format:
    """A format; `is_bare` without control information, `has_text_numbers` with 64-bit numbers as text."""

    name: str
    is_bare: bool = False
    has_text_numbers: bool = False

    @property
    def content_type(self) -> str:
        """The media type with its parameters."""
        if self.name == "json":
            numbers = ";IEEE754Compatible=true" if self.has_text_numbers else ""
            return f"application/json;odata.metadata={'none' if self.is_bare else 'minimal'}{numbers}"
        charset = ";charset=utf-8" if self.name in ("csv", "text") else ""
        return MEDIA_TYPES[self.name] + charset


def choose(accept: str | None, option: str | None, offered: Sequence[str]) -> Format:
    """The format that `$format`, else the header `Accept`, asks for. Raises ApiError (406) when it is none of the offered."""
    if option is not None:
        wanted = [option if "/" in option else MEDIA_TYPES.get(option, "none/none")]
    else:
        wanted = _by_preference(accept or "*/*")
    for item in wanted:
        if chosen := _offered(item, offered):
            return chosen
    raise ApiError(
        "NotAcceptable", f"available are {', '.join(MEDIA_TYPES[name] for name in offered)}", "định dạng không có ở đây"
    )


def _by_preference(accept: str) -> list[str]:
    weighed: list[tuple[float, int, str]] = []
    for item in accept.split(","):
        parameters = [part.strip() for part in item.split(";")]
        weights = [part[2:] for part in parameters if part.lower().startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighed.append(
                (-weight, len(weighed), ";".join(part for part in parameters if not part.lower().startswith("q=")))
            )
    return [item for _, _, item in sorted(weighed)]


def _offered(item: str, offered: Sequence[str]) -> Format | None:
    media_type, *rest = (part.strip().lower() for part in item.split(";"))
    parameters = dict(part.partition("=")[::2] for part in rest)
    if parameters.get("odata.metadata", parameters.get("metadata", "minimal")) == "full" or "odata" in parameters:
        return None
    for name in offered:
        kind = MEDIA_TYPES[name]
        if media_type in (kind, "*/*", f"{kind.partition('/')[0]}/*"):
            is_bare = "none" in (parameters.get("odata.metadata"), parameters.get("metadata"))
            return Format(name, is_bare, parameters.get("ieee754compatible") == "true")
    return None


class Writer:
    """Writes rows of some columns of a table."""

    def __init__(self, table: Contract, columns: Sequence[str], chosen: Format) -> None:
        types = {column.name: column.type for column in table.columns}
        self.columns, self._table, self._chosen = tuple(columns), table, chosen
        self._converted: dict[int, Callable[[Any], Any]] = {}
        for n, name in enumerate(columns):
            if types[name].startswith("numeric"):
                self._converted[n] = _decimal_text if chosen.has_text_numbers else _decimal_number
            elif types[name] == "bigint" and chosen.has_text_numbers:
                self._converted[n] = str

    def object(self, row: Row) -> dict[str, Any]:
        """A row as a JSON object; times and days are written by orjson."""
        if self._converted:
            row = list(row)
            for n, converted in self._converted.items():
                row[n] = None if row[n] is None else converted(row[n])
        return dict(zip(self.columns, row, strict=True))

    def stream(self, batches: Batches) -> Iterator[bytes]:
        """The bytes of all rows in the format, which must be one of STREAMS."""
        if self._chosen.name == "arrow":
            return self._arrow(batches)
        return self._csv(batches) if self._chosen.name == "csv" else self._ndjson(batches)

    def _ndjson(self, batches: Batches) -> Iterator[bytes]:
        for rows in batches:
            yield b"".join(orjson.dumps(self.object(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    def _csv(self, batches: Batches) -> Iterator[bytes]:
        yield (",".join(self.columns) + "\r\n").encode()
        for rows in batches:
            yield "".join(",".join(map(cell, row)) + "\r\n" for row in rows).encode()

    def _arrow(self, batches: Batches) -> Iterator[bytes]:
        import pyarrow as pa

        whole = self._table.arrow_schema()
        schema = pa.schema([whole.field(name) for name in self.columns], metadata=whole.metadata)
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as writer:
            for rows in batches:
                writer.write_batch(_record_batch(rows, schema))
                yield _taken(sink)
        yield _taken(sink)


def _record_batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _taken(sink: io.BytesIO) -> bytes:
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written


def cell(value: Any) -> str:
    """A value in CSV: null is empty, an empty text is `""`, a list is JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime() | date():
            return value.isoformat()
        case int() | float():
            return orjson.dumps(value).decode()
        case Decimal():
            return _decimal_text(value)
        case list():
            value = orjson.dumps(value).decode()
    text = str(value)
    if text and not any(sign in text for sign in ',"\r\n') and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


def _decimal_number(value: Decimal) -> orjson.Fragment:
    """A decimal as a number of JSON with all its digits."""
    return orjson.Fragment(_decimal_text(value))


def lines(objects: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Objects as NDJSON."""
    for each in objects:
        yield orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE)
