"""Limits the calls to a source per minute and keeps the waits it asked for; all processes share them in the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg

from lgsp.sql import one_row

# Reserves one share of calls: the next share starts when this one ends, so no minute has more calls than allowed, and
# none starts before the end of a pause that the source asked for.
RESERVE = """
insert into ledger.request_budget as b (source, next_free_at)
select %(source)s, greatest(clock_timestamp(), (select paused_until from ledger.request_pause where source = %(source)s)) + %(span)s::interval
on conflict (source) do update
   set next_free_at = greatest(b.next_free_at + %(span)s::interval, excluded.next_free_at)
returning extract(epoch from next_free_at - clock_timestamp() - %(span)s::interval)
"""
PAUSE = """
insert into ledger.request_pause as p (source, paused_until)
values (%(source)s, clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (source) do update set paused_until = greatest(p.paused_until, excluded.paused_until), requested_at = excluded.requested_at
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
        self._starts_at = 0.0
        self._sleep = sleep

    def acquire_call(self) -> None:
        """Wait until the budget allows one more call."""
        with self._lock:
            if self._remaining == 0:
                span = f"{self._seconds} seconds"
                row = one_row(self._connection.execute(RESERVE, {"source": self._source, "span": span}))
                self._starts_at = time.monotonic() + float(row[0])
                self._remaining = self._share
            self._remaining -= 1
            wait = self._starts_at - time.monotonic()
        if wait > 0:  # outside the lock: another thread may have to record a pause meanwhile
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let no process reserve calls of this source for some seconds, unless a longer pause is recorded."""
        with self._lock:
            self._connection.execute(PAUSE, {"source": self._source, "seconds": seconds})

    def close(self) -> None:
        """Close the connection; the unused rest of the share is lost."""
        self._connection.close()
