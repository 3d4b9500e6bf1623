"""Harmonise landed batches: turn their bytes into typed rows in one language; unknown fields and codes are reported."""

from __future__ import annotations

import logging
import shutil

from lgsp import config, store
from lgsp.harmonise import profile, tombstones
from lgsp.harmonise.context import HarmoniseContext, duck
from lgsp.harmonise.organisations import known, review_queue
from lgsp.land.archive import Batch
from lgsp.land.record_subset import Selection
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store import disk, heartbeat, ledger

log = logging.getLogger(__name__)


def run(settings: Settings, batch_ids: list[str]) -> list[str]:
    """Harmonise landed batches; returns their ids. A repeated call gives the same rows.

    Raises ContractError when the landed bytes were altered, and for an unknown field when the source's policy is `stop`.
    """
    config.activate(settings)
    for batch_id in batch_ids:
        with heartbeat.beating(settings, batch_id), disk.closing(settings, batch_id, settings.staging / batch_id):
            _harmonise(settings, batch_id)
    return batch_ids


def _harmonise(settings: Settings, batch_id: str) -> None:
    with store.connect(settings) as connection:
        batch = ledger.batch(connection, batch_id)
        if batch.state in ("published", "withdrawn"):  # a cleared task; `lgsp rebuild` creates a new batch
            return
        accepted, known_lists = review_queue.accepted(connection, batch.source), known.load(connection)
        landed = _landed(settings, connection, batch)
    source = sources.load(batch.source)
    folder = settings.staging / batch_id / "harmonised"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    with duck(settings) as con:
        context = HarmoniseContext(
            con, source, landed, batch_id, batch.window, folder, settings.token_key(), accepted=accepted, known=known_lists
        )  # fmt: skip
        source.code("rows").harmonise(context)
        if batch.purpose == "sweep":
            tombstones.stage(context)
        tombstones.lift(context)
        staged_fields, days = profile.profile_staged(con, folder)
    selected_count = len(landed.picked) if isinstance(landed, Selection) else None
    (folder / "repeated").write_text(str(context.repeated if selected_count is None else 0), encoding="utf-8")
    with store.connect(settings) as connection:
        if selected_count is not None:  # fields and spellings were reported when the whole landing was harmonised
            _advance(connection, batch_id, selected_count, 0, selected_count)
            return
        fields = context.profile + staged_fields
        context.add_retyped(profile.retyped(connection, batch, fields))
        ledger.record_drift(connection, batch_id, [drift.as_json() for drift in context.drift])
        profile.record(connection, batch_id, fields, days)
        ledger.record_repairs(connection, batch_id, context.repairs)
        review_queue.propose(connection, batch.source, batch_id, context.unmatched, context.directory, used=accepted)
        _advance(connection, batch_id, *(landed.manifest[count] for count in ("declared", "gap", "read")))
    log.info("%s %s harmonised from %s", batch.source, batch.window, batch.landing_path)


def _landed(settings: Settings, connection: ledger.Connection, batch: ledger.Batch) -> Batch:
    """The landed bytes of a batch; of a redriven batch only the selected records."""
    folder = settings.landing / batch.landing_path
    if batch.purpose != "redrive":
        return Batch.open(folder)
    rows = connection.execute("select raw_pointer from ledger.redriven_record where batch_id = %s", [batch.batch_id])
    return Selection.from_pointers(folder, [row["raw_pointer"] for row in rows.fetchall()])


def _advance(connection: ledger.Connection, batch_id: str, declared: int, gap: int, read: int) -> None:
    ledger.advance(
        connection, batch_id, "harmonised", declared_count=declared, gap_count=gap, fetched_count=read, config_hash=config.active().hash
    )  # fmt: skip
