"""One budget of calls for each source, shared by every run, scheduled or backfilled, through the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg

# Reserves `n` calls: the next caller begins where this one's share ends, so no minute holds more than allowed.
RESERVE = """
insert into ledger.request_budget as b (source, next_free_at) values (%(source)s, clock_timestamp() + %(span)s::interval)
on conflict (source) do update
   set next_free_at = greatest(b.next_free_at, clock_timestamp()) + %(span)s::interval
returning extract(epoch from next_free_at - clock_timestamp() - %(span)s::interval)
"""


class Budget:
    """Takes turns in a source's budget, reserving a short share of it at a time.

    A share is about a quarter of a second's calls, so a run that ends wastes little and the ledger is
    asked four times a second, not once for each call.
    """

    def __init__(
        self, url: str, source: str, requests_per_minute: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._source = source
        self._share = max(1, requests_per_minute // 240)
        self._seconds = self._share * 60 / requests_per_minute
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("set synchronous_commit = off")
        self._lock = threading.Lock()
        self._left = 0
        self._sleep = sleep

    def take_turn(self) -> None:
        """Return when one more call is within the budget."""
        with self._lock:
            if self._left == 0:
                span = f"{self._seconds} seconds"
                row = self._connection.execute(RESERVE, {"source": self._source, "span": span}).fetchone()
                assert row is not None
                if row[0] > 0:
                    self._sleep(float(row[0]))
                self._left = self._share
            self._left -= 1

    def close(self) -> None:
        """Give the connection back; what is left of the share is lost."""
        self._connection.close()
