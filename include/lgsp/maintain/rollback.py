"""Rollback: a new snapshot equal to an older one, and publishing on hold until somebody lets it go on.

The records stay as they are. So when publishing goes on everything is derived from them again, and the dataset is what
it would be without the rollback: whoever goes back mends the cause in the meantime.
"""

from __future__ import annotations

from lgsp import install
from lgsp.check import data_docs
from lgsp.check.gate import Judgement
from lgsp.errors import PublicationFailed
from lgsp.publish import merge, publication, session, table_rules
from lgsp.publish.publication import Facts
from lgsp.schema import contract, fingerprint
from lgsp.settings import Settings
from lgsp.snapshots import changes
from lgsp.store.transaction import Transaction

COUNTS = "taken_count, inserted_count, replaced_count, record_count, dossier_record_count, work_file_record_count"


def run(settings: Settings, wanted: int, decided_by: str, why: str, overruled: tuple[str, ...] = ()) -> int:
    """Publish a snapshot equal to snapshot `wanted`, and hold publishing; the number of the new snapshot.

    Raises PublicationRefused when that snapshot breaks a rule of today that `overruled` does not name, PublicationFailed
    when it cannot be had any more.
    """
    install.ensure(settings)
    overruling = table_rules.Overruling(overruled, decided_by, why)
    with session.begin(settings) as mine:
        said, judgement = _restore(settings, mine.transaction, wanted, overruling)
        mine.conclude(said)
    data_docs.publish_tables(settings.docs, said.snapshot_id, judgement, None)
    return said.snapshot_id


def _restore(
    settings: Settings, transaction: Transaction, wanted: int, overruling: table_rules.Overruling
) -> tuple[Facts, Judgement]:
    snapshot_id, touched = publication.next_id(transaction), changes.Touched()
    _must_be_there(transaction, wanted, snapshot_id - 1)
    for shared in contract.every():
        rows = f"select * from history.{shared.name}_as_of({wanted})"
        merge.whole(transaction, shared.name, rows, snapshot_id, touched)
    judgement = table_rules.judge(transaction, snapshot_id, touched, overruling)
    as_of = transaction.one(f"select as_of::text from ledger.publication where snapshot_id = {wanted}")
    said = publication.facts(
        transaction, (), as_of, overruled=overruling.told(judgement), restores=wanted,
        decided_by=overruling.decided_by, why=overruling.why,
    )  # fmt: skip
    publication.seal(settings, transaction, said, touched, judgement, 0.0)
    transaction.do(
        f"update ledger.publication p set ({COUNTS}) = (select 0, 0, 0, b.record_count, b.dossier_record_count, b.work_file_record_count "
        f"from ledger.publication b where b.snapshot_id = {snapshot_id - 1}) where p.snapshot_id = {snapshot_id}"
    )
    transaction.do("update ledger.installation set derived_by = null")
    transaction.do(
        "insert into ledger.hold (decided_by, why) values ($1::text, $2::text) "
        "on conflict ((released_at is null)) where released_at is null do update set decided_by = excluded.decided_by, why = excluded.why",
        overruling.decided_by, f"back to snapshot {wanted}: {overruling.why}",
    )  # fmt: skip
    publication.prove(transaction)
    return said, judgement


def _must_be_there(transaction: Transaction, wanted: int, newest: int) -> None:
    if wanted == newest:
        raise PublicationFailed(f"snapshot {wanted} is what is published now")
    rows = transaction.rows(f"select history_retired_at is null from ledger.publication where snapshot_id = {wanted}")
    if not rows or not rows[0][0]:
        why = "its row versions were retired" if rows else "it was never published"
        raise PublicationFailed(
            f"there is no way back to snapshot {wanted}: {why}; `lgsp snapshots` lists what is there"
        )
    shapes = dict(
        transaction.rows(f"select table_name, shape from ledger.publication_table where snapshot_id = {wanted}")
    )
    other = [shared.name for shared in contract.every() if shapes.get(shared.name) != fingerprint.shape(shared)]
    if other:
        raise PublicationFailed(
            f"there is no way back to snapshot {wanted} with this version: another one published {', '.join(other)}, with other columns. "
            "Go back with the version that published it, or read it as it was: its files, or history.<table>_as_of"
        )
