"""What a full or broken disk means for a batch: it is closed with the reason and the folder to make room in."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg

from lgsp import store
from lgsp.errors import SettingError, StorageFailed
from lgsp.settings import Settings
from lgsp.store import ledger

log = logging.getLogger(__name__)

# Of the errors of a disk; errors of connections are OSErrors too.
ADVICE = {
    errno.ENOSPC: "make room there", errno.EDQUOT: "make room there, or raise the quota", errno.EROFS: "mount it for writing",
    errno.EACCES: "give the user of lgsp the right to write there", errno.EPERM: "give the user of lgsp the right to write there",
    errno.EIO: "repair the disk",
}  # fmt: skip


def failure(error: OSError | duckdb.Error, folder: Path) -> StorageFailed:
    """The error of a disk as one line: what failed, where, and what to do before the next run."""
    number = error.errno if isinstance(error, OSError) else None
    text = str(error).splitlines()[0]
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    if number is None and "No space left" in text:
        number = errno.ENOSPC
    place = error.filename if isinstance(error, OSError) and isinstance(error.filename, str) else folder
    advice = ADVICE.get(number or 0)
    return StorageFailed(f"{text}: {place}" + (f"; {advice}, then run it again" if advice else ""))


@contextmanager
def closing(settings: Settings, batch_id: str, folder: Path) -> Iterator[None]:
    """Close the batch as failed when the block cannot write to `folder`. Raises StorageFailed then."""
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        failed = failure(error, folder)
        try:
            with store.connect(settings) as connection:
                ledger.advance(connection, batch_id, "failed", why=str(failed))
        except (SettingError, psycopg.Error) as unwritten:  # the database may be on the same disk
            log.error("%s is not closed in the ledger: %s", batch_id, unwritten)
        raise failed from error
