"""Limits the calls to a source per minute; all scheduled and backfill runs share one budget through the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg

from lgsp.sql import one_row

# Reserves one share of calls: the next share starts when this one ends, so no minute has more calls than allowed.
RESERVE = """
insert into ledger.request_budget as b (source, next_free_at) values (%(source)s, clock_timestamp() + %(span)s::interval)
on conflict (source) do update
   set next_free_at = greatest(b.next_free_at, clock_timestamp()) + %(span)s::interval
returning extract(epoch from next_free_at - clock_timestamp() - %(span)s::interval)
"""


class Budget:
    """A process's part of a source's budget of calls, reserved in short shares.

    A share is the calls of about a quarter of a second. So the ledger is queried four times a second instead of once
    for each call, and little of the budget is wasted when a run ends.
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
        self._remaining = 0
        self._sleep = sleep

    def acquire_call(self) -> None:
        """Wait until the budget allows one more call."""
        with self._lock:
            if self._remaining == 0:
                span = f"{self._seconds} seconds"
                row = one_row(self._connection.execute(RESERVE, {"source": self._source, "span": span}))
                if row[0] > 0:
                    self._sleep(float(row[0]))
                self._remaining = self._share
            self._remaining -= 1

    def close(self) -> None:
        """Close the connection; the unused rest of the share is lost."""
        self._connection.close()
