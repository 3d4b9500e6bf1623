"""Prepared stores that tests copy quickly, and the checks on a store after a command was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from lgsp import store
from lgsp.maintain import verify
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.snapshots import partitions, pointer, recovery
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import reading
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving
from tests.integration.conftest import FIRST, Installation, copied, installed, with_short_catalogue

DAYS = 4


@dataclass(frozen=True)
class Store:
    """An installation that is copied, with its database, for each test that changes it."""

    server: Server
    original: Installation
    folder: Path

    @contextmanager
    def copy(self) -> Iterator[Installation]:
        """A copy of it for the duration of the block."""
        installation = copied(self.server, self.original, self.folder)
        try:
            yield installation
        finally:
            remove(self.server, installation)


def remove(server: Server, installation: Installation) -> None:
    """Delete an installation and its database, also while processes are connected to it."""
    name = str(installation.settings.database_url).rsplit("/", 1)[-1]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')
    shutil.rmtree(installation.settings.home)


def prepared(server: Server, folder: Path, sources: tuple[str, ...], settings: dict[str, str] | None = None) -> Store:
    """A store of 80 dossiers with one published snapshot, and checked batches for the next one."""
    world = World.generate("tiny", 7, FIRST, FIRST + timedelta(days=DAYS - 1), dossiers_count=80, documents_count=12)
    world = with_short_catalogue(world)
    morning = datetime.combine(FIRST + timedelta(days=DAYS), datetime.min.time(), LOCAL)
    with serving(world, as_of=morning) as connections:
        installation = installed(server, folder, connections)
        middle, end = FIRST + timedelta(days=DAYS // 2), FIRST + timedelta(days=DAYS)
        for source in sources:
            installation.ingest(source, Window.of_days(FIRST, middle - timedelta(days=1)))
        installation.publish()
        for source in sources:
            installation.ingest(source, Window.of_days(middle, end - timedelta(days=1)))
    environment = {**installation.settings.environment, **(settings or {})}
    return Store(server, replace(installation, settings=Settings.from_env(environment)), folder)


def newest(installation: Installation) -> int:
    """The newest snapshot in SQL; 0 before the first."""
    return int(installation.query("select coalesce(max(snapshot_id), 0) as n from ledger.publication")[0]["n"])


def pointed(installation: Installation) -> int:
    """The snapshot that readers of files see; 0 before the first."""
    return pointer.current(installation.settings.shared) or 0


def assert_complete_snapshots(installation: Installation) -> None:
    """Check that SQL shows the newest snapshot and all retained ones exactly, and that the files are complete.

    The files may show the newest snapshot or the one before it.
    """
    settings, last, shown = installation.settings, newest(installation), pointed(installation)
    assert last - 1 <= shown <= last, f"SQL shows snapshot {last}, the files show snapshot {shown}"
    retained = installation.query(
        "select snapshot_id from ledger.publication where files_retired_at is null or history_retired_at is null"
    )
    for snapshot_id in {int(row["snapshot_id"]) for row in retained} - ({last} if shown < last else set()):
        _, proofs = verify.verify_snapshot(settings, snapshot_id)
        differing = [proof.table for proof in proofs if not proof.is_equal]
        assert not differing, f"snapshot {snapshot_id}: {differing} differ"
    if shown < last:
        _assert_complete_in_sql(settings, last)


def _assert_complete_in_sql(settings: Settings, snapshot_id: int) -> None:
    with reading(store.url(settings)) as transaction:
        query = "select table_name, content_hash::text from ledger.publication_table where snapshot_id = $1"
        published = dict(transaction.rows(query, snapshot_id))
        for shared in contract.every():
            sums = partitions.sums(transaction, shared, f"shared.{shared.name}")
            assert published[shared.name] == str(sums.content_hash), (
                f"{shared.name} in SQL differs from snapshot {snapshot_id}"
            )


@dataclass(frozen=True)
class State:
    """The state of a store: its newest snapshot, the hashes of its tables, its row versions by table, its file names."""

    newest: int
    hashes: dict[str, str]
    versions: dict[str, int]
    files: tuple[str, ...]

    @classmethod
    def read(cls, installation: Installation) -> State:
        """The state of an installation; fails when its files lag behind SQL or a recovery finds something to repair."""
        assert newest(installation) == pointed(installation), "the pointer lags"
        assert recovery.recover(installation.settings) == [], "there was something to repair"
        assert_complete_snapshots(installation)
        counts = (
            f"select '{table.name}' as name, count(*) as n from history.{table.name}" for table in contract.every()
        )
        versions = {str(row["name"]): int(row["n"]) for row in installation.query(" union all ".join(counts))}
        root = installation.settings.shared
        files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
        return cls(newest(installation), installation.data_hashes(), versions, tuple(files))

    def differences(self, other: State) -> str:
        """The fields and files in which another state differs; empty when there are none."""
        fields = [name for name in ("newest", "hashes", "versions") if getattr(self, name) != getattr(other, name)]
        files = set(self.files) ^ set(other.files)
        return ", ".join([*fields, *sorted(files)])
