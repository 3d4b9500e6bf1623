"""Adopt what was landed: write the batches that landing has, and the database lacks, into the ledger again.

The database was lost, or restored from an older copy. Landing is whole: the manifest and the calls of each folder have all
that the ledger needs. The adopted batches are harmonised and checked as they were before, in the order in which they were
read, and the next publication has them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from lgsp import check, harmonise, install, land, store
from lgsp.errors import BatchRefused, ContractError
from lgsp.harmonise.organisations import review_queue
from lgsp.land import archive, calls, orphans
from lgsp.land.archive import Batch, LandedAnswer
from lgsp.maintain import redrive, withdraw
from lgsp.publish import batches
from lgsp.settings import Settings
from lgsp.snapshots import recovery
from lgsp.store import decisions, epochs, ledger
from lgsp.store.transaction import publishing
from lgsp.window import Window

log = logging.getLogger(__name__)

# Landed and not processed to the end: adopted, or left by a process that was killed. A checked batch is processed again
# where its staged rows were lost with the disk.
_UNFINISHED = """
select batch_id, state from ledger.batch where state in ('landed', 'harmonised', 'checked')
and (%s or batch_id = any(%s) or coalesce(heartbeat_at, '-infinity') < clock_timestamp() - %s) order by right(batch_id, 6)
"""


_SOURCE_OF_REVIEW = "select source from ledger.organisation_review where review_id = %s"


@dataclass
class Adoption:
    """What was adopted: the ids of the batches, the reasons of those refused, and what could not be adopted.

    `decisions` is the number of decisions that the database lacked. `damaged` has an error by folder, `removed` the folders whose batch was never complete; `epoch` is the new one, or None
    when the database had all that was landed.
    """

    batch_ids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    decisions: int = 0
    epoch: int | None = None


def adopt(settings: Settings, restored: str | None = None) -> Adoption:
    """Adopt every landed batch that the database lacks, harmonise and check it. Safe to repeat, also after an interruption.

    A new epoch begins when the database lacked something, and always with `restored`: a sentence about the backup that the
    database comes from. No landed byte is changed. A folder that was altered is left out and named in the result; so is the
    error of a batch that cannot be harmonised any more, which stays `failed` in the ledger.
    """
    install.init(settings, is_adopting=True)
    adoption = Adoption()
    settings.shared.mkdir(parents=True, exist_ok=True)
    # no process outlives its database
    closed = orphans.close(settings, silent=timedelta(0) if restored else orphans.SILENT)
    found = _prove_folders(settings, adoption)
    with publishing(
        store.url(settings), settings.publish_lease_seconds, settings.publish_wait_seconds, "adopt"
    ) as transaction:  # nothing is published meanwhile
        last, token = recovery.last_known(settings, transaction)
        stored = recovery.committed(transaction)
        newest = max(stored.newest, stored.first - 1)  # an earlier adoption knew of those before its first
        with store.connect(settings) as connection:  # one transaction: a new epoch, and the batches of those before it
            adoption.decisions = decisions.adopt(settings, connection)
            adoption.batch_ids = [_record(connection, path, landed, answers) for path, landed, answers in found]
            decisions.apply_withdrawals(connection)
            is_behind = (
                found
                or adoption.decisions
                or last > newest
                or epochs.known(settings).epoch > epochs.current(connection)
            )
            if is_behind or restored:
                why = f"{len(found)} landed batches and {max(last - newest, 0)} snapshots were adopted"
                why = f"{restored}; {why}" if restored else why
                adoption.epoch = epochs.draw(settings, connection, why, max(last, newest) + 1, token + 1)
    with store.connect(settings) as connection:
        recorded = [orphan.batch_id for orphan in closed if orphan.is_landed]
        unfinished = connection.execute(_UNFINISHED, [restored is not None, recorded, orphans.SILENT]).fetchall()
    lost = [row for row in unfinished if row["state"] != "checked" or not _has_rows(settings, str(row["batch_id"]))]
    for batch_id in (str(row["batch_id"]) for row in lost):
        _process(settings, batch_id, adoption)
    _apply_decisions(settings, adoption)
    withdraw.apply_decisions(settings)
    return adoption


def _prove_folders(settings: Settings, adoption: Adoption) -> list[tuple[str, Batch, list[LandedAnswer]]]:
    """The path, manifest and answers of each sealed folder that the ledger does not know, in the order of their numbers."""
    with store.connect(settings) as connection:
        known = {row["landing_path"] for row in connection.execute("select landing_path from ledger.batch").fetchall()}
    found = []
    for _, folder in sorted(epochs.landed_folders(settings.landing)):
        path = folder.relative_to(settings.landing).as_posix()
        if path in known or (folder / archive.EXPIRED).exists():
            continue
        if not archive.is_sealed(folder):
            archive.remove_unsealed(folder)
            adoption.removed.append(path)
            continue
        try:
            landed = Batch.open(folder)
            _check_complete(path, landed)
            found.append((path, landed, landed.prove()))
        except ContractError as error:
            adoption.damaged[path] = str(error)
    return found


def _check_complete(path: str, landed: Batch) -> None:
    """Raise ContractError when a manifest lacks something that the ledger needs, or is of another folder."""
    manifest = landed.manifest
    if lacking := {"batch_id", "source", "from", "to", "declared", "read", "gap"} - manifest.keys():
        raise ContractError(
            f"{landed.folder / archive.MANIFEST} lacks {', '.join(sorted(lacking))}: read its window again"
        )
    if path != f"{manifest['source']}/{manifest['batch_id']}":
        raise ContractError(
            f"{landed.folder} has the batch {manifest['batch_id']} of {manifest['source']}: give the folder its own name again"
        )


def _record(connection: ledger.Connection, path: str, landed: Batch, answers: list[LandedAnswer]) -> str:
    """Write a proven batch into the ledger, as it was when it was landed; its id."""
    manifest, window = landed.manifest, Window(*landed.window)
    batch_id = str(manifest["batch_id"])
    connection.execute(
        "insert into ledger.batch (batch_id, source, window_from, window_to, purpose, state, landing_path, declared_count, fetched_count, gap_count, "
        "created_at, landed_at, manifest_sha256, confirmed_by, confirmed_at) "
        "values (%(id)s, %(source)s, %(from)s, %(to)s, %(purpose)s, 'landed', %(path)s, %(declared)s, %(read)s, %(gap)s, %(opened)s, %(sealed)s, %(sha256)s, "
        "%(by)s, case when %(by)s::text is not null then %(opened)s end)",
        {"id": batch_id, "source": manifest["source"], "from": window.start, "to": window.end, "purpose": landed.purpose, "path": path,
         "declared": manifest["declared"], "read": manifest["read"], "gap": manifest["gap"], "opened": landed.opened_at,
         "sealed": landed.sealed_at, "sha256": landed.manifest_sha256, "by": manifest.get("confirmed_by")},
    )  # fmt: skip
    calls.record_calls(connection, batch_id, answers)
    by = manifest.get("accepted_by")
    if by and "MASS_DELETION" not in ledger.overrides(connection, ledger.batch(connection, batch_id)):
        ledger.accept_deletions(connection, ledger.batch(connection, batch_id), by)
    return batch_id


def _apply_decisions(settings: Settings, adoption: Adoption) -> None:
    """Apply the decisions of people to what was made again, and harmonise and check the records that they concern."""
    with store.connect(settings) as connection:
        accepted, spellings = decisions.apply(connection)
        windows = {
            (str(source["source"]), window)
            for review_id in spellings
            for source in connection.execute(_SOURCE_OF_REVIEW, [review_id]).fetchall()
            for window in review_queue.windows(connection, review_id)
        }
    for source, window in sorted(windows, key=lambda each: (each[0], each[1].start)):
        for batch_id in land.open_rebuild_batches(settings, source, window):
            _process(settings, batch_id, adoption)
    for batch_id in redrive.open_batches(settings, accepted) if accepted else ():
        _process(settings, batch_id, adoption)


def _has_rows(settings: Settings, batch_id: str) -> bool:
    return batches.accepted_folder(settings, batch_id).is_dir()


def _process(settings: Settings, batch_id: str, adoption: Adoption) -> None:
    try:
        check.run(settings, harmonise.run(settings, [batch_id]))
    except BatchRefused as refusal:
        adoption.refused[batch_id] = str(refusal)
    except (ContractError, OSError) as error:
        with store.connect(settings) as connection:
            ledger.advance(connection, batch_id, "failed", why=str(error))
        adoption.damaged[batch_id] = str(error)
