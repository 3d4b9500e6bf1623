"""Tests the departments of the simulated province through the mergers of March and July 2025."""

from datetime import date, timedelta
from functools import cache

import numpy as np

from lgsp.harmonise.organisations import directory, successors
from lgsp.harmonise.organisations.history import DatedDirectory, Listing
from lgsp.vietnam import territory_versions
from lgsp_province import World
from lgsp_province.truth.truth import truth_of
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, day_date, local_days, midnight

BY_CODE = {agency.new_code: agency for agency in agencies.load()}
MARCH, JULY = date(2025, 3, 1), territory_versions.MERGER
NO_SOURCE = {"H47.41"}  # the branch of Tam Kỳ: no source names its successor


@cache
def world() -> World:
    return World.generate("tiny", 4, date(2025, 2, 1), date(2025, 8, 15), dossiers_count=6_000, documents_count=600)


def test_successors_are_those_of_the_list_of_successions():
    rows = [
        (a.code, a.name, agencies.LEVELS[a.level], None if a.parent is None else agencies.load()[a.parent].code, "")
        for a in agencies.load()
    ]
    dated = DatedDirectory(Listing(organisation) for organisation in directory.directory(rows))
    found = successors.find(dated.names, dated.versions())
    for each in agencies.successions():
        if each.predecessor not in NO_SOURCE:
            assert found[each.predecessor].organisation_id == each.successor
    days = {each.predecessor: each.day for each in agencies.successions()}
    differing = {code for code, day in days.items() if code in found and found[code].since != day}
    assert differing == {"H47.38"}, "the board of Chu Lai has its new name later than in the list"


def test_no_department_of_the_province_is_left_after_july():
    in_force = agencies.in_force(date(2026, 6, 1))
    assert {a.new_code.split(".")[0] for a in in_force} == {"H17"}
    (city,) = (a for a in in_force if a.parent is None)
    assert city.name == "UBND thành phố Đà Nẵng"
    assert all(a.parent == city.index for a in in_force if a.level == agencies.COMMUNE)


def test_a_successor_is_followed_to_the_day():
    planning = BY_CODE["H47.04"].index
    days = (MARCH - timedelta(days=1), MARCH, JULY - timedelta(days=1), JULY)
    codes = [agencies.load()[agencies.successor_on(planning, day)].new_code for day in days]
    assert codes == ["H47.04", "H47.05", "H47.05", "H17.05"]
    assert agencies.successor_on(BY_CODE["H47.20"].index, JULY) is None, "a district has no single successor"


def test_a_department_takes_over_the_procedures():
    catalogue = services.default_catalogue()
    service = next(s for s in catalogue.services if s.department == "04" and s.valid_to is None)
    since = {a.new_code: catalogue.offered_from(s, a) for s, a in catalogue.offerings if s == service}
    assert since == {"H47.04": service.valid_from, "H47.05": MARCH, "H17.05": JULY}
    before, after = (
        {a.new_code for s, a in catalogue.offered(day) if s == service} for day in (MARCH - timedelta(days=1), MARCH)
    )
    assert (before, after) == ({"H47.04"}, {"H47.04", "H47.05"})


def test_dossiers_go_to_departments_that_offer_the_procedure():
    dossiers, catalogue = world().dossiers, world().catalogue
    offered = {(s.index, a.index): catalogue.offered_from(s, a) for s, a in catalogue.offerings}
    of_province = [a.index for a in agencies.load() if a.level == agencies.PROVINCE]
    rows = np.flatnonzero(np.isin(dossiers.agency, of_province))
    days = local_days(dossiers.submitted)
    assert {agencies.load()[n].new_code for n in dossiers.agency[rows]} >= {"H47.04", "H47.05", "H17.05", "H47.42"}
    for row in rows.tolist():
        assert offered[int(dossiers.service[row]), int(dossiers.agency[row])] <= day_date(int(days[row]))


def test_documents_name_agencies_of_their_day():
    for document in world().document_data.documents:
        day = day_date((document.sent_at + LOCAL_OFFSET) // DAY)
        in_force = {agency.index for agency in agencies.in_force(day)}
        assert document.issuer in in_force and set(document.added) <= in_force
        if document.target is None:
            assert set(document.recipients) <= in_force
    issuers = {agencies.load()[d.issuer].new_code for d in world().document_data.documents}
    assert {"H47", "H17", "H17.05"} <= issuers


def test_activity_is_expected_of_agencies_of_the_period_only():
    activity = truth_of(world(), midnight(date(2025, 8, 16))).zero_activity.to_pylist()
    months = {(row["organisation_id"], row["period_start"].month) for row in activity if row["period"] == "month"}
    by_code = {code: {month for organisation, month in months if organisation == code} for code in BY_CODE}
    assert (by_code["H47.04"], by_code["H47.05"], by_code["H17.05"]) == ({2}, {2, 3, 4, 5, 6}, {7})
