"""What is usual on a day, and how often a field is usually empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.check import baselines
from lgsp.check.baselines import Day, Reading, Share
from lgsp.vietnam import working_days

FROM_COUNT = 50
FIRST = date(2021, 1, 11)
TET_2022 = [date(2022, 1, 29) + timedelta(days=n) for n in range(9)]


def province(day: date) -> int:
    """What a province's dossiers look like: busy Mondays, quiet weekends, little before Tết, much after it."""
    if not working_days.is_working(day):
        return 4 if baselines.class_of(day) == "holiday" else 60 + day.day % 9
    busy = 1000 * (1.3, 1.05, 1.0, 0.95, 0.9, 0.8, 0.8)[day.weekday()] + day.day % 20
    near = [day + timedelta(days=n) for n in range(1, 6) if day + timedelta(days=n) in TET_2022]
    past = [day - timedelta(days=n) for n in range(1, 6) if day - timedelta(days=n) in TET_2022]
    return int(busy * (0.6 if len(near) > 2 else 1.6 if len(past) > 2 else 1.0))


def read(
    first: date, last: date, count: Callable[[date], int] = province, is_prompt: bool = True, is_live: bool = True
) -> list[Reading]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [Reading(day, count(day), is_prompt, is_live) for day in days]


def judged(day: date, records: int, history: list[Reading], is_prompt: bool = True) -> Day:
    return baselines.judged([Reading(day, records, is_prompt)], history, FROM_COUNT)[0]


YEAR = read(FIRST, date(2022, 1, 23))


def test_no_day_of_a_usual_year_is_unusual() -> None:
    history = YEAR[:60]
    odd = []
    for reading in read(history[-1].day_on + timedelta(days=1), date(2022, 6, 30)):
        odd += [day.told for day in baselines.judged([reading], history, FROM_COUNT) if day.is_unusual]
        history.append(reading)
    assert odd == []


def test_tet_is_no_anomaly_though_nothing_comes_in() -> None:
    around = [date(2022, 1, 24) + timedelta(days=n) for n in range(19)]
    days = baselines.judged([Reading(day, 0 if day in TET_2022 else province(day)) for day in around], YEAR, FROM_COUNT)
    assert not any(day.is_unusual or day.is_suspicious_zero for day in days)
    assert {day.class_ for day in days} == {"day near Tết", "holiday"}


def test_a_make_up_saturday_is_judged_as_a_working_day() -> None:
    saturday = next(
        day
        for day in (date(2024, 5, 1) + timedelta(days=n) for n in range(30))
        if baselines.class_of(day) == "make-up day"
    )
    history = read(saturday - timedelta(days=80), saturday - timedelta(days=1))
    assert saturday.weekday() == 5
    assert not judged(saturday, 800, history).is_unusual
    assert judged(saturday, 60, history).is_unusual  # as on any other Saturday
    assert judged(saturday, 0, history).is_suspicious_zero


@pytest.mark.parametrize("records", [211, 4000])
def test_a_broken_day_is_told_with_what_was_expected(records: int) -> None:
    day = judged(date(2022, 1, 18), records, YEAR)
    assert day.is_unusual and not day.is_suspicious_zero
    assert day.told == f"Tuesday 18 January 2022: expected 847–1,271, got {records:,} (median of 8 Tuesdays 1,059)"


def test_days_that_were_broken_before_do_not_make_the_next_one_usual() -> None:
    tuesdays = [date(2022, 1, 11), date(2021, 12, 28), date(2021, 12, 14)]
    history = [Reading(r.day_on, 3) if r.day_on in tuesdays else r for r in YEAR]
    assert judged(date(2022, 1, 18), 211, history).is_unusual
    assert not judged(date(2022, 1, 18), province(date(2022, 1, 18)), history).is_unusual


def test_nothing_on_a_working_day_is_suspicious_and_nothing_on_a_sunday_is_not() -> None:
    assert judged(date(2022, 1, 18), 0, YEAR).is_suspicious_zero
    assert not judged(date(2022, 1, 16), 0, YEAR).is_suspicious_zero


def test_nothing_is_not_suspicious_where_a_day_brings_little_anyway() -> None:
    small = [Reading(r.day_on, r.records // 30) for r in YEAR]
    assert not judged(date(2022, 1, 18), 0, small).is_suspicious_zero


def test_nothing_is_not_suspicious_before_the_source_began() -> None:
    assert not judged(FIRST - timedelta(days=6), 0, YEAR).is_suspicious_zero


def test_nothing_is_not_suspicious_where_what_there_was_may_have_changed_again_since() -> None:
    empty = Reading(date(2022, 1, 18), 0)
    late = [replace(empty, is_prompt=False), replace(empty, is_live=False)]
    assert not any(baselines.judged([read], YEAR, FROM_COUNT)[0].is_suspicious_zero for read in late)
    left = [replace(read, is_prompt=False, is_live=False) for read in YEAR]
    assert baselines.judged([empty], left, FROM_COUNT)[0].is_suspicious_zero, "what was left of other days is more"


@pytest.mark.parametrize(
    ("day", "kinds", "lacks"),
    [
        (date(2022, 1, 18), {"document_status": 1050}, ("document where 212 are usual",)),
        (date(2022, 1, 18), {"document": 210, "document_status": 840}, ()),  # nobody closed a file: there are few
        (date(2022, 1, 16), {"document_status": 60}, ()),  # a Sunday
    ],
)
def test_a_kind_of_which_nothing_came_is_suspicious_however_much_came_of_others(
    day: date, kinds: dict[str, int], lacks: tuple[str, ...]
) -> None:
    def of(read: Reading) -> Reading:
        said = {"document": read.records // 5, "document_status": read.records * 4 // 5, "work_file": 3}
        return Reading(read.day_on, sum(said.values()), kinds=said)

    [found] = baselines.judged(
        [Reading(day, sum(kinds.values()), kinds=kinds)], [of(read) for read in YEAR], FROM_COUNT
    )
    assert (found.lacks, found.is_suspicious_zero) == (lacks, bool(lacks))
    assert ("but no document where 212 are usual" in found.told) == bool(lacks)


def test_three_days_are_too_few_to_know_what_is_usual() -> None:
    day = judged(date(2021, 1, 14), 0, YEAR[:3])
    assert day.expected is None and not day.is_unusual and not day.is_suspicious_zero
    assert "too few" in day.told
    assert judged(date(2021, 1, 15), 10, YEAR[:4]).is_unusual


def test_a_backfilled_history_gives_no_lower_bound() -> None:
    left = read(FIRST, date(2022, 1, 16), lambda day: province(day) // 3, is_prompt=False)
    day = judged(date(2022, 1, 18), province(date(2022, 1, 18)), left)
    assert day.expected is not None and day.expected.low == 0
    prompt = read(date(2021, 12, 20), date(2022, 1, 16))
    since = [r for r in left if r.day_on < date(2021, 12, 20)] + prompt
    known = judged(date(2022, 1, 18), province(date(2022, 1, 18)), since)
    assert known.expected is not None and known.expected.low > 500 and not known.is_unusual


def test_a_day_read_late_has_no_lower_bound() -> None:
    assert not judged(date(2022, 1, 18), 211, YEAR, is_prompt=False).is_unusual
    assert judged(date(2022, 1, 18), 21_100, YEAR, is_prompt=False).is_unusual


def test_a_few_records_on_a_day_off_are_never_many() -> None:
    silent = [Reading(r.day_on, r.records if working_days.is_working(r.day_on) else 0) for r in YEAR]
    assert not judged(date(2022, 1, 16), 12, silent).is_unusual
    assert judged(date(2022, 1, 16), 300, silent).is_unusual


@given(st.lists(st.integers(0, 100_000), min_size=4, max_size=60), st.integers(0, 59))
def test_what_is_usual_holds_the_median_it_was_learnt_from(counts: list[int], place: int) -> None:
    history = [Reading(FIRST + timedelta(days=n), count) for n, count in enumerate(counts)]
    expected = baselines.expected(Reading(FIRST + timedelta(days=place), 0), history)
    if expected is not None:
        assert 0 <= expected.low <= expected.middle <= expected.high


@given(st.permutations(range(30)), st.integers(0, 5000))
def test_what_is_usual_does_not_depend_on_the_order_of_reading(order: list[int], records: int) -> None:
    day = Reading(date(2022, 1, 18), records)
    assert baselines.expected(day, [YEAR[-n - 1] for n in order]) == baselines.expected(day, YEAR[-30:])


def share(rate: float, records: int = 1000) -> Share:
    return Share("dossiers", "appliedDate", records, round(rate * records))


@pytest.mark.parametrize(
    ("rate", "history", "is_told", "is_limit"),
    [
        (0.61, [0.02] * 10, True, True),
        (0.40, [0.02] * 10, True, False),  # more than usual, but not mostly gone
        (0.05, [0.60] * 10, True, False),  # seldom empty where it was often
        (0.09, [0.02] * 10, False, False),  # less than ten points
        (0.44, [0.1, 0.3, 0.2, 0.4, 0.2, 0.3], False, False),  # it always went up and down
        (0.90, [0.02] * 3, False, False),  # too few batches
        (0.61, [0.02] * 9 + [0.9], True, True),  # one broken batch before does not excuse this one
        (0.61, [0.02] * 8 + [0.3, 0.5], True, False),  # it has been rising: no break
    ],
)
def test_a_field_is_told_when_it_is_empty_unlike_before(
    rate: float, history: list[float], is_told: bool, is_limit: bool
) -> None:
    null = baselines.unusual_null(share(rate), history)
    assert (null is not None) == is_told
    assert bool(null and null.is_limit) == is_limit


def test_few_records_reach_no_limit() -> None:
    some, few = baselines.unusual_null(share(0.6, 999), [0.0] * 9), baselines.unusual_null(share(0.6, 199), [0.0] * 9)
    assert some is not None and not some.is_limit and few is None
