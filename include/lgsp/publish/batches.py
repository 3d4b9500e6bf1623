"""Select the checked batches of a publication, and merge their records."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lgsp import sql
from lgsp.check import completeness, quarantine
from lgsp.publish import (
    agency_versions,
    control_totals,
    link_documents,
    link_dossiers,
    lists,
    merge,
    rederive,
    resolve,
    withdrawal,
)
from lgsp.publish.agency_versions import Agencies
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

    The lists come first: they decide which agencies and procedures the records mean, stored ones included.

    Reads: the staged Parquet files, ledger.quarantine. Writes: schema `record`, restricted.applicant_token and
    phone_token, ledger.quarantine (corrected rows); what `withdrawal.remove` names, when a batch is taken back. Leaves the temporary tables of the link steps, with the records whose
    groups must be linked again, and `received_change`, the days on which the number of received records changes.
    """
    link_dossiers.create_scope(run.transaction)
    link_documents.create_scope(run.transaction)
    if run.withdrawal:
        withdrawal.remove(run.transaction, run.withdrawal, run.outcomes)
    agencies = _merge_lists(run)
    for group in _groups(run.batches):
        _merge_group(run, [batch.batch_id for batch in group], agencies)


def _merge_lists(run: PublishRun) -> Agencies:
    """Merge the lists of all batches, and resolve the stored records again whose meaning they may change."""
    transaction = run.transaction
    changed = {
        kind.name for kind in lists.DATED if lists.merge_list(transaction, kind, _staged(run, kind.name), run.only)
    }
    for kind in lists.DATED if run.withdrawal else ():
        lists.store_runs(transaction, kind)
    aliases = list(_staged(run, records.ORGANISATION_ALIAS.name).values())
    merge.merge_records(
        transaction, records.ORGANISATION_ALIAS, aliases, merge.Outcomes(), run.only
    )  # lists are not counted
    agencies = Agencies(transaction)
    is_first = not transaction.one("select exists (select from record.organisation_version)")
    transaction.do("create temporary table changed_agency (organisation_id text) on commit drop")
    is_redirected = (run.derives_all or is_first or "organisation" in changed) and agency_versions.refresh(
        transaction, agencies
    )
    resolve.stage_lists(transaction, agencies)
    is_decided = transaction.one(
        "select exists (select from ledger.organisation_review where decided_at > (select max(published_at) from ledger.publication))"
    )
    if changed or is_redirected or is_decided or run.derives_all:
        everything = "select source, source_key from record.dossier"
        keys = everything if run.derives_all else sql.load("lgsp.publish", "resolve/waiting")
        resolve.resolve_stored(transaction, agencies, keys)
    resolve.resolve_aliases(transaction, agencies)
    return agencies


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


def _merge_group(run: PublishRun, batch_ids: list[str], agencies: Agencies) -> None:
    transaction = run.transaction
    staged = {kind.name: list(_staged(run, kind.name, batch_ids).values()) for kind in records.FACTS}
    for kind in records.FACTS:
        prepare = partial(resolve.complete_incoming, agencies=agencies) if kind is records.DOSSIER else None
        merge.merge_records(transaction, kind, staged[kind.name], run.outcomes, run.only, prepare)
    resolve.keep_versions(transaction)
    quarantine.resolve_corrected(transaction, batch_ids)
    merge.merge_tokens(transaction, staged["dossier"])
    completeness.collect_changes(transaction)
    link_dossiers.add_changed_records(transaction)
    link_documents.add_changed_records(transaction)
    resolve.resolve_stored(transaction, agencies, sql.load("lgsp.publish", "resolve/older_version"))


def _staged(run: PublishRun, kind: str, batch_ids: Sequence[str] | None = None) -> dict[str, Path]:
    """The files with the accepted rows of a kind, by batch."""
    ids = run.batch_ids if batch_ids is None else batch_ids
    paths = {batch_id: accepted_folder(run.settings, batch_id) / f"{kind}.parquet" for batch_id in ids}
    return {batch_id: path for batch_id, path in paths.items() if path.exists()}


def accepted_folder(settings: Settings, batch_id: str) -> Path:
    """The folder with the accepted records of a checked batch, one Parquet file for each kind."""
    return settings.staging / batch_id / "accepted"
