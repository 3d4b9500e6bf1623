"""Select the checked batches of a publication, and merge their records."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from lgsp.check import completeness, quarantine
from lgsp.publish import control_totals, link_documents, link_dossiers, merge, rederive
from lgsp.publish.context import CheckedBatch, PublishRun
from lgsp.schema import records
from lgsp.settings import Settings
from lgsp.store.transaction import Transaction

log = logging.getLogger(__name__)

# Batches are merged in groups of about this many records, so that memory does not grow with the number of batches.
RECORDS_AT_ONCE = 100_000


def usable_batches(settings: Settings, transaction: Transaction) -> tuple[CheckedBatch, ...]:
    """The checked batches whose accepted rows are complete; the others become refused and do not delay these.

    Reads: ledger.batch. Writes: ledger.batch, ledger.quarantine (of refused batches).
    """
    waiting = transaction.rows(
        "select batch_id, source, accepted_count, purpose from ledger.batch where state = 'checked' order by window_from, window_to, batch_id"
    )
    usable = []
    for batch in (CheckedBatch(*row) for row in waiting):
        if why := _why_unusable(settings, batch):
            log.error("%s: %s", batch.batch_id, why)
            refuse(transaction, batch.batch_id, why)
        else:
            usable.append(batch)
    return tuple(usable)


def refuse(transaction: Transaction, batch_id: str, why: str) -> None:
    """Refuse a checked batch, and open the quarantined rows again that were redriven in it."""
    transaction.do("update ledger.batch set state = 'refused', why = $1::text where batch_id = $2::text", why, batch_id)
    quarantine.reopen_redriven(transaction, batch_id, why)


def _why_unusable(settings: Settings, batch: CheckedBatch) -> str | None:
    """Why a checked batch cannot be published, with the remedy; None when it can."""
    accepted = accepted_folder(settings, batch.batch_id)
    command = "quarantine redrive --source" if batch.purpose == "redrive" else "rebuild"
    remedy = f"`lgsp {command} {batch.source}` harmonises it again from the landed bytes"
    if not accepted.is_dir():
        return f"its staged rows were deleted: {remedy}"
    if missing := rederive.missing_columns(accepted):
        return f"an older version harmonised it, without {', '.join(missing)}: {remedy}"
    return None


def merge_batches(run: PublishRun) -> None:
    """Merge the accepted records of all batches: per record the newest version of its source wins.

    Reads: the staged Parquet files, ledger.quarantine. Writes: schema `record`, restricted.applicant_token and
    phone_token, ledger.quarantine (corrected rows). Leaves the temporary tables of the link steps, with the records whose
    groups must be linked again, and `received_change`, the days on which the number of received records changes.
    """
    link_dossiers.create_scope(run.transaction)
    link_documents.create_scope(run.transaction)
    for group in _groups(run.batches):
        _merge_group(run, [batch.batch_id for batch in group])


def count_records(run: PublishRun) -> None:
    """Compute the control totals of the merge. Reads: ledger.publication; on the first publication the records."""
    run.control_totals = control_totals.calculate(run.transaction, run.outcomes)


def _groups(batches: Sequence[CheckedBatch]) -> Iterator[list[CheckedBatch]]:
    group: list[CheckedBatch] = []
    for batch in batches:
        if group and sum(b.accepted for b in group) + batch.accepted > RECORDS_AT_ONCE:
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def _merge_group(run: PublishRun, batch_ids: list[str]) -> None:
    transaction = run.transaction

    def staged(kind: str) -> list[Path]:
        paths = [accepted_folder(run.settings, batch_id) / f"{kind}.parquet" for batch_id in batch_ids]
        return [path for path in paths if path.exists()]

    for kind in records.FACTS:
        merge.merge_records(transaction, kind, staged(kind.name), run.outcomes, run.only)
    quarantine.resolve_corrected(transaction, batch_ids)
    for kind in records.LISTS:
        merge.merge_records(transaction, kind, staged(kind.name), merge.Outcomes(), run.only)  # lists are not counted
    merge.merge_tokens(transaction, staged("dossier"))
    completeness.collect_changes(transaction)
    link_dossiers.add_changed_records(transaction)
    link_documents.add_changed_records(transaction)


def accepted_folder(settings: Settings, batch_id: str) -> Path:
    """The folder with the accepted records of a checked batch, one Parquet file for each kind."""
    return settings.staging / batch_id / "accepted"
