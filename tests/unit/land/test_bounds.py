"""A window is likely, or the reason why it is not names the bound."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lgsp.land import bounds
from lgsp.schema import sources
from lgsp.window import Window

NOW = datetime(2026, 8, 11, 3, tzinfo=UTC)
KNOWN = date(2025, 11, 3)
SOURCE = sources.load("documents")


def _doubt(start: str, end: str, known: date | None = KNOWN, **described: object) -> str:
    windows = {"reach_back_days": 3660, **described}
    return bounds.doubt(replace(SOURCE, windows=windows), Window.of(start, end), NOW, known) or ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-08-10", "2026-08-11"), ("2026-08-11", "2026-08-12"), ("2025-11-03", "2026-08-11"), ("2025-07-07", "2025-07-08")],
    ids=["yesterday", "today", "all that is known", "some months before"],
)  # fmt: skip
def test_a_window_of_known_days_is_likely(start: str, end: str) -> None:
    assert _doubt(start, end) == ""


@pytest.mark.parametrize(
    ("start", "end", "known", "reason"),
    [
        ("2025-07-05", "2025-07-06", KNOWN, "more than 120 days before 2025-11-03"),
        ("1999-08-01", "2026-08-05", KNOWN, "more than 3660 days ago"),
        ("1999-08-01", "1999-08-05", None, "more than 3660 days ago"),
        ("0001-01-02", "0001-01-03", None, "more than 3660 days ago"),
        ("2026-08-10", "2036-08-11", KNOWN, "ends in the future, after 2026-08-11"),
        ("9999-01-01", "9999-12-31", None, "ends in the future"),
        ("2026-08-11", "2026-08-12T00:00:01", None, "ends in the future"),
    ],
)
def test_a_mistyped_year_is_unlikely(start: str, end: str, known: date | None, reason: str) -> None:
    assert reason in _doubt(start, end, known)


def test_the_first_record_of_a_source_can_be_described() -> None:
    assert _doubt("2019-03-01", "2019-03-02", first_record_on=date(2019, 3, 1)) == ""
    assert "begins before 2019-03-01" in _doubt("2019-02-28", "2019-03-02", first_record_on=date(2019, 3, 1))


def test_the_range_of_a_sweep_is_likely() -> None:
    assert SOURCE.sweep is not None
    yearly = replace(SOURCE, sweep={**SOURCE.sweep, "range_days": 400})
    assert bounds.doubt(yearly, Window.of("2025-07-07", "2026-08-11"), NOW, date(2026, 8, 1)) is None
