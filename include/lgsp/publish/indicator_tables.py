"""The steps that depend on the clock of the data: periods, completeness and indicators."""

from __future__ import annotations

from lgsp.check import completeness
from lgsp.indicators import compute, definitions
from lgsp.publish import merge
from lgsp.publish.context import PublishRun
from lgsp.schema import contract
from lgsp.store import as_of_by_period

# In this order: later tables are computed from earlier ones.
TABLES = (
    "service_kpi",
    "zero_activity",
    "form_06a",
    "document_kpi",
    "index_766",
    "institution_map",
    "weekly_digest",
)


def set_clock(run: PublishRun) -> None:
    """Set the clock of the data and the periods it reaches.

    Reads: ledger.batch, ledger.source, ledger.quarantine, record.dossier. Leaves the temporary tables clock, period and quarantined_record.
    """
    compute.stage_periods(run.transaction, run.batch_ids)
    compute.stage_quarantined(run.transaction)


def update_completeness(run: PublishRun) -> None:
    """Update the completeness of the data by source, agency and day, where it may have changed.

    Reads: ledger.batch, ledger.source, ledger.quarantine, ledger.confirmed_silence, record.organisation, record.dossier,
    shared.working_day, shared.service_offering, the temporary table received_change. Writes: ledger.received_day, online_procedure, derived_feed,
    derived_agency, completeness.
    """
    completeness.refresh(run.transaction, run.batch_ids, run.derives_all)


def compute_indicators(run: PublishRun) -> None:
    """Compute the indicators that the changed rows affect, or all indicators when definitions changed.

    Reads: the shared tables and their history, record.dossier, record.document, record.work_file, ledger.completeness,
    ledger.quarantine, ledger.batch, ledger.source, the temporary tables of `set_clock`. Writes: record.movement,
    record.paper_movement, record.indicator_period, history.as_of_by_period, the shared indicator tables and their history.
    """
    is_redefined = any(run.changes.parts.get(name) for name in definitions.NAMES)
    is_all = compute.update_sums(run.transaction, run.snapshot_id, run.derives_all or is_redefined)
    as_of_by_period.replace(
        run.transaction,
        run.snapshot_id,
        "select 'dossiers' as feed, period, period_start, as_of, is_covered as is_complete from period "
        "union all select 'documents', period, period_start, documents_as_of, is_covered_by_documents from period",
    )
    for name in TABLES:
        scope = compute.recompute_scope(name, is_all)
        merge.merge_query(run.transaction, name, compute.indicator_query(name), run.snapshot_id, run.changes, scope)
        run.changes.add(name, as_of_by_period.changed_parts(run.transaction, contract.load(name)), 0)
