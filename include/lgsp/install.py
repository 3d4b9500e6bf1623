"""Create or upgrade the SQL store: schemas, tables, roles and reference data; safe to repeat."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

import psycopg

from lgsp import config, sql
from lgsp.errors import SettingError
from lgsp.indicators import compute, definitions
from lgsp.schema import contract, records, sources
from lgsp.schema.fingerprint import fingerprint
from lgsp.settings import LEASE_SECONDS, Settings
from lgsp.sql import one_row
from lgsp.store import (
    as_of_by_period,
    connect,
    constraints,
    contract_columns,
    decisions,
    epochs,
    history,
    migrations,
    readers,
    record_sums,
    row_scope,
    views,
)
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import PUBLISH_LOCK_DDL, TAKE_PUBLISH_LOCK, session_name
from lgsp.vietnam import working_days

log = logging.getLogger(__name__)

OLDEST_VERSION = 150000  # PostgreSQL 15

SCHEMAS = ("shared", "history", "ledger", "record", "indicator", "restricted")

# How long one statement of an upgrade waits for a table, and how long the upgrade is tried.
LOCK_MILLISECONDS = 300
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 8.0
UPGRADE_SECONDS = 600.0

# The statements that grant the rights of each role.
GRANTS = migrations.grants()

ROLES = ("lgsp_owner", "lgsp_writer", "lgsp_reader", "lgsp_operator", "lgsp_api", row_scope.ROLE)


def init(settings: Settings, *, is_adopting: bool = False) -> None:
    """Create or upgrade schemas, tables, roles and reference data; safe to repeat, also while readers are connected.

    A table that a reader's transaction holds is not waited for, because other readers would have to wait behind it:
    everything is rolled back and tried again later. Raises SettingError when that does not end within UPGRADE_SECONDS,
    when a newer version of the program made the store, and when landing has batches that the database lacks, unless they
    are about to be adopted.
    """
    config.activate(settings)
    started, pause = time.monotonic(), FIRST_PAUSE_SECONDS
    while True:
        try:
            _init(settings, is_adopting)
            break
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() - started > UPGRADE_SECONDS:
                raise SettingError(
                    f"the upgrade waits for open transactions: {_holders(settings)}; end them and run `lgsp init` again"
                ) from error
            log.warning(
                "the upgrade waits for an open transaction and is tried again in %.1f s: %s", pause, _holders(settings)
            )
            readers.end_over_limits(settings)
        time.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE_SECONDS)
    with connect(settings) as connection:
        connection.execute(f"set lock_timeout = '{LOCK_MILLISECONDS}ms'")
        constraints.validate(connection)
    if not settings.database_url:
        Server(settings.home).close_databases()
    if not is_adopting:  # decisions of an older version, or of a command that was interrupted after its commit
        with connect(settings) as connection:
            decisions.write_journal(settings, connection)


def _init(settings: Settings, is_adopting: bool) -> None:
    with connect(settings) as connection:
        migrations.refuse_newer(connection)
        if not is_adopting:
            epochs.check(settings, connection)
        if connection.info.server_version < OLDEST_VERSION:
            raise SettingError(f"PostgreSQL 15 or newer is needed, not {connection.info.server_version // 10000}")
        _lock(connection)
        connection.execute(f"set local idle_in_transaction_session_timeout = '{LEASE_SECONDS}s'")
        connection.execute(f"set local lock_timeout = '{LOCK_MILLISECONDS}ms'")
        has_roles = _create_roles(connection)
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"revoke all on schema {schema} from public")
        try:
            for statement in chain(contract_columns.alterations(connection), _contract_tables()):
                connection.execute(statement)
        except psycopg.errors.DependentObjectsStillExist as error:
            raise SettingError(
                f"the upgrade alters a table that objects of yours depend on: {error.diag.message_detail}. "
                "Drop them, run `lgsp init` again, and create them again"
            ) from error
        migrations.apply(connection)
        for statement in chain(
            migrations.routines(),
            contract_columns.views(connection),
            _derived_objects(),
            contract_columns.required_columns(connection),
            constraints.statements(connection),
        ):
            connection.execute(statement)
        epochs.begin(settings, connection)
        working_days.load(connection, _reference_tables())
        if has_roles:
            for statement in row_scope.statements(connection):
                connection.execute(statement)
            _transfer_ownership(connection)
            connection.execute(GRANTS)
            _restrict_logins(connection)
        connection.execute(
            "with previous as (delete from ledger.installation returning derived_by) "
            "insert into ledger.installation (made_of, derived_by) select %s, max(derived_by) from previous",
            [f"{program_fingerprint()} {_reference_fingerprint()}"],
        )


def _lock(connection: psycopg.Connection[dict[str, object]]) -> None:
    """Take the publish lock until the transaction ends: no publication and no other upgrade runs meanwhile."""
    statement = f"create schema if not exists ledger; {PUBLISH_LOCK_DDL}"
    try:
        connection.execute(statement)
    except psycopg.errors.UniqueViolation:  # another process created them while this one waited for it
        connection.rollback()
        connection.execute(statement)
    connection.execute(f"set application_name = {sql.quoted(session_name('init'))}")
    connection.execute(TAKE_PUBLISH_LOCK)


def _restrict_logins(connection: psycopg.Connection[dict[str, object]]) -> None:
    """Take from all logins of the database what harms it, as far as the current user may; a warning where it may not."""
    row = one_row(connection.execute(
        "select rolsuper, has_function_privilege('public', 'lo_create(oid)', 'execute') as is_open from pg_roles where rolname = current_user"
    ))  # fmt: skip
    if row["rolsuper"]:
        connection.execute(migrations.for_administrator())
    elif row["is_open"]:
        log.warning(
            "readers can create large objects until the administrator of the database has run %s in it",
            "include/lgsp/store/ddl/administrator.sql",
        )


def _holders(settings: Settings) -> str:
    """The sessions that hold a table for long, with what they do: only the administrator may end them."""
    with connect(settings) as connection:
        rows = connection.execute(
            "select distinct pid, usename, state, date_trunc('second', clock_timestamp() - xact_start)::text as since from pg_stat_activity "
            "join pg_locks using (pid) where locktype = 'relation' and granted and pid <> pg_backend_pid() and datname = current_database() "
            "order by since desc limit 3"
        ).fetchall()
    return (
        ", ".join(f"process {row['pid']} of {row['usename']} ({row['state']} since {row['since']})" for row in rows)
        or "none any more"
    )


def ensure(settings: Settings, is_publishing: bool = False) -> None:
    """Create the store, or upgrade it to this version of the program, unless it is up to date.

    The province's own files are checked before. Only a publisher stages what was changed in them: another process may have
    another `LGSP_CONFIG`, or none.
    """
    config.activate(settings)
    with connect(settings) as connection:
        row = connection.execute("select to_regclass('ledger.installation') as installation").fetchone()
        if row and row["installation"] is not None:
            migrations.refuse_newer(connection)
            row = connection.execute("select made_of from ledger.installation").fetchone()
            program, _, staged = str(row["made_of"] if row else "").partition(" ")
            if program == program_fingerprint() and (staged == _reference_fingerprint() or not is_publishing):
                epochs.check(settings, connection)
                return
    init(settings)


def _reference_tables() -> dict[str, list[dict[str, Any]]]:
    """The rows of territories, calendar and definitions, by table; a province's own files change them."""
    return working_days.tables() | definitions.tables(config.file(definitions.OWN))


@config.cached()
def _reference_fingerprint() -> str:
    return fingerprint([repr(_reference_tables())])


@cache
def program_fingerprint() -> str:
    """The fingerprint of everything that this version of the program creates in a store, without reference data."""
    numbered = (migration.statements for migration in migrations.every())
    return fingerprint(
        [
            *_contract_tables(),
            *numbered,
            *migrations.routines(),
            *(as_of_by_period.view(table, table.names) for table in contract.every() if table.period_column),
            *views.statements({}),
            *_derived_objects(),
            repr([*constraints.declared(constraints.NOT_ENFORCED)]),
            *row_scope.definitions(),
            GRANTS,
            migrations.for_administrator(),
        ]
    )


def _contract_tables() -> Iterator[str]:
    """The statements that create the tables of the contracts and of the records."""
    yield as_of_by_period.DDL
    for table in contract.every():
        yield table.ddl(table.storage)
        yield table.ddl(
            f"history.{table.name}", extra=", snapshot_from bigint not null, snapshot_to bigint not null", key=()
        )
        yield from history.indexes(table)
        if table.partition:
            yield f"create index if not exists {table.name}_part on {table.storage} ({table.partition.name})"
    for kind in records.KINDS.values():
        yield kind.ddl()


def _derived_objects() -> Iterator[str]:
    """The statements that create objects derived from contracts and sources: sums, history functions, rules and roles."""
    yield from compute.ddl()
    yield from record_sums.triggers()
    yield _insert_table_rules()
    yield _insert_sources()
    yield from history.statements()


def _insert_sources() -> str:
    """The statements that fill `ledger.source`: the role and precedence of each source, for the shared SQL."""
    rows = ", ".join(
        f"({sql.quoted(source.name)}, {sql.quoted(source.role)}, {precedence})"
        for precedence, source in enumerate(sources.every(), start=1)
    )
    return f"delete from ledger.source; insert into ledger.source values {rows}"


def _insert_table_rules() -> str:
    """The statements that fill `ledger.table_rule`: the rules whose results the database requires of a publication."""
    rows = ", ".join(
        f"({sql.quoted(rule.id)}, {sql.quoted(rule.table)}, {sql.quoted(rule.severity)})"
        for rule in contract.rules("table")
    )
    return f"delete from ledger.table_rule; insert into ledger.table_rule values {rows}"


def _create_roles(connection: psycopg.Connection[dict[str, object]]) -> bool:
    """Create the missing roles; returns whether the current user may manage roles."""
    row = one_row(connection.execute(
        "select rolsuper or rolcreaterole as may_create, (select count(*) from pg_roles where rolname = any(%s)) as existing "
        "from pg_roles where rolname = current_user", [list(ROLES)]
    ))  # fmt: skip
    if row["existing"] == len(ROLES):
        return bool(row["may_create"])
    if not row["may_create"]:
        log.warning(
            "the database user may not create roles: ask the administrator to create %s, then run `lgsp init` again",
            ", ".join(ROLES),
        )
        return False
    for role in ROLES:
        connection.execute(
            f"do $$ begin create role {role} nologin; exception when duplicate_object or unique_violation then null; end $$"
        )
    return True


def _transfer_ownership(connection: psycopg.Connection[dict[str, object]]) -> None:
    """Make `lgsp_owner` the owner of all schemas, tables, views, sequences and functions."""
    connection.execute("grant lgsp_owner, lgsp_writer, lgsp_api to current_user")
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
