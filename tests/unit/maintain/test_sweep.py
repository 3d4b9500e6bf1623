"""The windows that a sweep reads again: narrow, few, and covering every change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lgsp.land.reader import Keys
from lgsp.maintain import sweep
from lgsp.maintain.narrowest_windows import MAX_WINDOWS, narrowest_windows
from lgsp.window import LOCAL, Window

moments = st.lists(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1)).map(lambda moment: moment.replace(tzinfo=UTC)), min_size=1
)


@given(moments)
def test_windows_to_read_again_cover_all_changes_and_are_narrow(changes: list[datetime]) -> None:
    windows = narrowest_windows(changes)
    assert all(any(window.start <= moment < window.end for window in windows) for moment in changes)
    assert len(windows) <= MAX_WINDOWS
    assert windows == sorted(windows)
    assert sum((window.end - window.start for window in windows), timedelta()) <= max(changes) - min(changes) + timedelta(seconds=len(windows))  # fmt: skip


def test_the_windows_of_a_source_that_lists_days_are_whole_days() -> None:
    changes = [datetime(2026, 8, 3, 4, tzinfo=UTC), datetime(2026, 8, 4, 4, tzinfo=UTC)]
    assert narrowest_windows(changes, is_whole_days=True) == [Window.of_days(date(2026, 8, 3), date(2026, 8, 4))]


def test_a_rolling_range_ends_before_the_day_of_the_sweep() -> None:
    span = sweep.default_range("one_stop_shop", date(2026, 8, 9), 7)
    assert span == Window.of_days(date(2026, 8, 2), date(2026, 8, 8))


def test_the_newest_change_of_a_key_listed_twice_counts() -> None:
    keys = Keys()
    for key, changed in (
        ("a\u200b", "20260803100000"),
        ("a", "20260804100000"),
        ("a ", "20260802100000"),
        ("b", "soon"),
    ):
        keys.add(key, changed)
    assert keys.change_times == {"a": datetime(2026, 8, 4, 10, tzinfo=LOCAL)}
    assert keys.undated == {"b"}
