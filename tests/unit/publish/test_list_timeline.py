"""When a row of a list had which content follows from the set of readings, whatever their order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lgsp.publish import list_timeline
from lgsp.publish.list_timeline import Days, Run

FIRST = date(2022, 6, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _runs(lists: Mapping[int, set[str]]) -> list[Run]:
    """The runs of a row that these contents were read of, by day."""
    contents = set().union(*lists.values())
    absences = {
        content: [Days(day(number), day(number + 1)) for number, listed in lists.items() if content not in listed]
        for content in contents
    }
    return list_timeline.runs(sorted(map(day, lists)), absences)


def _at(runs: list[Run], on: date) -> str | None:
    found = [r.content for r in runs if (r.start is None or r.start <= on) and (r.end is None or on < r.end)]
    assert len(found) < 2
    return found[0] if found else None


def test_a_row_of_every_reading_has_neither_beginning_nor_end() -> None:
    assert _runs({0: {"a"}, 3: {"a"}}) == [Run("a", None, None)]


def test_a_row_ends_on_the_first_reading_without_it() -> None:
    assert _runs({0: {"a"}, 3: set(), 5: set()}) == [Run("a", None, day(3))]


def test_a_row_begins_on_the_first_reading_with_it() -> None:
    assert _runs({0: set(), 3: {"a"}, 5: {"a"}}) == [Run("a", day(3), None)]


def test_a_row_that_comes_back_has_two_runs() -> None:
    assert _runs({0: {"a"}, 1: set(), 2: {"a"}}) == [Run("a", None, day(1)), Run("a", day(2), None)]


def test_a_changed_row_has_a_run_of_each_content() -> None:
    assert _runs({0: {"a"}, 4: {"b"}}) == [Run("a", None, day(4)), Run("b", day(4), None)]


def test_an_old_day_read_with_a_later_list_stays_as_it_was() -> None:
    assert _runs({0: {"a"}, 1: {"a", "b"}, 2: {"a"}, 3: {"b"}}) == [Run("a", None, day(3)), Run("b", day(3), None)]


def test_an_ambiguous_first_day_takes_what_follows() -> None:
    assert _runs({0: {"a", "b"}, 1: {"b"}}) == [Run("b", None, None)]


LISTS = st.dictionaries(st.integers(0, 40), st.sets(st.sampled_from("abc"), max_size=2), min_size=1).filter(
    lambda lists: any(lists.values())
)


@given(LISTS)
def test_a_row_has_on_each_reading_day_a_content_of_that_day(lists: dict[int, set[str]]) -> None:
    runs = _runs(lists)
    for number, listed in lists.items():
        content = _at(runs, day(number))
        assert content in listed if listed else content is None


@given(LISTS)
def test_a_run_lasts_until_the_next_reading_that_differs(lists: dict[int, set[str]]) -> None:
    runs, numbers = _runs(lists), sorted(lists)
    for before, after in itertools.pairwise(numbers):
        for between in range(before, after):
            assert _at(runs, day(between)) == _at(runs, day(before))


@given(LISTS)
def test_no_two_runs_that_meet_have_the_same_content(lists: dict[int, set[str]]) -> None:
    runs = _runs(lists)
    for before, after in itertools.pairwise(runs):
        assert before.content != after.content or before.end != after.start
