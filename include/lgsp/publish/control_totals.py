"""The balance of a publication: what its batches brought, what of it was new, and how many records are known after it.

The counts are those of the statements that moved the records, added up; the database refuses a publication in which
they do not agree with one another (`ledger.publication_adds_up`), and `verify` counts the records themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from lgsp.publish.merge import Fates
from lgsp.schema import records
from lgsp.store.transaction import Transaction

# Kinds of record that have one shared row for each record that is not deleted.
LIVING = {"dossier": "dossier_record_count", "work_file": "work_file_record_count"}


@dataclass(frozen=True)
class Balance:
    """What a publication did to the records: new ones, newer versions, and how many there are now."""

    inserted: int
    replaced: int
    known: int
    living: dict[str, int]


def of(transaction: Transaction, fates: Fates) -> Balance:
    """The balance after the records of all batches were merged."""
    rows = transaction.rows(
        f"select record_count, {', '.join(LIVING.values())} from ledger.publication order by snapshot_id desc limit 1"
    )
    if not rows or rows[0][0] is None:  # the first publication, or the first of a version that counts
        known, living = counted(transaction)
        return Balance(fates.inserted, fates.replaced, known, living)
    known, *alive = rows[0]
    return Balance(
        fates.inserted, fates.replaced, known + fates.inserted,
        {kind: count + fates.living[kind] for kind, count in zip(LIVING, alive, strict=True)},
    )  # fmt: skip


def counted(transaction: Transaction) -> tuple[int, dict[str, int]]:
    """How many records there are in all, and of each kind those that are not deleted: counted one by one."""
    known = sum(transaction.one(f"select count(*) from record.{kind.name}") for kind in records.FACTS)
    living = {
        kind: transaction.one(f"select count(*) from record.{kind} where not coalesce(is_deleted, false)")
        for kind in LIVING
    }
    return known, living


def add(transaction: Transaction, snapshot_id: int, balance: Balance) -> None:
    """Add a balance to the publication that its records stand behind."""
    columns = ", ".join(f"{column} = {balance.living[kind]}" for kind, column in LIVING.items())
    transaction.do(
        f"update ledger.publication set taken_count = coalesce(taken_count, 0) + {balance.inserted + balance.replaced}, "
        f"inserted_count = coalesce(inserted_count, 0) + {balance.inserted}, replaced_count = coalesce(replaced_count, 0) + {balance.replaced}, "
        f"record_count = {balance.known}, {columns} where snapshot_id = {snapshot_id}"
    )
