"""Accounts of readers: created, listed, rotated and removed; what they may see is what their scope says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from lgsp import install
from lgsp.cli.main import main
from lgsp.errors import SettingError
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store import connect, readers, row_scope, url
from lgsp.store.embedded_postgres import Server
from lgsp.store.readers import Account
from tests.integration.conftest import Installation
from tests.integration.reader_accounts import account, new_name

FACTS = [table for table in contract.every() if row_scope.is_scoped(table)]


def _rows(address: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def _invoke(installation: Installation, *arguments: str) -> Any:
    """The output of a command that must succeed; parsed with --json."""
    result = CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()] if "--json" in arguments else result.output


@pytest.fixture(scope="module")
def store(published: Installation) -> Installation:
    install.init(published.settings)  # a copy of a database has the rights of a new one
    return published


@pytest.fixture
def name(store: Installation) -> Iterator[str]:
    """The name of an account; the account is removed after the test if it exists."""
    name = new_name()
    yield name
    if store.query("select 1 from ledger.reader where name = %s", name):
        readers.remove(store.settings, name)


def test_an_account_reads_with_its_password_and_its_limits(store: Installation, name: str) -> None:
    (made,) = _invoke(store, "reader", "add", name, "--connections", "2", "--by", "Lan", "--json")
    assert made["psql"] == made["psql_with_password"].replace(f":{made['password']}@", "@")
    assert urlsplit(made["psql"]).hostname == "127.0.0.1" and len(made["password"]) >= 22, "128 bits in base 64"
    settings = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "default_transaction_read_only", "search_path", "temp_file_limit")  # fmt: skip
    with psycopg.connect(made["psql_with_password"]) as session, psycopg.connect(made["psql_with_password"]):
        shown = [session.execute(f"show {setting}".encode()).fetchone() for setting in settings]
        assert shown == [("10min",), ("5min",), ("1h",), ("on",), ("shared",), ("2GB",)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("delete from dossier")
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            psycopg.connect(made["psql_with_password"])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(made["psql_with_password"].replace(made["password"], "wrong"))


def test_a_secret_is_stored_nowhere_in_clear(store: Installation, server: Server, name: str) -> None:
    (made,) = _invoke(store, "reader", "add", name, "--json")
    secret = made["password"]
    (row,) = store.query("select r.*, rolpassword from ledger.reader r join pg_authid on rolname = name where name = %s", name)  # fmt: skip
    assert row["rolpassword"].startswith("SCRAM-SHA-256$")
    assert row["token_sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(row) and secret not in _invoke(store, "reader", "list")
    files = [path for path in store.settings.home.rglob("*") if path.is_file() and not path.is_symlink()]
    files.append(server.home / "pg.log")
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_rotate_gives_a_new_secret_and_ends_sessions(store: Installation, name: str) -> None:
    (made,) = _invoke(store, "reader", "add", name, "--json")
    with psycopg.connect(made["psql_with_password"], autocommit=True) as session:
        session.execute("set default_transaction_read_only = off")
        session.execute(f"alter role {name} set statement_timeout = 0".encode())
        session.execute(f"alter role {name} reset search_path".encode())
        (listed,) = [row for row in _invoke(store, "reader", "list", "--json") if row["name"] == name]
        assert listed["differences"] == ["statement_timeout=0", "no search_path"] and listed["sessions"] == 1
        (rotated,) = _invoke(store, "reader", "rotate", name, "--json")
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(made["psql_with_password"])
    with create_engine(rotated["sqlalchemy_with_password"]).connect() as connection:
        assert connection.execute(text("show statement_timeout")).scalar() == "10min"
        (count,) = store.query("select count(*) as n from shared.dossier")
        assert connection.execute(text("select count(*) from dossier")).scalar() == count["n"]
    (listed,) = [row for row in _invoke(store, "reader", "list", "--json") if row["name"] == name]
    assert listed["differences"] == [] and listed["rotated_at"]


def test_rotate_creates_a_login_that_a_restore_lost(store: Installation, name: str) -> None:
    readers.add(store.settings, Account(name), "Lan")
    with connect(store.settings) as connection:
        connection.execute(f"drop role {name}".encode())
    assert "the server has no such login" in _invoke(store, "reader", "list")
    (rotated,) = _invoke(store, "reader", "rotate", name, "--json")
    assert _rows(rotated["psql_with_password"], "select current_user::text") == [(name,)]


def test_remove_ends_sessions_and_drops_the_login(store: Installation, name: str) -> None:
    (made,) = _invoke(store, "reader", "add", name, "--json")
    with psycopg.connect(made["psql_with_password"]) as session:
        session.execute("select count(*) from shared.dossier")
        assert _invoke(store, "reader", "remove", name) == f"{name} is removed\n"
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(made["psql_with_password"])
    assert store.query("select 1 from pg_roles where rolname = %s", name) == []


def test_an_account_ends_with_its_last_day(store: Installation, name: str) -> None:
    (made,) = _invoke(store, "reader", "add", name, "--valid-until", "2020-01-31", "--json")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(made["psql_with_password"])
    (listed,) = [row for row in _invoke(store, "reader", "list", "--json") if row["name"] == name]
    assert datetime.fromisoformat(listed["valid_until"]) == datetime(2020, 1, 31, 17, tzinfo=UTC), "local midnight"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "lgsp_other"}, "cannot be the name"),
        ({"name": "pg_other"}, "cannot be the name"),
        ({"name": "Lan; drop table x"}, "cannot be the name"),
        ({"agencies": ("H99.99",)}, "has no agency H99.99"),
        ({"agencies": ("H99.99",), "scope": "indicators"}, "not both"),
    ],
)
def test_a_wrong_account_is_refused(options: dict[str, Any], error: str, store: Installation) -> None:
    with pytest.raises(SettingError, match=error):
        readers.add(store.settings, Account(**{"name": "dashboard", **options}), "Lan")


def test_a_login_that_exists_is_not_taken_over(store: Installation, name: str) -> None:
    readers.add(store.settings, Account(name), "Lan")
    with pytest.raises(SettingError, match="choose another name"):
        readers.add(store.settings, Account(name), "Lan")


def _visible(store: Installation, agency: str) -> set[str]:
    """The agencies that a reader of an agency may see, found here by following the newest versions step by step."""
    newest = store.query("select distinct on (organisation_id) * from shared.organisation order by organisation_id, valid_from desc")  # fmt: skip
    visible, size = {agency}, 0
    while size < len(visible):
        size = len(visible)
        visible |= {row["organisation_id"] for row in newest if {row["parent_id"], row["successor_id"]} & visible}
    return visible


def _counts(address: str, tables: list[str]) -> dict[str, int]:
    return {table: _rows(address, f"select count(*) from {table}")[0][0] for table in tables}


def test_s3_an_agency_reads_its_facts_and_those_below_it(published_copy: Installation) -> None:
    store = published_copy
    receiving = {
        row["id"] for row in store.query("select distinct receiving_organisation_id as id from shared.dossier")
    }
    parents = store.query("select distinct parent_id as id from shared.organisation where parent_id is not null")
    below = {row["id"]: _visible(store, row["id"]) for row in parents}
    agency = max((a for a, visible in below.items() if not receiving <= visible), key=lambda a: len(below[a] & receiving))  # fmt: skip
    visible = below[agency]
    owner = url(store.settings)
    ids = {"all": sorted(visible)}
    expected = {
        "dossier": "receiving_organisation_id = any(%(all)s)",
        "document": "issuing_organisation_id = any(%(all)s)",
        "document_delivery": "sender_organisation_id = any(%(all)s) or recipient_organisation_id = any(%(all)s)",
        "work_file": "organisation_id = any(%(all)s)",
    }
    of_dossier = f"dossier_id in (select dossier_id from shared.dossier where {expected['dossier']})"
    with account(store, agencies=(agency,)) as address, psycopg.connect(owner) as connection:
        for table in FACTS:
            condition = expected.get(table.name, of_dossier)
            right = connection.execute(f"select count(*) from shared.{table.name} where {condition}".encode(), ids).fetchone()  # fmt: skip
            whole = connection.execute(f"select count(*) from shared.{table.name}".encode()).fetchone()
            assert right and whole and right[0] < whole[0], table.name
            queries = (f"shared.{table.name}", f"history.{table.name}_as_of(1)", f"history.{table.name}_changes(0)")
            assert set(_counts(address, list(queries)).values()) == {right[0]}, table.name
        others = [f"shared.{table.name}" for table in contract.every() if not row_scope.is_scoped(table)]
        assert _counts(address, others) == _counts(owner, others)
        assert len(visible) > 1 and _rows(address, "select count(*) > 0 from shared.dossier") == [(True,)]


def test_an_agency_reads_only_its_dossiers_with_names(published_copy: Installation) -> None:
    (row,) = published_copy.query("select receiving_organisation_id as id from shared.dossier group by 1 order by count(*) desc limit 1")  # fmt: skip
    ids, wide = (f"select dossier_id from {name} order by 1" for name in ("dossier", "dossier_wide"))
    with account(published_copy, agencies=(row["id"],)) as address:
        own = _rows(address, ids)
        assert _rows(address, wide) == own != []
        assert len(own) < published_copy.query("select count(*) as n from shared.dossier_wide")[0]["n"]
        assert _rows(address, "select count(*) from dossier_wide where receiving_organisation_name is null") == [(0,)]
        indicators = "select count(*) from shared.service_kpi_month"
        assert _rows(address, indicators) == _rows(url(published_copy.settings), indicators) != [(0,)]


def test_old_versions_of_other_agencies_stay_hidden(published_copy: Installation) -> None:
    store = published_copy
    one, other = (row["id"] for row in store.query("select receiving_organisation_id as id from shared.dossier group by 1 order by count(*) desc limit 2"))  # fmt: skip
    names = ", ".join(contract.load("dossier").stored_names)
    store.query(f"insert into history.dossier ({names}, snapshot_from, snapshot_to) select {names}, 1, 2 from shared.dossier where receiving_organisation_id in (%s, %s) returning 1", one, other)  # fmt: skip
    with account(store, agencies=(one,)) as address:
        seen = _rows(address, "select distinct receiving_organisation_id from history.dossier")
        assert (one,) in seen and (other,) not in seen
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            _rows(address, "set role lgsp_reader")


def test_a_successor_reads_what_its_predecessor_received(published_copy: Installation) -> None:
    store = published_copy
    old, new = (row["id"] for row in store.query("select receiving_organisation_id as id from shared.dossier join shared.organisation on organisation_id = receiving_organisation_id where level = 'commune' group by 1 order by count(*) desc limit 2"))  # fmt: skip
    count = "select count(*) from shared.dossier where receiving_organisation_id = %s"
    with account(store, agencies=(new,)) as address:
        assert _rows(address, count, old) == [(0,)]
        store.query("update shared.organisation set successor_id = %s where organisation_id = %s returning 1", new, old)
        assert _rows(address, count, old) == _rows(url(store.settings), count, old) != [(0,)]


def test_the_scope_indicators_shows_no_facts(store: Installation) -> None:
    with account(store, scope="indicators") as address:
        facts = [f"{schema}.{table.name}" for schema in ("shared", "history") for table in FACTS]
        assert set(_counts(address, [*facts, "shared.dossier_wide"]).values()) == {0}
        assert _rows(address, "select count(*) > 0 from shared.service_kpi") == [(True,)]


def test_an_account_that_is_forgotten_sees_no_facts(published_copy: Installation) -> None:
    (row,) = published_copy.query("select organisation_id as id from shared.organisation limit 1")
    with account(published_copy, agencies=(row["id"],)) as address:
        published_copy.query("update ledger.reader set agencies = '{}', scope = 'indicators' where name = %s returning 1", urlsplit(address).username)  # fmt: skip
        assert _rows(address, "select count(*) from shared.dossier") == [(0,)]


def test_an_unrestricted_reader_pays_nothing_for_row_security(store: Installation) -> None:
    with account(store) as address:
        plan = "\n".join(row[0] for row in _rows(address, "explain (costs off) select count(*) from shared.dossier"))
        assert plan == "\n".join(row["QUERY PLAN"] for row in store.query("explain (costs off) select count(*) from shared.dossier"))  # fmt: skip
        assert "agencies_of_reader" not in plan and "SubPlan" not in plan


# The views that show rows of tables with row security, but with the rights of their owner, for whom there is none.
OPEN_VIEWS = """
select distinct v.oid::regclass::text as name
from pg_class v join pg_rewrite r on r.ev_class = v.oid
join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
join pg_class t on t.oid = d.refobjid
where v.relkind in ('v', 'm') and t.relrowsecurity and not exists (
    select from pg_options_to_table(v.reloptions) where option_name = 'security_invoker' and option_value::boolean)
"""


def test_no_view_shows_facts_past_row_security(published_copy: Installation) -> None:
    assert published_copy.query(OPEN_VIEWS) == []
    with connect(published_copy.settings) as connection:
        for name, options in (("shared.wide", ""), ("shared.wide_too", "with (security_invoker = true)")):
            connection.execute(f"create view {name} {options} as select * from shared.dossier".encode())
    assert published_copy.query(OPEN_VIEWS) == [{"name": "shared.wide"}], "the test can fail"


def test_every_fact_table_names_the_agencies_that_decide() -> None:
    assert {table.name for table in FACTS} == {
        "document", "document_delivery", "dossier", "dossier_event", "dossier_pause", "dossier_source", "reconciliation", "work_file",
    }  # fmt: skip


def test_status_shows_the_address_of_readers(store: Installation) -> None:
    (status,) = _invoke(store, "status", "--json")
    address, owner = urlsplit(status["database_url"]), urlsplit(url(store.settings))
    assert (address.username, address.password) == (readers.PLACEHOLDER, None)
    assert (address.hostname, address.port, address.path) == (owner.hostname, owner.port, owner.path)
    assert status["database_url"] in _invoke(store, "status")
    assert _invoke(store, "status", "--owner", "--json")[0]["database_url"] == owner.geturl()


def test_readers_get_the_name_by_which_they_reach_the_server(store: Installation) -> None:
    named = Settings.from_env({**store.settings.environment, "LGSP_POSTGRES_NAME": "db.example.gov.vn"})
    assert (
        readers.address(named, "lan")
        == f"postgresql://lan@db.example.gov.vn:5432/{urlsplit(url(named)).path[1:]}?sslmode=require"
    )


def test_an_owner_that_is_no_superuser_manages_accounts(server: Server, tmp_path: Path) -> None:
    """As with docker-compose: the user of LGSP_DATABASE_URL owns the database and may create roles, no more."""
    owner, name = "province_owner", new_name()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create role province_owner login createrole password 'only-for-tests'")
        connection.execute("create database owned owner province_owner")
        for role in install.ROLES:  # as if it had created them
            connection.execute(f"grant {role} to province_owner with admin true, inherit false, set false".encode())
    address = server.url("owned").replace(server.url("owned").split("@")[0], f"postgresql://{owner}:only-for-tests")
    settings = Settings.from_env({"LGSP_HOME": str(tmp_path), "LGSP_DATABASE_URL": address})
    try:
        install.init(settings)
        secret = readers.add(settings, Account(name, valid_until=datetime.now(UTC) + timedelta(days=1)), "Lan")
        with psycopg.connect(readers.address(settings, name, secret), autocommit=True) as session:
            session.execute("set statement_timeout = 0")
            fast = Settings.from_env({**settings.environment, "LGSP_READER_SESSION_SECONDS": "1"})
            session.execute("select pg_sleep(1.2)")
            assert readers.end_over_limits(fast) == 1
            with pytest.raises(psycopg.OperationalError):
                session.execute("select 1")
        readers.rotate(settings, name)
        readers.remove(settings, name)
    finally:
        with psycopg.connect(server.url("owned"), autocommit=True) as connection:
            connection.execute("drop owned by province_owner cascade")
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("drop database owned with (force)")
            connection.execute(f"drop role if exists {name}".encode())
            connection.execute("drop role province_owner")
