"""Which snapshots retention may retire, for any history of snapshots and at any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lgsp.maintain.retention import Replaced, expired_files, expired_history
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
def test_p10_a_snapshot_within_the_grace_period_stays(gaps: list[int], rules: Retention, later: int) -> None:
    snapshots, newest = _replaced(gaps)
    now = newest + timedelta(minutes=later)
    retired = {*expired_files(snapshots, rules, now), *expired_history(snapshots, rules, now)}
    grace = timedelta(days=rules.every_days)
    assert not {snapshot.snapshot_id for snapshot in snapshots if now - snapshot.replaced_at < grace} & retired
    if rules.history_days is None:
        assert expired_history(snapshots, rules, now) == []


@given(GAPS, RULES, st.integers(0, 60 * 24 * 400))
def test_the_last_snapshot_of_each_day_and_month_to_keep_is_kept(gaps: list[int], rules: Retention, later: int) -> None:
    snapshots, newest = _replaced(gaps)
    now = newest + timedelta(minutes=later)
    kept = {snapshot.snapshot_id for snapshot in snapshots} - {*expired_files(snapshots, rules, now)}
    for length, days in ((10, rules.daily_days), (7, 31 * rules.monthly_months)):
        last = {snapshot.published_at.astimezone(LOCAL).isoformat()[:length]: snapshot for snapshot in snapshots}
        young = {s.snapshot_id for s in last.values() if now - s.replaced_at < timedelta(days=days)}
        assert young <= kept


@given(GAPS, RULES, st.lists(st.integers(1, 60 * 24 * 30), min_size=1, max_size=8))
def test_running_it_often_retires_no_more_than_running_it_once(
    gaps: list[int], rules: Retention, steps: list[int]
) -> None:
    snapshots, now = _replaced(gaps)
    kept = snapshots
    for step in steps:
        now += timedelta(minutes=step)
        retired = {*expired_files(kept, rules, now)}
        kept = [snapshot for snapshot in kept if snapshot.snapshot_id not in retired]
    kept_by_one_run = {s.snapshot_id for s in snapshots} - {*expired_files(snapshots, rules, now)}
    assert kept_by_one_run <= {snapshot.snapshot_id for snapshot in kept}


def test_old_snapshots_are_retired() -> None:
    snapshots, newest = _replaced([30] * 48 * 3)
    now = newest + timedelta(days=40)
    assert len(expired_files(snapshots, Retention(2, 10, 24), now)) == len(snapshots) - 1
    assert expired_files(snapshots, Retention(2, 60, 24), now)[:3] == [1, 2, 3]
