"""The restore drill: restore the newest backup next to the living store, and prove that it gives the same tables.

Two ways back are proven, because two things can be lost. The restored database must have the newest snapshot of the backup
unchanged, in SQL and in files. Then that database is thrown away, and landing alone, adopted into an empty one, must give
tables with the same data hashes. Everything happens in a folder of its own with a server of its own, and is removed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
from jinja2 import Environment, PackageLoader, StrictUndefined

from lgsp import files, install, publish, store
from lgsp.errors import NothingPublished, SettingError
from lgsp.land import archive
from lgsp.maintain import backup, verify
from lgsp.maintain.adopt import adopt
from lgsp.publish import hold as hold_on_publishing
from lgsp.settings import Settings
from lgsp.signing import SigningKey
from lgsp.sql import one_row
from lgsp.store import epochs
from lgsp.store.embedded_postgres import DATABASE, Server
from lgsp.window import LOCAL

# What would make the drill write to the living installation, or read its sources.
LIVING = ("LGSP_DATABASE_URL", "LGSP_AIRFLOW_DATABASE_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "LGSP_SHARED_URL")


@dataclass(frozen=True)
class TableResult:
    """The data hash of a table in the living store, in the restored one, and made again from landing.

    None without the table; `restored` also when its SQL or files are not what was published.
    """

    table: str
    living: str | None
    restored: str | None
    from_landing: str | None

    @property
    def is_equal(self) -> bool:
        """Whether all three are the same."""
        return self.living == self.restored == self.from_landing


@dataclass(frozen=True)
class Drill:
    """The result of a drill. RPO: what of the database was not in the backup; RTO: until the dataset could be read again."""

    held_at: datetime
    backup_taken_at: datetime
    snapshot_id: int
    tables: list[TableResult]
    batches: int
    dossiers: int
    recovery_point: timedelta
    restore_time: timedelta  # from the backup, verified
    rebuild_time: timedelta  # from landing alone, published
    page: Path

    @property
    def is_equal(self) -> bool:
        """Whether every table came back as it was, in both ways."""
        return all(table.is_equal for table in self.tables)


def hold(settings: Settings, restic_id: str = "latest") -> Drill:
    """Hold a drill and leave its signed page in `reports/drills`.

    Raises SettingError when there is no backup, it cannot be restored or publishing is on hold, and PublicationFailed when
    the restored manifest is not what was signed.
    """
    install.ensure(settings)
    if held := hold_on_publishing.current_reason(settings):
        raise SettingError(
            f"publishing is {held}: what landing gives is not what is published, so hold the drill later"
        )
    held_at = datetime.now(LOCAL)
    with _scratch(settings) as scratch:
        started = time.monotonic()
        restored = backup.restore(scratch, restic_id, partial(_newer, scratch))
        snapshot_id, proofs = verify.verify_snapshot(scratch)
        restore_time = timedelta(seconds=time.monotonic() - started)
        in_backup = {proof.table: str(proof.published.data_hash) for proof in proofs if proof.is_equal}
        batches, dossiers = _size(scratch)
        started = time.monotonic()
        _empty(scratch)
        adopt(scratch)
        install.ensure(scratch, is_publishing=True)
        publish.run(scratch)
        rebuild_time = timedelta(seconds=time.monotonic() - started)
        from_landing = _hashes(scratch)
    living = _hashes(settings, snapshot_id)
    names = sorted(living.keys() | in_backup.keys() | from_landing.keys())
    tables = [TableResult(name, living.get(name), in_backup.get(name), from_landing.get(name)) for name in names]
    drill = Drill(
        held_at, restored.taken_at.astimezone(LOCAL), snapshot_id, tables, batches, dossiers, held_at - restored.taken_at, restore_time,
        rebuild_time, settings.reports / "drills" / held_at.strftime("%Y-%m-%dT%H%M%S"),
    )  # fmt: skip
    _write_page(settings, drill)
    return drill


@contextmanager
def _scratch(settings: Settings) -> Iterator[Settings]:
    """The settings of a new, private installation that knows nothing of the living one but its backups and keys."""
    settings.home.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="drill-", dir=settings.home))
    kept = {name: value for name, value in settings.environment.items() if name not in LIVING}
    try:
        yield Settings.from_env({**kept, "LGSP_HOME": str(home)})
    finally:
        Server(home).stop()
        shutil.rmtree(home, ignore_errors=True)


def _newer(scratch: Settings, unpacked: Path) -> frozenset[Path]:
    """The landed folders of an unpacked backup that its newest snapshot does not have: they cannot be compared with it."""
    with store.connect(scratch) as connection:
        connection.execute(
            "update ledger.batch set state = 'failed', why = 'not published at the time of the backup' "
            "where state in ('landing', 'landed', 'harmonised', 'checked')"
        )
        rows = connection.execute(
            "select distinct landing_path from ledger.batch where state in ('published', 'refused', 'withdrawn')"
        )
        known = {str(row["landing_path"]) for row in rows.fetchall()}
    landing = unpacked / "landing"
    return frozenset(
        folder
        for _, folder in epochs.landed_folders(landing)
        if folder.relative_to(landing).as_posix() not in known and not (folder / archive.EXPIRED).exists()
    )


def _empty(scratch: Settings) -> None:
    """Throw the database away, as if it had been lost."""
    server = Server(scratch.home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'drop database "{DATABASE}" with (force)')
    shutil.rmtree(scratch.staging, ignore_errors=True)
    server.create_database(DATABASE)


def _hashes(settings: Settings, snapshot_id: int | None = None) -> dict[str, str]:
    """The data hash of each table of a snapshot, by default the newest, as the publisher recorded it."""
    with store.connect(settings) as connection:
        rows = connection.execute(
            "select table_name, data_hash::text as data_hash from ledger.publication_table "
            "where snapshot_id = coalesce(%s, (select max(snapshot_id) from ledger.publication))",
            [snapshot_id],
        ).fetchall()
    if not rows:
        raise NothingPublished("the store has not the snapshot of the backup: nothing to compare with")
    return {str(row["table_name"]): str(row["data_hash"]) for row in rows}


def _size(settings: Settings) -> tuple[int, int]:
    """The numbers of published batches and of dossiers."""
    with store.connect(settings) as connection:
        row: dict[str, Any] = one_row(
            connection.execute(
                "select (select count(*) from ledger.batch where state = 'published') as batches, "
                "(select count(*) from shared.dossier) as dossiers"
            )
        )
    return row["batches"], row["dossiers"]


def as_json(drill: Drill) -> dict[str, Any]:
    """A drill as `lgsp drill --json` and the page show it; times in seconds."""
    return {
        "equal": drill.is_equal, "snapshot_id": drill.snapshot_id, "held_at": drill.held_at, "backup_taken_at": drill.backup_taken_at,
        "rpo_seconds": round(drill.recovery_point.total_seconds(), 1), "rto_seconds": round(drill.restore_time.total_seconds(), 1),
        "rebuild_seconds": round(drill.rebuild_time.total_seconds(), 1), "batches": drill.batches, "dossiers": drill.dossiers,
        "tables": [{**asdict(table), "equal": table.is_equal} for table in drill.tables], "page": str(drill.page),
    }  # fmt: skip


def _write_page(settings: Settings, drill: Drill) -> None:
    """Write `drill.json`, its signature and the page that shows it."""
    environment = Environment(
        loader=PackageLoader("lgsp.maintain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    key = SigningKey.load(settings)
    content = orjson.dumps({**as_json(drill), "signing_key": key.id}, option=orjson.OPT_INDENT_2)
    page = environment.get_template("drill.html").render(drill=drill, key_id=key.id)
    for name, written in (("drill.json", content), ("drill.html", page.encode())):
        files.replace(drill.page / name, written)
        files.replace(drill.page / f"{name}.sig", key.sign(written))
