"""Publishes scenarios as any other province: served, landed, harmonised, checked and published."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lgsp import install
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving
from lgsp_province.scenarios import scenario
from tests.integration.conftest import SOURCES, Installation, installed, server

__all__ = ["server"]


@dataclass(frozen=True)
class PublishedScenario:
    """A published scenario, with queries for its indicators."""

    world: World
    installation: Installation

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query against the store."""
        return self.installation.query(statement, *parameters)

    def row(self, table: str, **key: Any) -> dict[str, Any]:
        """The only row of an indicator table with these values; of the whole province, unless they name an agency."""
        where = {"organisation_id": "ALL", "level": "ALL", **key}
        condition = " and ".join(f"{column} = %s" for column in where)
        (row,) = self.query(f"select * from shared.{table} where {condition}", *where.values())
        return row

    def ratio(self, kpi_id: str, period: str, period_start: str, **key: Any) -> tuple[int, int, float]:
        """Numerator, denominator and value of a service indicator."""
        row = self.row("service_kpi", kpi_id=kpi_id, period=period, period_start=period_start, **key)
        return row["numerator"], row["denominator"], row["value"]

    def organisation_id(self, name: str) -> str:
        """The id of the agency with that name."""
        (row,) = self.query("select distinct organisation_id from shared.organisation where name = %s", name)
        return str(row["organisation_id"])


@pytest.fixture(scope="module")
def publish(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], PublishedScenario]:
    """Publishes a scenario, with all its days in one window for each source."""

    def publish_scenario(name: str) -> PublishedScenario:
        home = tmp_path_factory.mktemp("scenario")
        chosen = scenario.load(name)
        world = chosen.generate_world()
        as_of = datetime.combine(world.end + timedelta(days=1), datetime.min.time(), LOCAL)
        with serving(world, as_of=as_of) as connections:
            installation = _with_definitions(installed(server, home, connections), chosen, home / "own")
            for source in SOURCES:
                installation.ingest(source, Window.of_days(world.start, world.end))
        installation.publish()
        return PublishedScenario(world, installation)

    return publish_scenario


def _with_definitions(installation: Installation, chosen: scenario.Scenario, folder: Path) -> Installation:
    """The installation with the scenario's definition files and without a limit on requests."""
    environment = {**installation.settings.environment, "LGSP_CONFIG": str(folder)}
    environment |= {f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}": "6000000" for source in SOURCES}
    chosen.write(folder / "definitions")
    settings = Settings.from_env(environment)
    install.ensure(settings, is_publishing=True)  # loads the definitions
    return Installation(settings)
