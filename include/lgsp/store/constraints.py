"""Declare in PostgreSQL what contracts state of columns: the values of code lists, and references to other tables.

Neither makes a reader wait. A check is added for new rows, in the short lock of any alteration, and existing rows are
checked after the upgrade was committed, in a lock that readers and publications of other tables do not notice. References are
declared where PostgreSQL can declare them without enforcing them (version 18): values such as UNKNOWN and ALL have no row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from lgsp.schema import contract
from lgsp.schema.contract import Contract
from lgsp.sql import quoted

log = logging.getLogger(__name__)

NOT_ENFORCED = 180000  # the version of PostgreSQL that can declare references without enforcing them

SUFFIXES = CHECK, REFERENCE = "_known", "_fkey"

STORED = """
select conname as name, nspname || '.' || relname as table, obj_description(k.oid, 'pg_constraint') as definition, convalidated as is_valid
from pg_constraint k join pg_class c on c.oid = conrelid join pg_namespace n on n.oid = relnamespace
where conrelid = any(%s::text[]::regclass[]) and contype in ('c', 'f')
"""


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table. Its comment in the store is its definition, by which an upgrade sees that it changed."""

    table: str
    name: str
    definition: str
    is_check: bool


def declared(version: int) -> Iterator[Constraint]:
    """The constraints of all tables that a PostgreSQL of this version number can declare."""
    for table in contract.every():
        yield from _checks(table)
        if version >= NOT_ENFORCED:
            yield from _references(table)


def _checks(table: Contract) -> Iterator[Constraint]:
    for column in table.stored_columns:
        if column.codes:
            listed = ", ".join(map(quoted, column.codes))
            yield Constraint(
                table.storage, f"{table.name}_{column.name}{CHECK}", f"check ({column.name} in ({listed}))", True
            )


def _references(table: Contract) -> Iterator[Constraint]:
    """The references to the key of a table. One to a table of versions, whose key has a day too, cannot be declared."""
    for column in table.stored_columns:
        if column.reference is None:
            continue
        target = contract.load(column.reference.table)
        if target.key == (column.reference.column,):
            definition = (
                f"foreign key ({column.name}) references {target.storage} ({column.reference.column}) not enforced"
            )
            yield Constraint(table.storage, f"{table.name}_{column.name}{REFERENCE}", definition, False)


def statements(connection: psycopg.Connection[dict[str, Any]]) -> Iterator[str]:
    """The statements that declare what the store lacks, replace what changed, and drop what contracts no longer state."""
    stored = {(row["table"], row["name"]): row for row in _stored(connection)}
    wanted = list(declared(connection.info.server_version))
    for table, name in stored.keys() - {(each.table, each.name) for each in wanted}:
        if stored[table, name]["definition"] and name.endswith(SUFFIXES):
            yield f"alter table {table} drop constraint {name}"
    for each in wanted:
        row = stored.get((each.table, each.name))
        if row and row["definition"] == each.definition:
            continue
        yield f"alter table {each.table} drop constraint if exists {each.name}"
        yield f"alter table {each.table} add constraint {each.name} {each.definition}{' not valid' if each.is_check else ''}"
        yield f"comment on constraint {each.name} on {each.table} is {quoted(each.definition)}"


def validate(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """Check the existing rows against the checks that only new rows were checked against; each in its own transaction.

    A check that a row of an older version violates, or whose table is in use, stays as it is until the next upgrade.
    """
    ours = {(each.table, each.name) for each in declared(connection.info.server_version) if each.is_check}
    waiting = [row for row in _stored(connection) if not row["is_valid"] and (row["table"], row["name"]) in ours]
    connection.commit()
    for row in waiting:
        try:
            connection.execute(f"alter table {row['table']} validate constraint {row['name']}")
            connection.commit()
        except (psycopg.errors.CheckViolation, psycopg.errors.LockNotAvailable) as error:
            connection.rollback()
            log.warning("%s of %s holds for new rows only: %s", row["name"], row["table"], error.diag.message_primary)


def _stored(connection: psycopg.Connection[dict[str, Any]]) -> list[dict[str, Any]]:
    return connection.execute(STORED, [[table.storage for table in contract.every()]]).fetchall()
