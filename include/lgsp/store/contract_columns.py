"""Bring the tables that contracts describe to today's columns: statements for what the store's tables lack.

A store whose tables are up to date is not altered, so no reader waits. Existing rows keep what they have: a new column is
null until the next publication derives the rows again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from lgsp.schema import contract, records
from lgsp.schema.contract import Contract
from lgsp.store import as_of_by_period, history, row_scope
from lgsp.store import views as shared_views

log = logging.getLogger(__name__)

SQL_NAMES = {"timestamptz": "timestamp with time zone"}
HISTORY_COLUMNS = ("snapshot_from", "snapshot_to")

COLUMNS = """
select nspname as schema, relname as table, attname as name, format_type(atttypid, atttypmod) as type, attnotnull as is_required
from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
where nspname = any(%s) and relkind = %s and attnum > 0 and not attisdropped order by attrelid, attnum
"""
TABLE, VIEW = "r", "v"


@dataclass(frozen=True)
class StoredColumn:
    """A column as it is in the store."""

    type: str
    is_required: bool


Tables = dict[tuple[str, str], dict[str, StoredColumn]]


def alterations(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """The statements to run before `create table if not exists` and the comments of every column."""
    yield from _moved_below_views(_stored(connection))
    stored = _stored(connection)
    for kind in records.KINDS.values():
        added = list(_altered("record", kind.name, kind.columns, stored))
        yield from added
        if added:
            log.warning(
                "record.%s has new columns, null until its windows are harmonised again: `lgsp rebuild` does",
                kind.name,
            )
    for table in contract.every():
        columns = {column.name: column.definition for column in table.stored_columns}
        altered = [
            statement
            for schema in (_schema(table), "history")
            for statement in (*_altered(schema, table.name, columns, stored), *_relaxed(schema, table, stored))
        ]
        if altered or history.is_outdated(connection, table):
            yield from history.dropped(table)
        if any(" type " in statement for statement in altered):  # no column of a table below a view can change its type
            yield from row_scope.dropped(table)
            yield from shared_views.dropped()
            if table.period_column:
                yield f"drop view if exists shared.{table.name}"
        yield from altered


def _moved_below_views(stored: Tables) -> Iterator[str]:
    """The statements that move indicator tables of version 0.1.0, whose rows store `as_of`, below their views."""
    tables = [table for table in contract.every() if table.period_column and stored.get(("shared", table.name))]
    if not tables:
        return
    yield as_of_by_period.DDL
    yield as_of_by_period.fill(tables)
    for table in tables:
        yield from history.dropped(table)
        yield f"alter table shared.{table.name} set schema indicator"
        for name in (table.storage, f"history.{table.name}"):
            yield f"alter table {name} drop column {table.period_column.name}"  # type: ignore[union-attr]


def views(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """The statements that create the views of tables whose rows do not store all columns, and those in SQL only.

    The columns of an existing view keep their places, as PostgreSQL requires; new ones follow.
    """
    existing = _stored(connection, VIEW)
    for table in contract.every():
        if table.period_column:
            names = dict.fromkeys((*existing["shared", table.name], *table.names))
            yield as_of_by_period.view(table, names)
            yield table.comments("view", f"shared.{table.name}", table.columns)
    yield from shared_views.statements({name: list(columns) for (_, name), columns in existing.items()})


def required_columns(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """The statements that make a required column NOT NULL in a table whose old rows may lack it.

    While some rows lack it, it is checked for new rows only; the first upgrade that finds no such row sets NOT NULL.
    """
    stored = _stored(connection)
    for table in contract.every():
        columns = stored[_schema(table), table.name]
        for column in table.stored_columns:
            if not column.is_required or columns[column.name].is_required:
                continue
            name, constraint = table.storage, f"{table.name}_{column.name}_required"
            is_lacking = connection.execute(f"select 1 from {name} where {column.name} is null limit 1").fetchone()
            yield f"alter table {name} drop constraint if exists {table.name}_{column.name}_is_told"  # of version 0.1.0
            yield f"alter table {name} drop constraint if exists {constraint}"
            yield (
                f"alter table {name} add constraint {constraint} check ({column.name} is not null) not valid"
                if is_lacking
                else f"alter table {name} alter {column.name} set not null"
            )


def _schema(table: Contract) -> str:
    return table.storage.partition(".")[0]


def _stored(connection: psycopg.Connection[dict[str, Any]], kind: str = TABLE) -> Tables:
    stored: Tables = defaultdict(dict)
    for row in connection.execute(COLUMNS, [["shared", "history", "record", "indicator"], kind]):
        stored[row["schema"], row["table"]][row["name"]] = StoredColumn(row["type"], row["is_required"])
    return stored


def _altered(schema: str, table: str, columns: dict[str, str], stored: Tables) -> Iterator[str]:
    known = stored.get((schema, table))
    for name, definition in columns.items() if known else ():
        type_ = definition.partition(" collate ")[0]
        if known and name not in known:
            yield f"alter table {schema}.{table} add column {name} {definition}"
        elif known and known[name].type != SQL_NAMES.get(type_, type_):
            yield f"alter table {schema}.{table} alter column {name} type {definition} using {name}::{type_}"


def _relaxed(schema: str, table: Contract, stored: Tables) -> Iterator[str]:
    """A column that the contract no longer has stays for its readers, but new rows need not fill it."""
    for name, column in stored.get((schema, table.name), {}).items():
        if column.is_required and name not in (*table.stored_names, *HISTORY_COLUMNS):
            yield f"alter table {schema}.{table.name} alter column {name} drop not null"
