"""Tests that dossiers before and after the merger have the unit of their agency on the day, and the unit of today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest

from lgsp.store.embedded_postgres import Server
from lgsp.vietnam import territories, territory_versions
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving
from lgsp_province.world import agencies
from tests.integration.conftest import Installation, installed, with_short_catalogue

pytestmark = pytest.mark.exhaustive

FIRST, LAST = date(2025, 5, 1), date(2025, 8, 31)
WITHOUT_SOURCE = "H47.41"  # no source names the successor of the land registration branch of Tam Kỳ
WHOLE = Window.of_days(FIRST, LAST)


@pytest.fixture(scope="module")
def through_the_merger(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """500 dossiers of May to August 2025 without defects, published once."""
    world = World.generate("tiny", 11, FIRST, LAST, dossiers_count=500, documents_count=10, defects_chosen="none")
    with serving(with_short_catalogue(world), as_of=datetime(2025, 9, 1, tzinfo=LOCAL)) as connections:
        installation = installed(server, tmp_path_factory.mktemp("places"), connections)
        for source in ("one_stop_shop", "online_services"):
            installation.ingest(source, WHOLE)
        installation.publish()
        yield installation


@pytest.fixture(scope="module")
def dossiers(through_the_merger: Installation) -> list[dict[str, Any]]:
    """The published dossiers, each with the day that determines its administrative unit."""
    return through_the_merger.query(
        "select *, coalesce(received_on, (submitted_at at time zone 'Asia/Ho_Chi_Minh')::date) as day_on from shared.dossier"
    )


def _units_of_agencies(day: date) -> dict[str, territory_versions.Unit]:
    """The unit of each agency on a day, according to the simulated province."""
    units = {}
    for agency in agencies.load():
        code = (
            ("49" if day < territory_versions.MERGER else "48")
            if agency.level == agencies.PROVINCE
            else agency.unit_code
        )
        unit = territory_versions.unit_at(code, day)
        if unit is not None and agency in agencies.in_force(day):
            units[agency.new_code] = unit
    return units


def _current_code(code: str, day: date) -> str | None:
    """The code of today for the unit that had a code on a day; None for a district."""
    unit = territory_versions.unit_at(code, day)
    assert unit is not None, f"no unit had the code {code} on {day}"
    target = territories.current_unit(unit)
    return target.code if target else None


def test_the_dossiers_are_from_before_and_after_the_merger(dossiers: list[dict[str, Any]]) -> None:
    before = [d for d in dossiers if d["day_on"] < territory_versions.MERGER]
    assert min(len(before), len(dossiers) - len(before)) > 150
    assert all(d["receiving_organisation_id"] != "UNKNOWN" and d["service_code"] != "UNKNOWN" for d in dossiers)


def test_every_dossier_has_the_unit_of_its_agency_on_the_day(dossiers: list[dict[str, Any]]) -> None:
    for dossier in dossiers:
        # an agency that ended between submission and receipt keeps the dossier
        unit = _units_of_agencies(dossier["day_on"]).get(dossier["receiving_organisation_id"])
        if unit is None:
            assert dossier["day_on"] >= territory_versions.MERGER > _submitted_on(dossier), dossier
        else:
            assert dossier["admin_unit_code"] == unit.code, dossier
            assert dossier["admin_unit_code_now"] == _current_code(unit.code, dossier["day_on"]), dossier


def _submitted_on(dossier: dict[str, Any]) -> date:
    submitted: datetime = dossier["submitted_at"]
    return submitted.astimezone(LOCAL).date()


def test_converted_sums_equal_the_sums_by_current_unit(dossiers: list[dict[str, Any]]) -> None:
    in_force = [d for d in dossiers if d["receiving_organisation_id"] in _units_of_agencies(d["day_on"])]
    by_unit_of_the_day = Counter((d["admin_unit_code"], d["day_on"]) for d in in_force)
    by_current_unit = Counter(d["admin_unit_code_now"] for d in in_force)
    converted: Counter[str | None] = Counter()
    for (code, day), count in by_unit_of_the_day.items():
        converted[_current_code(code, day)] += count
    assert converted == by_current_unit
    assert sum(by_unit_of_the_day.values()) == len(in_force) > 0.95 * len(dossiers)


def test_the_crosswalk_gives_each_dossier_its_current_unit(through_the_merger: Installation) -> None:
    differing = through_the_merger.query("""
        select d.dossier_id, d.admin_unit_code, d.admin_unit_code_now, c.to_code
        from shared.dossier d join shared.admin_unit u on u.admin_unit_code = d.admin_unit_code
            and d.received_on >= u.valid_from and (u.valid_to is null or d.received_on < u.valid_to)
        left join shared.admin_unit_crosswalk c on c.from_code = u.admin_unit_code and c.effective_on = u.valid_to and c.is_default
        where d.admin_unit_code_now is distinct from case when u.valid_to is null then u.admin_unit_code else c.to_code end
        """)
    assert differing == []


def test_only_dossiers_of_districts_have_no_current_unit(dossiers: list[dict[str, Any]]) -> None:
    districts = {a.new_code for a in agencies.load() if a.level == agencies.DISTRICT}
    assert any(d["receiving_organisation_id"] in districts for d in dossiers)
    for dossier in dossiers:
        is_district = dossier["receiving_organisation_id"] in districts
        assert (dossier["admin_unit_code_now"] is None) == is_district, dossier


def test_applicants_live_in_a_commune_of_the_day_they_applied(dossiers: list[dict[str, Any]]) -> None:
    with_commune = [d for d in dossiers if d["applicant_admin_unit_code"] is not None]
    assert len(with_commune) > 100
    for dossier in with_commune:
        unit = territory_versions.unit_at(dossier["applicant_admin_unit_code"], _submitted_on(dossier))
        assert unit is not None and unit.level == "commune", dossier
        assert territories.current_unit(unit) is not None, dossier


def test_new_communes_receive_dossiers_after_the_merger(dossiers: list[dict[str, Any]]) -> None:
    new = {a.new_code for a in agencies.load() if a.valid_from == territory_versions.MERGER}
    received = [d for d in dossiers if d["receiving_organisation_id"] in new]
    assert len(received) > 100 and all(_submitted_on(d) >= territory_versions.MERGER for d in received)
    assert all(d["dossier_id"].startswith(f"{d['receiving_organisation_id']}-") for d in received)


def test_an_agency_that_ended_has_its_end_and_its_successor(through_the_merger: Installation) -> None:
    rows = through_the_merger.query("select * from shared.organisation order by organisation_id, valid_from")
    latest = {row["organisation_id"]: row for row in rows}
    assert len(rows) == len({(row["organisation_id"], row["valid_from"]) for row in rows}) > len(latest)
    all_agencies = agencies.load()
    for agency in agencies.listed(LAST):
        row, is_department = latest[agency.new_code], agency.level == agencies.PROVINCE
        ended_on = None if is_department else agency.valid_to  # a department that ended is still listed
        assert (row["valid_to"], row["is_current"]) == (ended_on, ended_on is None), agency
        if agency.successor is not None and agency.valid_to <= LAST and agency.new_code != WITHOUT_SOURCE:
            assert row["successor_id"] == all_agencies[agency.successor].new_code, agency
    province = [row for row in rows if row["organisation_id"] == "H47.07"]
    assert [(row["admin_unit_code"], row["is_current"]) for row in province] == [("49", False), ("48", True)]
