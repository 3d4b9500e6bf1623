"""Recovery: what a publisher left that ended in the middle, mended by whoever has the next turn."""

from __future__ import annotations

import adbc_driver_manager

from lgsp import database, snapshot
from lgsp.errors import PublicationFailed
from lgsp.remote import Held, Remote
from lgsp.settings import Settings
from lgsp.snapshot import Committed
from lgsp.transaction import Transaction, publishing


def run(settings: Settings) -> list[str]:
    """Repair what a crash left: a lagging pointer, folders nobody refers to. What was mended, in words.

    Raises PublicationFailed when the store or the disk fails: what is there stays readable, and it can be repeated.
    """
    database.ensure(settings)
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        with publishing(database.url(settings), settings.publish_lease_seconds) as transaction:
            return of(settings, transaction)
    except (adbc_driver_manager.Error, OSError) as error:
        raise PublicationFailed(
            f"not everything was mended in {settings.shared} ({error}): mend that and run `lgsp recover` again"
        ) from error


def of(settings: Settings, transaction: Transaction) -> list[str]:
    """The same inside a turn that has begun; on the remote side too, where there is one."""
    mended = snapshot.recover(settings.shared, committed(transaction), transaction.token)
    if side := remote(settings, transaction):
        mended += side.recover(settings.shared / "snapshots", held(transaction), transaction.token)
    return mended


def lead(settings: Settings, transaction: Transaction, snapshot_id: int, token: int) -> None:
    """Lead the readers of files to a snapshot that was just committed."""
    snapshot.enter(settings.shared, snapshot_id, token)
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


def was_committed(settings: Settings, publish_id: str) -> bool:
    """Whether a publication whose commit was not answered took place after all; if so, readers of files are led to it.

    The turn comes only when the session that asked for the commit has ended, so the answer is final.
    """
    with publishing(database.url(settings), settings.publish_lease_seconds) as transaction:
        of(settings, transaction)
        found = transaction.one("select true from ledger.publication where publish_id = $1::text::uuid", publish_id)
        return bool(found)
