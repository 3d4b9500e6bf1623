"""Whatever a source sends ends in a row or in quarantine, in any order, once or twice."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.samples import AGENCY
from tests.unit.harmonise.test_stage import SAMPLES, harmonise, judged

weird = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from(["", ".", "#N/A", "\u0000", "0001-01-01T00:00:00", "1e999", "-1", "/Date(9999999999999999)/", "20221399999999", "\ufffd", "<p>", "&#0;", "đ", "9" * 40]),
    st.lists(st.text(max_size=3), max_size=3), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)  # fmt: skip


def _paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*above, key) for key, _ in items] + [path for key, item in items for path in _paths(item, (*above, key))]


@st.composite
def broken(draw: st.DrawFn, source: str, number: int) -> Any:
    """A good record with some fields replaced by anything, or anything at all in place of a record."""
    if draw(st.integers(0, 9)) == 0:
        return draw(weird)
    record = copy.deepcopy(SAMPLES[source]())
    record |= {"id": f"a{number}"} if source == "one_stop_shop" else {"MaHoSo": f"{AGENCY}-260803-{number:04d}"}
    for path in draw(st.lists(st.sampled_from(_paths(record)), min_size=1, max_size=3)):
        holder = record
        for key in path[:-1]:
            holder = holder[key] if isinstance(holder, dict) and key in holder else {}
        if isinstance(holder, dict):
            holder[path[-1]] = draw(weird)
    return record


@pytest.mark.parametrize("source", SAMPLES)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_p4_no_record_is_too_broken_to_end_in_a_row_or_in_quarantine(source: str, data: st.DataObject) -> None:
    page = [data.draw(broken(source, number)) for number in range(60)]
    checked, count = judged(source, page)
    counts = checked.counts
    assert counts.accepted + counts.superseded + counts.duplicates + counts.quarantined + counts.ignored == count


@pytest.mark.parametrize("source", SAMPLES)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data(), seed=st.integers(0, 1000))
def test_harmonising_knows_no_order_and_no_second_time(source: str, data: st.DataObject, seed: int) -> None:
    page = [data.draw(broken(source, number)) for number in range(30)]
    shuffled = random.Random(seed).sample(page, len(page))

    def said(*pages: list[Any]) -> list[str]:
        rows = harmonise(source, *pages).rows
        return sorted(
            repr(sorted((name, value) for name, value in row.items() if name != "raw_pointer")) for row in rows
        )

    assert said(page) == said(page) == said(shuffled[:11], shuffled[11:])
