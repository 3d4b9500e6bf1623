"""Two months before the merger and two after it: every dossier lies where its agency served on the day, and where that is today."""

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
from tests.integration.conftest import Installation, installed

FIRST, LAST = date(2025, 5, 1), date(2025, 8, 31)
WHOLE = Window.of_days(FIRST, LAST)


@pytest.fixture(scope="module")
def through_the_merger(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Five hundred clean dossiers of May to August 2025, published once."""
    world = World.generate("tiny", 11, FIRST, LAST, dossiers_count=500, documents_count=10, defects_chosen="none")
    with serving(world, as_of=datetime(2025, 9, 1, tzinfo=LOCAL)) as connections:
        done = installed(server, tmp_path_factory.mktemp("places"), connections)
        for source in ("one_stop_shop", "online_services"):
            done.ingest(source, WHOLE)
        done.publish()
        yield done


@pytest.fixture(scope="module")
def dossiers(through_the_merger: Installation) -> list[dict[str, Any]]:
    """The published dossiers, each with the day by which its place is told."""
    return through_the_merger.query(
        "select *, coalesce(received_on, (submitted_at at time zone 'Asia/Ho_Chi_Minh')::date) as day_on from shared.dossier"
    )


def _served(day: date) -> dict[str, territory_versions.Unit]:
    """The unit of each agency on a day, as the simulated province knows it."""
    found = {}
    for agency in agencies.load():
        code = (
            ("49" if day < territory_versions.MERGER else "48")
            if agency.level == agencies.PROVINCE
            else agency.unit_code
        )
        unit = territory_versions.unit_at(code, day)
        if unit is not None and agency in agencies.in_force(day):
            found[agency.new_code] = unit
    return found


def _now(code: str, day: date) -> str | None:
    unit = territory_versions.unit_at(code, day)
    assert unit is not None, f"{code} meant no unit on {day}"
    target = territories.current_unit(unit)
    return target.code if target else None


def test_both_sides_of_the_merger_are_there(dossiers: list[dict[str, Any]]) -> None:
    before = [d for d in dossiers if d["day_on"] < territory_versions.MERGER]
    assert min(len(before), len(dossiers) - len(before)) > 150
    assert all(d["receiving_organisation_id"] != "UNKNOWN" and d["service_code"] != "UNKNOWN" for d in dossiers)


def test_every_dossier_lies_where_its_agency_served_on_the_day(dossiers: list[dict[str, Any]]) -> None:
    for dossier in dossiers:
        # an agency that ended between submission and receipt keeps the dossier it was handed
        unit = _served(dossier["day_on"]).get(dossier["receiving_organisation_id"])
        if unit is None:
            assert dossier["day_on"] >= territory_versions.MERGER > _submitted_on(dossier), dossier
        else:
            assert dossier["admin_unit_code"] == unit.code, dossier
            assert dossier["admin_unit_code_now"] == _now(unit.code, dossier["day_on"]), dossier


def _submitted_on(dossier: dict[str, Any]) -> date:
    submitted: datetime = dossier["submitted_at"]
    return submitted.astimezone(LOCAL).date()


def test_sums_as_they_were_are_sums_as_they_are_now(dossiers: list[dict[str, Any]]) -> None:
    known = [d for d in dossiers if d["day_on"] in _days_of(d)]
    as_was = Counter((d["admin_unit_code"], d["day_on"]) for d in known)
    as_now = Counter(d["admin_unit_code_now"] for d in known)
    summed: Counter[str | None] = Counter()
    for (code, day), count in as_was.items():
        summed[_now(code, day)] += count
    assert summed == as_now and sum(as_was.values()) == len(known) > 0.95 * len(dossiers)


def _days_of(dossier: dict[str, Any]) -> set[date]:
    """The dossier's day, when its agency was in force on it."""
    return {dossier["day_on"]} if dossier["receiving_organisation_id"] in _served(dossier["day_on"]) else set()


def test_the_published_crosswalk_leads_each_dossier_to_its_place_of_today(through_the_merger: Installation) -> None:
    differing = through_the_merger.query("""
        select d.dossier_id, d.admin_unit_code, d.admin_unit_code_now, c.to_code
        from shared.dossier d join shared.admin_unit u on u.admin_unit_code = d.admin_unit_code
            and d.received_on >= u.valid_from and (u.valid_to is null or d.received_on < u.valid_to)
        left join shared.admin_unit_crosswalk c on c.from_code = u.admin_unit_code and c.effective_on = u.valid_to and c.is_default
        where d.admin_unit_code_now is distinct from case when u.valid_to is null then u.admin_unit_code else c.to_code end
        """)
    assert differing == []


def test_districts_have_no_place_today_and_the_rest_has(dossiers: list[dict[str, Any]]) -> None:
    districts = {a.new_code for a in agencies.load() if a.level == agencies.DISTRICT}
    assert any(d["receiving_organisation_id"] in districts for d in dossiers)
    for dossier in dossiers:
        is_district = dossier["receiving_organisation_id"] in districts
        assert (dossier["admin_unit_code_now"] is None) == is_district, dossier


def test_applicants_live_in_a_commune_of_the_day_they_applied(dossiers: list[dict[str, Any]]) -> None:
    told = [d for d in dossiers if d["applicant_admin_unit_code"] is not None]
    assert len(told) > 100
    as_was: Counter[str | None] = Counter()
    for dossier in told:
        unit = territory_versions.unit_at(dossier["applicant_admin_unit_code"], _submitted_on(dossier))
        assert unit is not None and unit.level == "commune", dossier
        target = territories.current_unit(unit)
        as_was[target.code if target else None] += 1
    assert sum(as_was.values()) == len(told) and None not in as_was


def test_new_communes_do_what_the_districts_did(dossiers: list[dict[str, Any]]) -> None:
    new = {a.new_code for a in agencies.load() if a.valid_from == territory_versions.MERGER}
    received = [d for d in dossiers if d["receiving_organisation_id"] in new]
    assert len(received) > 100 and all(_submitted_on(d) >= territory_versions.MERGER for d in received)
    assert all(d["dossier_id"].startswith(f"{d['receiving_organisation_id']}-") for d in received)


def test_an_agency_that_ended_says_when_and_who_took_its_place(through_the_merger: Installation) -> None:
    rows = through_the_merger.query("select * from shared.organisation order by organisation_id, valid_from")
    told = {row["organisation_id"]: row for row in rows}
    assert len(rows) == len({(row["organisation_id"], row["valid_from"]) for row in rows}) > len(told)
    everyone = agencies.load()
    for agency in everyone:
        row = told[agency.new_code]
        successor = None if agency.successor is None else everyone[agency.successor].new_code
        assert (row["valid_to"], row["successor_id"]) == (agency.valid_to, successor), agency
        assert row["is_current"] == (agency.valid_to is None), agency
    province = [row for row in rows if row["organisation_id"] == "H47.07"]
    assert [(row["admin_unit_code"], row["is_current"]) for row in province] == [("49", False), ("48", True)]
