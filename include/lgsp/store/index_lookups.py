"""Look large tables up by index where the planner has no statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lgsp.store.transaction import Transaction


@contextmanager
def by_key(transaction: Transaction) -> Iterator[None]:
    """Within it a large table that is joined with a change is looked up by its keys, whatever the planner believes.

    It cannot know better: of what this transaction wrote, and of a store that is new, there are no statistics.
    """
    ways = ("seqscan", "hashjoin", "mergejoin")
    for way in ways:
        transaction.do(f"set local enable_{way} = off")
    yield
    for way in ways:
        transaction.do(f"set local enable_{way} = on")
