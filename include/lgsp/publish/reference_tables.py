"""Publish the reference tables and the lists of agencies and services from schema `record`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from lgsp import sql
from lgsp.indicators import definitions
from lgsp.publish import merge
from lgsp.publish.context import PublishRun
from lgsp.schema import contract
from lgsp.snapshots.changes import Changes
from lgsp.store.transaction import Transaction
from lgsp.vietnam.text import name_keys

REFERENCE = ("admin_unit", "admin_unit_crosswalk", "working_day", *definitions.NAMES)
LISTS = ("organisation", "organisation_alias", "service", "service_offering")
NAMED = {"organisation": "record.organisation_version", "service": "record.service"}
# One row for each id, from the versions in the tables above.
CURRENT = ("admin_unit_current", "indicator_current", "organisation_current", "service_current")
FRESHNESS = "freshness"


def merge_reference_tables(run: PublishRun) -> None:
    """Publish territories, calendar, definitions, agencies and services, their current versions, and the freshness.

    Reads: schema `record`, ledger.source, ledger.batch. Writes: the shared tables in REFERENCE, LISTS and CURRENT,
    shared.freshness, their history.
    """
    merge_tables(run.transaction, run.snapshot_id, run.changes, (*REFERENCE, *LISTS, *CURRENT))
    _merge(run.transaction, FRESHNESS, freshness_query(run.batch_ids), run.snapshot_id, run.changes)


def merge_tables(transaction: Transaction, snapshot_id: int, changes: Changes, names: Sequence[str]) -> None:
    """Make these shared tables equal to what their queries give; most publications change none of them."""
    if tables := [NAMED[name] for name in names if name in NAMED]:
        _stage_name_keys(transaction, tables)
    for name in names:
        _merge(transaction, name, query(name), snapshot_id, changes)


def _merge(transaction: Transaction, name: str, rows: str, snapshot_id: int, changes: Changes) -> None:
    if not merge.is_current(transaction, contract.load(name), rows):
        merge.merge_query(transaction, name, rows, snapshot_id, changes)


def query(name: str) -> str:
    """The query that gives the rows of a table in REFERENCE, LISTS or CURRENT."""
    path = f"reference/{name}"
    parts = sql.placeholders("lgsp.publish", path)
    return sql.load("lgsp.publish", path, **{part: sql.load("lgsp.publish", part) for part in parts})


def freshness_query(batch_ids: Sequence[str]) -> str:
    """The query that gives the rows of `freshness` in the publication of these batches."""
    return sql.load("lgsp.publish", f"reference/{FRESHNESS}", batches=" ".join(batch_ids))


def _stage_name_keys(transaction: Transaction, tables: Iterable[str]) -> None:
    """Leave the temporary table `name_key`: the names in these tables with the keys that sort and find them."""
    transaction.do("drop table if exists pg_temp.name_key")
    transaction.do(
        'create temporary table name_key (name text not null, name_sort text collate "C" not null, name_search text not null) '
        "on commit drop"
    )
    names = " union ".join(f"select name from {table} where name is not null" for table in tables)
    keys = [name_keys.of(name) for (name,) in transaction.rows(names)]
    columns = {column: [getattr(key, column) for key in keys] for column in ("name", "name_sort", "name_search")}
    transaction.load("name_key", pa.table({column: pa.array(texts, pa.string()) for column, texts in columns.items()}))
    transaction.do("analyze name_key (name)")
