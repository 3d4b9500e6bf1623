"""The steps, pauses, closing day and online level of a dossier follow from its records."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.publish.linking import DAY, linked, record, rows_of

pytestmark = pytest.mark.slow

PAUSES = ("supplement_requested", "payment_requested", "suspended")
WORK = ("processing", *PAUSES, "finished", "returned")


def _at(days: float) -> datetime:
    return DAY + timedelta(days=days)


def _us(days: float) -> int:
    return int(_at(days).timestamp()) * 1_000_000


def _steps(*steps: tuple[float, str]) -> str:
    return json.dumps([{"t": _us(days), "s": status, "o": None, "i": False} for days, status in steps])


def _supplements(*spans: tuple[float | None, float | None]) -> str:
    return json.dumps([{"f": None if a is None else _us(a), "u": None if b is None else _us(b)} for a, b in spans])


def _events(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> list[tuple[str, datetime, bool]]:
    linked(con, *rows)
    return [(row["status"], row["occurred_at"], row["is_inferred"]) for row in rows_of(con, "dossier_event")]


def _pauses(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> list[tuple[float, float | None]]:
    """The pauses in days after the receipt."""
    linked(con, *rows)
    start = date(2026, 8, 3)
    return [
        ((row["from_on"] - start).days, row["to_on"] and (row["to_on"] - start).days)
        for row in rows_of(con, "dossier_pause")
    ]


def _one_stop(**columns: Any) -> dict[str, Any]:
    return record("one_stop_shop", **{"status": "processing", "source_updated_at": _at(20)} | columns)


def test_a_dossier_is_accepted_when_it_is_received(con: duckdb.DuckDBPyConnection) -> None:
    steps = _steps((0.5, "accepted"), (1, "processing"))
    assert _events(con, _one_stop(events=steps)) == [("accepted", DAY, False), ("processing", _at(1), False)]


def test_a_later_acceptance_means_that_work_goes_on(con: duckdb.DuckDBPyConnection) -> None:
    steps = _steps((0, "accepted"), (2, "supplement_requested"), (5, "accepted"))
    assert _pauses(con, _one_stop(events=steps)) == [(2, 5)]
    statuses = [row["status"] for row in rows_of(con, "dossier_event")]
    assert statuses == ["accepted", "supplement_requested", "processing"]


def test_a_refused_dossier_was_never_accepted(con: duckdb.DuckDBPyConnection) -> None:
    refused = _one_stop(
        status="not_accepted", received_at=None, closed_at=_at(1), closed_at_basis="step",
        events=_steps((0.5, "accepted"), (1, "not_accepted")),
    )  # fmt: skip
    assert _events(con, refused) == [("not_accepted", _at(1), False)]


@pytest.mark.parametrize("status", ["processing", *PAUSES, "finished", "returned"])
def test_the_last_step_brings_the_present_status(status: str, con: duckdb.DuckDBPyConnection) -> None:
    events = _events(con, _one_stop(status=status, events=_steps((0, "accepted"))))
    assert events == [("accepted", DAY, False), (status, _at(20), True)]


def test_an_inferred_closing_is_on_its_day(con: duckdb.DuckDBPyConnection) -> None:
    withdrawn = _one_stop(status="withdrawn", closed_at=_at(3), closed_at_basis="withdrawal")
    assert _events(con, withdrawn)[-1] == ("withdrawn", _at(3), True)


@given(st.lists(st.tuples(st.integers(0, 19), st.sampled_from(WORK)), max_size=6), st.sampled_from(WORK))
def test_steps_are_in_order_and_end_in_the_status(steps: list[tuple[int, str]], status: str) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        events = _events(con, _one_stop(status=status, events=_steps(*steps)))
    assert events[-1][0] == status
    assert [at for _, at, _ in events] == sorted(at for _, at, _ in events)
    assert len(events) - len(steps) in (1, 2), "the acceptance, and the status where no step brings it"


def test_a_supplement_is_a_pause(con: duckdb.DuckDBPyConnection) -> None:
    portal = record("online_services", status="processing", supplements=_supplements((2, 6), (9, 12)))
    assert _pauses(con, portal) == [(2, 6), (9, 12)]


def test_a_pause_that_both_report_counts_once(con: duckdb.DuckDBPyConnection) -> None:
    one_stop = _one_stop(events=_steps((2, "supplement_requested"), (6, "processing")))
    portal = record("online_services", supplements=_supplements((3, 8)))
    assert _pauses(con, one_stop, portal) == [(2, 8)]


@pytest.mark.parametrize("touched", [5, 20])
def test_a_pause_without_a_beginning_lasts_since_receipt(touched: int, con: duckdb.DuckDBPyConnection) -> None:
    paused = _one_stop(status="suspended", source_updated_at=_at(touched), events=_steps((0, "accepted")))
    assert _pauses(con, paused) == [(0, None)]


@pytest.mark.parametrize(
    "paused",
    [
        _one_stop(status="supplement_requested", events=_steps((0, "accepted"), (4, "supplement_requested"))),
        record("online_services", status="suspended", supplements=_supplements((4, None))),
    ],
)
def test_a_pause_lasts_while_the_dossier_waits(paused: dict[str, Any], con: duckdb.DuckDBPyConnection) -> None:
    assert _pauses(con, paused) == [(4, None)]


def test_an_unanswered_supplement_ends_with_work(con: duckdb.DuckDBPyConnection) -> None:
    portal = record(
        "online_services", status="finished", supplements=_supplements((4, None)), source_updated_at=_at(9),
        events=_steps((4, "supplement_requested"), (7, "finished")),
    )  # fmt: skip
    assert _pauses(con, portal) == [(4, 7)]


def test_a_reported_pause_without_end_ends_with_the_change(con: duckdb.DuckDBPyConnection) -> None:
    assert _pauses(con, _one_stop(events=_steps((4, "suspended")))) == [(4, 20)]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=5))
def test_pauses_of_one_dossier_never_overlap(spans: list[tuple[int, int]]) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        supplements = _supplements(*((start, start + length) for start, length in spans))
        pauses = _pauses(con, record("online_services", status="processing", supplements=supplements))
    covered = {day for start, length in spans for day in range(start, start + length)}
    assert {day for start, end in pauses if end for day in range(int(start), int(end))} == covered
    assert all(first[1] and first[1] < second[0] for first, second in pairwise(pauses))


def test_paused_working_time_counts_each_hour_once(con: duckdb.DuckDBPyConnection) -> None:
    one_stop = _one_stop(events=_steps((1, "supplement_requested"), (2, "processing")))
    portal = record("online_services", supplements=_supplements((1, 2)))
    (dossier,) = linked(con, one_stop, portal)
    assert dossier["paused_working_minutes"] == 480
    assert dossier["paused_days"] == ["2026-08-04/2026-08-05"]


CLOSINGS = [
    ("withdrawal", 1, "refusal", 2, 1),
    ("step", 1, "refusal", 2, 2),
    ("change", 1, "step", 2, 2),
    ("change", 1, "change", 2, 1),
    ("step", 2, None, None, 2),
]


@pytest.mark.parametrize(("basis", "day", "other", "other_day", "closed"), CLOSINGS)
def test_the_most_reliable_day_closes_a_dossier(
    basis: str, day: int, other: str | None, other_day: int | None, closed: int, con: duckdb.DuckDBPyConnection
) -> None:
    one_stop = _one_stop(status="not_accepted", closed_at=_at(day), closed_at_basis=basis)
    portal = record(
        "online_services", status="not_accepted", closed_at=other_day and _at(other_day), closed_at_basis=other
    )
    (dossier,) = linked(con, one_stop, portal)
    assert dossier["closed_at"] == _at(closed)


def test_an_open_dossier_has_no_closing_day(con: duckdb.DuckDBPyConnection) -> None:
    portal = record("online_services", status="not_accepted", closed_at=_at(2), closed_at_basis="refusal")
    (dossier,) = linked(con, _one_stop(), portal)
    assert dossier["closed_at"] is None


def _offered(level: int | None, since: str, until: str | None = None, agency: str = "H47.01") -> dict[str, Any]:
    return {
        "service_code": "1.000001", "organisation_id": agency, "online_level": level,
        "valid_from": date.fromisoformat(since), "valid_to": until and date.fromisoformat(until),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("offerings", "level"),
    [
        ([_offered(3, "2020-01-01", "2026-08-03"), _offered(4, "2026-08-03")], 4),
        ([_offered(3, "2020-01-01", "2026-08-04"), _offered(4, "2026-08-04")], 3),
        ([_offered(3, "2020-01-01"), _offered(4, "2026-01-01")], 4),
        ([_offered(3, "2020-01-01", agency="H47.02")], 2),
        ([_offered(None, "2020-01-01")], 2),
        ([], 2),
    ],
)
def test_the_online_level_is_that_of_the_day_received(
    offerings: list[dict[str, Any]], level: int, con: duckdb.DuckDBPyConnection
) -> None:
    dossier = _one_stop(service_code="1.000001", online_level=2)
    (row,) = linked(con, dossier, record("online_services", online_level=3), offerings=tuple(offerings))
    assert (row["online_level"], row["online_mode"]) == (level, {2: "information", 3: "partial", 4: "full"}[level])
