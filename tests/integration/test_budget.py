"""One budget of calls for a source, over everything that runs."""

from __future__ import annotations

import threading
import time

import psycopg

from lgsp import store
from lgsp.land.rate_limit import Budget
from tests.integration.conftest import Installation


def test_p14_two_runs_together_make_no_more_calls_than_one_may(installation: Installation) -> None:
    url = store.url(installation.settings)
    per_minute, calls = 1200, 30
    moments: list[float] = []

    def run() -> None:
        budget = Budget(url, "documents", per_minute)
        for _ in range(calls):
            budget.take_turn()
            moments.append(time.monotonic())
        budget.close()

    runs = [threading.Thread(target=run) for _ in range(2)]
    begun = time.monotonic()
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    share = per_minute // 240
    for moment in moments:
        made = sum(1 for other in moments if other <= moment)
        assert made <= (moment - begun + 0.05) * per_minute / 60 + 2 * share
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from ledger.request_budget").fetchone() == (1,)
