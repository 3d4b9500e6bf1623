"""Harmonise: landed bytes become typed rows in one language; what is unknown is said aloud."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict

from lgsp import database, ledger, review, sources
from lgsp.settings import Settings
from lgsp.storage import Batch
from lgsp.workbench import Workbench, duck

log = logging.getLogger(__name__)


def run(settings: Settings, batch_ids: list[str]) -> list[str]:
    """Harmonise batches that were landed; their ids again. Repeating it gives the same rows.

    Raises ContractError when the landed bytes are not what was landed, or (by the source's policy) when a
    field is unknown.
    """
    for batch_id in batch_ids:
        _harmonise(settings, batch_id)
    return batch_ids


def _harmonise(settings: Settings, batch_id: str) -> None:
    with database.connect(settings) as connection:
        batch = ledger.batch(connection, batch_id)
        accepted = review.accepted(connection, batch.source)
    source = sources.load(batch.source)
    landed = Batch.open(settings.landing / batch.landing_path)
    folder = settings.staging / batch_id / "harmonised"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    with duck(settings) as con:
        bench = Workbench(con, source, landed, batch_id, batch.window, folder, settings.token_key(), accepted=accepted)
        source.code("rows").harmonise(bench)
    (folder / "repeated").write_text(str(bench.repeated))
    with database.connect(settings) as connection:
        ledger.record_drift(connection, batch_id, [asdict(item) for item in bench.drift])
        ledger.record_repairs(connection, batch_id, bench.repairs)
        review.propose(connection, batch.source, batch_id, bench.unmatched, bench.directory, used=accepted)
        ledger.advance(
            connection,
            batch_id,
            "harmonised",
            declared_count=landed.manifest["declared"],
            gap_count=landed.manifest["gap"],
            fetched_count=landed.manifest["read"],
        )
    log.info("%s %s harmonised from %s", batch.source, batch.window, batch.landing_path)
