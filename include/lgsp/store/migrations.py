"""Migrations: the numbered DDL of the store, each applied once, and the routines, which every upgrade replaces.

    ddl/0001_baseline/*.sql   tables, indexes and sequences of version 0.1.0
    ddl/0002_….sql            one change each; never edited once released
    ddl/routines/*.sql        functions, triggers and views: `create or replace`
    ddl/grants.sql            the rights of each role
    ddl/administrator.sql     what only a superuser can take from all logins

The tables that contracts describe are not among them: `contract_columns` derives their DDL.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import psycopg

from lgsp import sql
from lgsp.errors import SettingError

log = logging.getLogger(__name__)

PACKAGE, FOLDER = "lgsp.store", "ddl"
TABLE = """
create table if not exists ledger.migration (
    number     integer primary key,
    name       text not null,
    applied_at timestamptz not null default now()
);
comment on table ledger.migration is 'The migrations that were applied to this store';
"""


@dataclass(frozen=True)
class Migration:
    """One numbered change: its name without the number, and its statements."""

    number: int
    name: str
    statements: str


@cache
def every() -> tuple[Migration, ...]:
    """All migrations in the order of their numbers."""
    with as_file(files(PACKAGE).joinpath(FOLDER)) as folder:
        numbered = sorted(path for path in folder.iterdir() if path.name[:4].isdigit())
        found = []
        for path in numbered:
            parts = sorted(path.glob("*.sql")) if path.is_dir() else [path]
            text = "\n".join(part.read_text(encoding="utf-8") for part in parts)
            found.append(Migration(int(path.name[:4]), path.stem[5:], text))
    return tuple(found)


@cache
def routines() -> tuple[str, ...]:
    """The statements that create or replace functions, triggers and views."""
    with as_file(files(PACKAGE).joinpath(FOLDER, "routines")) as folder:
        return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")))


def grants() -> str:
    """The statements that grant each role its rights."""
    return sql.read(PACKAGE, f"{FOLDER}/grants.sql")


def for_administrator() -> str:
    """The statements that only a superuser may run; safe to repeat."""
    return sql.read(PACKAGE, f"{FOLDER}/administrator.sql")


def refuse_newer(connection: psycopg.Connection[dict[str, object]]) -> None:
    """Raise SettingError when the store has a migration that this version of the program does not know."""
    row = connection.execute("select to_regclass('ledger.migration') as migrations").fetchone()
    if row is None or row["migrations"] is None:
        return
    known = every()[-1].number
    newer = connection.execute(
        "select number, name from ledger.migration where number > %s order by number desc limit 1", [known]
    ).fetchone()
    if newer is not None:
        raise SettingError(
            f"a newer version of lgsp made this store (migration {newer['number']} {newer['name']}; this version knows {known}): "
            "install that version, or restore the copy from before the upgrade; nothing was changed"
        )


def apply(connection: psycopg.Connection[dict[str, object]]) -> None:
    """Apply the migrations that this store lacks, in order.

    A store of version 0.1.0 has no record of migrations: the baseline creates only what does not exist.
    """
    connection.execute(TABLE)
    applied = {row["number"] for row in connection.execute("select number from ledger.migration")}
    for migration in every():
        if migration.number in applied:
            continue
        log.info("migration %04d %s", migration.number, migration.name)
        connection.execute(migration.statements.encode())
        connection.execute(
            "insert into ledger.migration (number, name) values (%s, %s)", [migration.number, migration.name]
        )
