"""Back up and restore an installation: its databases, landing, the published files, reports and keys, with restic.

The databases are dumped first, as of one moment; landing and the published files only grow, so what is copied after them
has all that they name. What was landed or published since the dump is read into the restored database by `adopt`.
The staging area is not in a backup: it is made again from landing.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg

from lgsp import files, store
from lgsp.errors import SettingError
from lgsp.harmonise.duckdb_functions import token_key_id
from lgsp.land import archive
from lgsp.maintain import restic
from lgsp.maintain.adopt import Adoption, adopt
from lgsp.settings import Settings
from lgsp.sql import one_row
from lgsp.store import dump, epochs
from lgsp.store.embedded_postgres import DATABASE, Server

log = logging.getLogger(__name__)

FORMAT = 1
DUMPS = "dumps"
AIRFLOW = "airflow"
# What a backup has in addition to the dumps, where it exists. The keys belong to it: the whole repository is encrypted.
NAMES = (
    "landing", "shared", "reports", "config", "decisions.jsonl", "epoch.json", "token.key", "signing.key", "reader.json", "airflow/passwords.json",
    "airflow/secrets.json",
)  # fmt: skip

_IS_EMPTY = """
select not exists (
    select from pg_class where relkind = 'r' and relnamespace::regnamespace::text not in ('pg_catalog', 'pg_toast', 'information_schema')
)
"""


@dataclass(frozen=True)
class Backup:
    """A backup: restic's id of its snapshot, the moment of the dumps, and what was stored."""

    restic_id: str
    taken_at: datetime
    databases: tuple[str, ...]
    files: int
    bytes_read: int
    bytes_added: int  # to the repository, before its compression


@dataclass(frozen=True)
class Restored:
    """A restored backup: the moment it is of, its databases, and what was adopted that is newer."""

    taken_at: datetime
    databases: tuple[str, ...]
    adoption: Adoption


def back_up(settings: Settings) -> Backup:
    """Add a backup to the restic repository of the environment. Raises SettingError and StorageFailed."""
    restic.ensure_repository(settings)
    with files.locked(settings.home / ".backup.lock"), _folder(settings.home / DUMPS) as dumps:
        databases = _databases(settings)
        taken_at = datetime.now(UTC)
        for name, url in databases.items():
            dump.dump(url, dumps / name)
        content = {"format": FORMAT, "taken_at": taken_at, "databases": list(databases)}
        files.write(dumps / "backup.json", orjson.dumps(content), files.PRIVATE)
        names = [DUMPS, *(name for name in NAMES if (settings.home / name).exists())]
        summary = restic.backup(settings, settings.home, names)
    return Backup(
        summary["snapshot_id"], taken_at, tuple(databases), summary["total_files_processed"],
        summary["total_bytes_processed"], summary["data_added"],
    )  # fmt: skip


def restore(
    settings: Settings, restic_id: str = "latest", left_out: Callable[[Path], frozenset[Path]] = lambda _: frozenset()
) -> Restored:
    """Restore a backup into an empty database and LGSP_HOME, and adopt what landing has that is newer; then publish.

    A file that exists is kept: landing and snapshots are never older than in the backup. `left_out` gives the files and
    folders of the unpacked backup that are not restored, when its database is. Raises SettingError when the database is
    not empty, or the backup has another format or another key.
    """
    _refuse_filled(store.url(settings))
    with _folder(settings.home / "restoring") as unpacked:
        restic.restore(settings, restic_id, unpacked)
        taken_at, names = _described(unpacked / DUMPS / "backup.json")
        dumps = unpacked / DUMPS
        dump.restore(store.url(settings), dumps / DATABASE)
        restored = [DATABASE, *(name for name in names if name == AIRFLOW and _restore_airflow(settings, dumps / name))]
        _move_missing(settings, unpacked, left_out(unpacked))
    _check_token_key(settings)
    adoption = adopt(settings, f"the backup of {taken_at.isoformat(timespec='seconds')} was restored")
    return Restored(taken_at, tuple(restored), adoption)


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """An empty folder that only its owner may read, removed after the block: it holds personal data."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _databases(settings: Settings) -> dict[str, str]:
    """The addresses of the store and, where there is one, of Airflow's metadata database."""
    found = {DATABASE: store.url(settings)}
    if (airflow := _airflow_url(settings)) and _exists(airflow):
        found[AIRFLOW] = airflow
    return found


def _airflow_url(settings: Settings) -> str | None:
    """The address of Airflow's metadata database for libpq; None when it is not in PostgreSQL or not known."""
    environment = settings.environment
    given = environment.get("LGSP_AIRFLOW_DATABASE_URL") or environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "")
    if given.startswith("postgresql"):
        return f"postgresql://{given.split('://', 1)[1]}"
    return None if settings.database_url else Server(settings.home).url(AIRFLOW)


def _exists(url: str) -> bool:
    """Whether a database exists. Raises SettingError when its server does not answer."""
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        if "does not exist" in str(error):
            return False
        raise SettingError(f"Airflow's database cannot be backed up: {error}") from error
    return True


def _is_empty(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return bool(one_row(connection.execute(_IS_EMPTY))[0])


def _refuse_filled(url: str) -> None:
    if not _is_empty(url):
        raise SettingError(
            "the database is not empty, and a backup is restored only into an empty one: create a new one and name it in "
            "LGSP_DATABASE_URL, or set LGSP_HOME to a folder without `pg`"
        )


def _described(path: Path) -> tuple[datetime, list[str]]:
    """The moment of a backup and its databases. Raises SettingError for another format."""
    if not path.exists():
        raise SettingError(f"the restic snapshot is no backup of lgsp: it has no {DUMPS}/{path.name}")
    content: dict[str, Any] = orjson.loads(path.read_bytes())
    if content["format"] != FORMAT:
        raise SettingError(f"the backup has format {content['format']}, this version reads {FORMAT}: use a newer lgsp")
    return datetime.fromisoformat(content["taken_at"]), content["databases"]


def _restore_airflow(settings: Settings, folder: Path) -> bool:
    """Restore Airflow's metadata database unless it is in use; whether it was restored."""
    if not settings.database_url:
        Server(settings.home).create_database(AIRFLOW)
    url = _airflow_url(settings)
    if url is None or not _exists(url) or not _is_empty(url):
        log.warning("Airflow's database is not restored: there is none, or it is not empty")
        return False
    dump.restore(url, folder)
    return True


def _move_missing(settings: Settings, unpacked: Path, left_out: frozenset[Path]) -> None:
    """Move the files of a backup, that LGSP_HOME does not have, to their places."""
    for _, folder in list(epochs.landed_folders(settings.landing)):
        if not archive.is_sealed(folder):
            archive.remove_unsealed(folder)
    for name in NAMES:
        _move(unpacked / name, settings.home / name, left_out)


def _move(source: Path, target: Path, left_out: frozenset[Path]) -> None:
    if source in left_out:
        return
    is_parent = any(source in path.parents for path in left_out)
    if source.is_dir() and not source.is_symlink() and (target.is_dir() or is_parent):
        target.mkdir(parents=True, exist_ok=True)
        for path in source.iterdir():
            _move(path, target / path.name, left_out)
    elif (source.exists() or source.is_symlink()) and not (target.exists() or target.is_symlink()):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _check_token_key(settings: Settings) -> None:
    """Raise SettingError when the applicants' tokens in the database were made with another key than the one at hand."""
    with store.connect(settings) as connection:
        row = connection.execute("select split_part(token, ':', 1) as key_id from restricted.applicant_token limit 1")
        stored = row.fetchone()
    if stored and stored["key_id"] != token_key_id(settings.token_key()):
        raise SettingError(
            "the applicants' tokens of the backup were made with another key: set LGSP_TOKEN_KEY to that key"
        )
