"""Usual numbers of records per day and usual shares of empty values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.check import baselines
from lgsp.check.baselines import DayVolume, NullCount, Reading
from lgsp.vietnam import working_days

FROM_COUNT = 50
FIRST = date(2021, 1, 11)
TET_2022 = [date(2022, 1, 29) + timedelta(days=n) for n in range(9)]


def province(day: date) -> int:
    """The dossiers of a province on a day: many on Mondays, few at weekends, fewer before Tết, more after it."""
    if not working_days.is_working(day):
        return 4 if baselines.class_of(day) == "holiday" else 60 + day.day % 9
    busy = 1000 * (1.3, 1.05, 1.0, 0.95, 0.9, 0.8, 0.8)[day.weekday()] + day.day % 20
    near = [day + timedelta(days=n) for n in range(1, 6) if day + timedelta(days=n) in TET_2022]
    past = [day - timedelta(days=n) for n in range(1, 6) if day - timedelta(days=n) in TET_2022]
    return int(busy * (0.6 if len(near) > 2 else 1.6 if len(past) > 2 else 1.0))


def readings(
    first: date, last: date, count: Callable[[date], int] = province, is_prompt: bool = True, is_live: bool = True
) -> list[Reading]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [Reading(day, count(day), is_prompt, is_live) for day in days]


def compared(day: date, records: int, history: list[Reading], is_prompt: bool = True) -> DayVolume:
    return baselines.compare_days([Reading(day, records, is_prompt)], history, FROM_COUNT)[0]


YEAR = readings(FIRST, date(2022, 1, 23))


def test_no_day_of_a_usual_year_is_unusual() -> None:
    history = YEAR[:60]
    unusual = []
    for reading in readings(history[-1].day_on + timedelta(days=1), date(2022, 6, 30)):
        unusual += [day.description for day in baselines.compare_days([reading], history, FROM_COUNT) if day.is_unusual]
        history.append(reading)
    assert unusual == []


def test_days_of_tet_without_records_are_not_unusual() -> None:
    around = [date(2022, 1, 24) + timedelta(days=n) for n in range(19)]
    days = baselines.compare_days(
        [Reading(day, 0 if day in TET_2022 else province(day)) for day in around], YEAR, FROM_COUNT
    )
    assert not any(day.is_unusual or day.is_suspicious_zero for day in days)
    assert {day.class_ for day in days} == {"day near Tết", "holiday"}


def test_a_make_up_saturday_is_compared_with_working_days() -> None:
    saturday = next(
        day
        for day in (date(2024, 5, 1) + timedelta(days=n) for n in range(30))
        if baselines.class_of(day) == "make-up day"
    )
    history = readings(saturday - timedelta(days=80), saturday - timedelta(days=1))
    assert saturday.weekday() == 5
    assert not compared(saturday, 800, history).is_unusual
    assert compared(saturday, 60, history).is_unusual  # usual on other Saturdays
    assert compared(saturday, 0, history).is_suspicious_zero


@pytest.mark.parametrize("records", [211, 4000])
def test_an_unusual_day_is_described_with_its_expected_range(records: int) -> None:
    day = compared(date(2022, 1, 18), records, YEAR)
    assert day.is_unusual and not day.is_suspicious_zero
    assert (
        day.description == f"Tuesday 18 January 2022: expected 847–1,271, got {records:,} (median of 8 Tuesdays 1,059)"
    )


def test_earlier_unusual_days_do_not_change_the_usual_range() -> None:
    tuesdays = [date(2022, 1, 11), date(2021, 12, 28), date(2021, 12, 14)]
    history = [Reading(r.day_on, 3) if r.day_on in tuesdays else r for r in YEAR]
    assert compared(date(2022, 1, 18), 211, history).is_unusual
    assert not compared(date(2022, 1, 18), province(date(2022, 1, 18)), history).is_unusual


def test_an_empty_day_is_suspicious_unless_it_is_a_sunday() -> None:
    assert compared(date(2022, 1, 18), 0, YEAR).is_suspicious_zero
    assert not compared(date(2022, 1, 16), 0, YEAR).is_suspicious_zero


def test_an_empty_day_is_plausible_where_days_have_few_records() -> None:
    small = [Reading(r.day_on, r.records // 30) for r in YEAR]
    assert not compared(date(2022, 1, 18), 0, small).is_suspicious_zero


def test_an_empty_day_is_plausible_before_the_first_records() -> None:
    assert not compared(FIRST - timedelta(days=6), 0, YEAR).is_suspicious_zero


def test_an_empty_day_is_plausible_when_it_was_read_later() -> None:
    empty = Reading(date(2022, 1, 18), 0)
    late = [replace(empty, is_prompt=False), replace(empty, is_live=False)]
    assert not any(baselines.compare_days([reading], YEAR, FROM_COUNT)[0].is_suspicious_zero for reading in late)
    backfilled = [replace(reading, is_prompt=False, is_live=False) for reading in YEAR]
    [day] = baselines.compare_days([empty], backfilled, FROM_COUNT)
    assert day.is_suspicious_zero, "even the late readings of other days have records"


@pytest.mark.parametrize(
    ("day", "kinds", "missing_kinds"),
    [
        (date(2022, 1, 18), {"document_status": 1050}, ("document where 212 are usual",)),
        (
            date(2022, 1, 18),
            {"document": 210, "document_status": 840},
            (),
        ),  # work files are few, so a day without one is usual
        (date(2022, 1, 16), {"document_status": 60}, ()),  # a Sunday
    ],
)
def test_many_records_of_other_kinds_do_not_hide_a_missing_kind(
    day: date, kinds: dict[str, int], missing_kinds: tuple[str, ...]
) -> None:
    def with_kinds(reading: Reading) -> Reading:
        usual = {"document": reading.records // 5, "document_status": reading.records * 4 // 5, "work_file": 3}
        return Reading(reading.day_on, sum(usual.values()), kinds=usual)

    [result] = baselines.compare_days(
        [Reading(day, sum(kinds.values()), kinds=kinds)], [with_kinds(reading) for reading in YEAR], FROM_COUNT
    )
    assert (result.missing_kinds, result.is_suspicious_zero) == (missing_kinds, bool(missing_kinds))
    assert ("but no document where 212 are usual" in result.description) == bool(missing_kinds)


def test_three_days_of_history_give_no_usual_range() -> None:
    day = compared(date(2021, 1, 14), 0, YEAR[:3])
    assert day.expected is None and not day.is_unusual and not day.is_suspicious_zero
    assert "too few" in day.description
    assert compared(date(2021, 1, 15), 10, YEAR[:4]).is_unusual


def test_a_backfilled_history_gives_no_lower_bound() -> None:
    backfilled = readings(FIRST, date(2022, 1, 16), lambda day: province(day) // 3, is_prompt=False)
    day = compared(date(2022, 1, 18), province(date(2022, 1, 18)), backfilled)
    assert day.expected is not None and day.expected.low == 0
    prompt = readings(date(2021, 12, 20), date(2022, 1, 16))
    mixed = [r for r in backfilled if r.day_on < date(2021, 12, 20)] + prompt
    bounded = compared(date(2022, 1, 18), province(date(2022, 1, 18)), mixed)
    assert bounded.expected is not None and bounded.expected.low > 500 and not bounded.is_unusual


def test_a_day_read_late_has_no_lower_bound() -> None:
    assert not compared(date(2022, 1, 18), 211, YEAR, is_prompt=False).is_unusual
    assert compared(date(2022, 1, 18), 21_100, YEAR, is_prompt=False).is_unusual


def test_a_few_records_on_a_day_off_are_never_unusual() -> None:
    empty_days_off = [Reading(r.day_on, r.records if working_days.is_working(r.day_on) else 0) for r in YEAR]
    assert not compared(date(2022, 1, 16), 12, empty_days_off).is_unusual
    assert compared(date(2022, 1, 16), 300, empty_days_off).is_unusual


@given(st.lists(st.integers(0, 100_000), min_size=4, max_size=60), st.integers(0, 59))
def test_the_usual_range_contains_the_median_of_its_history(counts: list[int], place: int) -> None:
    history = [Reading(FIRST + timedelta(days=n), count) for n, count in enumerate(counts)]
    expected = baselines.usual_range(Reading(FIRST + timedelta(days=place), 0), history)
    if expected is not None:
        assert 0 <= expected.low <= expected.middle <= expected.high


@given(st.permutations(range(30)), st.integers(0, 5000))
def test_the_usual_range_is_the_same_for_any_order_of_history(order: list[int], records: int) -> None:
    day = Reading(date(2022, 1, 18), records)
    assert baselines.usual_range(day, [YEAR[-n - 1] for n in order]) == baselines.usual_range(day, YEAR[-30:])


def nulls(rate: float, records: int = 1000) -> NullCount:
    return NullCount("dossiers", "appliedDate", records, round(rate * records))


@pytest.mark.parametrize(
    ("rate", "history", "is_unusual", "is_limit"),
    [
        (0.61, [0.02] * 10, True, True),
        (0.40, [0.02] * 10, True, False),  # more than usual, but not mostly empty
        (0.05, [0.60] * 10, True, False),  # rarely empty now, often before
        (0.09, [0.02] * 10, False, False),  # a difference below ten points
        (0.44, [0.1, 0.3, 0.2, 0.4, 0.2, 0.3], False, False),  # the rate has always varied
        (0.90, [0.02] * 3, False, False),  # too few batches
        (0.61, [0.02] * 9 + [0.9], True, True),  # one broken batch before does not excuse this one
        (0.61, [0.02] * 8 + [0.3, 0.5], True, False),  # the rate has been rising: no broken feed
    ],
)
def test_a_field_that_is_unusually_often_empty_is_reported(
    rate: float, history: list[float], is_unusual: bool, is_limit: bool
) -> None:
    result = baselines.compare_nulls(nulls(rate), history)
    assert (result is not None) == is_unusual
    assert bool(result and result.is_limit) == is_limit


def test_the_limit_needs_enough_records() -> None:
    result = baselines.compare_nulls(nulls(0.6, 999), [0.0] * 9)
    assert result is not None and not result.is_limit
    assert baselines.compare_nulls(nulls(0.6, 199), [0.0] * 9) is None
