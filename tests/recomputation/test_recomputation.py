"""Every row of every indicator table is what a second, plain computation makes of the clean facts, and no row more.

The world goes through the real pipeline once; nothing that computes here is shared with the statements of the platform
or with the simulator's own indicators.
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

from lgsp import publish, store
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp_province import World, serving
from lgsp_province.score import feeds
from tests.recomputation import activity, index, papers, service
from tests.recomputation.comparing import differences, told
from tests.recomputation.facts import Facts
from tests.recomputation.periods import LOCAL
from tests.recomputation.told import Definitions

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
MERGER = "the merger of 2025, with broken feeds"


@dataclass
class Both:
    """What the pipeline published of a world, and what we make of its clean facts."""

    settings: Settings
    facts: Facts
    told: Definitions

    @cached_property
    def service_kpi(self) -> list[Row]:
        return list(service.service_kpi(self.facts, self.told))

    @cached_property
    def ratios(self) -> list[index.Ratios]:
        return index.ratios(self.facts, self.service_kpi)

    @cached_property
    def index_766(self) -> list[Row]:
        return list(index.index_766(self.ratios, self.told))

    def differences(self, table: str, ours: list[Row]) -> list[str]:
        """One line for each row that is not the same on both sides."""
        with store.connect(self.settings) as connection:
            rows = connection.execute(f"select * from shared.{table}".encode()).fetchall()
        return differences(table, tuple(contract.load(table).key), ours, rows)


def _world(name: str) -> World:
    if name == QUARTER:
        return World.generate("demo", 7, date(2022, 4, 1), date(2022, 6, 29))
    return World.generate(
        "tiny", 5, date(2025, 6, 12), date(2025, 8, 17), dossiers_count=5000, documents_count=250, broken_feeds="all"
    )


@contextmanager
def publishing(world: World, home: Path) -> Iterator[Settings]:
    """An installation that read a world through the real servers and published it, with figures that were reported."""
    told = home / "definitions"
    told.mkdir(parents=True)
    (told / "manual_indicator.csv").write_text(REPORTED, encoding="utf-8")
    as_of = datetime.combine(world.end + timedelta(days=1), time(), LOCAL)
    try:
        with serving(world, as_of=as_of) as connections:
            environment = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(said) for name, said in connections.items()}
            environment |= {f"LGSP_REQUESTS_PER_MINUTE_{name.upper()}": "6000000" for name in connections}
            settings = Settings.from_env({**environment, "LGSP_HOME": str(home), "LGSP_DEFINITIONS": str(told)})
            for part in feeds.parts(world):
                for source, window in part:
                    feeds.read(settings, source, window, world)
                publish.run(settings)
            yield settings
    finally:
        Server(home).stop()


@pytest.fixture(scope="module", params=[QUARTER, MERGER])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """Both sides of each world."""
    world, home = _world(request.param), Path(tempfile.mkdtemp(prefix="lgsp-recomputation-"))
    try:
        with publishing(world, home) as settings:
            facts = Facts(world, world.end + timedelta(days=1))
            yield Both(settings, facts, Definitions.of(home / "definitions"))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _agree(both: Both, table: str, ours: list[Row]) -> None:
    assert ours, f"nothing was computed of {table}"
    lines = both.differences(table, ours)
    assert not lines, told(lines)


def test_the_ratios_of_service_are_ours(both: Both) -> None:
    _agree(both, "service_kpi", both.service_kpi)


def test_who_received_nothing_is_who_we_find(both: Both) -> None:
    _agree(both, "zero_activity", list(activity.zero_activity(both.facts, both.told)))


def test_who_offers_nothing_is_not_asked_what_was_received(both: Both) -> None:
    idle = {agency.id for agency in both.facts.agencies} - {offering.agency for offering in both.facts.offerings}
    assert idle, "the office of the province itself offers nothing"
    with store.connect(both.settings) as connection:
        rows = connection.execute("select distinct organisation_id from shared.zero_activity").fetchall()
    assert not idle & {row["organisation_id"] for row in rows}


def test_the_form_is_ours_and_balances(both: Both) -> None:
    _agree(both, "form_06a", list(activity.form_06a(both.facts, both.told)))


def test_what_the_document_system_says_is_what_we_count(both: Both) -> None:
    _agree(both, "document_kpi", list(papers.document_kpi(both.facts, both.told)))


def test_the_points_of_the_index_are_ours(both: Both) -> None:
    _agree(both, "index_766", both.index_766)


def test_every_territory_has_our_class_and_colour(both: Both) -> None:
    ours = list(index.institution_map(both.facts, both.ratios, both.index_766, both.told))
    _agree(both, "institution_map", ours)
