"""Who is asked what was received: who offers something, and everybody while nothing is known of what anybody offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lgsp import store
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import Transaction, publishing
from tests.integration import test_indicators_incremental as incremental
from tests.integration.conftest import Installation, installed
from tests.integration.test_indicators_incremental import PLAIN, Change

Offering = tuple[Any, ...]
ALWAYS: Offering = ("1.1", "A", -90, 4, "full", True, None, None)
WEEKS = ("2026-01-08", "2026-01-15", "2026-01-22", "2026-01-29")


@pytest.fixture(scope="module")
def empty(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """A store in which nothing was published."""
    return installed(server, tmp_path_factory.mktemp("activity"), quiet_province)


@pytest.fixture
def turn(empty: Installation) -> Iterator[Transaction]:
    """A turn of which nothing remains."""
    with publishing(store.url(empty.settings)) as transaction:
        yield transaction


def _offered(agency: str, since: int, until: int | None) -> Offering:
    """The same procedure as ever, at an agency; days are counted from 8 January 2026."""
    return ("1.1", agency, since, *ALWAYS[3:7], until)


def _asked(turn: Transaction, period: str = "week") -> dict[str, str]:
    """Who is asked about each of the first periods, their names one after the other."""
    rows = turn.rows(
        "select period_start::text, string_agg(organisation_id, '' order by organisation_id) from shared.zero_activity "
        "where channel = 'any' and period = $1::text group by 1 order by 1 limit 4", period,
    )  # fmt: skip
    return dict(rows)


def _follow(turn: Transaction, *changes: Change) -> None:
    """Publish one change after the other; each leaves what computing everything says."""
    for snapshot_id, change in enumerate(changes, 1):
        incremental._publish(turn, change, snapshot_id)
        incremental._everything(turn)
        assert incremental._differing(turn, "zero_activity") == []


def _offering(*offerings: Offering) -> Change:
    return Change({1: PLAIN}, (28, 28), offerings=offerings)


def test_who_offers_nothing_on_any_day_of_a_period_is_not_asked_about_it(turn: Transaction) -> None:
    _follow(turn, _offering(ALWAYS, _offered("B", 10, 14)))  # B from Sunday of the second week to its last day
    assert _asked(turn) == dict(zip(WEEKS, ("A", "AB", "A", "A"), strict=True))
    assert _asked(turn, "year") == {"2026-01-01": "AB"}


def test_an_offering_that_ended_before_it_began_is_none(turn: Transaction) -> None:
    _follow(turn, _offering(ALWAYS, _offered("B", 20, 3)))
    assert set(_asked(turn).values()) == {"A"}


def test_while_nothing_is_known_of_what_anybody_offers_everybody_is_asked(turn: Transaction) -> None:
    _follow(turn, _offering(_offered("A", 14, None)))
    assert _asked(turn) == dict(zip(WEEKS, ("ABC", "ABC", "A", "A"), strict=True))


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        ((), (ALWAYS,), ("A", "A", "A", "A")),  # the first of all
        ((ALWAYS,), (), ("ABC", "ABC", "ABC", "ABC")),  # the last of all
        ((_offered("A", 14, None),), (_offered("A", 14, None), _offered("A", -90, 7)), ("A", "ABC", "A", "A")),
        ((ALWAYS, _offered("B", -90, None)), (ALWAYS, _offered("B", -90, 15)), ("AB", "AB", "AB", "A")),
        ((ALWAYS, _offered("B", -90, 7)), (ALWAYS, _offered("B", -90, 10)), ("AB", "AB", "A", "A")),
        ((ALWAYS, _offered("B", 10, 12)), (ALWAYS,), ("A", "A", "A", "A")),
    ],
)
def test_whose_offerings_change_is_asked_otherwise_in_every_period_they_reach(
    before: tuple[Offering, ...], after: tuple[Offering, ...], asked: tuple[str, ...], turn: Transaction
) -> None:
    _follow(turn, _offering(*before), _offering(*after))
    assert _asked(turn) == dict(zip(WEEKS, asked, strict=True))
