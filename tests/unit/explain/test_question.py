"""Periods as people write them when they ask for a number."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import LgspError
from lgsp.indicators import periods
from lgsp.indicators.months import LENGTHS

DAYS = st.dates(date(2016, 4, 1), date(2040, 12, 31))
KINDS = st.sampled_from(["week", "half_month", "month", "quarter", "half_year", "year"])


def _start(period: str, day: date) -> date:
    """The first day of the period that holds a day."""
    if period == "week":
        return day - timedelta(days=(day.isoweekday() + 3) % 7)
    if period == "half_month":
        return day.replace(day=1 if day.day < 16 else 16)
    months = LENGTHS[period]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


@given(period=KINDS, day=DAYS)
def test_what_is_written_of_a_period_means_that_period(period: str, day: date) -> None:
    start = _start(period, day)
    asked = periods.read(periods.written(period, start))
    assert (asked.period, asked.start) == (period, start)
    assert asked.start <= day < asked.end


@given(period=KINDS, day=DAYS)
def test_periods_of_a_kind_follow_one_another_without_a_gap(period: str, day: date) -> None:
    this = periods.of(period, _start(period, day))
    assert _start(period, this.end) == this.end and _start(period, this.end - timedelta(days=1)) == this.start


def test_a_week_has_the_number_of_its_thursday() -> None:
    assert periods.read("2026-W32") == periods.read("2026-08-06") == periods.of("week", date(2026, 8, 6))


@pytest.mark.parametrize("text", ["", "2026-13", "2026-Q5", "2026-W54", "August", "2026-02-30", "2026-08/3"])
def test_what_is_no_period_is_answered_with_the_ways_to_write_one(text: str) -> None:
    with pytest.raises(LgspError, match="2026-Q3"):
        periods.read(text)
