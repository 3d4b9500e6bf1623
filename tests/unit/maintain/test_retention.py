"""What retention may take away, for any history of snapshots and at any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lgsp.maintain.retention import Replaced, forgotten, overdue
from lgsp.settings import Retention
from lgsp.window import LOCAL

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
GAPS = st.lists(st.integers(1, 60 * 24 * 20), min_size=2, max_size=60)  # minutes between publications
RULES = st.builds(
    Retention, st.integers(1, 5), st.integers(1, 60), st.integers(1, 12), st.one_of(st.none(), st.integers(1, 90))
)


def _replaced(gaps: list[int]) -> tuple[list[Replaced], datetime]:
    times = [BEGIN]
    for gap in gaps:
        times.append(times[-1] + timedelta(minutes=gap))
    snapshots = [Replaced(number, first, last) for number, (first, last) in enumerate(pairwise(times), 1)]
    return snapshots, times[-1]


@given(GAPS, RULES, st.integers(0, 60 * 24 * 400))
def test_p10_nothing_goes_that_was_replaced_within_the_grace(gaps: list[int], rules: Retention, later: int) -> None:
    snapshots, newest = _replaced(gaps)
    now = newest + timedelta(minutes=later)
    gone = {*overdue(snapshots, rules, now), *forgotten(snapshots, rules, now)}
    assert not {one.snapshot_id for one in snapshots if now - one.replaced_at < timedelta(days=rules.every_days)} & gone
    if rules.history_days is None:
        assert forgotten(snapshots, rules, now) == []


@given(GAPS, RULES, st.integers(0, 60 * 24 * 400))
def test_the_last_of_each_kept_day_and_month_stays(gaps: list[int], rules: Retention, later: int) -> None:
    snapshots, newest = _replaced(gaps)
    now = newest + timedelta(minutes=later)
    kept = {one.snapshot_id for one in snapshots} - {*overdue(snapshots, rules, now)}
    for length, days in ((10, rules.daily_days), (7, 31 * rules.monthly_months)):
        last = {one.published_at.astimezone(LOCAL).isoformat()[:length]: one for one in snapshots}
        assert {one.snapshot_id for one in last.values() if now - one.replaced_at < timedelta(days=days)} <= kept


@given(GAPS, RULES, st.lists(st.integers(1, 60 * 24 * 30), min_size=1, max_size=8))
def test_running_it_often_takes_no_more_than_running_it_once(
    gaps: list[int], rules: Retention, steps: list[int]
) -> None:
    snapshots, now = _replaced(gaps)
    left = snapshots
    for step in steps:
        now += timedelta(minutes=step)
        gone = {*overdue(left, rules, now)}
        left = [one for one in left if one.snapshot_id not in gone]
    assert {one.snapshot_id for one in snapshots} - {*overdue(snapshots, rules, now)} <= {
        one.snapshot_id for one in left
    }


def test_old_snapshots_do_go() -> None:
    snapshots, newest = _replaced([30] * 48 * 3)
    now = newest + timedelta(days=40)
    assert len(overdue(snapshots, Retention(2, 10, 24), now)) == len(snapshots) - 1
    assert overdue(snapshots, Retention(2, 60, 24), now)[:3] == [1, 2, 3]
