"""Run a publish session: one publisher at a time, one commit, then the pointer is switched to the new files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import adbc_driver_manager
import duckdb

from lgsp import store
from lgsp.errors import CommitFailed, PublicationFailed, PublishLockHeld, SettingError, StoreRefused
from lgsp.publish.publication import SnapshotMetadata
from lgsp.settings import Settings
from lgsp.snapshots import recovery, writer
from lgsp.snapshots.s3 import RemoteFailed
from lgsp.store import readers
from lgsp.store.transaction import Transaction, publishing, reading
from lgsp.vietnam.personal_data import without_persons

# SQLSTATE classes of errors that a value causes: data exception, integrity constraint, program limit.
ABOUT_DATA = ("22", "23", "54")


@dataclass
class PublishSession:
    """The session of the one publisher: its transaction holds the publish lock, its token fences earlier publishers off.

    `commit` is the only place where a publication is committed and where readers of files are switched to it.
    """

    settings: Settings
    transaction: Transaction
    committing: SnapshotMetadata | None = None  # set before the commit, whose response may be lost
    is_committed: bool = False

    def commit(self, snapshot: SnapshotMetadata | None) -> None:
        """Commit the transaction; when it publishes a snapshot, switch the pointer `current` to its files."""
        self.committing = snapshot
        self.transaction.commit()
        self.is_committed = True
        # the commit ended the lock; who had it meanwhile has repaired what is done next, which is safe to repeat
        self.transaction.acquire_publish_lock(self.settings.publish_lease_seconds, self.settings.publish_wait_seconds)
        if snapshot is not None:
            recovery.activate(self.settings, self.transaction, snapshot.snapshot_id, snapshot.token)


@contextmanager
def open_session(settings: Settings, command: str = "publish") -> Iterator[PublishSession]:
    """Wait for the publish lock, repair what an interrupted publisher left, and roll back unless the block commits.

    `command` is what others see as the holder of the lock.

    Raises PublicationFailed when the store or the disk fails. When the response to a commit was lost, the session looks it
    up in the store and succeeds if the commit took place.
    """
    session: PublishSession | None = None
    try:
        readers.end_over_limits(settings)
        with publishing(
            store.url(settings), settings.publish_lease_seconds, settings.publish_wait_seconds, command
        ) as transaction:
            recovery.recover_in_session(settings, transaction)
            session = PublishSession(settings, transaction)
            try:
                yield session
            finally:
                if session.committing is None:  # otherwise the files may belong to a committed snapshot
                    writer.discard(settings.shared, transaction.token)
    except CommitFailed as failure:
        snapshot = session.committing if session else None
        if snapshot is None or not _was_committed(settings, snapshot, failure):
            raise PublicationFailed(
                f"the store did not commit the publication, nothing was published: {failure}"
            ) from failure
    except (adbc_driver_manager.Error, duckdb.Error, OSError, RemoteFailed, PublishLockHeld) as error:
        if session and session.is_committed and session.committing:
            raise PublicationFailed(
                f"snapshot {session.committing.snapshot_id} is published in SQL, but the pointer of the files was not switched ({error}): "
                "fix that and run `lgsp recover`; the next publication does it too"
            ) from error
        if _is_about_data(error):
            raise StoreRefused(_one_line(error)) from error
        raise PublicationFailed(
            f"nothing was published, the last snapshot stays: {_cause(settings, session, error)}"
        ) from error


def _is_about_data(error: Exception) -> bool:
    """Whether a database refused a value: its constraint, its form or its size."""
    if isinstance(error, adbc_driver_manager.Error):
        return (error.sqlstate or "")[:2] in ABOUT_DATA
    return isinstance(error, (duckdb.ConstraintException, duckdb.ConversionException, duckdb.OutOfRangeException))


def _one_line(error: Exception) -> str:
    """The message of a database without its details, which quote values."""
    _, _, message = str(error).rpartition("ERROR:")
    return without_persons(message.strip().partition("\n")[0]) or type(error).__name__


def _was_committed(settings: Settings, snapshot: SnapshotMetadata, failure: CommitFailed) -> bool:
    try:
        return recovery.was_committed(settings, snapshot.publish_id)
    except SettingError as error:
        raise PublicationFailed(
            f"the store did not answer whether snapshot {snapshot.snapshot_id} was published ({failure}), and cannot be reached now: {error}. "
            "The next publication, or `lgsp recover`, finds out"
        ) from failure


def _cause(settings: Settings, session: PublishSession | None, error: Exception) -> str:
    """The cause that an operator can act on: the disk, a lost publish lock, or the error of the store."""
    if isinstance(error, OSError):
        return f"{error} (in {settings.shared})"
    if session and isinstance(error, adbc_driver_manager.Error):
        with suppress(SettingError, adbc_driver_manager.Error), reading(store.url(settings)) as transaction:
            if transaction.one("select last_value from ledger.publish_token") > session.transaction.token:
                return (
                    f"this publisher lost the publish lock to a later one, after {settings.publish_lease_seconds} s without a statement "
                    "or because its connection broke"
                )
    return str(error)
