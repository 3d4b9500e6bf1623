"""Load the three sources with dlt, in its best form for two outputs and in its default form.

The best form extracts once: the first pipeline writes Arrow tables to Parquet files, the second links these files into
its load package and copies them into PostgreSQL with ADBC, where it merges them by key. Its settings:

* Answers are parsed by orjson; dlt's own parser is simplejson, which is slower than that of the standard library.
* The session does not look for proxies in the environment: dlt does so for every request, which costs a fifth of the
  extraction.
* The making of tables and the fetching of messages are `parallelized`: less time, and no more CPU.
* PostgreSQL gets `merge` (delete and insert), which is what a daily load needs. Parquet files can only be appended to.
* Arrow tables have no `_dlt_load_id` (the default): adding it would write every file twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import psycopg
import pyarrow.parquet as pq
from dlt.destinations import filesystem, postgres
from dlt.extract import with_file_import
from dlt.sources import DltResource

from lgsp import store
from lgsp.settings import Settings
from lgsp.window import Window
from tests.bench import dlt_province

BEST, DEFAULT = "dlt_best", "dlt_default"  # the schemas in PostgreSQL


def to_both(settings: Settings, window: Window) -> dict[str, int]:
    """Load a window into Parquet files, then from these into PostgreSQL; the rows of each table in the files."""
    folder = settings.home / "dlt" / "files"
    files = _pipeline(settings, "files", BEST, filesystem(folder.as_uri()))
    files.run(dlt_province.arrow_tables(settings, window), loader_file_format="parquet")
    resources = [_rows_of_files(name, _paths(folder, name)) for name in dlt_province.TABLES]
    tables = _pipeline(settings, "tables", BEST, postgres(store.url(settings)))
    tables.run(resources, loader_file_format="parquet")
    return {name: sum(pq.read_metadata(path).num_rows for path in _paths(folder, name)) for name in dlt_province.TABLES}


def to_postgresql(settings: Settings, window: Window) -> dict[str, int]:
    """Load a window into PostgreSQL as dlt does it without hints; the rows of each table."""
    pipeline = _pipeline(settings, "default", DEFAULT, postgres(store.url(settings)))
    pipeline.run(dlt_province.dictionaries(settings, window))
    return rows_in_postgresql(settings, DEFAULT)


def rows_in_postgresql(settings: Settings, schema: str) -> dict[str, int]:
    """The number of rows of each table in PostgreSQL."""
    with psycopg.connect(store.url(settings)) as connection:
        counts = {name: connection.execute(f"select count(*) from {schema}.{name}").fetchone() for name in dlt_province.TABLES}  # fmt: skip
    return {name: int(row[0]) for name, row in counts.items() if row}


def _pipeline(settings: Settings, name: str, schema: str, destination: Any) -> dlt.Pipeline:
    folder = settings.home / "dlt" / "pipelines"
    return dlt.pipeline(name, destination=destination, dataset_name=schema, pipelines_dir=str(folder))


def _paths(folder: Path, name: str) -> list[Path]:
    return sorted((folder / BEST / name).glob("*.parquet"))


def _rows_of_files(name: str, paths: list[Path]) -> DltResource:
    """A resource of Parquet files, which are linked and not read; of several versions of a key the latest counts."""
    key = dlt_province.TABLES[name]

    def rows() -> Iterator[Any]:
        for path in paths:
            metadata = pq.read_metadata(path)
            yield with_file_import(
                str(path), "parquet", metadata.num_rows, metadata.schema.to_arrow_schema().empty_table()
            )

    order = {key.changed: {"dedup_sort": "desc"}} if key.changed else {}
    return dlt.resource(rows, name=name, write_disposition="merge", primary_key=key.key, columns=order)  # type: ignore[no-any-return]
