"""Prepared stores that are restored in a moment, and what must hold of one after a command was cut short."""

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
from tests.integration.conftest import FIRST, Installation, copied, installed

DAYS = 4


@dataclass(frozen=True)
class Store:
    """An installation that is copied, with its database, for each time something is done to it."""

    server: Server
    original: Installation
    folder: Path

    @contextmanager
    def copy(self) -> Iterator[Installation]:
        """A copy of it, gone afterwards."""
        made = copied(self.server, self.original, self.folder)
        try:
            yield made
        finally:
            remove(self.server, made)


def remove(server: Server, made: Installation) -> None:
    """Take an installation away, with its database and whoever is still connected."""
    name = str(made.settings.database_url).rsplit("/", 1)[-1]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')
    shutil.rmtree(made.settings.home)


def prepared(server: Server, folder: Path, sources: tuple[str, ...], settings: dict[str, str] | None = None) -> Store:
    """A store of a few dozen dossiers with one published snapshot, and checked batches waiting for the next."""
    world = World.generate("tiny", 7, FIRST, FIRST + timedelta(days=DAYS - 1), dossiers_count=80, documents_count=12)
    morning = datetime.combine(FIRST + timedelta(days=DAYS), datetime.min.time(), LOCAL)
    with serving(world, as_of=morning) as connections:
        made = installed(server, folder, connections)
        middle, end = FIRST + timedelta(days=DAYS // 2), FIRST + timedelta(days=DAYS)
        for source in sources:
            made.run(source, Window.of_days(FIRST, middle - timedelta(days=1)))
        made.publish()
        for source in sources:
            made.run(source, Window.of_days(middle, end - timedelta(days=1)))
    environment = {**made.settings.environment, **(settings or {})}
    return Store(server, replace(made, settings=Settings.from_env(environment)), folder)


def newest(installation: Installation) -> int:
    """The newest snapshot in SQL; 0 before the first."""
    return int(installation.query("select coalesce(max(snapshot_id), 0) as n from ledger.publication")[0]["n"])


def pointed(installation: Installation) -> int:
    """The snapshot that readers of files see; 0 before the first."""
    return pointer.current(installation.settings.shared) or 0


def see_a_whole_snapshot(installation: Installation) -> None:
    """Readers of SQL see exactly what its newest publication says, and every older one that is promised; readers of
    files the same snapshot or the one before, whole."""
    settings, last, shown = installation.settings, newest(installation), pointed(installation)
    assert last - 1 <= shown <= last, f"SQL shows snapshot {last}, the files snapshot {shown}"
    promised = installation.query(
        "select snapshot_id from ledger.publication where files_retired_at is null or history_retired_at is null"
    )
    for wanted in {int(row["snapshot_id"]) for row in promised} - ({last} if shown < last else set()):
        _, proofs = verify.run(settings, wanted)
        differing = [proof.table for proof in proofs if not proof.is_equal]
        assert not differing, f"snapshot {wanted}: {differing} differ"
    if shown < last:
        _see_in_sql(settings, last)


def _see_in_sql(settings: Settings, wanted: int) -> None:
    with reading(store.url(settings)) as transaction:
        query = "select table_name, content_hash::text from ledger.publication_table where snapshot_id = $1"
        told = dict(transaction.rows(query, wanted))
        for shared in contract.every():
            found = partitions.sums(transaction, shared, f"shared.{shared.name}")
            assert told[shared.name] == str(found.content_hash), (
                f"SQL shows another {shared.name} than snapshot {wanted}"
            )


@dataclass(frozen=True)
class State:
    """What a store came to: its newest snapshot, what its tables say, its versions of rows, and its files by name."""

    newest: int
    hashes: dict[str, str]
    versions: dict[str, int]
    files: tuple[str, ...]

    @classmethod
    def of(cls, installation: Installation) -> State:
        """The state of an installation whose files must have caught up with SQL, with nothing left to mend."""
        assert newest(installation) == pointed(installation), "the pointer lags"
        assert recovery.run(installation.settings) == [], "something was left behind"
        see_a_whole_snapshot(installation)
        counts = (
            f"select '{table.name}' as name, count(*) as n from history.{table.name}" for table in contract.every()
        )
        versions = {str(row["name"]): int(row["n"]) for row in installation.query(" union all ".join(counts))}
        root = installation.settings.shared
        files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
        return cls(newest(installation), installation.data_hashes(), versions, tuple(files))

    def differs(self, other: State) -> str:
        """What another state has otherwise; empty when nothing."""
        told = [name for name in ("newest", "hashes", "versions") if getattr(self, name) != getattr(other, name)]
        strangers = set(self.files) ^ set(other.files)
        return ", ".join([*told, *sorted(strangers)])
