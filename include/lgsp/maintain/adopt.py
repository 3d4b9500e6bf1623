"""Adopt what was landed: write the batches that landing has, and the database lacks, into the ledger again.

The database was lost, or restored from an older copy. Landing is whole: the manifest and the calls of each folder have all
that the ledger needs. The adopted batches are harmonised and checked as they were before, in the order in which they were
read, and the next publication has them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from lgsp import check, harmonise, install, store
from lgsp.errors import BatchRefused, ContractError
from lgsp.land import archive, calls
from lgsp.land.archive import Batch
from lgsp.settings import Settings
from lgsp.snapshots import recovery
from lgsp.store import epochs, ledger
from lgsp.store.transaction import publishing
from lgsp.window import Window

log = logging.getLogger(__name__)

# Why a sweep's deletions count although they are many.
ACCEPTED_DELETIONS = "what a sweep found deleted is accepted"


@dataclass
class Adoption:
    """What was adopted: the ids of the batches, the reasons of those refused, and what could not be adopted.

    `damaged` has an error by folder, `removed` the folders whose batch was never complete; `epoch` is the new one, or None
    when the database had all that was landed.
    """

    batch_ids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    epoch: int | None = None


def adopt(settings: Settings) -> Adoption:
    """Adopt every landed batch that the database lacks, harmonise and check it. Safe to repeat.

    No landed byte is changed. A folder that was altered is left out and named in the result; so is the error of a batch
    that cannot be harmonised any more, which stays `failed` in the ledger.
    """
    install.init(settings, is_adopting=True)
    adoption = Adoption()
    settings.shared.mkdir(parents=True, exist_ok=True)
    with publishing(
        store.url(settings), settings.publish_lease_seconds
    ) as transaction:  # nothing is published meanwhile
        last, token = recovery.last_known(settings, transaction)
        with store.connect(settings) as connection:
            _adopt_folders(settings, connection, adoption)
            newest = transaction.one("select coalesce(max(snapshot_id), 0) from ledger.publication")
            is_older = last > newest or epochs.known(settings).epoch > epochs.current(connection)
            if adoption.batch_ids or is_older:
                why = f"{len(adoption.batch_ids)} landed batches and {max(last - newest, 0)} snapshots were adopted"
                adoption.epoch = epochs.draw(settings, connection, why, max(last, newest) + 1)
                connection.execute(
                    "select setval('ledger.publish_token', greatest(%s, (select last_value from ledger.publish_token)))",
                    [token + 1],
                )
    for batch_id in adoption.batch_ids:
        _process(settings, batch_id, adoption)
    return adoption


def _adopt_folders(settings: Settings, connection: ledger.Connection, adoption: Adoption) -> None:
    known = {row["landing_path"] for row in connection.execute("select landing_path from ledger.batch").fetchall()}
    for _, folder in sorted(epochs.landed_folders(settings.landing)):
        path = folder.relative_to(settings.landing).as_posix()
        if path in known or (folder / archive.EXPIRED).exists():
            continue
        if not archive.is_sealed(folder) and archive.remove_unsealed(folder):
            adoption.removed.append(path)
            continue
        try:
            landed = Batch.open(folder)
            adoption.batch_ids.append(_record(connection, path, landed))
        except ContractError as error:
            adoption.damaged[path] = str(error)


def _record(connection: ledger.Connection, path: str, landed: Batch) -> str:
    """Write a proven batch into the ledger, as it was when it was landed; its id."""
    answers, manifest = landed.prove(), landed.manifest
    window = Window(*landed.window)
    batch_id, source = manifest["batch_id"], manifest["source"]
    if path != f"{source}/{batch_id}":
        raise ContractError(f"{landed.folder} has the batch {batch_id} of {source}: give the folder its own name again")
    connection.execute(
        "insert into ledger.batch (batch_id, source, window_from, window_to, purpose, state, landing_path, declared_count, fetched_count, gap_count, "
        "created_at, landed_at, manifest_sha256) values (%s, %s, %s, %s, %s, 'landed', %s, %s, %s, %s, %s, %s, %s)",
        [batch_id, source, window.start, window.end, landed.purpose, path, manifest["declared"], manifest["read"], manifest["gap"],
         landed.opened_at, landed.sealed_at, landed.manifest_sha256],
    )  # fmt: skip
    calls.record_calls(connection, batch_id, answers)
    if by := manifest.get("accepted_by"):
        ledger.overrule(connection, ledger.batch(connection, batch_id), "MASS_DELETION", by, ACCEPTED_DELETIONS)
    return str(batch_id)


def _process(settings: Settings, batch_id: str, adoption: Adoption) -> None:
    try:
        check.run(settings, harmonise.run(settings, [batch_id]))
    except BatchRefused as refusal:
        adoption.refused[batch_id] = str(refusal)
    except (ContractError, OSError) as error:
        with store.connect(settings) as connection:
            ledger.advance(connection, batch_id, "failed", why=str(error))
        adoption.damaged[batch_id] = str(error)
