"""The same set of batches gives the same dataset: in any order, twice, overlapping, late, and from landing alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from lgsp import check, harmonise, land
from lgsp.errors import SourceFailed
from lgsp.window import Window, midnight
from lgsp_province import World, serving
from tests.integration.conftest import FIRST, MIDNIGHT, SOURCES, WHOLE, Installation

# What depends on which windows were read, not on what the records say: how far the feeds reach is the same here.
PARTS = WHOLE.split(3)


@pytest.fixture(scope="module")
def expected(published: Installation) -> dict[str, str]:
    return published.data_hashes()


def test_newest_windows_first_and_a_snapshot_after_each(installation: Installation, expected: dict[str, str]) -> None:
    for window in reversed(PARTS):
        installation.ingest_all(window)
        installation.publish()
    assert installation.data_hashes() == expected


def test_oldest_windows_first_some_twice_some_overlapping_in_one_snapshot(
    installation: Installation, expected: dict[str, str]
) -> None:
    overlapping = Window(PARTS[1].start + timedelta(hours=7), PARTS[2].end - timedelta(hours=5))
    for window in (*PARTS, PARTS[0], overlapping):
        for source in reversed(SOURCES):
            installation.ingest(source, window)
    installation.publish()
    assert installation.data_hashes() == expected
    assert installation.publish() is None, "nothing waits any more"


def test_reading_everything_again_changes_nothing(installation: Installation) -> None:
    installation.ingest_all()
    first = installation.publish()
    before = installation.query("select * from shared.dossier order by dossier_id")
    installation.ingest_all()
    assert first is not None and installation.publish() is None, "no second snapshot"
    assert installation.query("select * from shared.dossier order by dossier_id") == before
    states = installation.query("select state, count(*) as n from ledger.batch group by 1")
    assert [(row["state"], row["n"]) for row in states] == [("published", 6)]


def test_from_landing_with_the_sources_off(
    install: Callable[..., Installation], world: World, expected: dict[str, str]
) -> None:
    with serving(world, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        landed = {source: land.run(installation.settings, source, WHOLE) for source in SOURCES}
    assert landed
    for source in SOURCES:
        again = land.open_rebuild_batches(installation.settings, source, WHOLE)
        check.run(installation.settings, harmonise.run(installation.settings, again))
    installation.publish()
    assert installation.data_hashes() == expected


def test_following_the_province_day_by_day_ends_where_one_late_reading_ends(
    install: Callable[..., Installation], world: World, expected: dict[str, str]
) -> None:
    """Versions of the same dossier arrive on different days; only the newest counts."""
    installation = None
    days = [FIRST + timedelta(days=n) for n in range(2, 13, 2)]
    for day in days:
        with serving(world, as_of=midnight(day)) as connections:
            if installation is None:
                installation = install(connections)
            moved = Installation(_moved(installation, connections))
            moved.ingest_all(Window(midnight(day - timedelta(days=2)), midnight(day)))
            moved.publish()
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
    found = installation.data_hashes()
    assert {name: found[name] for name in facts} == {name: expected[name] for name in facts}
    assert installation.query("select count(*) as n from history.dossier")[0]["n"] > 0, "replaced versions are kept"


def _moved(installation: Installation, connections: dict[str, dict[str, Any]]) -> Any:
    import json

    from lgsp.settings import Settings

    environment = dict(installation.settings.environment)
    environment |= {f"AIRFLOW_CONN_{source.upper()}": json.dumps(told) for source, told in connections.items()}
    return Settings.from_env(environment)


def test_a_source_that_is_off_is_said_to_be(installation: Installation) -> None:
    import json

    from lgsp.settings import Settings

    environment = dict(installation.settings.environment)
    environment["AIRFLOW_CONN_DOCUMENTS"] = json.dumps(
        {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": 9}
    )
    off = Installation(Settings.from_env(environment))
    with pytest.raises(SourceFailed, match="documents POST /v1/auth/login"):
        off.ingest("documents", Window.of_days(date(2026, 8, 3), date(2026, 8, 3)))
