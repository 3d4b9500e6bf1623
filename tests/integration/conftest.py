"""A real PostgreSQL, a small world on real sockets, and a fresh home for each test."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from lgsp import check, harmonise, land, publish, store
from lgsp.install import init
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.store.embedded_postgres import Server
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving

FIRST = date(2026, 7, 30)  # a Thursday: the first week is whole
MIDNIGHT = datetime(2026, 8, 11, tzinfo=LOCAL)
WHOLE = Window.of_days(FIRST, date(2026, 8, 10))
TEMPLATE = "initialised"
SOURCES = ("one_stop_shop", "online_services", "documents")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One embedded server for the whole run of a worker; each test has a database of its own."""
    home = Path(tempfile.mkdtemp(prefix="lgsp-test-"))
    running = Server(home)
    running.ensure()
    with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # no test cuts the power
            connection.execute(f"alter system set {setting} = off")
        connection.execute("select pg_reload_conf()")
    running.create_database(TEMPLATE)
    init(_settings(running, TEMPLATE, home / "template", {}))
    yield running
    running.stop()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an empty S3 server."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "lgsp")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-nobody-is-told")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def world() -> World:
    """About six hundred dossiers and sixty documents over twelve days."""
    return World.generate("tiny", 7, FIRST, date(2026, 8, 10), dossiers_count=600, documents_count=60)


@pytest.fixture(scope="session")
def quiet_province(world: World) -> Iterator[dict[str, dict[str, Any]]]:
    """The world served without faults."""
    with serving(world, as_of=MIDNIGHT) as connections:
        yield connections


@dataclass(frozen=True)
class Installation:
    """One installation under test: its settings, and the verbs people use."""

    settings: Settings

    def run(self, source: str, window: Window = WHOLE) -> list[str]:
        """One window through land, harmonise and check."""
        return check.run(self.settings, harmonise.run(self.settings, land.run(self.settings, source, window)))

    def run_all(self, window: Window = WHOLE) -> None:
        """The same for the three sources."""
        for source in SOURCES:
            self.run(source, window)

    def publish(self) -> publish.Publication | None:
        """Drain the ledger."""
        return publish.run(self.settings)

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query against the store."""
        with store.connect(self.settings) as connection:
            return connection.execute(statement, parameters).fetchall()

    def batch(self, batch_id: str) -> ledger.Batch:
        """A batch as the ledger knows it."""
        with store.connect(self.settings) as connection:
            return ledger.batch(connection, batch_id)

    def data_hashes(self) -> dict[str, str]:
        """What each table of the newest snapshot says, as a hash that knows no order and no lineage."""
        rows = self.query(
            "select table_name, row_count, data_hash::text as hash from ledger.publication_table "
            "where snapshot_id = (select max(snapshot_id) from ledger.publication)"
        )
        return {row["table_name"]: f"{row['row_count']} {row['hash']}" for row in rows}


def _settings(server: Server, name: str, home: Path, connections: dict[str, dict[str, Any]]) -> Settings:
    environment = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(told) for source, told in connections.items()}
    environment |= {"LGSP_HOME": str(home), "LGSP_DATABASE_URL": server.url(name), "LGSP_TOKEN_KEY": "only-for-tests"}
    return Settings.from_env(environment)


def installed(
    server: Server, home: Path, connections: dict[str, dict[str, Any]], is_initialised: bool = True
) -> Installation:
    """A new installation with a database of its own: a copy of an initialised store, or an empty one."""
    name = f"t{uuid4().hex[:12]}"
    if is_initialised:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f'create database "{name}" template "{TEMPLATE}" strategy file_copy')
    else:
        server.create_database(name)
    settings = _settings(server, name, home / name, connections)
    settings.home.mkdir(parents=True)
    return Installation(settings)


def copied(server: Server, original: Installation, home: Path) -> Installation:
    """An installation with the same store, landing area, staging and files as another."""
    name = f"t{uuid4().hex[:12]}"
    told = original.settings
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(
            f'create database "{name}" template "{str(told.database_url).rsplit("/", 1)[-1]}" strategy file_copy'
        )
    subprocess.run(["cp", "-a", told.home, home / name], check=True)  # keeps hard links: snapshots share files
    environment = {**told.environment, "LGSP_HOME": str(home / name), "LGSP_DATABASE_URL": server.url(name)}
    return Installation(Settings.from_env(environment))


@pytest.fixture
def install(server: Server, tmp_path: Path) -> Callable[..., Installation]:
    """Makes installations: each with its own home and database."""

    def make(connections: dict[str, dict[str, Any]], is_initialised: bool = True) -> Installation:
        return installed(server, tmp_path, connections, is_initialised)

    return make


@pytest.fixture
def installation(install: Callable[..., Installation], quiet_province: dict[str, dict[str, Any]]) -> Installation:
    """One installation against the quiet province."""
    return install(quiet_province)


@pytest.fixture(scope="session")
def published(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """The whole world, published once; for tests that only read."""
    done = installed(server, tmp_path_factory.mktemp("published"), quiet_province)
    done.run_all()
    done.publish()
    return done
