"""Recovery: what a publisher left that ended in the middle, mended by whoever has the next turn."""

from __future__ import annotations

from lgsp import database, snapshot
from lgsp.settings import Settings
from lgsp.snapshot import Committed
from lgsp.transaction import Transaction, publishing


def run(settings: Settings) -> list[str]:
    """Repair what a crash left: a lagging pointer, folders nobody refers to. What was mended, in words."""
    database.ensure(settings)
    settings.shared.mkdir(parents=True, exist_ok=True)
    with publishing(database.url(settings), settings.publish_lease_seconds) as transaction:
        return of(settings, transaction)


def of(settings: Settings, transaction: Transaction) -> list[str]:
    """The same inside a turn that has begun."""
    return snapshot.recover(settings.shared, committed(transaction), transaction.token)


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
