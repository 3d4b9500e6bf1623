"""Tests that every indicator table has exactly the rows that a second, plain computation gets from the correct facts.

The real pipeline publishes the world once. The computation here shares no code with the SQL of the platform or with the
indicators of the simulator.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from lgsp import install, publish, store
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp_province import World, serving
from lgsp_province.defects import broken_feeds
from lgsp_province.score import feeds
from tests.exhaustive import exhaustive
from tests.recomputation import activity, documents, index, service
from tests.recomputation.comparing import differences, summary
from tests.recomputation.definitions import Definitions
from tests.recomputation.facts import Facts, empty_window
from tests.recomputation.periods import LOCAL, reached

pytestmark = pytest.mark.slow
Row = tuple[tuple[Any, ...], dict[str, Any]]
REPORTED = """\
indicator_id,organisation_id,period,period_start,amount,unit,told_by,note
hours_saved,ALL,quarter,2022-04-01,3000000,hours,a newspaper,far too many
vnd_saved,ALL,quarter,2022-04-01,1500000000,vnd,a newspaper,
hours_saved,H47.20,month,2022-05-01,60,hours,the district,
vnd_saved,H47.20,week,2022-05-05,100000,vnd,the district,
"""
QUARTER = "a quarter of 2022"
BUSY_QUARTER = "a quarter of 2022 with all its dossiers"
MERGER = "the merger of 2025, with broken feeds"


@dataclass
class Recomputation:
    """The dataset that the pipeline published of a world, and the indicators computed from its correct facts."""

    settings: Settings
    facts: Facts
    definitions: Definitions

    @cached_property
    def service_kpi(self) -> list[Row]:
        return list(service.service_kpi(self.facts, self.definitions))

    @cached_property
    def ratios(self) -> list[index.Ratios]:
        return index.ratios(self.facts, self.service_kpi)

    @cached_property
    def index_766(self) -> list[Row]:
        return list(index.index_766(self.ratios, self.definitions))

    @cached_property
    def covered_periods(self) -> dict[tuple[str, date], bool]:
        """The periods that are over, and whether the dossier feeds were read on all of their days."""
        world = self.facts.world
        unread = {day for _, agency, day in broken_feeds.missing_days(world.feeds, world.calendar) if agency is None}
        periods = reached(self.facts.first, self.facts.until)
        return {(p.name, p.start): not any(map(p.contains, unread)) for p in periods if p.is_covered}

    def _is_complete(self, table: str, key: tuple[Any, ...]) -> bool:
        start = next(n for n, value in enumerate(key) if isinstance(value, date))
        is_read = self.covered_periods.get((key[start - 1], key[start]))
        return is_read is not None and (is_read or table == "document_kpi")  # only dossier feeds break

    def differences(self, table: str, computed: list[Row]) -> list[str]:
        """One line for each row that differs between the computed and the published table."""
        computed = [(key, values | {"is_complete": self._is_complete(table, key)}) for key, values in computed]
        with store.connect(self.settings) as connection:
            rows = connection.execute(f"select * from shared.{table}".encode()).fetchall()
        return differences(table, tuple(contract.load(table).key), computed, rows)


def _world(name: str) -> World:
    if name == QUARTER:
        return World.generate("demo", 7, date(2022, 4, 1), date(2022, 6, 29), dossiers_count=2000, documents_count=250)
    if name == BUSY_QUARTER:
        return World.generate("demo", 7, date(2022, 4, 1), date(2022, 6, 29))
    return World.generate(
        "tiny", 5, date(2025, 6, 12), date(2025, 8, 17), dossiers_count=5000, documents_count=250, broken_feeds="all"
    )


@contextmanager
def published_installation(world: World, home: Path) -> Iterator[Settings]:
    """The settings of an installation that read a world from the real servers and published it, with reported figures."""
    definitions = home / "own" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "manual_indicator.csv").write_text(REPORTED, encoding="utf-8")
    as_of = datetime.combine(world.end + timedelta(days=1), time(), LOCAL)
    try:
        with serving(world, as_of=as_of) as connections:
            environment = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(values) for name, values in connections.items()}
            environment |= {f"LGSP_REQUESTS_PER_MINUTE_{name.upper()}": "6000000" for name in connections}
            settings = Settings.from_env(
                {**environment, "LGSP_HOME": str(home), "LGSP_CONFIG": str(definitions.parent)}
            )
            install.ensure(settings)
            feeds.ingest(settings, "one_stop_shop", empty_window(world), world)
            for windows in feeds.windows_by_publication(world):
                for source, window in windows:
                    feeds.ingest(settings, source, window, world)
                publish.run(settings)
            yield settings
    finally:
        Server(home).stop()


@pytest.fixture(
    scope="module",
    params=[QUARTER, *exhaustive(BUSY_QUARTER, MERGER)],
)
def recomputation(request: pytest.FixtureRequest) -> Iterator[Recomputation]:
    """The published and the computed indicators of each world."""
    world, home = _world(request.param), Path(tempfile.mkdtemp(prefix="lgsp-recomputation-"))
    try:
        with published_installation(world, home) as settings:
            facts = Facts(world, world.end + timedelta(days=1))
            yield Recomputation(settings, facts, Definitions.load(home / "own" / "definitions"))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _assert_equal(recomputation: Recomputation, table: str, computed: list[Row]) -> None:
    assert computed, f"no row of {table} was computed"
    lines = recomputation.differences(table, computed)
    assert not lines, summary(lines)


def test_service_indicators_equal_the_computed_ones(recomputation: Recomputation) -> None:
    _assert_equal(recomputation, "service_kpi", recomputation.service_kpi)


def test_zero_activity_equals_the_computed_one(recomputation: Recomputation) -> None:
    computed = list(activity.zero_activity(recomputation.facts, recomputation.definitions))
    _assert_equal(recomputation, "zero_activity", computed)


def test_agencies_without_offerings_have_no_activity_rows(recomputation: Recomputation) -> None:
    offering = {each.agency for each in recomputation.facts.offerings}
    idle = {agency.id for agency in recomputation.facts.agencies} - offering
    assert idle, "the office of the province offers nothing"
    with store.connect(recomputation.settings) as connection:
        rows = connection.execute("select distinct organisation_id from shared.zero_activity").fetchall()
    assert not idle & {row["organisation_id"] for row in rows}


def test_form_06a_equals_the_computed_one(recomputation: Recomputation) -> None:
    _assert_equal(recomputation, "form_06a", list(activity.form_06a(recomputation.facts, recomputation.definitions)))


def test_document_indicators_equal_the_computed_ones(recomputation: Recomputation) -> None:
    computed = list(documents.document_kpi(recomputation.facts, recomputation.definitions))
    _assert_equal(recomputation, "document_kpi", computed)


def test_index_766_equals_the_computed_one(recomputation: Recomputation) -> None:
    _assert_equal(recomputation, "index_766", recomputation.index_766)


def test_institution_map_equals_the_computed_one(recomputation: Recomputation) -> None:
    facts, definitions = recomputation.facts, recomputation.definitions
    computed = list(index.institution_map(facts, recomputation.ratios, recomputation.index_766, definitions))
    _assert_equal(recomputation, "institution_map", computed)
