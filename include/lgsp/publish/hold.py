"""The hold on publishing after a rollback: read it, and release it."""

from __future__ import annotations

from lgsp import store
from lgsp.errors import LgspError
from lgsp.settings import Settings
from lgsp.store import decisions
from lgsp.store.transaction import Transaction, reading


def reason(transaction: Transaction) -> str | None:
    """Why publishing is on hold, with the time and the person who decided it; None when it is not on hold."""
    rows = transaction.rows(
        "select 'on hold since ' || to_char(since, 'YYYY-MM-DD HH24:MI TZ') || ' by ' || decided_by || ' (' || why || '); `lgsp release` ends it' "
        "from ledger.hold where released_at is null"
    )
    return str(rows[0][0]) if rows else None


def current_reason(settings: Settings) -> str | None:
    """The result of `reason`, read outside a publish session."""
    with reading(store.url(settings)) as transaction:
        return reason(transaction)


def release(settings: Settings, released_by: str) -> None:
    """End the hold; the next publication derives all rows again. Raises LgspError when publishing is not on hold."""
    with store.connect(settings) as connection:
        updated = connection.execute(
            "update ledger.hold set released_at = now(), released_by = %s where released_at is null", [released_by]
        )
        if not updated.rowcount:
            raise LgspError("publishing is not on hold")
        decisions.record(connection)
    with store.connect(settings) as connection:
        decisions.write_journal(settings, connection)
