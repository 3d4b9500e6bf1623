"""Publish all checked batches as one snapshot in SQL and Parquet, verified to be equal, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from lgsp import store
from lgsp.check import data_docs, gate, quarantine, results
from lgsp.check.gate import SuiteResult
from lgsp.errors import LgspError, StoreRefused
from lgsp.indicators import compute
from lgsp.publish import culprit, hold, publication, rederive
from lgsp.publish.batches import count_records, merge_batches, usable_batches
from lgsp.publish.context import CheckedBatch, PublishRun
from lgsp.publish.indicator_tables import compute_indicators, set_clock, update_completeness
from lgsp.publish.link_documents import link_documents
from lgsp.publish.link_dossiers import link_dossiers
from lgsp.publish.publication import SnapshotMetadata
from lgsp.publish.reference_tables import merge_reference_tables
from lgsp.publish.refusal import PublicationRefused
from lgsp.publish.session import PublishSession, open_session
from lgsp.publish.snapshot import close_unchanged, judge_tables, mark_outdated_files, write_snapshot
from lgsp.publish.table_rules import NO_OVERRIDE, RuleOverride
from lgsp.publish.withdrawal import Withdrawal
from lgsp.publish.work_files import merge_work_files
from lgsp.settings import Settings
from lgsp.snapshots import recovery
from lgsp.store.transaction import Transaction, values

log = logging.getLogger(__name__)

# A publication that the store refuses more often has another cause than single records.
MOST_SET_ASIDE = 8

Step = Callable[[PublishRun], None]

# In this order: later steps read what earlier ones wrote. The docstring of each step names its tables.
CHANGE_STEPS: tuple[Step, ...] = (
    merge_batches,
    count_records,
    merge_reference_tables,
    link_dossiers,
    link_documents,
    merge_work_files,
    set_clock,
    update_completeness,
    compute_indicators,
    mark_outdated_files,
)
# Only when the steps above changed a row or a file.
SNAPSHOT_STEPS: tuple[Step, ...] = (judge_tables, write_snapshot)


@dataclass(frozen=True)
class Publication:
    """One published snapshot: its metadata, changed rows by table, and seconds by step."""

    metadata: SnapshotMetadata
    rows: dict[str, int]
    seconds: dict[str, float]
    judgement: SuiteResult = field(repr=False)

    @property
    def snapshot_id(self) -> int:
        """The number of the snapshot."""
        return self.metadata.snapshot_id

    @property
    def batches(self) -> tuple[str, ...]:
        """The ids of the published batches."""
        return self.metadata.batches


def run(settings: Settings, override: RuleOverride = NO_OVERRIDE) -> Publication | None:
    """Publish all checked batches in one snapshot; None when no batch waits, nothing changed, or publishing is on hold.

    After an upgrade, or a change of the province's own files, that derives rows differently all rows are derived again, also when no batch waits. The store must be
    up to date (`install.ensure`).

    A record that the store refuses, although the checks passed it, goes to quarantine or its batch is refused, and the
    others are published. Raises PublicationRefused when the tables to be published break a rule that `override` does not
    name, and PublicationFailed when SQL and Parquet are not equal or another publisher took over the lock. In both cases nothing was
    published.
    """
    for _ in range(MOST_SET_ASIDE):
        try:
            return _publish(settings, override)
        except StoreRefused:
            if not _set_culprit_aside(settings):
                raise
    return _publish(settings, override)


def _set_culprit_aside(settings: Settings) -> bool:
    """Take the record or batch that the store refuses out of the waiting ones; whether one was found."""

    def attempt(
        batches: Sequence[CheckedBatch], only: Mapping[str, frozenset[culprit.Key]] | None = None
    ) -> str | None:
        try:
            with open_session(settings) as session:  # rolled back
                snapshot_id = publication.next_snapshot_id(session.transaction)
                run = PublishRun(settings, session.transaction, snapshot_id, tuple(batches), only=only)
                for step in CHANGE_STEPS:
                    step(run)
        except StoreRefused as refused:
            return refused.error
        return None

    with open_session(settings) as session:
        batches = usable_batches(settings, session.transaction)
    return culprit.set_aside(settings, batches, attempt) is not None


def _publish(settings: Settings, override: RuleOverride) -> Publication | None:
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        with open_session(settings) as session:
            published = _publish_waiting(settings, session, override)
            session.commit(published.metadata if published else None)
    except PublicationRefused as refusal:
        _record_refusal(settings, refusal)
        raise
    if published is not None:
        log.info(
            "snapshot %d: %d batches, %s, %s",
            published.snapshot_id,
            len(published.batches),
            published.rows,
            published.seconds,
        )
        data_docs.publish_tables(settings.docs, published.snapshot_id, published.judgement, None)
    return published


def _publish_waiting(settings: Settings, session: PublishSession, override: RuleOverride) -> Publication | None:
    """Publish the waiting batches and changes, inside the session; None when there are none."""
    transaction = session.transaction
    if reason := hold.reason(transaction):
        log.warning("nothing is published: %s", reason)
        return None
    batches = usable_batches(settings, transaction)
    committed = recovery.committed(transaction)
    is_lost = committed.is_lost(settings.shared)
    derives_all = rederive.is_outdated(transaction)
    due = (
        derives_all,
        committed.is_of_earlier_epoch,
        compute.is_outdated(transaction),
        compute.is_redefined(transaction),
        quarantine.has_new_decisions(transaction),
    )
    if not (batches or is_lost or any(due)):
        return None
    gate.preload()
    if derives_all:
        log.warning(
            "this version, or the province's own files, derive rows differently from the last publication: all rows are derived again"
        )
    snapshot_id = publication.next_snapshot_id(transaction)
    is_first = snapshot_id == committed.first
    return publish_run(
        PublishRun(settings, transaction, snapshot_id, batches, override, derives_all, is_lost, is_first)
    )


def take_back(settings: Settings, withdrawal: Withdrawal, batch_ids: Sequence[str]) -> Publication | None:
    """Publish the dataset without a batch, as one snapshot; None when it changes no row.

    `batch_ids` are other batches of its source, harmonised and checked again, whose records are merged in its place: their
    state is `harmonised`, so that no other publication takes them. Batches that wait to be published still wait afterwards.
    Raises LgspError when publishing is on hold or the batches changed meanwhile, and as `run` does.
    """
    settings.shared.mkdir(parents=True, exist_ok=True)
    try:
        with open_session(settings, "withdraw") as session:
            published = _publish_without(settings, session.transaction, withdrawal, batch_ids)
            session.commit(published.metadata if published else None)
    except PublicationRefused as refusal:
        _record_refusal(settings, refusal)
        raise
    if published is not None:
        data_docs.publish_tables(settings.docs, published.snapshot_id, published.judgement, None)
    return published


def _publish_without(
    settings: Settings, transaction: Transaction, withdrawal: Withdrawal, batch_ids: Sequence[str]
) -> Publication | None:
    if reason := hold.reason(transaction):
        raise LgspError(f"nothing is taken back: publishing is {reason}")
    ids = values(batch_ids)
    transaction.do(
        "update ledger.batch set state = 'checked' where batch_id = any(string_to_array($1::text, ' ')) and state = 'harmonised'",
        ids,
    )
    merged = tuple(batch for batch in usable_batches(settings, transaction) if batch.batch_id in set(batch_ids))
    if len(merged) != len(batch_ids):
        raise LgspError("batches of the source changed meanwhile: nothing was taken back, run the command again")
    gate.preload()
    committed = recovery.committed(transaction)
    snapshot_id = publication.next_snapshot_id(transaction)
    run = PublishRun(
        settings, transaction, snapshot_id, merged, derives_all=True, rewrites_all_files=committed.is_lost(settings.shared),
        is_first=snapshot_id == committed.first, withdrawal=withdrawal,
    )  # fmt: skip
    return publish_run(run)


def publish_run(run: PublishRun) -> Publication | None:
    """Run all steps of a publication inside its transaction; None when nothing changed.

    Raises PublicationRefused and PublicationFailed as `run` does.
    """
    for step in CHANGE_STEPS:
        _run_step(step, run)
    if run.is_unchanged:
        close_unchanged(run)
        return None
    for step in SNAPSHOT_STEPS:
        _run_step(step, run)
    return Publication(run.metadata, run.changes.rows, run.seconds, run.judgement)


def _run_step(step: Step, run: PublishRun) -> None:
    steps = (*CHANGE_STEPS, *SNAPSHOT_STEPS)
    run.transaction.show_step(f"{steps.index(step) + 1}/{len(steps)} {step.__name__}")
    with run.timed(step.__name__):
        step(run)


def _record_refusal(settings: Settings, refusal: PublicationRefused) -> None:
    """Record the results of the table rules for a refused snapshot: its own transaction was rolled back."""
    try:
        with store.connect(settings) as connection:
            results.record_results(connection, [refusal.judgement], snapshot_id=refusal.snapshot_id)
    except (LgspError, psycopg.Error):
        log.exception("the results of the table rules for snapshot %d were not recorded", refusal.snapshot_id)
    data_docs.publish_tables(settings.docs, refusal.snapshot_id, refusal.judgement, str(refusal))
