"""Publishing on hold after a rollback, until it is released."""

from __future__ import annotations

from lgsp import store
from lgsp.errors import LgspError
from lgsp.settings import Settings
from lgsp.store.transaction import Transaction, reading


def held(transaction: Transaction) -> str | None:
    """Why nothing is published, since when and by whom; None when publishing goes on."""
    rows = transaction.rows(
        "select 'on hold since ' || to_char(since, 'YYYY-MM-DD HH24:MI TZ') || ' by ' || decided_by || ' (' || why || '); `lgsp release` lets it go on' "
        "from ledger.hold where released_at is null"
    )
    return str(rows[0][0]) if rows else None


def on_hold(settings: Settings) -> str | None:
    """The same, asked from outside of a turn."""
    with reading(store.url(settings)) as transaction:
        return held(transaction)


def release(settings: Settings, released_by: str) -> None:
    """Let publishing go on; the next publication derives every row again. Raises LgspError when it is not on hold."""
    with store.connect(settings) as connection:
        found = connection.execute(
            "update ledger.hold set released_at = now(), released_by = %s where released_at is null", [released_by]
        )
        if not found.rowcount:
            raise LgspError("publishing is not on hold")
