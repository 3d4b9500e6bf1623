"""Control totals of a publication: what its batches brought, what of it was new, and how many records exist after it.

They add up the counts of the statements that merged the records. The database refuses a publication in which they do
not agree with one another (`ledger.publication_adds_up`), and `verify` counts the records themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from lgsp.publish.merge import Outcomes
from lgsp.schema import records
from lgsp.store.transaction import Transaction

# Kinds of record that have one shared row for each record that is not deleted.
LIVING = {"dossier": "dossier_record_count", "work_file": "work_file_record_count"}


@dataclass(frozen=True)
class ControlTotals:
    """Numbers of records: new ones, newer versions of known ones, all, and those not deleted by kind."""

    inserted: int
    replaced: int
    known: int
    living: dict[str, int]


def calculate(transaction: Transaction, outcomes: Outcomes) -> ControlTotals:
    """The control totals after the records of all batches were merged."""
    rows = transaction.rows(
        f"select record_count, {', '.join(LIVING.values())} from ledger.publication order by snapshot_id desc limit 1"
    )
    if not rows or rows[0][0] is None:  # the first publication, or the first of a version that counts
        known, living = count_stored_records(transaction)
        return ControlTotals(outcomes.inserted, outcomes.replaced, known, living)
    known, *alive = rows[0]
    return ControlTotals(
        outcomes.inserted, outcomes.replaced, known + outcomes.inserted,
        {kind: count + outcomes.living[kind] for kind, count in zip(LIVING, alive, strict=True)},
    )  # fmt: skip


def count_stored_records(transaction: Transaction) -> tuple[int, dict[str, int]]:
    """The number of all stored records, and by kind of those that are not deleted."""
    known = sum(transaction.one(f"select count(*) from record.{kind.name}") for kind in records.FACTS)
    living = {
        kind: transaction.one(f"select count(*) from record.{kind} where not coalesce(is_deleted, false)")
        for kind in LIVING
    }
    return known, living


def record(transaction: Transaction, snapshot_id: int, totals: ControlTotals) -> None:
    """Add control totals to the row of a publication in the ledger."""
    columns = ", ".join(f"{column} = {totals.living[kind]}" for kind, column in LIVING.items())
    transaction.do(
        f"update ledger.publication set taken_count = coalesce(taken_count, 0) + {totals.inserted + totals.replaced}, "
        f"inserted_count = coalesce(inserted_count, 0) + {totals.inserted}, replaced_count = coalesce(replaced_count, 0) + {totals.replaced}, "
        f"record_count = {totals.known}, {columns} where snapshot_id = {snapshot_id}"
    )
