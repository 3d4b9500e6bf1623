"""Recovery: what a publisher left that ended in the middle, mended by whoever has the next turn."""

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
from lgsp.snapshots.object_store import Held, Remote
from lgsp.snapshots.pointer import MANIFEST
from lgsp.store.transaction import Transaction, publishing

log = logging.getLogger(__name__)

UNFINISHED = re.compile(r"\.\d+\.((?P<token>\d+)|retired|new)")


@dataclass(frozen=True)
class Committed:
    """What the store knows of the snapshots that files may lag behind: the newest, its token, and those retired."""

    newest: int
    token: int
    retired: frozenset[int] = frozenset()

    def is_lost(self, root: Path) -> bool:
        """Whether there are no files any more of the newest snapshot."""
        folders = root / "snapshots" / str(self.newest), writer.Building(root, self.newest, self.token).folder
        return self.newest > 0 and not any((folder / MANIFEST).exists() for folder in folders)


def run(settings: Settings) -> list[str]:
    """Repair what a crash left: a lagging pointer, folders nobody refers to. What was mended, in words.

    Raises PublicationFailed when the store or the disk fails: what is there stays readable, and it can be repeated.
    """
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        with publishing(store.url(settings), settings.publish_lease_seconds) as transaction:
            return of(settings, transaction)
    except (adbc_driver_manager.Error, OSError) as error:
        raise PublicationFailed(
            f"not everything was mended in {settings.shared} ({error}): mend that and run `lgsp recover` again"
        ) from error


def of(settings: Settings, transaction: Transaction) -> list[str]:
    """The same inside a turn that has begun; on the remote side too, where there is one."""
    mended = _files(settings.shared, committed(transaction), transaction.token)
    if side := remote(settings, transaction):
        mended += side.recover(settings.shared / "snapshots", held(transaction), transaction.token)
    return mended


def lead(settings: Settings, transaction: Transaction, snapshot_id: int, token: int) -> None:
    """Lead the readers of files to a snapshot that was just committed."""
    writer.enter(settings.shared, snapshot_id, token)
    if side := remote(settings, transaction):
        side.point(max(held(transaction), key=lambda one: one.snapshot_id))


def remote(settings: Settings, transaction: Transaction) -> Remote | None:
    """The remote side of the files, for this turn: as long as requests go on the store knows that we live."""
    if settings.shared_url is None:
        return None
    return Remote.open(settings.shared_url, lambda: transaction.one("select true"))


def held(transaction: Transaction) -> list[Held]:
    """Every snapshot whose files are kept."""
    rows = transaction.rows(
        "select snapshot_id, coalesce(token, 0), manifest_sha256 from ledger.publication where files_retired_at is null"
    )
    return [Held(*row) for row in rows]


def committed(transaction: Transaction) -> Committed:
    """What the store knows of the snapshots that files may lag behind."""
    rows = transaction.rows(
        "select snapshot_id, coalesce(token, 0) from ledger.publication order by snapshot_id desc limit 1"
    )
    newest, token = rows[0] if rows else (0, 0)
    retired = transaction.rows("select snapshot_id from ledger.publication where files_retired_at is not null")
    return Committed(newest, token, frozenset(number for (number,) in retired))


def _files(root: Path, committed: Committed, turn: int) -> list[str]:
    """Make the local files agree with the newest committed publication; what was mended, in words.

    Only for whoever has the turn of that number: what publishers of earlier turns left uncommitted is taken away, and
    nothing of a later turn.
    """
    folders = root / "snapshots"
    named = {int(folder.name) for folder in folders.glob("[0-9]*") if folder.name.isdigit()}
    mended = [_stranger(root, number, committed) for number in sorted(named) if number > committed.newest]
    if committed.is_lost(root):
        mended.append(
            f"the files of snapshot {committed.newest} are lost: the next publication writes all of them again"
        )
    elif committed.newest and (committed.newest not in named or pointer.current(root) != committed.newest):
        writer.enter(root, committed.newest, committed.token)
        mended.append(f"moved the pointer to snapshot {committed.newest}")
    for folder in folders.glob(".*"):
        if (found := UNFINISHED.fullmatch(folder.name)) and int(found["token"] or 0) < turn:
            shutil.rmtree(folder)
            mended.append(f"removed {folder.name}, which was never committed")
    for number in sorted(committed.retired & named):
        pointer.retire(root, number)
        mended.append(f"removed {number}, which was retired")
    for stray in root.glob(".current.*"):
        stray.unlink()
        mended.append(f"removed {stray.name}, a pointer that leads nobody")
    shutil.rmtree(root / "files", ignore_errors=True)  # of an older version: snapshots hold their files themselves
    if mended:
        log.warning("recovered: %s", "; ".join(mended))
    return mended


def _stranger(root: Path, number: int, committed: Committed) -> str:
    """Remove a snapshot that an older version named before its commit. Raises PublicationFailed for any other."""
    if not (root / "snapshots" / str(number) / MANIFEST).exists():
        return f"left {number} alone, which is no snapshot"
    if number == committed.newest + 1 and "token" not in pointer.manifest(root, number):
        pointer.retire(root, number)
        return f"removed {number}, which was never committed"
    raise PublicationFailed(
        f"{root} holds snapshot {number}, the database knows none after {committed.newest}: is it another database, or an older copy? "
        "Nothing was removed; give this database its own LGSP_HOME"
    )


def was_committed(settings: Settings, publish_id: str) -> bool:
    """Whether a publication whose commit was not answered took place after all; if so, readers of files are led to it.

    The turn comes only when the session that asked for the commit has ended, so the answer is final.
    """
    with publishing(store.url(settings), settings.publish_lease_seconds) as transaction:
        of(settings, transaction)
        found = transaction.one("select true from ledger.publication where publish_id = $1::text::uuid", publish_id)
        return bool(found)
