"""The steps that turn the changed tables into a snapshot: outdated files, table rules, files and ledger rows."""

from __future__ import annotations

from datetime import datetime

from lgsp.publish import control_totals, publication, rederive, table_rules
from lgsp.publish.context import PublishRun
from lgsp.vietnam import working_time
from lgsp.window import LOCAL


def mark_outdated_files(run: PublishRun) -> None:
    """Mark the months whose files are lost, or have other columns than now, as changed.

    Reads: ledger.publication_file, the shared tables. Writes: ledger.installation, the version that derived the rows.
    """
    rederive.mark_outdated_files(run.transaction, run.changes, run.rewrites_all_files)
    rederive.record_derivation(run.transaction)


def judge_tables(run: PublishRun) -> None:
    """Check the changed tables against their rules. Reads: the shared tables, ledger.completeness. Raises PublicationRefused."""
    run.judgement = table_rules.judge(run.transaction, run.snapshot_id, run.changes, run.override)


def write_snapshot(run: PublishRun) -> None:
    """Write the files and ledger rows of the snapshot; it is published when the transaction is committed.

    Reads: the shared tables, history, the files of the newest snapshot. Writes: Parquet files, catalogue and signed
    manifest in a folder that readers do not see yet; ledger.publication, publication_table, publication_file, signing_key,
    check_result, batch.
    Raises PublicationFailed when files and SQL are not equal.
    """
    as_of = run.transaction.one("select as_of::text from clock")
    if as_of:
        working_time.warn_if_short(datetime.fromisoformat(as_of).astimezone(LOCAL).date())
    overruled = run.override.overruled(run.judgement)
    back = run.withdrawal
    decided = {"withdrawn": back.batch_id, "decided_by": back.decided_by, "why": back.why} if back else {}
    run.metadata = publication.next_metadata(run.transaction, run.batch_ids, as_of, overruled=overruled, **decided)
    publication.record_outcomes(run.transaction, run.batch_ids, run.outcomes, run.snapshot_id)
    publication.write(
        run.settings, run.transaction, run.metadata, run.changes, run.judgement, sum(run.seconds.values())
    )
    control_totals.record(run.transaction, run.snapshot_id, run.control_totals)
    publication.check_constraints(run.transaction)


def close_unchanged(run: PublishRun) -> None:
    """Assign the batches, which changed nothing, to the newest snapshot. Writes: ledger.batch, ledger.publication."""
    newest = run.snapshot_id - 1
    publication.record_outcomes(run.transaction, run.batch_ids, run.outcomes, newest)
    control_totals.record(run.transaction, newest, run.control_totals)
    publication.sign_records(run.settings, run.transaction)
    publication.check_constraints(run.transaction)
