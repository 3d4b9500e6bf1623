"""Publish: drain the ledger of checked batches into one snapshot, in SQL and Parquet, proven equal, all or nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import psycopg

from lgsp import (
    balance,
    completeness,
    contract,
    data_docs,
    database,
    ledger,
    link,
    merge,
    quarantine,
    records,
    snapshot,
    tables,
    upgrade,
    working_time,
)
from lgsp.contract import Contract
from lgsp.errors import LgspError, PublicationFailed, PublicationRefused
from lgsp.gate import Judgement
from lgsp.settings import Settings
from lgsp.transaction import Transaction, publishing, values
from lgsp.window import LOCAL, midnight

log = logging.getLogger(__name__)

# Batches are taken up in groups of about this many records, so memory does not grow with what waits.
RECORDS_AT_ONCE = 100_000

REFERENCE = ("admin_unit", "admin_unit_crosswalk", "working_day")
LISTED = ("organisation", "organisation_alias", "service", "service_offering")
INDICATORS = ("service_kpi", "zero_activity", "form_06a")

WORK_FILES = """
select work_file_id, organisation_id, level, opened_on, closed_on, is_electronic, document_count, source_updated_at, batch_id
from record.work_file where not coalesce(is_deleted, false)
"""


@dataclass(frozen=True)
class Publication:
    """One published snapshot."""

    snapshot_id: int
    batches: tuple[str, ...]
    rows: dict[str, int]
    seconds: dict[str, float]
    judgement: Judgement = field(repr=False)


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


def run(settings: Settings) -> Publication | None:
    """Publish all checked batches in one snapshot; None when nothing waits or nothing changed.

    After an upgrade that derives otherwise everything is derived again, also when no batch waits.

    Raises PublicationRefused when the tables that would be published break a rule, PublicationFailed when both sides
    could not be proven equal: then nothing was published.
    """
    database.ensure(settings)
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        publication = _drain(settings)
    except PublicationRefused as refusal:
        _tell(settings, refusal.snapshot_id, refusal.judgement, str(refusal))
        raise
    if publication is not None:
        _tell(settings, publication.snapshot_id, publication.judgement, None)
    return publication


def _tell(settings: Settings, snapshot_id: int, judgement: Judgement, why: str | None) -> None:
    """Keep what the table rules said: after a refusal the transaction that found it is gone.

    The snapshot is public, or refused, whatever becomes of its page.
    """
    try:
        with database.connect(settings) as connection:
            ledger.record_results(connection, [judgement], snapshot_id=snapshot_id)
    except (LgspError, psycopg.Error):
        log.exception("what the table rules said of snapshot %d was not kept", snapshot_id)
    data_docs.publish_tables(settings.docs, snapshot_id, judgement, why)


def _drain(settings: Settings) -> Publication | None:
    with publishing(database.url(settings)) as transaction:
        newest = transaction.one("select max(snapshot_id) from ledger.publication")
        snapshot.recover(settings.shared, newest)
        waiting = [
            Waiting(*row) for row in transaction.rows(
                "select batch_id, source, accepted_count, purpose from ledger.batch where state = 'checked' order by window_from, window_to, batch_id"
            )
        ]  # fmt: skip
        waiting = _with_staging(settings, transaction, waiting)
        if not waiting and not upgrade.must_derive(transaction):
            transaction.commit()
            return None
        publication = _publish(settings, transaction, (newest or 0) + 1, waiting)
        transaction.commit()
        if publication is None:
            return None
        snapshot.point(settings.shared, publication.snapshot_id)
    log.info(
        "snapshot %d: %d batches, %s, %s",
        publication.snapshot_id,
        len(publication.batches),
        publication.rows,
        publication.seconds,
    )
    return publication


def recover(settings: Settings) -> list[str]:
    """Repair what a crash left: a lagging pointer, folders and files nobody refers to. What was mended, in words."""
    database.ensure(settings)
    settings.shared.mkdir(parents=True, exist_ok=True)
    with publishing(database.url(settings)) as transaction:
        return snapshot.recover(settings.shared, transaction.one("select max(snapshot_id) from ledger.publication"))


def _publish(
    settings: Settings, transaction: Transaction, snapshot_id: int, waiting: list[Waiting]
) -> Publication | None:
    watch, fates, touched = Stopwatch(), merge.Fates(), merge.Touched()
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
    _whole(transaction, "work_file", WORK_FILES, snapshot_id, touched)
    watch.lap("papers")
    for name in (*REFERENCE, *LISTED):
        _whole(transaction, name, _sql("sql/tables", name), snapshot_id, touched)
    watch.lap("lists")
    ids = [batch.batch_id for batch in waiting]
    transaction.do(_sql("sql", "clock"), values(ids))
    transaction.do(_sql("sql", "period"))
    transaction.do(_sql("sql", "held"))
    completeness.refresh(transaction, ids, is_all)
    watch.lap("completeness")
    for name in INDICATORS:
        _whole(transaction, name, _sql("indicators", name), snapshot_id, touched)
    watch.lap("indicators")
    upgrade.old_files(transaction, touched)
    upgrade.settle(transaction)
    if snapshot_id > 1 and not any(touched.parts.values()):
        _book(transaction, ids, fates, snapshot_id - 1)
        balance.add(transaction, snapshot_id - 1, counted)
        balance.prove(transaction)
        return None
    judgement = tables.judge(transaction, snapshot_id, touched)
    watch.lap("check")
    written = _write(settings.shared, transaction, touched)
    watch.lap("parquet")
    as_of = transaction.one("select as_of::text from clock")
    if as_of:
        working_time.warn(datetime.fromisoformat(as_of).astimezone(LOCAL).date())
    facts = {"as_of": as_of, "batches": ids, "contracts": {c.name: c.version for c in contract.every()}}
    manifest = snapshot.seal(settings.shared, snapshot_id, facts, written)
    _announce(transaction, snapshot_id, manifest, len(ids), written, watch)
    _book(transaction, ids, fates, snapshot_id)
    balance.add(transaction, snapshot_id, counted)
    balance.prove(transaction)
    return Publication(snapshot_id, tuple(ids), touched.rows, watch.seconds, judgement)


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


def _whole(transaction: Transaction, name: str, query: str, snapshot_id: int, touched: merge.Touched) -> None:
    """Make a whole table equal to a query's rows, changing only what differs."""
    shared = contract.load(name)
    merge.stage_query(transaction, shared, query)
    merge.table(transaction, shared, "true", snapshot_id, touched)


def _write(root: Path, transaction: Transaction, touched: merge.Touched) -> list[snapshot.File]:
    """Write the touched parts from inside the transaction; with the untouched ones, all files of the snapshot."""
    shapes = {shared.name: upgrade.shape(shared) for shared in contract.every()}
    kept = {
        (table, part): snapshot.File(table, part, path, size, sha, snapshot.Sums(rows, int(content), int(data)))
        for table, part, path, size, sha, rows, content, data, shape in transaction.rows(
            "select table_name, part, path, bytes, sha256, row_count, content_hash::text, data_hash::text, shape from ledger.publication_file"
        )
        if shapes.get(table) == shape
    }
    for shared in contract.every():
        for part in sorted(touched.parts.get(shared.name, ())):
            kept.pop((shared.name, part), None)
            if written := _write_part(root, transaction, shared, part):
                kept[shared.name, part] = written
        parts = [part for table, part in kept if table == shared.name]
        if not parts:
            kept[shared.name, snapshot.EMPTY] = snapshot.write(
                root, shared, snapshot.EMPTY, shared.arrow_schema().empty_table()
            )
        elif len(parts) > 1:
            kept.pop((shared.name, snapshot.EMPTY), None)
    return list(kept.values())


def _write_part(root: Path, transaction: Transaction, shared: Contract, part: str) -> snapshot.File | None:
    where = _within(shared, part)
    rows = transaction.arrow(f"select {', '.join(shared.names)} from shared.{shared.name} where {where}")
    if rows.num_rows == 0:
        return None
    written = snapshot.write(root, shared, part, rows)
    expected = sums(transaction, shared, where)
    if written.sums != expected:
        raise PublicationFailed(
            f"{shared.name} {part}: the file read back has {written.sums}, SQL has {expected}; nothing was published"
        )
    return written


def sums(transaction: Transaction, shared: Contract, where: str = "true") -> snapshot.Sums:
    """Rows and content hashes of shared rows, as PostgreSQL computes them."""
    whole, data = shared.hash_sql("postgresql", shared.names), shared.hash_sql("postgresql", shared.data_names)
    ((count, content, said),) = transaction.rows(
        f"select count(*), coalesce(sum({whole}), 0)::text, coalesce(sum({data}), 0)::text from shared.{shared.name} where {where}"
    )
    return snapshot.Sums(count, int(content), int(said))


def _within(shared: Contract, part: str) -> str:
    """The condition of a part (a local month), as a range that an index can serve."""
    column = shared.partition
    if column is None:
        return "true"
    first = date.fromisoformat(f"{part}-01")
    after = (first + timedelta(days=32)).replace(day=1)
    if column.type == "timestamptz":
        return f"{column.name} >= '{midnight(first).isoformat()}' and {column.name} < '{midnight(after).isoformat()}'"
    return f"{column.name} >= date '{first}' and {column.name} < date '{after}'"


def _announce(
    transaction: Transaction,
    snapshot_id: int,
    manifest: str,
    batches: int,
    written: list[snapshot.File],
    watch: Stopwatch,
) -> None:
    transaction.do(
        "insert into ledger.publication (snapshot_id, as_of, manifest_sha256, batch_count, seconds) "
        "select $1::bigint, as_of, $2::text, $3::bigint, $4::double precision from clock",
        snapshot_id, manifest, batches, sum(watch.seconds.values()),
    )  # fmt: skip
    transaction.do("delete from ledger.publication_file")
    for shared in contract.every():
        mine = [file for file in written if file.table == shared.name]
        total = sum((file.sums for file in mine), snapshot.NOTHING)
        transaction.do(
            "insert into ledger.publication_table values ($1::bigint, $2::text, $3::bigint, $4::text::numeric, $5::text::numeric)",
            snapshot_id, shared.name, total.rows, str(total.content_hash), str(total.data_hash),
        )  # fmt: skip
        for file in mine:
            transaction.do(
                "insert into ledger.publication_file values "
                "($1::text, $2::text, $3::text, $4::bigint, $5::text::numeric, $6::text::numeric, $7::bigint, $8::text, $9::bigint, $10::text)",
                file.table, file.part, file.path, file.sums.rows, str(file.sums.content_hash), str(file.sums.data_hash),
                file.bytes, file.sha256, snapshot_id, upgrade.shape(shared),
            )  # fmt: skip


def _book(transaction: Transaction, ids: list[str], fates: merge.Fates, snapshot_id: int) -> None:
    """Say in the ledger what became of each batch's records."""
    now = datetime.now().astimezone().isoformat()
    for batch_id in ids:
        fate = fates[batch_id]
        transaction.do(
            "update ledger.batch set state = 'published', published_at = $1::text::timestamptz, snapshot_id = $2::bigint, published_count = $3::bigint, "
            "superseded_count = superseded_count + $4::bigint, duplicate_count = duplicate_count + $5::bigint, quarantined_count = quarantined_count + $6::bigint where batch_id = $7::text",
            now, snapshot_id, fate.published, fate.superseded, fate.duplicates, fate.discarded, batch_id,
        )  # fmt: skip


def _sql(folder: str, name: str) -> str:
    return files("lgsp").joinpath(folder, f"{name}.sql").read_text()
