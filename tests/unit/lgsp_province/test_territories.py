"""Tests the simulated province across the changes of 2025; worlds before 2025 must stay the same."""

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

ALL_AGENCIES = agencies.load()


@cache
def dossiers(first: date = date(2024, 12, 1), last: date = date(2025, 9, 30), seed: int = 3) -> Dossiers:
    return World.generate("tiny", seed, first, last, dossiers_count=8_000).dossiers


def test_a_world_before_2025_is_unchanged():
    generated = World.generate("tiny", 1, date(2022, 1, 1), date(2022, 3, 31)).dossiers
    digest = hashlib.md5(usedforsecurity=False)
    for column in (
        generated.submitted,
        generated.agency,
        generated.service,
        generated.channel,
        generated.home,
        generated.sequence,
    ):
        digest.update(np.ascontiguousarray(column).tobytes())
    assert (len(generated), digest.hexdigest()) == (460, "e928c52a57b341573b9fc88b5fe018c8")


def test_agency_and_home_commune_of_every_dossier_are_in_force():
    generated = dossiers()
    for day in np.unique(local_days(generated.submitted)).tolist():
        in_force = {agency.index for agency in agencies.in_force(day_date(day))}
        is_on_day = local_days(generated.submitted) == day
        assert (
            set(generated.agency[is_on_day].tolist()) <= in_force
            and set(generated.home[is_on_day].tolist()) <= in_force
        )


def test_merged_units_receive_no_dossiers_after_the_merger():
    generated = dossiers()
    after = local_days(generated.submitted) >= day_number(territory_versions.MERGER)
    receiving = [ALL_AGENCIES[index] for index in set(generated.agency[after].tolist())]
    assert {a.level for a in receiving} == {agencies.PROVINCE, agencies.COMMUNE}
    assert all(a.valid_from == territory_versions.MERGER for a in receiving if a.level == agencies.COMMUNE)
    district_services = {s.index for s in services.load() if s.agency_level == agencies.DISTRICT}
    assert set(generated.service[after].tolist()) & district_services


def test_silent_communes_receive_nothing_and_offline_none_online():
    generated = dossiers()
    silent = [a.index for a in ALL_AGENCIES if a.is_silent]
    took_over = {a.successor for a in ALL_AGENCIES if a.level == agencies.PROVINCE and not a.is_offline}
    offline = [a.index for a in ALL_AGENCIES if a.is_offline and a.index not in took_over]
    assert any(ALL_AGENCIES[index].valid_from == territory_versions.MERGER for index in silent)
    assert any(ALL_AGENCIES[index].valid_from == territory_versions.MERGER for index in offline)
    assert not np.isin(generated.agency, silent).any()
    assert not np.isin(generated.agency[generated.channel == ONLINE], offline).any()


def test_the_communes_of_july_2025_match_the_reference_data():
    new = [a for a in ALL_AGENCIES if a.valid_from == territory_versions.MERGER and a.level == agencies.COMMUNE]
    assert [a.code for a in new] == [a.new_code for a in new] == [f"H17.{n}" for n in range(101, 179)]
    for agency in new:
        unit = territory_versions.unit_at(agency.unit_code, territory_versions.MERGER)
        assert unit is not None and agency.name == f"UBND {unit.name[0].lower()}{unit.name[1:]}"
    generated = dossiers()
    last = int(np.flatnonzero(generated.agency >= len(agencies.before_merger()))[-1])
    assert generated.code(last).startswith("H17.") and len(generated.code(last).split("-")) == 3


def test_an_ended_agency_has_the_successor_of_its_territory():
    for agency in ALL_AGENCIES:
        if agency.valid_to is None:
            assert agency.valid_from >= territory_versions.MERGER
        elif agency.level != agencies.DISTRICT:
            assert agency.successor is not None
            successor = ALL_AGENCIES[agency.successor]
            assert successor.valid_from <= agency.valid_to and successor.valid_to != agency.valid_to
    by_name = {a.name: a for a in ALL_AGENCIES}
    cam_thanh = by_name["UBND xã Cẩm Thanh"]
    assert cam_thanh.successor == by_name["UBND phường Hội An Đông"].index
    nong_son = by_name["UBND huyện Nông Sơn"]
    assert (nong_son.valid_to, nong_son.successor) == (
        territory_versions.FIRST_CHANGE,
        by_name["UBND huyện Quế Sơn"].index,
    )


def test_agency_validity_matches_what_names_imply():
    rows = [
        (a.code, a.name, agencies.LEVELS[a.level], None if a.parent is None else ALL_AGENCIES[a.parent].code, "")
        for a in ALL_AGENCIES
    ]
    listed = directory.directory(rows)
    derived: dict[str, list[directory.Version]] = {}
    for version in directory.versions(listed, directory.places(listed)):
        derived.setdefault(version.organisation_id, []).append(version)
    for agency in (a for a in ALL_AGENCIES if a.level != agencies.PROVINCE):
        versions = derived[agency.new_code]
        assert (versions[0].valid_from, versions[-1].valid_to) == (agency.valid_from, agency.valid_to), agency
        if agency.successor is not None:
            successor_versions = [
                v
                for v in derived[ALL_AGENCIES[agency.successor].new_code]
                if v.admin_unit_code == versions[-1].heir_code
            ]
            assert successor_versions, agency


def test_the_list_of_a_day_contains_the_agencies_valid_by_then():
    assert len(agencies.listed(date(2024, 6, 1))) == len(agencies.before_merger()) == 283
    assert len(agencies.listed(date(2026, 6, 1))) == 381
    in_force = [len(agencies.in_force(date(*day))) for day in ((2024, 6, 1), (2025, 1, 1), (2025, 3, 1), (2025, 7, 1))]
    assert in_force == [283, 274, 268, 95]


def test_a_replaced_procedure_is_no_longer_used():
    generated = dossiers(date(2025, 12, 1), date(2026, 2, 28))
    catalogue = services.load()
    (old,) = (s for s in catalogue if s.code == "1.004873")
    assert old.valid_to is not None and old.replaced_by is not None
    is_after = local_days(generated.submitted) >= day_number(old.valid_to)
    assert (
        not (generated.service[is_after] == old.index).any() and (generated.service[~is_after] == old.index).sum() > 50
    )
    assert not (generated.service[~is_after] == old.replaced_by).any()
    assert (generated.service[is_after] == old.replaced_by).sum() > 50
    assert catalogue[old.replaced_by].valid_from == old.valid_to and catalogue[old.replaced_by].name == old.name
    assert old.replaced_by not in {s.index for s in services.default_catalogue().listed(date(2025, 12, 31))}


def test_an_address_is_valid_in_the_period_of_its_agency():
    by_name = {agency.name: agency for agency in ALL_AGENCIES}
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
