"""The sums of the tables that publications derive their rows from, signed after each publication.

A row that somebody alters in them would change what is published next. The sum of a table is that of the hashes of its
rows. Triggers add up what a transaction changes, so that the cost of a publication follows its changes, and a change of
another transaction is not signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from lgsp.errors import PublicationFailed
from lgsp.schema import records
from lgsp.store.transaction import Transaction

# Raises PublicationFailed unless a content, named in the error, is signed with a public key: (key, content, signature, name).
Verify = Callable[[bytes, bytes, bytes, str], None]

TABLES = (
    *(f"record.{name}" for name in records.KINDS),
    "record.dossier_naming", "record.dossier_closing", "record.organisation_version",
    *(f"restricted.{name}" for name in records.TOKENS),
)  # fmt: skip

_EVENTS = {
    "insert": "new table as added", "delete": "old table as removed",
    "update": "new table as added old table as removed",
}  # fmt: skip
# The version of the tables and of the server: with either of them the hashes of unchanged rows change.
_MADE_OF = """
select split_part(coalesce(max(made_of), ''), ' ', 1) || ' ' || current_setting('server_version_num')::integer / 10000 from ledger.installation
"""


def triggers() -> Iterator[str]:
    """The statements that create the triggers; safe to repeat."""
    for table in TABLES:
        for event, transition in _EVENTS.items():
            yield (
                f"create or replace trigger record_change_{event} after {event} on {table} referencing {transition} "
                "for each statement execute function ledger.add_record_change()"
            )


def next_sums(transaction: Transaction, verify: Verify, is_first: bool) -> dict[str, Any]:
    """The sums after the changes of this transaction, from the signed ones before it; computed anew after an upgrade.

    Raises PublicationFailed when the sums before it are not as they were signed, or are gone and these are not the first.
    """
    made_of = transaction.one(_MADE_OF)
    signed = read(transaction, verify) or {}
    if not signed and not is_first:
        raise PublicationFailed(
            "ledger.record_sums has no row, it was deleted by hand: restore the database from a backup"
        )
    changes = dict(transaction.rows("select table_name, change::text from ledger.record_change where transaction = pg_current_xact_id()"))  # fmt: skip
    transaction.do("delete from ledger.record_change where transaction = pg_current_xact_id()")
    if signed.get("made_of") != made_of or signed["sums"].keys() != set(TABLES):
        return {"made_of": made_of, "sums": compute(transaction)}
    return {"made_of": made_of, "sums": {t: str(int(n) + int(changes.get(t, 0))) for t, n in signed["sums"].items()}}


def write(
    transaction: Transaction, snapshot_id: int, sums: dict[str, Any], sign: Callable[[bytes], bytes], key_id: str
) -> None:
    """Store the sums after a snapshot, or after a later run that published nothing, with their signature."""
    content = orjson.dumps({**sums, "snapshot_id": snapshot_id})
    transaction.do("delete from ledger.record_sums")
    transaction.do(
        "insert into ledger.record_sums (snapshot_id, content, signature, signing_key) values ($1::bigint, $2::text, $3::text, $4::text)",
        snapshot_id, content.decode(), sign(content).hex(), key_id,
    )  # fmt: skip


def read(transaction: Transaction, verify: Verify) -> dict[str, Any] | None:
    """The newest signed sums, with the number of their snapshot; None without any. Raises PublicationFailed when they were altered."""
    rows = transaction.rows(
        "select content, signature, public_key from ledger.record_sums left join ledger.signing_key on key_id = signing_key "
        "order by snapshot_id desc limit 1"
    )
    if not rows:
        return None
    content, signature, key = rows[0]
    if key is None:
        raise PublicationFailed("ledger.record_sums is signed with a key that ledger.signing_key does not list")
    verify(key.encode(), content.encode(), bytes.fromhex(signature), "ledger.record_sums")
    sums: dict[str, Any] = orjson.loads(content)
    return sums


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
