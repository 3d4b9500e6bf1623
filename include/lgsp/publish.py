"""Publish: drain the ledger of checked batches into one snapshot, in SQL and Parquet, proven equal, all or nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import psycopg

from lgsp import (
    balance,
    changes,
    completeness,
    data_docs,
    database,
    definitions,
    gate,
    hold,
    indicate,
    install,
    link,
    merge,
    publication,
    quarantine,
    records,
    recovery,
    results,
    tables,
    turn,
    upgrade,
    working_time,
)
from lgsp.errors import LgspError
from lgsp.gate import Judgement
from lgsp.refusal import PublicationRefused
from lgsp.settings import Settings
from lgsp.transaction import Transaction, values
from lgsp.window import LOCAL

log = logging.getLogger(__name__)

# Batches are taken up in groups of about this many records, so memory does not grow with what waits.
RECORDS_AT_ONCE = 100_000

REFERENCE = ("admin_unit", "admin_unit_crosswalk", "working_day", *definitions.NAMES)
LISTED = ("organisation", "organisation_alias", "service", "service_offering")
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


def run(settings: Settings, overruling: tables.Overruling = tables.NOBODY) -> Publication | None:
    """Publish all checked batches in one snapshot; None when nothing waits, nothing changed, or publishing is on hold.

    After an upgrade that derives otherwise everything is derived again, also when no batch waits.

    Raises PublicationRefused when the tables that would be published break a rule that `overruling` does not name,
    PublicationFailed when both sides could not be proven equal, or another publisher took the turn: then nothing was
    published.
    """
    install.ensure(settings, is_publishing=True)
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
        with database.connect(settings) as connection:
            results.record_results(connection, [judgement], snapshot_id=snapshot_id)
    except (LgspError, psycopg.Error):
        log.exception("what the table rules said of snapshot %d was not kept", snapshot_id)
    data_docs.publish_tables(settings.docs, snapshot_id, judgement, why)


def _drain(settings: Settings, overruling: tables.Overruling) -> Publication | None:
    published: Publication | None = None
    with turn.begin(settings) as mine:
        if held := hold.held(mine.transaction):
            log.warning("nothing is published: %s", held)
            return None
        waiting = _with_staging(settings, mine.transaction, _waiting(mine.transaction))
        is_lost = recovery.committed(mine.transaction).is_lost(settings.shared)
        asked = (upgrade.must_derive, indicate.is_outdated, indicate.is_redefined, quarantine.was_decided)
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
    settings: Settings, transaction: Transaction, waiting: list[Waiting], overruling: tables.Overruling, is_lost: bool
) -> Publication | None:
    watch, fates, touched = Stopwatch(), merge.Fates(), changes.Touched()
    snapshot_id = publication.next_id(transaction)
    link.begin(transaction)
    for group in _groups(waiting):
        _take_up(settings, transaction, [batch.batch_id for batch in group], fates)
    counted = balance.of(transaction, fates)
    watch.lap("records")
    is_all = upgrade.must_derive(transaction)
    if is_all:
        log.warning("this version derives otherwise than the one that published last: every row is derived again")
        upgrade.all_dossiers(transaction)
    link.dossiers(settings, transaction, snapshot_id, touched)
    watch.lap("dossiers")
    for _ in upgrade.all_documents(transaction) if is_all else (None,):
        link.papers(settings, transaction, snapshot_id, touched)
    merge.whole(transaction, "work_file", WORK_FILES, snapshot_id, touched)
    watch.lap("papers")
    for name in (*REFERENCE, *LISTED):
        merge.whole(transaction, name, _sql("sql/tables", name), snapshot_id, touched)
    is_redefined = any(touched.parts.get(name) for name in definitions.NAMES)
    watch.lap("lists")
    ids = [batch.batch_id for batch in waiting]
    transaction.do(_sql("sql", "clock"), values(ids))
    transaction.do(_sql("sql", "period"))
    transaction.do(_sql("sql", "held"))
    completeness.refresh(transaction, ids, is_all)
    watch.lap("completeness")
    is_every = indicate.begin(transaction, snapshot_id, is_all or is_redefined)
    for name in INDICATORS:
        merge.whole(transaction, name, indicate.query(name), snapshot_id, touched, indicate.scope(name, is_every))
    watch.lap("indicators")
    upgrade.old_files(transaction, touched, is_lost)
    upgrade.settle(transaction)
    if snapshot_id > 1 and not any(touched.parts.values()):
        publication.book(transaction, ids, fates, snapshot_id - 1)
        balance.add(transaction, snapshot_id - 1, counted)
        publication.prove(transaction)
        return None
    judgement = tables.judge(transaction, snapshot_id, touched, overruling)
    watch.lap("check")
    as_of = transaction.one("select as_of::text from clock")
    if as_of:
        working_time.warn(datetime.fromisoformat(as_of).astimezone(LOCAL).date())
    said = publication.facts(transaction, ids, as_of, overruled=overruling.told(judgement))
    publication.book(transaction, ids, fates, snapshot_id)
    publication.seal(settings, transaction, said, touched, judgement, sum(watch.seconds.values()))
    balance.add(transaction, snapshot_id, counted)
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
    if lacking := upgrade.missing(accepted):
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
    link.gather(transaction)


def _accepted(settings: Settings, batch_id: str) -> Path:
    return settings.staging / batch_id / "accepted"


def _sql(folder: str, name: str) -> str:
    return files("lgsp").joinpath(folder, f"{name}.sql").read_text()
