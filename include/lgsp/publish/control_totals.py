"""Compute the control totals of a publication: its incoming, new and replaced records, and all records after it.

They are sums of the counts of the merge statements. The database refuses a publication whose control totals contradict
each other (`ledger.publication_adds_up`), and `verify` compares them with the stored records.
"""

from __future__ import annotations

from dataclasses import dataclass

from lgsp.publish.merge import Outcomes
from lgsp.schema import records
from lgsp.store.transaction import Transaction

# The kinds of record with one shared row for each record that is not deleted, and the ledger columns of their number.
EXISTING = {"dossier": "dossier_record_count", "work_file": "work_file_record_count"}


@dataclass(frozen=True)
class ControlTotals:
    """Numbers of records: new ones, newer versions of stored ones, removed ones, all, and by kind those that are not deleted."""

    inserted: int
    replaced: int
    removed: int
    stored: int
    existing: dict[str, int]


def calculate(transaction: Transaction, outcomes: Outcomes) -> ControlTotals:
    """The control totals after the records of all batches were merged."""
    rows = transaction.rows(
        f"select record_count, {', '.join(EXISTING.values())} from ledger.publication order by snapshot_id desc limit 1"
    )
    if not rows or rows[0][0] is None:  # the first publication, or the first one of a version with control totals
        stored, existing = count_stored_records(transaction)
        return ControlTotals(outcomes.inserted, outcomes.replaced, outcomes.removed, stored, existing)
    stored, *counts = rows[0]
    return ControlTotals(
        outcomes.inserted, outcomes.replaced, outcomes.removed, stored + outcomes.inserted - outcomes.removed,
        {kind: count + outcomes.existing[kind] for kind, count in zip(EXISTING, counts, strict=True)},
    )  # fmt: skip


def count_stored_records(transaction: Transaction) -> tuple[int, dict[str, int]]:
    """The number of all stored records, and by kind the number of those that are not deleted."""
    stored = sum(transaction.one(f"select count(*) from record.{kind.name}") for kind in records.FACTS)
    existing = {
        kind: transaction.one(f"select count(*) from record.{kind} where not coalesce(is_deleted, false)")
        for kind in EXISTING
    }
    return stored, existing


def record(transaction: Transaction, snapshot_id: int, totals: ControlTotals) -> None:
    """Add control totals to the row of a publication in the ledger."""
    columns = ", ".join(f"{column} = {totals.existing[kind]}" for kind, column in EXISTING.items())
    transaction.do(
        f"update ledger.publication set taken_count = coalesce(taken_count, 0) + {totals.inserted + totals.replaced}, "
        f"inserted_count = coalesce(inserted_count, 0) + {totals.inserted}, replaced_count = coalesce(replaced_count, 0) + {totals.replaced}, "
        f"removed_count = removed_count + {totals.removed}, record_count = {totals.stored}, {columns} where snapshot_id = {snapshot_id}"
    )
