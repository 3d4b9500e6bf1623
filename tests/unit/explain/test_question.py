"""Periods as a user writes them for `lgsp explain`."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import LgspError
from lgsp.indicators import periods
from lgsp.indicators.periods import MONTHS

DAYS = st.dates(date(2016, 4, 1), date(2040, 12, 31))
KINDS = st.sampled_from(["week", "half_month", "month", "quarter", "half_year", "year"])


def _start(period: str, day: date) -> date:
    """The first day of the period of a day."""
    if period == "week":
        return day - timedelta(days=(day.isoweekday() + 3) % 7)
    if period == "half_month":
        return day.replace(day=1 if day.day < 16 else 16)
    months = MONTHS[period]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


@given(period=KINDS, day=DAYS)
def test_a_written_period_is_read_as_the_same_period(period: str, day: date) -> None:
    start = _start(period, day)
    parsed = periods.parse(periods.text_of(period, start))
    assert (parsed.kind, parsed.start) == (period, start)
    assert parsed.start <= day < parsed.end


@given(period=KINDS, day=DAYS)
def test_periods_of_one_type_have_no_gap(period: str, day: date) -> None:
    this = periods.starting(period, _start(period, day))
    assert _start(period, this.end) == this.end and _start(period, this.end - timedelta(days=1)) == this.start


def test_a_week_has_the_number_of_its_thursday() -> None:
    assert periods.parse("2026-W32") == periods.parse("2026-08-06") == periods.starting("week", date(2026, 8, 6))


@pytest.mark.parametrize("text", ["", "2026-13", "2026-Q5", "2026-W54", "August", "2026-02-30", "2026-08/3"])
def test_an_invalid_period_is_refused_with_the_valid_forms(text: str) -> None:
    with pytest.raises(LgspError, match="2026-Q3"):
        periods.parse(text)
