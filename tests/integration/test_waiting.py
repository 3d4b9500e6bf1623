"""The Dag publishes once for all sources of an interval: it waits for batches with a live heartbeat, and for no others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lgsp.publish import waiting
from lgsp.store import connect, heartbeat, ledger
from lgsp.window import Window
from tests.integration.conftest import WHOLE, Installation

DAY, NEXT_DAY = WHOLE.split(1)[:2]


@pytest.fixture
def waiting_store(empty_store: Installation) -> Iterator[Installation]:
    """A store in which one batch of a day waits to be published."""
    with connect(empty_store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY)
        ledger.advance(connection, batch.batch_id, "checked")
    yield empty_store
    with connect(empty_store.settings) as connection:
        connection.execute("truncate ledger.batch cascade")


def _other(store: Installation, state: str, window: Window = DAY, silent_seconds: int = 0, purpose: str = "window") -> str:  # fmt: skip
    """A batch of another source, whose last beat was that long ago."""
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "documents", window, purpose=purpose)
        ledger.advance(connection, batch.batch_id, state)
        connection.execute(
            "update ledger.batch set heartbeat_at = clock_timestamp() - make_interval(secs => %s) where batch_id = %s",
            [silent_seconds, batch.batch_id],
        )
    return batch.batch_id


@pytest.mark.parametrize(
    ("other", "is_live"),
    [
        ({"state": "landing"}, True),
        ({"state": "landed"}, True),
        ({"state": "harmonised"}, True),
        ({"state": "landed", "window": Window(DAY.start, NEXT_DAY.end)}, True),
        ({"state": "landed", "window": NEXT_DAY}, False),
        ({"state": "landed", "silent_seconds": heartbeat.ALIVE_SECONDS + 1}, False),
        ({"state": "landed", "purpose": "redrive"}, False),
        ({"state": "checked"}, False),
        ({"state": "refused"}, False),
        ({"state": "failed"}, False),
    ],
    ids=str,
)
def test_only_a_live_batch_of_the_same_interval_is_waited_for(
    waiting_store: Installation, other: dict[str, Any], is_live: bool
) -> None:
    batch_id = _other(waiting_store, **other)
    with connect(waiting_store.settings) as connection:
        assert heartbeat.live_batches(connection) == ([batch_id] if is_live else [])


def test_waiting_ends_when_the_batch_is_checked(waiting_store: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id, polls = _other(waiting_store, "landed"), []

    def check_after_two_polls(seconds: float) -> None:
        polls.append(seconds)
        with connect(waiting_store.settings) as connection:
            ledger.advance(connection, batch_id, "checked" if len(polls) == 2 else "harmonised")

    monkeypatch.setattr(waiting.time, "sleep", check_after_two_polls)
    assert waiting.wait_for_batches(waiting_store.settings) == [] and len(polls) == 2


def test_waiting_ends_after_two_minutes(waiting_store: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id, clock = _other(waiting_store, "landed"), [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: clock[0])

    def pass_time(seconds: float) -> None:
        clock[0] += 30
        with connect(waiting_store.settings) as connection:
            ledger.advance(connection, batch_id, "landed")

    monkeypatch.setattr(waiting.time, "sleep", pass_time)
    assert waiting.wait_for_batches(waiting_store.settings) == [batch_id]
    assert clock[0] == waiting.MOST_SECONDS + 30


def test_a_store_without_waiting_batches_is_not_waited_for(empty_store: Installation) -> None:
    _other(empty_store, "landed")
    assert waiting.wait_for_batches(empty_store.settings) == []


def test_a_long_stage_beats_until_it_ends(waiting_store: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    batch_id = _other(waiting_store, "landed", silent_seconds=3600)
    before = set(threading.enumerate())
    with heartbeat.beating(waiting_store.settings, batch_id):
        while True:
            with connect(waiting_store.settings) as connection:
                if heartbeat.live_batches(connection) == [batch_id]:
                    break
            time.sleep(0.01)
    assert set(threading.enumerate()) <= before, "the thread has ended"


def test_a_heartbeat_that_cannot_be_written_stops_no_stage(
    waiting_store: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    unreachable = waiting_store.settings.environment | {"LGSP_DATABASE_URL": "postgresql://127.0.0.1:1/nothing"}
    settings = type(waiting_store.settings).from_env(unreachable)
    with heartbeat.beating(settings, "documents.1"):
        while "was not written" not in caplog.text:
            time.sleep(0.01)
