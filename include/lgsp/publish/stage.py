"""Publish: drain the ledger of checked batches into one snapshot, in SQL and Parquet, proven equal, all or nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg

from lgsp import store
from lgsp.check import completeness, data_docs, gate, quarantine, results
from lgsp.check.gate import Judgement
from lgsp.errors import LgspError
from lgsp.indicators import compute, definitions
from lgsp.publish import (
    control_totals,
    hold,
    link_dossiers,
    merge,
    publication,
    rederive,
    reference_tables,
    session,
    table_rules,
)
from lgsp.publish.refusal import PublicationRefused
from lgsp.schema import records
from lgsp.settings import Settings
from lgsp.snapshots import changes, recovery
from lgsp.store.transaction import Transaction
from lgsp.vietnam import working_time
from lgsp.window import LOCAL

log = logging.getLogger(__name__)

# Batches are taken up in groups of about this many records, so memory does not grow with what waits.
RECORDS_AT_ONCE = 100_000

# In the order in which they are made: the later ones are made of the earlier.
INDICATORS = (
    "service_kpi",
    "zero_activity",
    "form_06a",
    "document_kpi",
    "index_766",
    "institution_map",
    "weekly_digest",
)

WORK_FILES = """
select work_file_id, organisation_id, level, opened_on, closed_on, is_electronic, document_count, source_updated_at, batch_id
from record.work_file where not coalesce(is_deleted, false)
"""


@dataclass(frozen=True)
class Publication:
    """One published snapshot."""

    said: publication.Facts
    rows: dict[str, int]
    seconds: dict[str, float]
    judgement: Judgement = field(repr=False)

    @property
    def snapshot_id(self) -> int:
        """Its number."""
        return self.said.snapshot_id

    @property
    def batches(self) -> tuple[str, ...]:
        """The batches it took up."""
        return self.said.batches


@dataclass(frozen=True)
class Waiting:
    """A checked batch that waits to be published."""

    batch_id: str
    source: str
    accepted: int
    purpose: str = "window"


class Stopwatch:
    """How long each part of a publication took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        """Book the time since the last lap to a part."""
        now = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now - self._since, 3)
        self._since = now


def run(settings: Settings, overruling: table_rules.Overruling = table_rules.NOBODY) -> Publication | None:
    """Publish all checked batches in one snapshot; None when nothing waits, nothing changed, or publishing is on hold.

    After an upgrade that derives otherwise everything is derived again, also when no batch waits.

    Raises PublicationRefused when the tables that would be published break a rule that `overruling` does not name,
    PublicationFailed when both sides could not be proven equal, or another publisher took the turn: then nothing was
    published.
    """
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        published = _drain(settings, overruling)
    except PublicationRefused as refusal:
        _tell(settings, refusal.snapshot_id, refusal.judgement, str(refusal))
        raise
    if published is not None:
        data_docs.publish_tables(settings.docs, published.snapshot_id, published.judgement, None)
    return published


def _tell(settings: Settings, snapshot_id: int, judgement: Judgement, why: str) -> None:
    """Keep what the table rules said of a snapshot that was refused: the transaction that found it is gone."""
    try:
        with store.connect(settings) as connection:
            results.record_results(connection, [judgement], snapshot_id=snapshot_id)
    except (LgspError, psycopg.Error):
        log.exception("what the table rules said of snapshot %d was not kept", snapshot_id)
    data_docs.publish_tables(settings.docs, snapshot_id, judgement, why)


def _drain(settings: Settings, overruling: table_rules.Overruling) -> Publication | None:
    published: Publication | None = None
    with session.begin(settings) as mine:
        if held := hold.held(mine.transaction):
            log.warning("nothing is published: %s", held)
            return None
        waiting = _with_staging(settings, mine.transaction, _waiting(mine.transaction))
        is_lost = recovery.committed(mine.transaction).is_lost(settings.shared)
        asked = (rederive.must_derive, compute.is_outdated, compute.is_redefined, quarantine.was_decided)
        if waiting or is_lost or any(is_due(mine.transaction) for is_due in asked):
            gate.prepare()
            published = _publish(settings, mine.transaction, waiting, overruling, is_lost)
        mine.conclude(published.said if published else None)
    if published is not None:
        log.info(
            "snapshot %d: %d batches, %s, %s",
            published.snapshot_id, len(published.batches), published.rows, published.seconds,
        )  # fmt: skip
    return published


def _waiting(transaction: Transaction) -> list[Waiting]:
    rows = transaction.rows(
        "select batch_id, source, accepted_count, purpose from ledger.batch where state = 'checked' order by window_from, window_to, batch_id"
    )
    return [Waiting(*row) for row in rows]


def _publish(
    settings: Settings,
    transaction: Transaction,
    waiting: list[Waiting],
    overruling: table_rules.Overruling,
    is_lost: bool,
) -> Publication | None:
    watch, fates, touched = Stopwatch(), merge.Fates(), changes.Touched()
    snapshot_id = publication.next_id(transaction)
    link_dossiers.begin(transaction)
    for group in _groups(waiting):
        _take_up(settings, transaction, [batch.batch_id for batch in group], fates)
    counted = control_totals.of(transaction, fates)
    watch.lap("records")
    is_all = rederive.must_derive(transaction)
    if is_all:
        log.warning("this version derives otherwise than the one that published last: every row is derived again")
        rederive.all_dossiers(transaction)
    link_dossiers.dossiers(settings, transaction, snapshot_id, touched)
    watch.lap("dossiers")
    for _ in rederive.all_documents(transaction) if is_all else (None,):
        link_dossiers.papers(settings, transaction, snapshot_id, touched)
    merge.whole(transaction, "work_file", WORK_FILES, snapshot_id, touched)
    watch.lap("papers")
    reference_tables.publish(transaction, snapshot_id, touched)
    is_redefined = any(touched.parts.get(name) for name in definitions.NAMES)
    watch.lap("lists")
    ids = [batch.batch_id for batch in waiting]
    compute.stage_periods(transaction, ids)
    compute.stage_quarantined(transaction)
    completeness.refresh(transaction, ids, is_all)
    watch.lap("completeness")
    is_every = compute.begin(transaction, snapshot_id, is_all or is_redefined)
    for name in INDICATORS:
        merge.whole(transaction, name, compute.query(name), snapshot_id, touched, compute.scope(name, is_every))
    watch.lap("indicators")
    rederive.old_files(transaction, touched, is_lost)
    rederive.settle(transaction)
    if snapshot_id > 1 and not any(touched.parts.values()):
        publication.book(transaction, ids, fates, snapshot_id - 1)
        control_totals.add(transaction, snapshot_id - 1, counted)
        publication.prove(transaction)
        return None
    judgement = table_rules.judge(transaction, snapshot_id, touched, overruling)
    watch.lap("check")
    as_of = transaction.one("select as_of::text from clock")
    if as_of:
        working_time.warn(datetime.fromisoformat(as_of).astimezone(LOCAL).date())
    said = publication.facts(transaction, ids, as_of, overruled=overruling.told(judgement))
    publication.book(transaction, ids, fates, snapshot_id)
    publication.seal(settings, transaction, said, touched, judgement, sum(watch.seconds.values()))
    control_totals.add(transaction, snapshot_id, counted)
    publication.prove(transaction)
    watch.lap("parquet")
    return Publication(said, touched.rows, watch.seconds, judgement)


def _with_staging(settings: Settings, transaction: Transaction, waiting: list[Waiting]) -> list[Waiting]:
    """The batches whose accepted rows are there and whole; the others are refused, and hold up nobody."""
    good = []
    for batch in waiting:
        if why := _unusable(settings, batch):
            log.error("%s: %s", batch.batch_id, why)
            transaction.do(
                "update ledger.batch set state = 'refused', why = $1::text where batch_id = $2::text",
                why,
                batch.batch_id,
            )
            quarantine.unsettle(transaction, batch.batch_id, why)
        else:
            good.append(batch)
    return good


def _unusable(settings: Settings, batch: Waiting) -> str | None:
    """Why a checked batch cannot be published, with the remedy; None when it can."""
    accepted = _accepted(settings, batch.batch_id)
    again = "quarantine redrive --source" if batch.purpose == "redrive" else "rebuild"
    remedy = f"`lgsp {again} {batch.source}` makes it again from what was landed"
    if not accepted.is_dir():
        return f"its staging is gone: {remedy}"
    if lacking := rederive.missing(accepted):
        return f"an older version harmonised it, without {', '.join(lacking)}: {remedy}"
    return None


def _groups(waiting: list[Waiting]) -> Iterator[list[Waiting]]:
    group: list[Waiting] = []
    for batch in waiting:
        if group and sum(b.accepted for b in group) + batch.accepted > RECORDS_AT_ONCE:
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def _take_up(settings: Settings, transaction: Transaction, ids: list[str], fates: merge.Fates) -> None:
    """Merge the accepted records of some batches, and remember which dossiers and documents they speak of."""

    def staged(kind: str) -> list[Path]:
        paths = [_accepted(settings, batch_id) / f"{kind}.parquet" for batch_id in ids]
        return [path for path in paths if path.exists()]

    for kind in records.FACTS:
        merge.records_of(transaction, kind, staged(kind.name), fates)
    quarantine.corrected(transaction, ids)
    for kind in records.LISTS:
        merge.records_of(transaction, kind, staged(kind.name), merge.Fates())  # lists are not counted as records
    merge.tokens_of(transaction, staged("dossier"))
    completeness.gather(transaction)
    link_dossiers.gather(transaction)


def _accepted(settings: Settings, batch_id: str) -> Path:
    return settings.staging / batch_id / "accepted"
