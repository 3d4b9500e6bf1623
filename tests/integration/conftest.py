"""Fixtures: a PostgreSQL server, a small simulated province served over HTTP, and installations of the platform."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from lgsp import check, harmonise, land, publish, store
from lgsp.install import ensure, init
from lgsp.land import source_client
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import Transaction, publishing
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.services import Catalogue

FIRST = date(2026, 7, 30)  # a Thursday, on which a reporting week starts
MIDNIGHT = datetime(2026, 8, 11, tzinfo=LOCAL)
WHOLE = Window.of_days(FIRST, date(2026, 8, 10))
TEMPLATE = "initialised"
SOURCES = ("one_stop_shop", "online_services", "documents")


@pytest.fixture(scope="session", autouse=True)
def short_waits() -> Iterator[None]:
    """Wait at most a fifth of a second before a request is repeated, where the source does not ask for more."""
    described = source_client.request_limits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            source_client, "request_limits", lambda source: replace(described(source), backoff_cap_seconds=0.2)
        )
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One embedded server for each pytest worker; every installation has its own database."""
    home = Path(tempfile.mkdtemp(prefix="lgsp-test-"))
    running = Server(home)
    running.ensure()
    with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
        # No test cuts the power of the server, and no database of a test is old enough to be vacuumed.
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
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
        patch.setenv("AWS_SECRET_ACCESS_KEY", "only-for-tests")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def world() -> World:
    """600 dossiers and 60 documents over twelve days."""
    generated = World.generate("tiny", 7, FIRST, date(2026, 8, 10), dossiers_count=600, documents_count=60)
    return with_short_catalogue(generated)


def with_short_catalogue(world: World) -> World:
    """A world whose agencies offer a tenth of their procedures: every batch reads them all."""
    return replace(world, dossiers=replace(world.dossiers, catalogue=_short_catalogue(world.dossiers)))


def _short_catalogue(dossiers: Dossiers) -> Catalogue:
    """The offerings that the dossiers need, and three more of each agency: 1,500 of 15,000, which every batch reads."""
    needed = set(zip(dossiers.service.tolist(), dossiers.agency.tolist(), strict=True))
    others: Counter[int] = Counter()
    offerings = []
    for service, agency in dossiers.catalogue.offerings:
        if (service.index, agency.index) not in needed:
            others[agency.index] += service.valid_to is None
            if service.valid_to is not None or others[agency.index] > 3:
                continue
        offerings.append((service, agency))
    return replace(dossiers.catalogue, offerings=tuple(offerings))


@pytest.fixture(scope="session")
def quiet_province(world: World) -> Iterator[dict[str, dict[str, Any]]]:
    """The connections of the three sources, which serve the world without faults."""
    with serving(world, as_of=MIDNIGHT) as connections:
        yield connections


@dataclass(frozen=True)
class Installation:
    """An installation under test: its settings, and the pipeline commands that tests run."""

    settings: Settings

    def ingest(self, source: str, window: Window = WHOLE) -> list[str]:
        """Land, harmonise and check one window of a source; the ids of its batches."""
        ensure(self.settings)
        return self.process(land.run(self.settings, source, window))

    def ingest_all(self, window: Window = WHOLE) -> None:
        """Land, harmonise and check one window of each of the three sources."""
        for source in SOURCES:
            self.ingest(source, window)

    def rebuild(self, source: str, window: Window = WHOLE) -> list[str]:
        """Harmonise and check what was landed for a window again; the ids of the new batches."""
        return self.process(land.open_rebuild_batches(self.settings, source, window))

    def process(self, batch_ids: list[str]) -> list[str]:
        """Harmonise and check landed batches; their ids."""
        return check.run(self.settings, harmonise.run(self.settings, batch_ids))

    def publish(self) -> publish.Publication | None:
        """Publish all checked batches; None when there is nothing to publish."""
        ensure(self.settings, is_publishing=True)
        return publish.run(self.settings)

    def connected_to(self, connections: dict[str, dict[str, Any]]) -> Installation:
        """The same installation with other connections for some sources."""
        return Installation(Settings.from_env({**self.settings.environment, **_variables(connections)}))

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query against the store."""
        with store.connect(self.settings) as connection:
            return connection.execute(statement, parameters).fetchall()

    def batch(self, batch_id: str) -> ledger.Batch:
        """A batch as the ledger records it."""
        with store.connect(self.settings) as connection:
            return ledger.batch(connection, batch_id)

    def data_hashes(self) -> dict[str, str]:
        """Row count and hash of each table of the newest snapshot; independent of the order of rows and of lineage."""
        rows = self.query(
            "select table_name, row_count, data_hash::text as hash from ledger.publication_table "
            "where snapshot_id = (select max(snapshot_id) from ledger.publication)"
        )
        return {row["table_name"]: f"{row['row_count']} {row['hash']}" for row in rows}


def _settings(server: Server, name: str, home: Path, connections: dict[str, dict[str, Any]]) -> Settings:
    environment = {"LGSP_HOME": str(home), "LGSP_DATABASE_URL": server.url(name), "LGSP_TOKEN_KEY": "only-for-tests"}
    environment |= {f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}": "6000000" for source in SOURCES}
    return Settings.from_env({**environment, **_variables(connections)})


def _variables(connections: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {f"AIRFLOW_CONN_{source.upper()}": json.dumps(connection) for source, connection in connections.items()}


def installed(
    server: Server, home: Path, connections: dict[str, dict[str, Any]], is_initialised: bool = True
) -> Installation:
    """A new installation with its own database: a copy of an initialised store, or an empty database."""
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
    settings = original.settings
    template = str(settings.database_url).rsplit("/", 1)[-1]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}" strategy file_copy')
    subprocess.run(["cp", "-a", settings.home, home / name], check=True)  # keeps hard links: snapshots share files
    environment = {**settings.environment, "LGSP_HOME": str(home / name), "LGSP_DATABASE_URL": server.url(name)}
    return Installation(Settings.from_env(environment))


@pytest.fixture
def install(server: Server, tmp_path: Path) -> Callable[..., Installation]:
    """A function that makes installations, each with its own home and database."""

    def make(connections: dict[str, dict[str, Any]], is_initialised: bool = True) -> Installation:
        return installed(server, tmp_path, connections, is_initialised)

    return make


@pytest.fixture
def installation(install: Callable[..., Installation], quiet_province: dict[str, dict[str, Any]]) -> Installation:
    """An installation that reads from the province without faults."""
    return install(quiet_province)


@pytest.fixture(scope="session")
def checked(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """An installation that landed and checked the whole world and published nothing; for tests that copy it."""
    installation = installed(server, tmp_path_factory.mktemp("checked"), quiet_province)
    installation.ingest_all()
    return installation


@pytest.fixture(scope="session")
def published(server: Server, checked: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that published the whole world once; for tests that only read."""
    installation = copied(server, checked, tmp_path_factory.mktemp("published"))
    installation.publish()
    return installation


@pytest.fixture(scope="session")
def published_twice(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """An installation with two snapshots: half of the days, then the others; for tests that only read, or copy it."""
    installation = installed(server, tmp_path_factory.mktemp("published_twice"), quiet_province)
    for window in WHOLE.split(6):
        installation.ingest_all(window)
        installation.publish()
    return installation


@pytest.fixture
def checked_copy(server: Server, checked: Installation, tmp_path: Path) -> Installation:
    """A copy of the checked installation, for tests that publish it."""
    return copied(server, checked, tmp_path)


@pytest.fixture
def published_copy(server: Server, published: Installation, tmp_path: Path) -> Installation:
    """A copy of the published installation, for tests that change it."""
    return copied(server, published, tmp_path)


@pytest.fixture(scope="module")
def empty_store(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An initialised installation without sources and without publications."""
    return installed(server, tmp_path_factory.mktemp("empty"), {})


@pytest.fixture
def publish_transaction(empty_store: Installation) -> Iterator[Transaction]:
    """A publish transaction on the empty store; it is rolled back after the test."""
    with publishing(store.url(empty_store.settings)) as transaction:
        yield transaction


def set_environment(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Set the environment variables that make these settings, for commands that read them."""
    for name, value in settings.environment.items():
        patch.setenv(name, value)
