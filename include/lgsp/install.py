"""Create and upgrade the SQL store: schemas, tables, roles and reference data; safe to repeat."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from functools import cache

import psycopg

from lgsp import sql
from lgsp.errors import SettingError
from lgsp.indicators import compute, definitions
from lgsp.schema import contract, records
from lgsp.settings import LEASE_SECONDS, Settings
from lgsp.store import connect, history, migrations
from lgsp.store.transaction import PUBLISH_LOCK

log = logging.getLogger(__name__)

OLDEST = 150000


SCHEMAS = ("shared", "history", "ledger", "record", "restricted")


# An advisory lock of this program's: one initialiser at a time.
INIT_LOCK = 0x16_59_01


RESTRICTED = "\n".join(
    f"""
create table if not exists restricted.{table} (
    source text not null, source_key text not null, token text not null,
    source_updated_at timestamptz not null, batch_id text not null, primary key (source, source_key)
);
comment on table restricted.{table} is
    'Keyed HMAC-SHA-256 of {what}, with the id of the key: for counting persons and linking, never published.';"""
    for table, what in (
        ("applicant_token", "the identity number of each record''s applicant"),
        ("phone_token", "the applicant''s phone in today''s numbering, for records without an identity number"),
    )
)


# What each role may do. lgsp_owner owns, lgsp_writer loads, lgsp_reader reads what is shared, lgsp_operator watches.
# First everything is taken back: an older version may have granted more, and PostgreSQL lets everybody run a function.
GRANTS = """
revoke all on all tables in schema shared, history, ledger, record, restricted from public, lgsp_writer, lgsp_reader, lgsp_operator;
revoke all on all sequences in schema shared, history, ledger, record, restricted from public, lgsp_writer, lgsp_reader, lgsp_operator;
revoke all on all functions in schema shared, history, ledger, record, restricted from public, lgsp_writer, lgsp_reader, lgsp_operator;

grant usage on schema shared, history, ledger, record, restricted to lgsp_writer;
grant select, insert, update, delete on all tables in schema ledger, record, restricted to lgsp_writer;
grant select, insert, delete on all tables in schema shared, history to lgsp_writer;  -- a version is replaced, never rewritten
revoke delete on ledger.publication, ledger.batch from lgsp_writer;
revoke update, delete on ledger.publication_table, ledger.source_call, ledger.organisation_decision, ledger.signing_key from lgsp_writer;
revoke insert, update, delete on ledger.table_rule from lgsp_writer;
grant usage on all sequences in schema ledger to lgsp_writer;
grant execute on all functions in schema shared, history, ledger to lgsp_writer;

grant usage on schema shared, history to lgsp_reader;
grant select on all tables in schema shared, history to lgsp_reader;
grant execute on all functions in schema shared, history to lgsp_reader;

grant usage on schema ledger, shared, history to lgsp_operator;
grant select on all tables in schema ledger, shared, history to lgsp_operator;
grant execute on all functions in schema shared, history to lgsp_operator;
"""


# What the ledger consists of, each in an SQL file of its own; `ledger` comes first, the others refer to it.
LEDGERS = ("ledger", "quarantine", "profile", "sweep", "completeness", "review")


ROLES = ("lgsp_owner", "lgsp_writer", "lgsp_reader", "lgsp_operator")


def init(settings: Settings) -> None:
    """Create or upgrade schemas, tables, roles and reference data; safe to repeat, and beside running readers."""
    from lgsp.vietnam import working_days

    with connect(settings) as connection:
        if connection.info.server_version < OLDEST:
            raise SettingError(f"PostgreSQL 15 or newer is needed, not {connection.info.server_version // 10000}")
        connection.execute(f"set local idle_in_transaction_session_timeout = '{LEASE_SECONDS}s'")
        for lock in (INIT_LOCK, PUBLISH_LOCK):  # beside a publication it would wait for tables in another order
            connection.execute("select pg_advisory_xact_lock(%s)", [lock])
        has_roles = _make_roles(connection)
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"revoke all on schema {schema} from public")
        for statements in (migrations.statements(connection), _tables(), migrations.obligations(connection)):
            for statement in statements:
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
    """Make sure the store is as this version of the program wants it: new ones are made, older ones upgraded.

    Definitions are staged by who publishes: a reader's shell may name another folder of them, or none.
    """
    with connect(settings) as connection:
        row = connection.execute("select to_regclass('ledger.installation') as found").fetchone()
        if row and row["found"] is not None:
            row = connection.execute("select made_of from ledger.installation").fetchone()
            program, _, told = str(row["made_of"] if row else "").partition(" ")
            if program == _program() and (told == _definitions(settings) or not is_publishing):
                return
    init(settings)


def _made_of(settings: Settings) -> str:
    """A mark of everything the store consists of: its tables, who may do what and the reference data; then the definitions."""
    return f"{_program()} {_definitions(settings)}"


def _definitions(settings: Settings) -> str:
    return hashlib.sha256(repr(definitions.tables(settings.definitions)).encode()).hexdigest()


@cache
def _program() -> str:
    from lgsp.vietnam import working_days

    return hashlib.sha256("\n".join([*_tables(), GRANTS, repr(working_days.tables())]).encode()).hexdigest()


def _tables() -> Iterator[str]:
    for table in contract.every():
        yield table.ddl("shared")
        yield table.ddl("history", extra=", snapshot_from bigint not null, snapshot_to bigint not null", key=())
        yield from history.indexes(table)
        if table.partition:
            yield f"create index if not exists {table.name}_part on shared.{table.name} ({table.partition.name})"
    yield "create index if not exists dossier_source_dossier on shared.dossier_source (dossier_id)"
    yield "create index if not exists dossier_received on shared.dossier (received_on)"
    yield "create index if not exists dossier_finished on shared.dossier (finished_on)"
    for kind in records.KINDS.values():
        yield kind.ddl()
    yield RESTRICTED
    for name in LEDGERS:
        yield sql.read("lgsp.store", f"ddl/{name}.sql")
    yield from compute.statements()
    yield _table_rules()
    yield from history.statements()


def _table_rules() -> str:
    """The rules that the gate in the database asks for; those of the contracts."""
    rows = ", ".join(
        f"({sql.quoted(rule.id)}, {sql.quoted(rule.table)}, {sql.quoted(rule.severity)})"
        for rule in contract.rules("table")
    )
    return f"delete from ledger.table_rule; insert into ledger.table_rule values {rows}"


def _make_roles(connection: psycopg.Connection[dict[str, object]]) -> bool:
    row = connection.execute(
        "select rolsuper or rolcreaterole as may, (select count(*) from pg_roles where rolname = any(%s)) as there "
        "from pg_roles where rolname = current_user", [list(ROLES)]
    ).fetchone()  # fmt: skip
    assert row is not None
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
