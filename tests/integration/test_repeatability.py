"""Tests that the same batches give the same dataset: in any order, repeated, overlapping, or rebuilt from landing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from lgsp import land
from lgsp.errors import SourceFailed
from lgsp.window import Window, midnight
from lgsp_province import World, serving
from tests.integration.conftest import FIRST, MIDNIGHT, SOURCES, WHOLE, Installation

PARTS = WHOLE.split(3)


@pytest.fixture(scope="module")
def expected(published: Installation) -> dict[str, str]:
    return published.data_hashes()


@pytest.mark.exhaustive
@pytest.mark.parametrize("days", [6, 3])
def test_the_dataset_does_not_depend_on_the_order_of_windows(
    installation: Installation, expected: dict[str, str], days: int
) -> None:
    for window in reversed(WHOLE.split(days)):
        installation.ingest_all(window)
        installation.publish()
    assert installation.data_hashes() == expected


@pytest.mark.exhaustive
def test_repeated_and_overlapping_windows_give_the_same_dataset(
    installation: Installation, expected: dict[str, str]
) -> None:
    overlapping = Window(PARTS[1].start + timedelta(hours=7), PARTS[2].end - timedelta(hours=5))
    for window in (*PARTS, PARTS[0], overlapping):
        for source in reversed(SOURCES):
            installation.ingest(source, window)
    installation.publish()
    assert installation.data_hashes() == expected
    assert installation.publish() is None, "no batch waits"


def test_a_second_reading_of_everything_changes_nothing(published_copy: Installation) -> None:
    installation = published_copy
    before = installation.query("select * from shared.dossier order by dossier_id")
    installation.ingest_all()
    assert installation.publish() is None, "no second snapshot"
    assert installation.query("select * from shared.dossier order by dossier_id") == before
    states = installation.query("select state, count(*) as n from ledger.batch group by 1")
    assert [(row["state"], row["n"]) for row in states] == [("published", 6)]


def test_a_rebuild_from_landing_gives_the_same_dataset(
    install: Callable[..., Installation], world: World, expected: dict[str, str]
) -> None:
    with serving(world, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        for source in SOURCES:
            assert land.run(installation.settings, source, WHOLE)
    for source in SOURCES:  # the servers of the sources are stopped
        installation.rebuild(source, WHOLE)
    installation.publish()
    assert installation.data_hashes() == expected


@pytest.mark.exhaustive
def test_daily_readings_end_with_the_dataset_of_one_late_reading(
    install: Callable[..., Installation], world: World, expected: dict[str, str]
) -> None:
    """Versions of the same dossier arrive on different days; the newest one is published."""
    installation = None
    days = [FIRST + timedelta(days=n) for n in range(2, 13, 2)]
    for day in days:
        with serving(world, as_of=midnight(day)) as connections:
            if installation is None:
                installation = install(connections)
            installation = installation.connected_to(connections)
            installation.ingest_all(Window(midnight(day - timedelta(days=2)), midnight(day)))
            installation.publish()
    assert installation is not None
    facts = (
        "dossier",
        "dossier_event",
        "dossier_source",
        "document",
        "document_delivery",
        "work_file",
        "reconciliation",
        "service_kpi",
    )
    hashes = installation.data_hashes()
    assert {name: hashes[name] for name in facts} == {name: expected[name] for name in facts}
    assert installation.query("select count(*) as n from history.dossier")[0]["n"] > 0, "replaced versions are retained"


def test_a_source_that_does_not_answer_is_named(installation: Installation) -> None:
    stopped = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": 9}
    disconnected = installation.connected_to({"documents": stopped})
    with pytest.raises(SourceFailed, match="documents POST /v1/auth/login"):
        disconnected.ingest("documents", Window.of_days(date(2026, 8, 3), date(2026, 8, 3)))
