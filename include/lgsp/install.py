"""Create and upgrade the SQL store: schemas, tables, roles and reference data; safe to repeat."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from itertools import chain

import psycopg

from lgsp import sql
from lgsp.errors import SettingError
from lgsp.indicators import compute, definitions
from lgsp.schema import contract, records, sources
from lgsp.schema.fingerprint import fingerprint
from lgsp.settings import LEASE_SECONDS, Settings
from lgsp.sql import one_row
from lgsp.store import connect, contract_columns, history, migrations
from lgsp.store.transaction import PUBLISH_LOCK
from lgsp.vietnam import working_days

log = logging.getLogger(__name__)

OLDEST = 150000


SCHEMAS = ("shared", "history", "ledger", "record", "restricted")


# Advisory lock: one process at a time creates or upgrades the store.
INIT_LOCK = 0x16_59_01


# The rights of each role.
GRANTS = migrations.grants()

ROLES = ("lgsp_owner", "lgsp_writer", "lgsp_reader", "lgsp_operator")


def init(settings: Settings) -> None:
    """Create or upgrade schemas, tables, roles and reference data; safe to repeat, also while readers are connected."""
    with connect(settings) as connection:
        if connection.info.server_version < OLDEST:
            raise SettingError(f"PostgreSQL 15 or newer is needed, not {connection.info.server_version // 10000}")
        connection.execute(f"set local idle_in_transaction_session_timeout = '{LEASE_SECONDS}s'")
        for lock in (INIT_LOCK, PUBLISH_LOCK):  # during a publication it would lock tables in another order
            connection.execute("select pg_advisory_xact_lock(%s)", [lock])
        has_roles = _make_roles(connection)
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"revoke all on schema {schema} from public")
        for statement in chain(contract_columns.alterations(connection), _contract_tables()):
            connection.execute(statement)
        migrations.apply(connection)
        for statement in chain(migrations.routines(), _derived(), contract_columns.required_columns(connection)):
            connection.execute(statement)
        working_days.load(connection, working_days.tables() | definitions.tables(settings.definitions))
        if has_roles:
            _own(connection)
            connection.execute(GRANTS)
        connection.execute(
            "with gone as (delete from ledger.installation returning derived_by) "
            "insert into ledger.installation (made_of, derived_by) select %s, max(derived_by) from gone",
            [_made_of(settings)],
        )


def ensure(settings: Settings, is_publishing: bool = False) -> None:
    """Create the store, or upgrade it to this version of the program, unless it is up to date.

    Only a publisher stages the definitions: another process may name another folder of them, or none.
    """
    with connect(settings) as connection:
        row = connection.execute("select to_regclass('ledger.installation') as found").fetchone()
        if row and row["found"] is not None:
            row = connection.execute("select made_of from ledger.installation").fetchone()
            program, _, staged = str(row["made_of"] if row else "").partition(" ")
            if program == _program() and (staged == _definitions(settings) or not is_publishing):
                return
    init(settings)


def _made_of(settings: Settings) -> str:
    """Fingerprints of the store that this version makes: tables, rights and reference data; then the definitions."""
    return f"{_program()} {_definitions(settings)}"


def _definitions(settings: Settings) -> str:
    return fingerprint([repr(definitions.tables(settings.definitions))])


@cache
def _program() -> str:
    """A fingerprint of everything that this version makes of a store."""
    numbered = (migration.statements for migration in migrations.every())
    return fingerprint(
        [*_contract_tables(), *numbered, *migrations.routines(), *_derived(), GRANTS, repr(working_days.tables())]
    )


def _contract_tables() -> Iterator[str]:
    """The tables that contracts describe, and those of the records."""
    for table in contract.every():
        yield table.ddl("shared")
        yield table.ddl("history", extra=", snapshot_from bigint not null, snapshot_to bigint not null", key=())
        yield from history.indexes(table)
        if table.partition:
            yield f"create index if not exists {table.name}_part on shared.{table.name} ({table.partition.name})"
    for kind in records.KINDS.values():
        yield kind.ddl()


def _derived() -> Iterator[str]:
    """What is derived from contracts and source descriptions: tables of sums, functions of history, rules and roles."""
    yield from compute.ddl()
    yield _table_rules()
    yield _sources()
    yield from history.statements()


def _sources() -> str:
    """The roles of the sources, which the shared SQL joins on; those of the source descriptions."""
    rows = ", ".join(
        f"({sql.quoted(source.name)}, {sql.quoted(source.role)}, {place})"
        for place, source in enumerate(sources.every(), start=1)
    )
    return f"delete from ledger.source; insert into ledger.source values {rows}"


def _table_rules() -> str:
    """The rules that the gate in the database asks for; those of the contracts."""
    rows = ", ".join(
        f"({sql.quoted(rule.id)}, {sql.quoted(rule.table)}, {sql.quoted(rule.severity)})"
        for rule in contract.rules("table")
    )
    return f"delete from ledger.table_rule; insert into ledger.table_rule values {rows}"


def _make_roles(connection: psycopg.Connection[dict[str, object]]) -> bool:
    row = one_row(connection.execute(
        "select rolsuper or rolcreaterole as may, (select count(*) from pg_roles where rolname = any(%s)) as there "
        "from pg_roles where rolname = current_user", [list(ROLES)]
    ))  # fmt: skip
    if row["there"] == len(ROLES):
        return bool(row["may"])
    if not row["may"]:
        log.warning("the database user may not create roles: ask for %s, then run `lgsp init` again", ", ".join(ROLES))
        return False
    for role in ROLES:
        connection.execute(
            f"do $$ begin create role {role} nologin; exception when duplicate_object or unique_violation then null; end $$"
        )
    return True


def _own(connection: psycopg.Connection[dict[str, object]]) -> None:
    connection.execute("grant lgsp_owner, lgsp_writer to current_user")
    for schema in SCHEMAS:
        connection.execute(f"alter schema {schema} owner to lgsp_owner")
    rows = connection.execute(
        "select format('alter %%s %%I.%%I owner to lgsp_owner', case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,"
        " nspname, relname) as statement from pg_class join pg_namespace n on n.oid = relnamespace "
        "where nspname = any(%s) and relkind in ('r', 'v', 'S') and pg_get_userbyid(relowner) <> 'lgsp_owner' "
        "and not exists (select 1 from pg_depend where objid = pg_class.oid and deptype in ('i', 'a'))",
        [list(SCHEMAS)],
    ).fetchall()
    functions = connection.execute(
        "select format('alter function %%s owner to lgsp_owner', p.oid::regprocedure) as statement from pg_proc p join pg_namespace n on n.oid = pronamespace "
        "where nspname = any(%s) and pg_get_userbyid(proowner) <> 'lgsp_owner'",
        [list(SCHEMAS)],
    ).fetchall()
    for row in [*rows, *functions]:
        connection.execute(str(row["statement"]))
