"""What a hostile login of a reader tries against the others: every attempt is refused, or ended, and publications go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from lgsp import install, publish, store
from lgsp.errors import PublicationFailed, PublishLockHeld
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store import readers
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import TAKE_PUBLISH_LOCK, publishing
from tests.integration.conftest import WHOLE, Installation
from tests.integration.reader_accounts import account

# More than the server gives to readers.
MANY = 200


@pytest.fixture
def hurt(published: Installation) -> Iterator[psycopg.Connection[Any]]:
    """A session of a reader's account that has switched off every limit that it can."""
    with account(published) as address, psycopg.connect(address, autocommit=True) as session:
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"):
            session.execute(f"set {setting} = 0".encode())
        session.execute("set default_transaction_read_only = off")
        yield session


@pytest.mark.parametrize(
    "statement",
    [
        "select lo_create(0)",
        "select lo_from_bytea(0, convert_to(repeat('x', 1000000), 'UTF8'))",
        "create temporary table big as select 1",
        "create table public.other (a int)",
        "create table shared.other (a int)",
        "create schema other",
        "create database other",
        "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))",
        "set temp_file_limit = -1",
        "set role lgsp_writer",
        "set role lgsp_reader",
        "begin; lock table ledger.publish_lock in exclusive mode",
        "begin; lock table ledger.publish_lock in access share mode",
        "begin; lock table shared.dossier in share mode",
        "select * from shared.dossier for update",
        "delete from shared.dossier",
        "select * from ledger.reader",
        "select ledger.agencies_of_reader('other')",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'lgsp'",
        "alter role current_user connection limit 1000",
        "alter role current_user valid until 'infinity'",
        "alter role current_user set temp_file_limit = -1",
        "alter role lgsp_reader set statement_timeout = 0",
        "copy (select 1) to program 'true'",
        "select pg_read_file('PG_VERSION')",
    ],
)
def test_a_reader_cannot_hurt_with_a_statement(statement: str, hurt: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        hurt.execute(statement.encode())


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_a_reader_connects_to_no_other_database(database: str, server: Server, published: Installation) -> None:
    server.close_databases()
    with account(published) as address:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"{address.rsplit('/', 1)[0]}/{database}")


def _take_locks(session: psycopg.Connection[Any]) -> None:
    """Take every advisory lock that a publisher or an upgrade ever took, and many more, as far as the server lets a reader."""
    for number in (0x16_59_01, 0x16_59_02):
        try:
            session.execute("select pg_try_advisory_lock(%s)", [number])
        except psycopg.errors.InsufficientPrivilege:
            session.rollback()


def _asleep(session: psycopg.Connection[Any]) -> tuple[threading.Thread, list[psycopg.Error]]:
    """A thread in which the session runs a long statement, and the error that ends it."""
    errors: list[psycopg.Error] = []

    def sleep() -> None:
        try:
            session.execute("select pg_sleep(600)")
        except psycopg.Error as error:
            errors.append(error)

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    return thread, errors


def test_publications_go_on_while_a_reader_holds_all_it_can(installation: Installation) -> None:
    first, second = WHOLE.split(6)
    installation.ingest_all(first)
    assert installation.publish() is not None
    installation.ingest_all(second)
    with account(installation, connections=MANY) as address, ExitStack() as stack:
        idle = stack.enter_context(psycopg.connect(address))
        for table in contract.every():
            idle.execute(f"select count(*) from shared.{table.name}".encode())
        _take_locks(stack.enter_context(psycopg.connect(address)))
        busy = stack.enter_context(psycopg.connect(address, autocommit=True))
        sleeping, _ = _asleep(busy)
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
            for _ in range(MANY):
                stack.enter_context(psycopg.connect(address))
        published = installation.publish()
        assert published is not None and published.snapshot_id == 2
        assert idle.execute("select count(*) from shared.snapshot").fetchone() == (2,), "it was not ended"
        busy.cancel()
        sleeping.join()


def test_sessions_beyond_a_limit_are_ended_before_publishing(checked_copy: Installation) -> None:
    limits = {"LGSP_READER_STATEMENT_SECONDS": "1", "LGSP_READER_TRANSACTION_SECONDS": "2"}
    strict = Installation(Settings.from_env({**checked_copy.settings.environment, **limits}))
    with account(checked_copy, connections=9) as address, psycopg.connect(address) as idle:
        with psycopg.connect(address, autocommit=True) as long, psycopg.connect(address, autocommit=True) as harmless:
            idle.execute("set idle_in_transaction_session_timeout = 0")
            harmless.execute("select 1")
            long.execute("set statement_timeout = 0")
            sleeping, failed = _asleep(long)
            sleeping.join(timeout=2.5)
            assert sleeping.is_alive()
            assert publish.run(strict.settings) is not None
            sleeping.join(timeout=30)
            assert failed
            with pytest.raises(psycopg.OperationalError):
                idle.execute("select 1")
            assert harmless.execute("select 1").fetchone() == (1,)


def test_waiting_for_the_publish_lock_ends_and_names_the_holder(empty_store: Installation) -> None:
    url = store.url(empty_store.settings)
    with psycopg.connect(url, application_name="lgsp other") as holder:
        holder.execute(TAKE_PUBLISH_LOCK)
        with pytest.raises(
            PublishLockHeld, match=rf"process {holder.info.backend_pid} \(lgsp other, user lgsp, since 20"
        ):
            with publishing(url, 600, 0.5):
                pass
        short = Settings.from_env({**empty_store.settings.environment, "LGSP_PUBLISH_WAIT_SECONDS": "1"})
        with pytest.raises(PublicationFailed, match="nothing was published, the last snapshot stays: the publish lock is not free"):  # fmt: skip
            publish.run(short)
    with publishing(url, 600, 0.5) as transaction:
        assert transaction.token > 0


def test_two_processes_create_one_store(install_empty: Installation) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(install.init, [install_empty.settings] * 2)) == [None, None]
    assert install_empty.query("select count(*) as n from ledger.installation") == [{"n": 1}]


@pytest.fixture
def install_empty(install: Any) -> Installation:
    """An installation with an empty database."""
    empty: Installation = install({}, is_initialised=False)
    return empty


def test_the_limits_of_readers_are_settings(published: Installation) -> None:
    settings = Settings.from_env({**published.settings.environment, "LGSP_READER_STATEMENT_SECONDS": "7"})
    with account(Installation(settings)) as address, psycopg.connect(address) as session:
        assert session.execute("show statement_timeout").fetchone() == ("7s",)
    assert readers.end_over_limits(settings) == 0
