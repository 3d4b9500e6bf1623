"""Each role has exactly the rights of the grid on every object of the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from lgsp import install
from lgsp.indicators import definitions
from lgsp.schema import contract, records, views
from lgsp.settings import Settings
from lgsp.store import connect, url
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import WHOLE, Installation

ROLES = ("public", "lgsp_reader", "lgsp_scoped_reader", "lgsp_operator", "lgsp_api", "lgsp_writer")

# All objects of the store. A new object needs an entry here, and a decision about the rights of each role on it.
REFERENCE = {"admin_unit", "admin_unit_crosswalk", "working_day", *definitions.NAMES}
BELOW_VIEWS = {table.name for table in contract.every() if table.period_column}
OBJECTS = {
    "shared table": set(contract.names()) - BELOW_VIEWS,
    "shared view": {"snapshot", *BELOW_VIEWS, *(view.name for view in views.every())},
    "indicator table": BELOW_VIEWS,
    "history table": {*contract.names(), "as_of_by_period"},
    "history function": {
        *(f"{name}_{verb}" for name in contract.names() for verb in ("as_of", "changes")),
        "snapshot_at",
        "held",
    },
    "record table": {
        *records.KINDS, *REFERENCE, "movement", "paper_movement", "indicator_period", "list_reading", "list_absence", "list_run",
        "organisation_version", "dossier_naming", "dossier_closing",
    },
    "restricted table": set(records.TOKENS),
    "ledger table": {
        "batch", "batch_day", "check_result", "completeness", "confirmed_silence", "decision", "derived_agency", "derived_feed", "field_profile", "hold",
        "epoch", "ignored_record", "installation", "migration", "online_procedure", "organisation_decision", "organisation_review", "organisation_review_batch", "outbox",
        "override", "publication", "publication_file", "publication_table", "publish_lock", "quarantine", "reader", "received_day", "record_change",
        "record_sums", "redriven_record", "repair",
        "request_budget", "request_pause", "signing_key", "source", "source_call", "sweep", "swept_record", "table_rule",
    },
    "ledger view": {"conservation", "decided", "organisation_worklist"},
    "ledger sequence": {
        "batch_number", "publish_token", "decision_decision_id_seq", "organisation_decision_decision_id_seq", "organisation_review_review_id_seq",
        "quarantine_quarantine_id_seq", "sweep_sweep_id_seq",
    },
    "ledger function": {
        "add_record_change", "agencies_of_reader", "batch_was_checked", "code_key", "end_reader_sessions", "publication_adds_up", "publication_follows",
        "publication_in_turn", "publication_is_judged",
    },
}  # fmt: skip

READ, ADD, REPLACE = "select", "select insert", "select insert delete"
KEEP, LOAD = "select insert update", "select insert update delete"
GRID = {
    "lgsp_reader": {
        "shared table": READ, "shared view": READ, "history table": READ, "history function": "execute",
    },
    "lgsp_operator": {
        "shared table": READ, "shared view": READ, "history table": READ, "history function": "execute",
        "ledger table": READ, "ledger view": READ,
    },
    "lgsp_api": {
        "shared table": READ, "shared view": READ, "history table": READ, "history function": "execute",
    },
    "lgsp_writer": {
        "shared table": f"{REPLACE} maintain", "shared view": f"{REPLACE} maintain", "history table": REPLACE,
        "indicator table": f"{REPLACE} maintain", "history function": "execute", "record table": f"{LOAD} maintain",
        "restricted table": LOAD,
        "ledger table": LOAD, "ledger view": LOAD, "ledger sequence": "usage", "ledger function": "execute",
    },
}  # fmt: skip
EXCEPTIONS = {
    "lgsp_reader": {"ledger.agencies_of_reader": "execute"},
    "lgsp_api": {"ledger.reader": READ, "ledger.publication_table": READ},
    "lgsp_writer": {
        "ledger.publish_lock": "select update",
        "ledger.reader": READ,
        "ledger.batch": KEEP,
        "ledger.publication": KEEP,
        "ledger.publication_table": ADD,
        "ledger.migration": READ,
        "ledger.source": READ,
        "ledger.source_call": ADD,
        "ledger.signing_key": ADD,
        "ledger.table_rule": READ,
        "ledger.organisation_decision": ADD,
        "ledger.decision": ADD,
    },
}
USES = {
    "lgsp_reader": {"shared", "history"},
    "lgsp_operator": {"shared", "history", "ledger"},
    "lgsp_api": {"shared", "history", "ledger"},
    "lgsp_writer": set(install.SCHEMAS),
}
# The functions that run with the owner's rights: they read the ledger for roles that may not read it.
AS_OWNER = {
    "history.held(bigint)", "history.snapshot_at(timestamp with time zone)", "ledger.agencies_of_reader(text)",
    "ledger.publication_follows()", "ledger.publication_in_turn()", "ledger.publication_is_judged()",
}  # fmt: skip

RIGHTS = """
with object as (
    select nspname as schema, relname as name, c.oid,
        case relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'S' then 'sequence' else relkind::text end as kind
    from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = any(%(schemas)s) and relkind not in ('i', 'I', 't', 'c')
    union all
    select nspname, proname, p.oid, 'function' from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = any(%(schemas)s)
)
select role, schema, kind, name, array(
    select verb from unnest(case kind
        when 'function' then array['execute'] when 'sequence' then array['select', 'usage', 'update']
        else array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger', 'maintain'] end) verb
    where case kind
        when 'function' then has_function_privilege(role, object.oid, verb)
        when 'sequence' then has_sequence_privilege(role, object.oid, verb)
        else has_table_privilege(role, object.oid, verb) end) as may
from object cross join unnest(%(roles)s::text[]) role
"""


def _rights(installation: Installation) -> dict[tuple[str, str, str], set[str]]:
    """The rights of each role on each object, from PostgreSQL: by role, kind and name."""
    with connect(installation.settings) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.tuple_row)
        rows = cursor.execute(RIGHTS, {"schemas": list(install.SCHEMAS), "roles": list(ROLES)}).fetchall()
    return {(role, f"{schema} {kind}", name): set(may) for role, schema, kind, name, may in rows}


def _expected() -> dict[tuple[str, str, str], set[str]]:
    def may(role: str, kind: str, name: str) -> str:
        default = GRID.get(role, {}).get(kind, "")
        return EXCEPTIONS.get(role, {}).get(f"{kind.split()[0]}.{name}", default)

    return {
        (role, kind, name): set(may(role, kind, name).split())
        for role in ROLES for kind, names in OBJECTS.items() for name in names
    }  # fmt: skip


def _assert_rights_equal_the_grid(installation: Installation) -> None:
    actual, expected = _rights(installation), _expected()
    differing = {
        object_: (actual.get(object_, "does not exist"), expected.get(object_, "is not in the grid"))
        for object_ in actual.keys() | expected.keys() if actual.get(object_) != expected.get(object_)
    }  # fmt: skip
    assert not differing, f"actual, expected: {differing}"


def test_s1_every_role_has_exactly_the_rights_of_the_grid(published: Installation) -> None:
    _assert_rights_equal_the_grid(published)


def test_an_unlisted_object_and_an_extra_right_are_found(installation: Installation) -> None:
    with connect(installation.settings) as connection:
        connection.execute("create table ledger.unlisted (a int)")
    with pytest.raises(AssertionError, match=r"ledger table.*unlisted.*is not in the grid"):
        _assert_rights_equal_the_grid(installation)
    assert all(may == set() for (_, _, name), may in _rights(installation).items() if name == "unlisted"), "S2"
    with connect(installation.settings) as connection:
        connection.execute("drop table ledger.unlisted")
        connection.execute("grant truncate on shared.dossier to lgsp_writer")
    with pytest.raises(AssertionError, match="truncate"):
        _assert_rights_equal_the_grid(installation)
    install.init(installation.settings)
    _assert_rights_equal_the_grid(installation)  # an upgrade revokes what an older version granted


def test_s2_the_writer_publishes_with_its_own_rights_alone(installation: Installation) -> None:
    settings = installation.settings
    install.init(settings)  # a copy of a database has the rights of a new one
    url_as_writer = f"{settings.database_url}?options=-crole%3Dlgsp_writer"
    writer = Installation(Settings.from_env({**settings.environment, "LGSP_DATABASE_URL": url_as_writer}))
    assert writer.query("select current_user as name")[0]["name"] == "lgsp_writer"
    for window in WHOLE.split(3)[:2]:
        writer.ingest("online_services", window)
        assert writer.publish() is not None
    assert writer.query("select count(*) as n from history.service_kpi")[0]["n"] > 0
    never_analyzed = writer.query(
        "select oid::regclass::text as name from pg_class where reltuples < 0 and oid = any(%s::text[]::regclass[])",
        [
            "shared.dossier",
            "shared.service_offering",
            "record.dossier",
            "record.service_offering",
            "indicator.service_kpi",
        ],
    )
    assert never_analyzed == [], "without statistics a first publication compares every row with every row"
    _assert_rights_equal_the_grid(installation)


def test_no_role_can_create_or_own_objects_or_change_its_role(published: Installation) -> None:
    schemas = published.query(
        "select role, schema, has_schema_privilege(role, schema, 'usage') as uses, has_schema_privilege(role, schema, 'create') as creates "
        "from unnest(%s::text[]) role cross join unnest(%s::text[]) schema",
        list(ROLES), list(install.SCHEMAS),
    )  # fmt: skip
    assert [row for row in schemas if row["creates"]] == []
    assert {(row["role"], row["schema"]) for row in schemas if row["uses"]} == {
        (role, schema) for role, used in USES.items() for schema in used
    }
    owners = published.query(
        "select distinct pg_get_userbyid(owner) as name from (select relowner as owner, relnamespace as space from pg_class "
        "union all select proowner, pronamespace from pg_proc union all select nspowner, oid from pg_namespace) o "
        "join pg_namespace n on n.oid = space where nspname = any(%s)",
        list(install.SCHEMAS),
    )
    assert owners == [{"name": "lgsp_owner"}]
    assert published.query(
        "select rolname from pg_roles r where rolname like 'lgsp_%%' and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls "
        "or exists (select from pg_auth_members join pg_roles g on g.oid = roleid where member = r.oid and not g.rolcanlogin "
        "and g.rolname <> 'pg_use_reserved_connections'))"
    ) == []  # fmt: skip


def test_s5_every_function_has_a_bound_search_path(published: Installation) -> None:
    functions = published.query(
        "select oid::regprocedure::text as name, prosecdef as as_owner, prosqlbody is not null "
        "or exists (select from unnest(proconfig) c where c like 'search_path=%%') as is_bound "
        "from pg_proc where pronamespace = any(%s::text[]::regnamespace[])",
        list(install.SCHEMAS),
    )
    assert len(functions) > 2 * len(contract.names())
    assert [row["name"] for row in functions if not row["is_bound"]] == []
    assert {row["name"] for row in functions if row["as_owner"]} == AS_OWNER


def test_only_the_store_is_open_to_the_roles_of_readers(installation: Installation, server: Server) -> None:
    install.init(installation.settings)
    server.close_databases()
    rows = installation.query(
        "select role, datname, right_ from pg_database cross join unnest(%s::text[]) role cross join unnest(array['connect', 'temporary', 'create']) right_ "
        "where datname in (current_database(), 'postgres', 'template1') and has_database_privilege(role, datname, right_)",
        ["lgsp_reader", "lgsp_scoped_reader", "lgsp_operator", "lgsp_writer"],
    )
    found = {(row["role"], row["datname"], row["right_"]) for row in rows}
    (name,) = {database for _, database, _ in found}
    connecting = {(role, name, "connect") for role in ("lgsp_reader", "lgsp_operator", "lgsp_writer")}
    assert found == {*connecting, ("lgsp_writer", name, "temporary")}


# Whether a role may run a statement.
STATEMENTS = {
    ("lgsp_reader", "select * from shared.dossier limit 1"): True,
    ("lgsp_reader", "select * from history.dossier limit 1"): True,
    ("lgsp_reader", "select * from shared.snapshot limit 1"): True,
    ("lgsp_reader", "select * from shared.dossier_wide limit 1"): True,
    ("lgsp_reader", "select * from shared.service_kpi_month limit 1"): True,
    ("lgsp_reader", "select * from history.organisation_current_as_of(1) limit 1"): True,
    ("lgsp_reader", "select * from history.service_kpi_as_of(history.snapshot_at(now())) limit 1"): True,
    ("lgsp_reader", "select * from history.service_kpi_changes(0) limit 1"): True,
    ("lgsp_reader", "select * from record.dossier limit 1"): False,
    ("lgsp_reader", "select * from restricted.applicant_token limit 1"): False,
    ("lgsp_reader", "select * from restricted.phone_token limit 1"): False,
    ("lgsp_reader", "select * from ledger.batch limit 1"): False,
    ("lgsp_reader", "select * from ledger.publication limit 1"): False,
    ("lgsp_reader", "delete from shared.dossier"): False,
    ("lgsp_reader", "create table shared.other (a int)"): False,
    ("lgsp_operator", "select * from ledger.batch limit 1"): True,
    ("lgsp_operator", "select * from ledger.quarantine limit 1"): True,
    ("lgsp_operator", "select * from history.dossier_changes(0, 1) limit 1"): True,
    ("lgsp_operator", "select * from record.dossier limit 1"): False,
    ("lgsp_operator", "select * from restricted.applicant_token limit 1"): False,
    ("lgsp_operator", "select * from restricted.phone_token limit 1"): False,
    ("lgsp_operator", "update ledger.batch set state = 'checked'"): False,
    ("lgsp_api", "select * from history.dossier_changes(0, 1) limit 1"): True,
    ("lgsp_api", "select * from ledger.reader limit 1"): True,
    ("lgsp_api", "select * from ledger.quarantine limit 1"): False,
    ("lgsp_api", "update ledger.reader set scope = 'all'"): False,
    ("lgsp_api", "select * from restricted.applicant_token limit 1"): False,
    ("lgsp_writer", "delete from shared.working_day where false"): True,
    ("lgsp_writer", "delete from history.dossier where snapshot_to < 1"): True,
    ("lgsp_writer", "update ledger.publication set seconds = seconds where false"): True,
    ("lgsp_writer", "update shared.dossier set fee_vnd = 0"): False,
    ("lgsp_writer", "update history.dossier set fee_vnd = 0"): False,
    ("lgsp_writer", "delete from ledger.publication"): False,
    ("lgsp_writer", "truncate history.dossier"): False,
    ("lgsp_writer", "create table history.other (a int)"): False,
    ("lgsp_writer", "drop table shared.dossier"): False,
    ("lgsp_writer", "alter function history.held(bigint) owner to lgsp_writer"): False,
    ("lgsp_writer", "lock table ledger.publish_lock in exclusive mode"): True,
    ("lgsp_writer", "create temporary table other (a int)"): True,
    ("lgsp_writer", "insert into ledger.reader (name, scope, connections, token_sha256, created_by) values ('x', 'all', 1, 'x', 'x')"): False,
    **{
        (role, statement): False
        for role in ("lgsp_reader", "lgsp_operator")
        for statement in (
            "lock table ledger.publish_lock in exclusive mode",
            "lock table ledger.publish_lock in row share mode" if role == "lgsp_reader" else "lock table ledger.publish_lock in row exclusive mode",
            "lock table shared.dossier in share mode",
            "select * from shared.dossier limit 1 for share",
            "create temporary table other (a int)",
            "create table public.other (a int)",
            "select ledger.agencies_of_reader('other')" if role == "lgsp_reader" else "select ledger.end_reader_sessions(1, 1, 1)",
        )
    },
    **{
        (role, statement): False
        for role in ("lgsp_reader", "lgsp_operator", "lgsp_writer")
        for statement in (
            "select lo_create(0)",
            "select lo_creat(-1)",
            "select lo_from_bytea(0, 'x')",
            "select lo_put(1, 0, 'x')",
            "select lo_open(1, 131072)",
            "select lowrite(0, 'x')",
            "select lo_unlink(1)",
            "select lo_import('x')",
            "select lo_export(1, 'x')",
            "select pg_logical_emit_message(false, 'x', 'x')",
        )
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def store(published: Installation) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the published store; every test rolls back its changes."""
    install.init(published.settings)  # a copy of a database has the rights of a new one
    with psycopg.connect(url(published.settings)) as connection:
        yield connection


@pytest.mark.parametrize(("role", "statement"), STATEMENTS, ids=lambda value: value)
def test_s1_a_role_can_run_only_the_statements_it_may_run(
    role: str, statement: str, store: psycopg.Connection[Any]
) -> None:
    try:
        store.execute(f"set role {role}")
        if STATEMENTS[role, statement]:
            store.execute(statement)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                store.execute(statement)
    finally:
        store.rollback()
