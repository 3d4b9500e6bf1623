"""Rolls the dataset back: publishes a new snapshot equal to an older one, and puts publishing on hold.

The records do not change. When publishing resumes, every row is derived from them again, and the dataset is what it
would be without the rollback. So the operator fixes the cause before `lgsp release`.
"""

from __future__ import annotations

from lgsp import install, store
from lgsp.check import data_docs
from lgsp.check.gate import SuiteResult
from lgsp.errors import PublicationFailed
from lgsp.publish import merge, publication, session, table_rules
from lgsp.publish.publication import SnapshotMetadata
from lgsp.schema import contract, fingerprint
from lgsp.settings import Settings
from lgsp.snapshots import changes
from lgsp.store import as_of_by_period, decisions
from lgsp.store.transaction import Transaction

COUNTS = "taken_count, inserted_count, replaced_count, record_count, dossier_record_count, work_file_record_count"


def roll_back(settings: Settings, to_snapshot: int, decided_by: str, why: str, overruled: tuple[str, ...] = ()) -> int:
    """Publish a snapshot equal to `to_snapshot` and put publishing on hold; returns the id of the new snapshot.

    Raises PublicationRefused when that snapshot breaks a current rule that `overruled` does not name, PublicationFailed
    when it cannot be restored.
    """
    install.ensure(settings)
    overruling = table_rules.RuleOverride(overruled, decided_by, why)
    with session.open_session(settings, "rollback") as publish_session:
        metadata, judgement = _restore(settings, publish_session.transaction, to_snapshot, overruling)
        publish_session.commit(metadata)
    with store.connect(settings) as connection:
        decisions.write_journal(settings, connection)
    data_docs.publish_tables(settings.docs, metadata.snapshot_id, judgement, None)
    return metadata.snapshot_id


def _restore(
    settings: Settings, transaction: Transaction, to_snapshot: int, overruling: table_rules.RuleOverride
) -> tuple[SnapshotMetadata, SuiteResult]:
    snapshot_id, touched = publication.next_snapshot_id(transaction), changes.Changes()
    newest = transaction.one("select coalesce(max(snapshot_id), 0) from ledger.publication")
    _check_can_be_restored(transaction, to_snapshot, newest)
    as_of_by_period.replace(transaction, snapshot_id, as_of_by_period.at(to_snapshot))
    for shared in contract.every():
        rows = f"select * from history.{shared.name}_as_of({to_snapshot})"
        merge.merge_query(transaction, shared.name, rows, snapshot_id, touched)
        if shared.period_column:
            touched.add(shared.name, as_of_by_period.changed_parts(transaction, shared), 0)
    judgement = table_rules.judge(transaction, snapshot_id, touched, overruling)
    as_of = transaction.one(f"select as_of::text from ledger.publication where snapshot_id = {to_snapshot}")
    metadata = publication.next_metadata(
        transaction, (), as_of, overruled=overruling.overruled(judgement), restores=to_snapshot,
        decided_by=overruling.decided_by, why=overruling.why,
    )  # fmt: skip
    publication.write(settings, transaction, metadata, touched, judgement, 0.0)
    transaction.do(
        f"update ledger.publication p set ({COUNTS}) = (select 0, 0, 0, b.record_count, b.dossier_record_count, b.work_file_record_count "
        f"from ledger.publication b where b.snapshot_id = {newest}) where p.snapshot_id = {snapshot_id}"
    )
    transaction.do("update ledger.installation set derived_by = null")
    transaction.do(
        "insert into ledger.hold (decided_by, why) values ($1::text, $2::text) "
        "on conflict ((released_at is null)) where released_at is null do update set decided_by = excluded.decided_by, why = excluded.why",
        overruling.decided_by, f"back to snapshot {to_snapshot}: {overruling.why}",
    )  # fmt: skip
    transaction.do(decisions.RECORD)
    publication.check_constraints(transaction)
    return metadata, judgement


def _check_can_be_restored(transaction: Transaction, to_snapshot: int, newest: int) -> None:
    if to_snapshot == newest:
        raise PublicationFailed(f"snapshot {to_snapshot} is the current snapshot: there is nothing to roll back")
    rows = transaction.rows(
        f"select history_retired_at is null from ledger.publication where snapshot_id = {to_snapshot}"
    )
    if not rows or not rows[0][0]:
        why = "its row versions were retired" if rows else "it was never published"
        raise PublicationFailed(
            f"cannot roll back to snapshot {to_snapshot}: {why}; `lgsp snapshots` lists the snapshots that are kept"
        )
    shapes = dict(
        transaction.rows(f"select table_name, shape from ledger.publication_table where snapshot_id = {to_snapshot}")
    )
    different = [
        shared.name for shared in contract.every() if shapes.get(shared.name) != fingerprint.format_fingerprint(shared)
    ]
    if different:
        raise PublicationFailed(
            f"cannot roll back to snapshot {to_snapshot}: another version of lgsp published {', '.join(different)} with other columns. "
            "Roll back with that version, or read the old snapshot from its files or from history.<table>_as_of"
        )
