"""Windows are half-open, and days are local days."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.window import LOCAL, Window, local_day, midnight

moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=LOCAL))
windows = st.tuples(moments, st.timedeltas(timedelta(seconds=1), timedelta(days=120))).map(
    lambda w: Window(w[0], w[0] + w[1])
)


def test_a_bare_date_is_its_local_midnight() -> None:
    assert Window.of("2022-06-01", "2022-06-02") == Window.of("2022-05-31T17:00:00+00:00", "2022-06-02T00:00:00+07:00")


def test_f38_one_second_to_midnight_is_still_the_same_local_day() -> None:
    assert local_day(datetime.fromisoformat("2022-06-01T16:59:59+00:00")) == date(2022, 6, 1)
    assert local_day(datetime.fromisoformat("2022-06-01T17:00:00+00:00")) == date(2022, 6, 2)


@pytest.mark.parametrize(("start", "end"), [("2022-06-02", "2022-06-01"), ("2022-06-01", "2022-06-01")])
def test_a_window_ends_after_it_begins(start: str, end: str) -> None:
    with pytest.raises(ValueError, match="must end after it begins"):
        Window.of(start, end)


@given(windows, st.integers(1, 40))
def test_the_parts_of_a_window_neither_leave_gaps_nor_overlap(window: Window, days: int) -> None:
    parts = window.split(days)
    assert (parts[0].start, parts[-1].end) == (window.start, window.end)
    assert all(part.end == following.start for part, following in pairwise(parts))
    assert all(len(part.days()) <= days for part in parts)


@given(windows)
def test_whole_days_contain_the_window_and_begin_at_midnight(window: Window) -> None:
    whole = window.whole_days()
    assert whole.start <= window.start and window.end <= whole.end
    assert whole.start == midnight(window.days()[0]) and whole.days() == window.days()


@pytest.mark.parametrize(("start", "end"), [("0001-01-01", "2022-06-01"), ("0001-01-01", "0001-01-02")])
def test_a_window_outside_the_calendar_is_refused(start: str, end: str) -> None:
    with pytest.raises(ValueError, match="the calendar does not reach"):
        Window.of(start, end)
    with pytest.raises(ValueError, match="the calendar does not reach"):
        Window.of_days(date(2022, 6, 1), date.max)
