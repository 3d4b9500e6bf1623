"""What the tables of an older version lack: the statements that make them as this version wants them.

Nothing is altered where nothing is missing, so nobody waits. Rows are left as they are: what they lack is unknown
until the next publication derives them again.
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
from lgsp.store import history

log = logging.getLogger(__name__)

SQL_NAMES = {"timestamptz": "timestamp with time zone"}
OF_HISTORY = ("snapshot_from", "snapshot_to")
# Columns the ledger was given later; its tables are made by ledger.sql.
LEDGER: dict[str, dict[str, str]] = {
    "batch": {"purpose": "text not null default 'window'"},
    "check_result": {"snapshot_id": "bigint", "sample_keys": "text[] not null default '{}'"},
    "publication": {
        **dict.fromkeys(
            (
                "taken_count",
                "inserted_count",
                "replaced_count",
                "record_count",
                "dossier_record_count",
                "work_file_record_count",
                "token",
                "restores",
            ),
            "bigint",
        ),
        "publish_id": "uuid",
        "kind": "text not null default 'publication'",
        "verdict": "text not null default 'pass'",
        "overruled": "jsonb",
        **dict.fromkeys(("decided_by", "why", "signing_key"), "text"),
        **dict.fromkeys(("files_retired_at", "history_retired_at"), "timestamptz"),
    },
    "publication_table": {"shape": "text"},
    "publication_file": {"shape": "text"},
    "installation": {"derived_by": "text"},
    "quarantine": {"state_by": "text", "state_at": "timestamptz", "redriven_in": "text"},
}

COLUMNS = """
select nspname as schema, relname as table, attname as name, format_type(atttypid, atttypmod) as type, attnotnull as is_required
from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
where nspname = any(%s) and relkind = 'r' and attnum > 0 and not attisdropped
"""

INDEXES = """
select i.relname as index, c.relname as table from pg_index join pg_class i on i.oid = indexrelid join pg_class c on c.oid = indrelid
where i.relnamespace = 'record'::regnamespace and indpred is null
"""


@dataclass(frozen=True)
class Found:
    """A column as it is in the store."""

    type: str
    is_required: bool


Tables = dict[tuple[str, str], dict[str, Found]]


def statements(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """What must be altered before `create table if not exists` and the comments of every column can be run."""
    there = _found(connection)
    for kind in records.KINDS.values():
        added = list(_changed("record", kind.name, kind.columns, there))
        yield from added
        if added:
            log.warning(
                "record.%s has new columns, empty until its windows are harmonised again: `lgsp rebuild` does",
                kind.name,
            )
    yield from _too_wide(connection)
    for name, columns in LEDGER.items():
        yield from _changed("ledger", name, columns, there)
    for table in contract.every():
        columns = {column.name: column.type for column in table.columns}
        altered = [
            statement
            for schema in ("shared", "history")
            for statement in (*_changed(schema, table.name, columns, there), *_left_over(schema, table, there))
        ]
        if altered or history.is_outdated(connection, table):
            yield from history.dropped(table)
        yield from altered


def obligations(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """What makes a required column of an older table required, though old rows may still lack it.

    As long as they do it is asked of new rows alone; the first upgrade that finds no such row any more asks it of all.
    """
    there = _found(connection)
    for table in contract.every():
        columns = there["shared", table.name]
        for column in table.columns:
            if not column.is_required or columns[column.name].is_required:
                continue
            name, rule = f"shared.{table.name}", f"{table.name}_{column.name}_is_told"
            lacking = connection.execute(f"select 1 from {name} where {column.name} is null limit 1").fetchone()
            yield f"alter table {name} drop constraint if exists {rule}"
            yield (
                f"alter table {name} add constraint {rule} check ({column.name} is not null) not valid"
                if lacking
                else f"alter table {name} alter {column.name} set not null"
            )


def _too_wide(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """An index over all records that is wanted of some alone goes; the next `create index if not exists` makes it."""
    for row in connection.execute(INDEXES).fetchall():
        kind = records.KINDS.get(row["table"])
        if kind and " where " in kind.indexes_by_name().get(row["index"], ""):
            yield f"drop index record.{row['index']}"


def _found(connection: psycopg.Connection[dict[str, Any]]) -> Tables:
    there: Tables = defaultdict(dict)
    for row in connection.execute(COLUMNS, [["shared", "history", "record", "ledger"]]):
        there[row["schema"], row["table"]][row["name"]] = Found(row["type"], row["is_required"])
    return there


def _changed(schema: str, table: str, columns: dict[str, str], there: Tables) -> Iterator[str]:
    known = there.get((schema, table))
    for name, type_ in columns.items() if known else ():
        if known and name not in known:
            yield f"alter table {schema}.{table} add column {name} {type_}"
            continue
        plain = type_.split(" not null")[0]
        if known and known[name].type != SQL_NAMES.get(plain, plain):
            yield f"alter table {schema}.{table} alter column {name} type {plain} using {name}::{plain}"


def _left_over(schema: str, table: Contract, there: Tables) -> Iterator[str]:
    """A column that the contract has no more stays for who still reads it, but no new row must fill it."""
    for name, found in there.get((schema, table.name), {}).items():
        if found.is_required and name not in (*table.names, *OF_HISTORY):
            yield f"alter table {schema}.{table.name} alter column {name} drop not null"
