"""Repair what an interrupted publisher left: activate a committed snapshot, and remove what was not committed."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_manager

from lgsp import store
from lgsp.errors import PublicationFailed
from lgsp.settings import Settings
from lgsp.snapshots import pointer, writer
from lgsp.snapshots.manifest import MANIFEST, parse
from lgsp.snapshots.object_store import Remote, RetainedSnapshot
from lgsp.store import epochs
from lgsp.store.transaction import Transaction, publishing

log = logging.getLogger(__name__)

UNFINISHED = re.compile(r"\.\d+\.((?P<token>\d+)|retired|new)")


@dataclass(frozen=True)
class Committed:
    """The newest snapshot in the database, its token, and the snapshots whose files are retired; 0 without any.

    `first` is the first number of the epoch: files may have older snapshots that the database has lost.
    """

    newest: int
    token: int
    retired: frozenset[int] = frozenset()
    first: int = 1

    @property
    def is_of_earlier_epoch(self) -> bool:
        """Whether an epoch began since the newest snapshot: the next one must be published, also without a change."""
        return 0 < self.newest < self.first

    def is_lost_number(self, number: int | None) -> bool:
        """Whether a snapshot is of an earlier epoch and the database has none after it."""
        return number is not None and self.newest < number < self.first

    def is_lost(self, root: Path) -> bool:
        """Whether the files of the newest snapshot are lost."""
        folders = root / "snapshots" / str(self.newest), writer.SnapshotWriter(root, self.newest, self.token).folder
        return self.newest > 0 and not any((folder / MANIFEST).exists() for folder in folders)


def recover(settings: Settings) -> list[str]:
    """Repair what a crash left: a lagging pointer, or folders of uncommitted snapshots; a description of each repair.

    Raises PublicationFailed when the store or the disk fails; the published files stay readable, and it is safe to repeat.
    """
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        with publishing(
            store.url(settings), settings.publish_lease_seconds, settings.publish_wait_seconds, "recover"
        ) as transaction:
            return recover_in_session(settings, transaction)
    except (adbc_driver_manager.Error, OSError) as error:
        raise PublicationFailed(
            f"not everything was repaired in {settings.shared} ({error}): fix that and run `lgsp recover` again"
        ) from error


def recover_in_session(settings: Settings, transaction: Transaction) -> list[str]:
    """The same within a publish session, for the local files and for the remote side if there is one."""
    newest = committed(transaction)
    epochs.record(settings, snapshot=newest.newest, token=newest.token)
    repairs = _files(settings.shared, newest, transaction.token)
    if side := remote(settings, transaction):
        repairs += side.recover(
            settings.shared / "snapshots",
            retained_snapshots(transaction),
            transaction.token,
            first_of_epoch(transaction),
        )
    return repairs


def activate(settings: Settings, transaction: Transaction, snapshot_id: int, token: int) -> None:
    """Switch the readers of files to a snapshot that was just committed, locally and on the remote side."""
    epochs.record(settings, snapshot=snapshot_id, token=token)
    writer.activate(settings.shared, snapshot_id, token)
    if side := remote(settings, transaction):
        side.switch_to(max(retained_snapshots(transaction), key=lambda snapshot: snapshot.snapshot_id))


def remote(settings: Settings, transaction: Transaction) -> Remote | None:
    """The remote side of the files for this publish session; None without LGSP_SHARED_URL.

    Its heartbeat keeps the database session active while requests are sent.
    """
    if settings.shared_url is None:
        return None
    return Remote.open(settings.shared_url, lambda: transaction.one("select true"))


def retained_snapshots(transaction: Transaction) -> list[RetainedSnapshot]:
    """All committed snapshots whose files are retained."""
    rows = transaction.rows(
        "select snapshot_id, coalesce(token, 0), manifest_sha256 from ledger.publication where files_retired_at is null"
    )
    return [RetainedSnapshot(*row) for row in rows]


def committed(transaction: Transaction) -> Committed:
    """The newest snapshot and the retired snapshots, from the database."""
    rows = transaction.rows(
        "select snapshot_id, coalesce(token, 0) from ledger.publication order by snapshot_id desc limit 1"
    )
    newest, token = rows[0] if rows else (0, 0)
    retired = transaction.rows("select snapshot_id from ledger.publication where files_retired_at is not null")
    return Committed(newest, token, frozenset(number for (number,) in retired), first_of_epoch(transaction))


def first_of_epoch(transaction: Transaction) -> int:
    """The first snapshot number of the newest epoch."""
    return int(
        transaction.one("select coalesce((select first_snapshot from ledger.epoch order by epoch desc limit 1), 1)")
    )


def last_known(settings: Settings, transaction: Transaction) -> tuple[int, int]:
    """The largest snapshot number and the largest token that are known outside the database: of the files, also the remote ones."""
    outside = epochs.known(settings)
    found = [(outside.snapshot, outside.token)]
    for path in (settings.shared / "snapshots").glob(f"*/{MANIFEST}"):
        manifest = parse(path.read_bytes(), path)
        found.append((manifest["snapshot_id"], manifest.get("token", 0)))
    if side := remote(settings, transaction):
        found += side.known()
    return max(number for number, _ in found), max(token for _, token in found)


def _files(root: Path, committed: Committed, token: int) -> list[str]:
    """Make the local files agree with the database; a description of each repair.

    Call it in the publish session with that token: it removes what earlier sessions left uncommitted, and nothing of a
    later session.
    """
    folders = root / "snapshots"
    named = {int(folder.name) for folder in folders.glob("[0-9]*") if folder.name.isdigit()}
    unknown = [number for number in sorted(named) if number > committed.newest and not committed.is_lost_number(number)]
    repairs = [_resolve_unknown(root, number, committed) for number in unknown]
    if committed.is_lost(root):
        repairs.append(
            f"the files of snapshot {committed.newest} are lost: the next publication writes all of them again"
        )
    elif committed.is_lost_number(shown := pointer.current(root)):
        log.info("readers keep snapshot %d of an earlier epoch until the next publication", shown)
    elif committed.newest and (committed.newest not in named or shown != committed.newest):
        writer.activate(root, committed.newest, committed.token)
        repairs.append(f"moved the pointer to snapshot {committed.newest}")
    for folder in folders.glob(".*"):
        if (match := UNFINISHED.fullmatch(folder.name)) and int(match["token"] or 0) < token:
            shutil.rmtree(folder)
            repairs.append(f"removed {folder.name}, which was never committed")
    for number in sorted(committed.retired & named):
        pointer.retire(root, number)
        repairs.append(f"removed {number}, which was retired")
    for stray in root.glob(".current.*"):
        stray.unlink()
        repairs.append(f"removed {stray.name}, an unfinished pointer")
    shutil.rmtree(root / "files", ignore_errors=True)  # from an older version that kept all files in one folder
    if repairs:
        log.warning("recovered: %s", "; ".join(repairs))
    return repairs


def _resolve_unknown(root: Path, number: int, committed: Committed) -> str:
    """Remove an uncommitted snapshot of an older version. Raises PublicationFailed for a snapshot of another database."""
    if not (root / "snapshots" / str(number) / MANIFEST).exists():
        return f"ignored the folder {number}: it is no snapshot"
    if number == committed.newest + 1 and "token" not in pointer.manifest(root, number):
        pointer.retire(root, number)
        return f"removed {number}, which was never committed"
    raise PublicationFailed(
        f"{root} has a snapshot {number}, but the newest in the database is {committed.newest}: is it another database, or an older copy? "
        "Nothing was removed. Run `lgsp adopt` after a restore; set another LGSP_HOME for another database"
    )


def was_committed(settings: Settings, publish_id: str) -> bool:
    """Whether a publication whose commit got no response took place; if so, readers of files are switched to it.

    The publish lock is free only after the session that sent the commit has ended, so the result is final.
    """
    with publishing(store.url(settings), settings.publish_lease_seconds, settings.publish_wait_seconds) as transaction:
        recover_in_session(settings, transaction)
        return bool(
            transaction.one(
                "select exists (select from ledger.publication where publish_id = $1::text::uuid)", publish_id
            )
        )
