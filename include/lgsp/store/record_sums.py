"""The sums of the tables that publications derive their rows from, signed with each snapshot.

A row that somebody alters in them would change what is published next. The sum of a table is that of the hashes of its
rows. Triggers add up what a transaction changes, so that the cost of a publication follows its changes, and a change of
another transaction is not signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from lgsp.schema import records
from lgsp.store.transaction import Transaction

TABLES = (
    *(f"record.{name}" for name in records.KINDS),
    "record.dossier_naming", "record.dossier_closing", "record.organisation_version",
    *(f"restricted.{name}" for name in records.TOKENS),
)  # fmt: skip

_EVENTS = {
    "insert": "new table as added", "delete": "old table as removed",
    "update": "new table as added old table as removed",
}  # fmt: skip
_MADE_OF = "select split_part(coalesce(max(made_of), ''), ' ', 1) from ledger.installation"


def triggers() -> Iterator[str]:
    """The statements that create the triggers; safe to repeat."""
    for table in TABLES:
        for event, transition in _EVENTS.items():
            yield (
                f"create or replace trigger record_change_{event} after {event} on {table} referencing {transition} "
                "for each statement execute function ledger.add_record_change()"
            )


def next_sums(transaction: Transaction) -> dict[str, Any]:
    """The sums after the changes of this transaction, from those of the newest snapshot; computed anew after an upgrade."""
    made_of = transaction.one(_MADE_OF)
    before = transaction.rows("select record_sums::text from ledger.publication order by snapshot_id desc limit 1")
    signed = orjson.loads(before[0][0]) if before and before[0][0] else {}
    changes = dict(transaction.rows("select table_name, change::text from ledger.record_change where transaction = pg_current_xact_id()"))  # fmt: skip
    transaction.do("delete from ledger.record_change where transaction = pg_current_xact_id()")
    if signed.get("made_of") != made_of or signed["sums"].keys() != set(TABLES):
        return {"made_of": made_of, "sums": compute(transaction)}
    return {"made_of": made_of, "sums": {t: str(int(n) + int(changes.get(t, 0))) for t, n in signed["sums"].items()}}


def compute(transaction: Transaction) -> dict[str, str]:
    """The sum of each table, read row by row."""
    queries = (
        f"select '{table}', coalesce(sum(hash_record_extended(r, 0)), 0)::text from {table} r" for table in TABLES
    )
    return dict(transaction.rows(" union all ".join(queries)))


def altered(transaction: Transaction, signed: dict[str, Any]) -> list[str]:
    """The tables whose rows are not those that were signed; none after an upgrade, until the next publication."""
    if signed["made_of"] != transaction.one(_MADE_OF):
        return []
    found = compute(transaction)
    return sorted(table for table, number in signed["sums"].items() if found.get(table) != number)
