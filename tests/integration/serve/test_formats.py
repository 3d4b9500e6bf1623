"""One set has the same values as JSON, NDJSON, CSV, Arrow and Parquet, in all columns."""

from __future__ import annotations

import io
import json
from datetime import timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from lgsp.schema.column import Column
from lgsp.serve import model
from tests.exhaustive import exhaustive
from tests.integration.serve.conftest import Api, Rows

LOCAL = timezone(timedelta(hours=7))


@pytest.mark.parametrize("name", ["dossier", *exhaustive(*(each for each in model.sets() if each != "dossier"))])
def test_every_format_has_the_same_values(api: Api, name: str) -> None:
    rows = api.rows(name, Prefer="odata.maxpagesize=10000")
    assert rows or name in ("manual_indicator", "index_766"), "an empty table proves nothing"
    lines = api.get(f"{name}?$format=ndjson&$count=true")
    assert lines.headers["LGSP-Count"] == str(len(rows))
    assert [json.loads(line) for line in lines.text.splitlines()] == rows
    assert of_csv(api.get(name, Accept="text/csv").content, name) == rows
    assert of_arrow(pa.ipc.open_stream(api.get(f"{name}?$format=arrow").content).read_all(), name) == rows
    enveloped = api.json(f"{name}?$format=lgsp", Prefer="odata.maxpagesize=10000", X_Request_Id="r-1")
    assert enveloped.pop("data")["value"] == rows[:10_000]
    assert enveloped == {"status": "success", "code": "00", "message": "OK", "correlationId": "r-1"}
    if model.sets()[name].is_published:
        assert _by_key(of_arrow(_parquet(api, name), name), name) == _by_key(rows, name)


def _parquet(api: Api, name: str) -> pa.Table:
    """The table of the newest snapshot, from the files that its manifest lists."""
    pinned = f"at/{api.get('/health', None).json()['snapshot']}"
    listed = api.get(f"{pinned}/manifest.json").json()["tables"][name]["files"]
    parts = [pa.parquet.read_table(io.BytesIO(api.get(f"{pinned}/files/{each['path']}").content)) for each in listed]
    return pa.concat_tables(parts)


def of_arrow(table: pa.Table, name: str) -> Rows:
    """Rows of Arrow as JSON has them."""

    def value(column: Column, cell: Any) -> Any:
        if column.type == "text[]":
            return cell or []
        if column.type == "timestamptz" and cell is not None:
            return cell.astimezone(LOCAL).isoformat()
        return cell.isoformat() if column.type == "date" and cell is not None else cell

    columns = model.sets()[name].contract.columns
    return [{column.name: value(column, row[column.name]) for column in columns} for row in table.to_pylist()]


def of_csv(content: bytes, name: str) -> Rows:
    """Rows of CSV as JSON has them: an empty cell is null, a quoted one an empty text."""
    assert not content.startswith(b"\xef\xbb\xbf")
    read: dict[str, Any] = {"text": str, "date": str, "timestamptz": str, "boolean": {"true": True, "false": False}.__getitem__,
        "integer": int, "bigint": int, "double precision": float, "text[]": json.loads}  # fmt: skip
    columns = model.sets()[name].contract.columns
    table = pa.csv.read_csv(
        io.BytesIO(content),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types={column.name: pa.string() for column in columns},
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
        ),
    )  # fmt: skip
    return [
        {column.name: None if row[column.name] is None else read[column.type](row[column.name]) for column in columns}
        for row in table.to_pylist()
    ]


def _by_key(rows: Rows, name: str) -> Rows:
    return sorted(rows, key=lambda row: [row[column] for column in model.sets()[name].key])
