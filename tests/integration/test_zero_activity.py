"""Tests of the agencies in the activity table: those with offerings, or all agencies while no offering is known."""

from __future__ import annotations

from typing import Any

import pytest

from lgsp.indicators import compute
from lgsp.publish import merge
from lgsp.schema import contract
from lgsp.store.transaction import Transaction
from tests.integration import test_indicators_incremental as incremental
from tests.integration.test_indicators_incremental import PLAIN, Change

Offering = tuple[Any, ...]
ALWAYS: Offering = ("1.1", "A", -90, 4, "full", True, None, None)
WEEKS = ("2026-01-08", "2026-01-15", "2026-01-22", "2026-01-29")


def _offering(agency: str, start: int, end: int | None) -> Offering:
    """An offering of the same procedure at an agency; days are counted from 8 January 2026."""
    return ("1.1", agency, start, *ALWAYS[3:7], end)


def _agencies(transaction: Transaction, period: str = "week") -> dict[str, str]:
    """The agencies of each of the first four periods, their names concatenated."""
    rows = transaction.rows(
        "select period_start::text, string_agg(organisation_id, '' order by organisation_id) from shared.zero_activity "
        "where channel = 'any' and period = $1::text group by 1 order by 1 limit 4", period,
    )  # fmt: skip
    return dict(rows)


def _publish(transaction: Transaction, *changes: Change) -> None:
    """Publish the changes one after the other; after each, the table equals a full computation."""
    for snapshot_id, change in enumerate(changes, 1):
        incremental.publish_change(transaction, change, snapshot_id)
        incremental.affect_all_groups(transaction)
        assert incremental.differing_rows(transaction, "zero_activity") == []


def _change(*offerings: Offering) -> Change:
    return Change({1: PLAIN}, (28, 28), offerings=offerings)


def test_only_periods_with_a_day_of_offerings_have_activity_rows(publish_transaction: Transaction) -> None:
    _publish(
        publish_transaction, _change(ALWAYS, _offering("B", 10, 14))
    )  # B from Sunday of the second week to its last day
    assert _agencies(publish_transaction) == dict(zip(WEEKS, ("A", "AB", "A", "A"), strict=True))
    assert _agencies(publish_transaction, "year") == {"2026-01-01": "AB"}


def test_an_offering_that_ends_before_its_start_is_ignored(publish_transaction: Transaction) -> None:
    _publish(publish_transaction, _change(ALWAYS, _offering("B", 20, 3)))
    assert set(_agencies(publish_transaction).values()) == {"A"}


def test_all_agencies_have_rows_while_no_offering_is_known(publish_transaction: Transaction) -> None:
    _publish(publish_transaction, _change(_offering("A", 14, None)))
    assert _agencies(publish_transaction) == dict(zip(WEEKS, ("ABC", "ABC", "A", "A"), strict=True))


@pytest.mark.parametrize(
    ("before", "after", "agencies"),
    [
        ((), (ALWAYS,), ("A", "A", "A", "A")),  # the first offering
        ((ALWAYS,), (), ("ABC", "ABC", "ABC", "ABC")),  # the last offering
        ((_offering("A", 14, None),), (_offering("A", 14, None), _offering("A", -90, 7)), ("A", "ABC", "A", "A")),
        ((ALWAYS, _offering("B", -90, None)), (ALWAYS, _offering("B", -90, 15)), ("AB", "AB", "AB", "A")),
        ((ALWAYS, _offering("B", -90, 7)), (ALWAYS, _offering("B", -90, 10)), ("AB", "AB", "A", "A")),
        ((ALWAYS, _offering("B", 10, 12)), (ALWAYS,), ("A", "A", "A", "A")),
    ],
)
def test_changed_offerings_change_the_agencies_of_their_periods(
    before: tuple[Offering, ...],
    after: tuple[Offering, ...],
    agencies: tuple[str, ...],
    publish_transaction: Transaction,
) -> None:
    _publish(publish_transaction, _change(*before), _change(*after))
    assert _agencies(publish_transaction) == dict(zip(WEEKS, agencies, strict=True))


def _states(transaction: Transaction, period: str = "week") -> dict[str, str]:
    """The state of each agency in the first period, computed for all agencies."""
    incremental.affect_all_groups(transaction)
    merge.stage_query(transaction, contract.load("zero_activity"), compute.indicator_query("zero_activity"))
    rows = transaction.rows(
        "select organisation_id, state from new_zero_activity where channel = 'any' and period = $1::text "
        "and period_start = (select min(period_start) from new_zero_activity where period = $1::text)", period,
    )  # fmt: skip
    return dict(rows)


def test_an_agency_whose_successor_has_its_dossiers_is_not_zero(publish_transaction: Transaction) -> None:
    at_successor = {**PLAIN, "receiving_organisation_id": "C", "received_on": 1}
    change = Change({1: at_successor}, (28, 28), offerings=(ALWAYS, _offering("B", -90, None)))
    incremental.publish_change(publish_transaction, change, 1)
    assert _states(publish_transaction)["B"] == "zero"
    publish_transaction.do("update shared.organisation set successor_id = 'C' where organisation_id = 'B'")
    assert _states(publish_transaction)["B"] == "zero"  # the successor existed then: the dossier is its own
    publish_transaction.do("update shared.organisation set valid_from = '2026-01-12' where organisation_id = 'C'")
    assert _states(publish_transaction) == {"A": "zero", "B": "no_data"}


def test_an_agency_that_received_after_its_end_has_a_row(publish_transaction: Transaction) -> None:
    late = {**PLAIN, "receiving_organisation_id": "B", "received_on": 2}
    change = Change({1: late}, (28, 28), ended=0, offerings=(ALWAYS, _offering("B", -90, 0)))
    incremental.publish_change(publish_transaction, change, 1)
    states = _states(publish_transaction)
    assert states.keys() == {"A", "B"} and states["B"] != "zero"


def test_an_agency_that_ended_within_a_period_has_its_row(publish_transaction: Transaction) -> None:
    change = Change({}, (28, 28), ended=3, offerings=(ALWAYS, _offering("B", -90, 3)))
    incremental.publish_change(publish_transaction, change, 1)
    assert _states(publish_transaction)["B"] == "zero" and "B" in _states(publish_transaction, "year")
