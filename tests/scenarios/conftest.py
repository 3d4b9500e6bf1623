"""Scenarios from socket to table: served, landed, harmonised, checked and published as any province is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving
from lgsp_province.scenarios import scenario
from tests.integration.conftest import SOURCES, Installation, installed, server

__all__ = ["server"]


@dataclass(frozen=True)
class Told:
    """A published scenario, and how its indicators are asked for."""

    world: World
    installation: Installation

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query against the store."""
        return self.installation.query(statement, *parameters)

    def of(self, table: str, **key: Any) -> dict[str, Any]:
        """The one row of an indicator table with these values; of the province, unless they name an agency."""
        where = {"organisation_id": "ALL", "level": "ALL", **key}
        condition = " and ".join(f"{column} = %s" for column in where)
        (row,) = self.query(f"select * from shared.{table} where {condition}", *where.values())
        return row

    def ratio(self, kpi_id: str, period: str, period_start: str, **key: Any) -> tuple[int, int, float]:
        """Numerator, denominator and value of a ratio."""
        row = self.of("service_kpi", kpi_id=kpi_id, period=period, period_start=period_start, **key)
        return row["numerator"], row["denominator"], row["value"]

    def organisation(self, name: str) -> str:
        """The agency of a name."""
        (row,) = self.query("select distinct organisation_id from shared.organisation where name = %s", name)
        return str(row["organisation_id"])


@pytest.fixture(scope="module")
def publish(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Publishes a scenario, all its days in one window for each source."""

    def published(name: str) -> Told:
        home = tmp_path_factory.mktemp("scenario")
        world = World.scenario(name)
        as_of = datetime.combine(world.end + timedelta(days=1), datetime.min.time(), LOCAL)
        with serving(world, as_of=as_of) as connections:
            installation = _hasty(installed(server, home, connections), scenario.load(name), home / "definitions")
            for source in SOURCES:
                installation.run(source, Window.of_days(world.start, world.end))
        installation.publish()
        return Told(world, installation)

    return published


def _hasty(installation: Installation, told: scenario.Scenario, folder: Path) -> Installation:
    """The installation with the scenario's definitions, and with sources that may be asked as fast as they answer."""
    environment = {**installation.settings.environment, "LGSP_DEFINITIONS": str(folder)}
    environment |= {f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}": "6000000" for source in SOURCES}
    told.write(folder)
    return Installation(Settings.from_env(environment))
