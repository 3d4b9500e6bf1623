"""Tests that every record that a source can send becomes a row or is quarantined, in any order of the records."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.exhaustive import exhaustive
from tests.samples import AGENCY
from tests.unit.harmonise.test_stage import SAMPLES, harmonise, judged

arbitrary = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from(["", ".", "#N/A", "\u0000", "0001-01-01T00:00:00", "1e999", "-1", "/Date(9999999999999999)/", "20221399999999", "\ufffd", "<p>", "&#0;", "đ", "9" * 40]),
    st.lists(st.text(max_size=3), max_size=3), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)  # fmt: skip


def _paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*above, key) for key, _ in items] + [path for key, item in items for path in _paths(item, (*above, key))]


@st.composite
def broken_record(draw: st.DrawFn, source: str, number: int) -> Any:
    """A valid record in which some fields are replaced by arbitrary values, or an arbitrary value."""
    if draw(st.integers(0, 9)) == 0:
        return draw(arbitrary)
    record = copy.deepcopy(SAMPLES[source]())
    record |= {"id": f"a{number}"} if source == "one_stop_shop" else {"MaHoSo": f"{AGENCY}-260803-{number:04d}"}
    for path in draw(st.lists(st.sampled_from(_paths(record)), min_size=1, max_size=3)):
        container = record
        for key in path[:-1]:
            container = container[key] if isinstance(container, dict) and key in container else {}
        if isinstance(container, dict):
            container[path[-1]] = draw(arbitrary)
    return record


@pytest.mark.parametrize("source", SAMPLES)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_p4_every_broken_record_becomes_a_row_or_is_quarantined(source: str, data: st.DataObject) -> None:
    page = [data.draw(broken_record(source, number)) for number in range(60)]
    checked, count = judged(source, page)
    counts = checked.counts
    assert counts.accepted + counts.superseded + counts.duplicates + counts.quarantined + counts.ignored == count


@pytest.mark.parametrize("source", ["one_stop_shop", *exhaustive("online_services")])
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data(), seed=st.integers(0, 1000))
def test_harmonised_rows_do_not_depend_on_order_or_repetition(source: str, data: st.DataObject, seed: int) -> None:
    page = [data.draw(broken_record(source, number)) for number in range(30)]
    shuffled = random.Random(seed).sample(page, len(page))

    def sorted_rows(*pages: list[Any]) -> list[str]:
        rows = harmonise(source, *pages).rows
        return sorted(
            repr(sorted((name, value) for name, value in row.items() if name != "raw_pointer")) for row in rows
        )

    assert sorted_rows(page) == sorted_rows(page) == sorted_rows(shuffled[:11], shuffled[11:])
