"""Tests that all runs that call one source share one budget of calls."""

from __future__ import annotations

import math
import threading
from datetime import timedelta

import psycopg

from lgsp import store
from lgsp.land.rate_limit import Budget
from tests.integration.conftest import Installation


def test_p14_two_runs_together_do_not_exceed_the_budget(installation: Installation) -> None:
    url, waits = store.url(installation.settings), list[float]()

    def call(times: int) -> None:
        budget = Budget(url, "documents", requests_per_minute=1, sleep=waits.append)
        for _ in range(times):
            budget.acquire_call()
        budget.close()

    call(1)
    assert waits == [], "the first call does not wait"
    runs = [threading.Thread(target=call, args=(5,)) for _ in range(2)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    minutes = [math.ceil(seconds / 60) for seconds in sorted(waits)]
    assert minutes == list(range(1, 11)), "every other call waits for its own minute"


def test_a_run_reserves_a_quarter_of_a_second_of_calls_at_once(installation: Installation) -> None:
    url, reserved = store.url(installation.settings), []
    budget = Budget(url, "documents", requests_per_minute=1200, sleep=lambda seconds: None)
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(11):
            budget.acquire_call()
            reserved += connection.execute("select next_free_at from ledger.request_budget").fetchall()
    budget.close()
    first, second, third = sorted(set(reserved))
    assert [reserved.count(slot) for slot in (first, second, third)] == [5, 5, 1]
    assert second[0] - first[0] >= timedelta(seconds=0.25) <= third[0] - second[0]


def test_a_pause_holds_back_every_process(installation: Installation) -> None:
    url, waits = store.url(installation.settings), list[float]()
    first, second = (Budget(url, "documents", requests_per_minute=6000, sleep=waits.append) for _ in range(2))
    first.pause(1800)
    first.pause(5)  # a shorter one does not end it
    second.acquire_call()
    other = Budget(url, "one_stop_shop", requests_per_minute=6000, sleep=lambda seconds: None)
    other.acquire_call()
    for budget in (first, second, other):
        budget.close()
    assert [round(wait, -1) for wait in waits] == [1800]
