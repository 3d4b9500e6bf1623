"""Look large tables up by index where the planner has no statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lgsp.store.transaction import Transaction


@contextmanager
def by_key(transaction: Transaction) -> Iterator[None]:
    """Within the block the planner joins a large table with a small change through the large table's indexes.

    It has no statistics of rows that this transaction wrote, or of a new store, and would scan the large table.
    """
    _set(transaction, "off")
    yield
    _set(transaction, "on")


def _set(transaction: Transaction, value: str) -> None:
    ways = ", ".join(f"set_config('enable_{way}', '{value}', true)" for way in ("seqscan", "hashjoin", "mergejoin"))
    transaction.do(f"select {ways}")
