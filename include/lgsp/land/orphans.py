"""Close the batches whose process was killed while it landed them, and remove what was never complete: it holds persons."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lgsp import store
from lgsp.errors import ContractError
from lgsp.land import archive, calls
from lgsp.land.archive import Batch
from lgsp.settings import Settings
from lgsp.store import ledger

log = logging.getLogger(__name__)

# A process beats every two seconds while it lands a batch; one that is silent for so long was killed.
SILENT = timedelta(minutes=5)
# Unsealed folders are kept for so long, to see what a source answered before its run failed.
KEPT = timedelta(days=1)

_SILENT = """
select batch_id, landing_path from ledger.batch
where state = 'landing' and coalesce(heartbeat_at, created_at) < clock_timestamp() - %s and (source = %s or %s::text is null) order by batch_id
for update skip locked
"""


@dataclass(frozen=True)
class Closed:
    """An orphaned batch: recorded as landed, because its folder was complete, or failed."""

    batch_id: str
    is_landed: bool

    def __str__(self) -> str:
        return (
            f"{self.batch_id}: {'landed completely, now recorded' if self.is_landed else 'ended without its process'}"
        )


def close(settings: Settings, source: str | None = None, silent: timedelta = SILENT) -> list[Closed]:
    """Close the orphaned batches of a source, or of all: those silent for so long.

    A batch that was landed completely, but not recorded, is recorded as landed; any other has failed, and its window is
    read again by the next run.
    """
    closed = []
    with store.connect(settings) as connection:
        for row in connection.execute(_SILENT, [silent, source, source]).fetchall():
            batch_id, folder = str(row["batch_id"]), settings.landing / str(row["landing_path"])
            try:
                landed = Batch.open(folder) if archive.is_sealed(folder) else None
                answers = landed.prove() if landed else []
            except ContractError as error:
                landed = None
                ledger.advance(connection, batch_id, "failed", why=str(error))
            else:
                connection.execute("delete from ledger.source_call where batch_id = %s", [batch_id])
                if landed:
                    calls.record_calls(connection, batch_id, answers)
                    ledger.advance(
                        connection, batch_id, "landed", declared_count=landed.manifest["declared"],
                        fetched_count=landed.manifest["read"], manifest_sha256=landed.manifest_sha256,
                    )  # fmt: skip
                else:
                    archive.remove_unsealed(folder)
                    ledger.advance(
                        connection,
                        batch_id,
                        "failed",
                        why="its process was ended while it landed: the window must be read again",
                    )
            closed.append(Closed(batch_id, landed is not None))
    for each in closed:
        log.warning("%s", each)
    return closed


def remove_unsealed(settings: Settings) -> list[Path]:
    """Remove the folders of failed runs that are older than a day; the folders."""
    limit = (datetime.now() - KEPT).timestamp()
    with store.connect(settings) as connection:
        active = {
            str(row["landing_path"])
            for row in connection.execute("select landing_path from ledger.batch where state = 'landing'").fetchall()
        }
    removed = []
    for source in settings.landing.iterdir() if settings.landing.exists() else ():
        for folder in source.iterdir() if source.is_dir() else ():
            is_active = folder.relative_to(settings.landing).as_posix() in active
            if folder.is_dir() and not is_active and not archive.is_sealed(folder) and _newest(folder) < limit:
                archive.remove_unsealed(folder)
                removed.append(folder)
    return removed


def _newest(folder: Path) -> float:
    """The time of the last change in a folder."""
    return max((path.stat().st_mtime for path in [folder, *folder.iterdir()]), default=0.0)
