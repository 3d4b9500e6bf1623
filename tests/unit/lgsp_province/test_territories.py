"""The simulated province lives through the changes of 2025, and stays what it was before them."""

import hashlib
from datetime import date
from functools import cache

import numpy as np

from lgsp.harmonise.organisations import directory
from lgsp.vietnam import territory_versions
from lgsp_province import World
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import day_date, day_number, local_days
from lgsp_province.world.dossiers import ONLINE, Dossiers

EVERYONE = agencies.load()


@cache
def dossiers(first: date = date(2024, 12, 1), last: date = date(2025, 9, 30), seed: int = 3) -> Dossiers:
    return World.generate("tiny", seed, first, last, dossiers_count=8_000).dossiers


def test_a_world_before_2025_is_the_one_it_always_was():
    lived = World.generate("tiny", 1, date(2022, 1, 1), date(2022, 3, 31)).dossiers
    digest = hashlib.md5(usedforsecurity=False)
    for column in (lived.submitted, lived.agency, lived.service, lived.channel, lived.home, lived.sequence):
        digest.update(np.ascontiguousarray(column).tobytes())
    assert (len(lived), digest.hexdigest()) == (460, "e928c52a57b341573b9fc88b5fe018c8")


def test_every_dossier_is_received_by_an_agency_in_force_from_an_applicant_of_a_living_commune():
    found = dossiers()
    for day in np.unique(local_days(found.submitted)).tolist():
        there = {agency.index for agency in agencies.in_force(day_date(day))}
        today = local_days(found.submitted) == day
        assert set(found.agency[today].tolist()) <= there and set(found.home[today].tolist()) <= there


def test_districts_and_old_communes_receive_nothing_from_the_merger_on():
    found = dossiers()
    after = local_days(found.submitted) >= day_number(territory_versions.MERGER)
    receiving = [EVERYONE[index] for index in set(found.agency[after].tolist())]
    assert {a.level for a in receiving} == {agencies.PROVINCE, agencies.COMMUNE}
    assert all(a.valid_from == territory_versions.MERGER for a in receiving if a.level == agencies.COMMUNE)
    district_services = {s.index for s in services.load() if s.agency_level == agencies.DISTRICT}
    assert set(found.service[after].tolist()) & district_services


def test_a_silent_commune_receives_nothing_and_an_offline_one_nothing_online():
    found = dossiers()
    silent = [a.index for a in EVERYONE if a.is_silent]
    offline = [a.index for a in EVERYONE if a.is_offline]
    assert any(EVERYONE[index].valid_from == territory_versions.MERGER for index in silent)
    assert any(EVERYONE[index].valid_from == territory_versions.MERGER for index in offline)
    assert not np.isin(found.agency, silent).any()
    assert not np.isin(found.agency[found.channel == ONLINE], offline).any()


def test_the_communes_of_july_2025_are_those_of_the_reference_with_codes_of_the_new_style():
    new = [a for a in EVERYONE if a.valid_from == territory_versions.MERGER]
    assert [a.code for a in new] == [a.new_code for a in new] == [f"H47.{n}" for n in range(101, 179)]
    for agency in new:
        unit = territory_versions.at(agency.unit_code, territory_versions.MERGER)
        assert unit is not None and agency.name == f"UBND {unit.name[0].lower()}{unit.name[1:]}"
    found = dossiers()
    last = int(np.flatnonzero(found.agency >= len(agencies.before_merger()))[-1])
    assert found.code(last).startswith("H47.1") and len(found.code(last).split("-")) == 3


def test_every_agency_that_ended_names_the_one_that_serves_its_territory():
    for agency in EVERYONE:
        if agency.valid_to is None:
            assert agency.level == agencies.PROVINCE or agency.valid_from == territory_versions.MERGER
        elif agency.level == agencies.COMMUNE:
            assert agency.successor is not None
            heir = EVERYONE[agency.successor]
            assert heir.valid_from <= agency.valid_to and heir.valid_to != agency.valid_to
    by_name = {a.name: a for a in EVERYONE}
    wednesday = by_name["UBND xã Cẩm Thanh"]
    assert wednesday.successor == by_name["UBND phường Hội An Đông"].index
    dissolved = by_name["UBND huyện Nông Sơn"]
    assert (dissolved.valid_to, dissolved.successor) == (
        territory_versions.FIRST_CHANGE,
        by_name["UBND huyện Quế Sơn"].index,
    )


def test_the_agencies_ends_are_those_the_platform_derives_from_their_names():
    rows = [
        (a.code, a.name, agencies.LEVELS[a.level], None if a.parent is None else EVERYONE[a.parent].code, "")
        for a in EVERYONE
    ]
    listed = directory.directory(rows)
    derived: dict[str, list[directory.Version]] = {}
    for version in directory.versions(listed, directory.places(listed)):
        derived.setdefault(version.organisation_id, []).append(version)
    for agency in EVERYONE:
        versions = derived[agency.new_code]
        assert (versions[0].valid_from, versions[-1].valid_to) == (agency.valid_from, agency.valid_to), agency
        if agency.successor is not None:
            heir = [
                v for v in derived[EVERYONE[agency.successor].new_code] if v.admin_unit_code == versions[-1].heir_code
            ]
            assert heir, agency


def test_a_list_of_a_day_holds_who_was_there_by_then():
    assert len(agencies.listed(date(2024, 6, 1))) == len(agencies.before_merger()) == 283
    assert len(agencies.listed(date(2026, 6, 1))) == 361
    in_force = [len(agencies.in_force(date(*day))) for day in ((2024, 6, 1), (2025, 1, 1), (2025, 7, 1))]
    assert in_force == [283, 274, 102]


def test_a_procedure_that_was_replaced_is_not_used_any_more():
    found = dossiers(date(2025, 12, 1), date(2026, 2, 28))
    catalogue = services.load()
    (old,) = (s for s in catalogue if s.code == "1.004873")
    assert old.valid_to is not None and old.replaced_by is not None
    is_after = local_days(found.submitted) >= day_number(old.valid_to)
    assert not (found.service[is_after] == old.index).any() and (found.service[~is_after] == old.index).sum() > 50
    assert not (found.service[~is_after] == old.replaced_by).any()
    assert (found.service[is_after] == old.replaced_by).sum() > 50
    assert catalogue[old.replaced_by].valid_from == old.valid_to and catalogue[old.replaced_by].name == old.name
    assert old.replaced_by not in {s.index for s in services.usual().listed(date(2025, 12, 31))}


def test_an_address_is_of_its_own_time():
    by_name = {agency.name: agency for agency in EVERYONE}
    assert agencies.address(by_name["UBND xã Cẩm Thanh"]) == (
        ("Tỉnh Quảng Nam", "49"),
        ("Thành phố Hội An", "503"),
        ("Xã Cẩm Thanh", "20431"),
    )
    assert agencies.address(by_name["UBND phường Hội An Đông"]) == (
        ("Thành phố Đà Nẵng", "48"),
        ("", ""),
        ("Phường Hội An Đông", "20413"),
    )
