"""The days of a downtime are read without a person: newest first, and with the same result as without the downtime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from lgsp import store
from lgsp.errors import SourcePaused
from lgsp.maintain import gaps
from lgsp.store import connect, ledger
from lgsp.window import LOCAL, Window
from tests.integration.conftest import FIRST, Installation

SOURCE = "one_stop_shop"
NOW = datetime(2026, 8, 11, 4, tzinfo=LOCAL)


@pytest.fixture
def plan(empty_store: Installation) -> Any:
    """A function that opens batches, each as (first day, last day, state, records), and gives the missing days."""

    def missing(*batches: tuple[int, int, str, int], now: datetime = NOW) -> list[int]:
        with connect(empty_store.settings) as connection:
            for first, last, state, records in batches:
                window = Window.of_days(date(2026, 8, first), date(2026, 8, last))
                batch = ledger.open_batch(connection, SOURCE, window)
                if state != "landing":
                    landed = datetime(2026, 8, 11, tzinfo=LOCAL) if state != "failed" else None
                    ledger.advance(connection, batch.batch_id, "checked", fetched_count=records, accepted_count=records, landed_at=landed)  # fmt: skip
                more = "withdrawn_by = 'Lan', withdrawn_at = now(), why = 'wrong', " if state == "withdrawn" else ""
                connection.execute(
                    f"update ledger.batch set state = %s, {more} accepted_count = %s, published_count = %s, "
                    "heartbeat_at = case when %s = 'landing' then heartbeat_at end where batch_id = %s",
                    [state, records, records, state, batch.batch_id],
                )
            found = [day.day for day in gaps.missing_days(connection, SOURCE, now)]
            connection.execute("truncate ledger.batch cascade")
        return found

    return missing


PUBLISHED = "published"


@pytest.mark.parametrize(
    ("batches", "missing"),
    [
        ([], []),
        ([(1, 10, PUBLISHED, 5)], []),
        ([(1, 3, PUBLISHED, 5), (6, 10, PUBLISHED, 5)], [5, 4]),
        ([(1, 5, PUBLISHED, 5)], [10, 9, 8, 7, 6]),
        ([(5, 6, PUBLISHED, 5), (2, 2, PUBLISHED, 5)], [10, 9, 8, 7]),
        ([(1, 1, PUBLISHED, 0), (4, 8, PUBLISHED, 5)], [10, 9]),
        ([(1, 8, PUBLISHED, 5), (9, 9, "failed", 0), (10, 10, "landing", 0)], [9]),
        ([(1, 8, PUBLISHED, 5), (9, 9, "refused", 4), (10, 10, "withdrawn", 4)], []),
        ([(1, 8, PUBLISHED, 5), (9, 9, "checked", 4), (10, 10, "landed", 4)], []),
    ],
    ids=["nothing was read", "all was read", "in between", "at the end", "before the first reading", "before records",
         "failed and being read", "refused and taken back", "waiting"],
)  # fmt: skip
def test_days_that_were_never_read_are_gaps(plan: Callable[..., list[int]], batches: Any, missing: list[int]) -> None:
    assert plan(*batches) == missing


def test_the_day_that_just_ended_is_left_to_the_schedule(plan: Callable[..., list[int]]) -> None:
    assert plan((1, 9, PUBLISHED, 5), now=NOW - timedelta(hours=2)) == []
    assert plan((1, 9, PUBLISHED, 5)) == [10]


def test_quiet_hours_end_the_reading_without_an_error(
    empty_store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Window] = []

    def land_one(settings: object, source: str, window: Window, **options: object) -> list[str]:
        asked.append(window)
        raise SourcePaused("must not be called in its quiet hours", NOW)

    monkeypatch.setattr(gaps, "missing_days", lambda *arguments: [date(2026, 8, 9), date(2026, 8, 5)])
    monkeypatch.setattr(gaps.land, "run", land_one)
    filled = gaps.fill(empty_store.settings, SOURCE)
    assert asked == [Window.of_days(date(2026, 8, 9), date(2026, 8, 9))]
    assert (filled.days, len(filled.left)) == ([], 2) and "quiet hours" in str(filled)


@pytest.mark.exhaustive
@pytest.mark.parametrize("first_missing", [1, 3, 4, 5, 7])
def test_five_days_of_downtime_are_filled_newest_first(
    install: Callable[..., Installation], quiet_province: dict[str, dict[str, Any]], first_missing: int
) -> None:
    """Five days without a run, at five places in time: the dataset is as without the downtime."""
    never, down = install(quiet_province), install(quiet_province)
    days = [FIRST + timedelta(days=n) for n in range(12)]
    lost = days[first_missing : first_missing + 5]
    for installation, skipped in ((never, []), (down, lost)):
        for day in (day for day in days if day not in skipped):
            installation.ingest(SOURCE, Window.of_days(day, day))
        installation.publish()
    filled = gaps.fill(down.settings, SOURCE, NOW)
    assert filled.days == lost[::-1] and not filled.left and not filled.refused
    down.publish()
    assert down.data_hashes() == never.data_hashes()
    with store.connect(down.settings) as connection:
        assert gaps.missing_days(connection, SOURCE, NOW) == []
    assert gaps.fill(down.settings, SOURCE, NOW).days == []
