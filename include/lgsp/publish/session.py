"""A turn at publishing: what the last one left is mended first, and in the end everything is seen at once, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import adbc_driver_manager
import duckdb

from lgsp import store
from lgsp.errors import CommitFailed, PublicationFailed, SettingError
from lgsp.publish.publication import Facts
from lgsp.settings import Settings
from lgsp.snapshots import recovery, writer
from lgsp.snapshots.s3 import RemoteFailed
from lgsp.store.transaction import Transaction, publishing, reading


@dataclass
class Turn:
    """The one publisher's turn, with its transaction."""

    settings: Settings
    transaction: Transaction
    said: Facts | None = None
    is_committed: bool = False

    def conclude(self, said: Facts | None) -> None:
        """Commit; where a snapshot was published, lead the readers of files to it."""
        self.said = said
        self.transaction.commit()
        self.is_committed = True
        if said is not None:
            recovery.lead(self.settings, self.transaction, said.snapshot_id, said.token)


@contextmanager
def begin(settings: Settings) -> Iterator[Turn]:
    """Wait for the turn and mend what the last one left. What is not concluded never was.

    Raises PublicationFailed when the store or the disk fails. A commit that was not answered is looked up: it counts
    as concluded if it took place.
    """
    turn: Turn | None = None
    try:
        with publishing(store.url(settings), settings.publish_lease_seconds) as transaction:
            recovery.of(settings, transaction)
            turn = Turn(settings, transaction)
            try:
                yield turn
            finally:
                if turn.said is None:  # else a commit was asked for, and nobody knows yet
                    writer.abandon(settings.shared, transaction.token)
    except CommitFailed as failure:
        said = turn.said if turn else None
        if said is None or not _was_committed(settings, said, failure):
            raise PublicationFailed(
                f"the store did not take the publication, nothing was published: {failure}"
            ) from failure
    except (adbc_driver_manager.Error, duckdb.Error, OSError, RemoteFailed) as error:
        if turn and turn.is_committed and turn.said:
            raise PublicationFailed(
                f"snapshot {turn.said.snapshot_id} is published in SQL, but readers of files were not led to it ({error}): "
                "mend that and run `lgsp recover`; the next publication does it too"
            ) from error
        raise PublicationFailed(
            f"nothing was published, the last snapshot stays: {_why(settings, turn, error)}"
        ) from error


def _was_committed(settings: Settings, said: Facts, failure: CommitFailed) -> bool:
    try:
        return recovery.was_committed(settings, said.publish_id)
    except SettingError as error:
        raise PublicationFailed(
            f"the store did not say whether snapshot {said.snapshot_id} was published ({failure}), and does not answer now: {error}. "
            "The next publication, or `lgsp recover`, finds out"
        ) from failure


def _why(settings: Settings, turn: Turn | None, error: Exception) -> str:
    """What an operator can act on: the disk, a turn that was lost, or what the store said."""
    if isinstance(error, OSError):
        return f"{error} (in {settings.shared})"
    if turn and isinstance(error, adbc_driver_manager.Error):
        with suppress(SettingError, adbc_driver_manager.Error), reading(store.url(settings)) as transaction:
            if transaction.one("select last_value from ledger.publish_token") > turn.transaction.token:
                return (
                    f"this publisher lost its turn to a later one, after it had said nothing to the store for {settings.publish_lease_seconds} s "
                    "or its connection broke"
                )
    return str(error)
