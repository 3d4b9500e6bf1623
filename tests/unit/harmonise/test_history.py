"""The directory in time: versions, names and successors of agencies that lists had on some days only."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lgsp.harmonise.organisations import directory, successors
from lgsp.harmonise.organisations.directory import Organisation
from lgsp.harmonise.organisations.history import AgencyVersion, DatedDirectory, DatedMatcher, Listing

CHANGE = date(2022, 6, 15)
ROWS = (
    ("000.00.00.H47", "UBND tỉnh Quảng Nam", "province", None, "batch#1:0"),
    ("000.00.07.H47", "Sở Thông tin và Truyền thông", "province", "000.00.00.H47", "batch#1:1"),
    ("000.00.14.H47", "Sở Khoa học và Công nghệ", "province", "000.00.00.H47", "batch#1:2"),
    ("000.00.20.H47", "UBND thành phố Hội An", "district", "000.00.00.H47", "batch#1:3"),
    ("000.25.20.H47", "UBND xã Cẩm Thanh", "commune", "000.00.20.H47", "batch#1:4"),
)
LISTED = {o.organisation_id: o for o in directory.directory(ROWS)}


def _dated(**runs: list[tuple[Organisation, date | None, date | None]]) -> DatedDirectory:
    """The directory in which the agencies of `runs` (ids with `_` for `.`) were listed so, and the others always."""
    chosen = {id_: [(o, None, None)] for id_, o in LISTED.items()} | {k.replace("_", "."): v for k, v in runs.items()}
    return DatedDirectory(Listing(o, start, end) for listed in chosen.values() for o, start, end in listed)


def _versions(dated: DatedDirectory) -> dict[str, list[AgencyVersion]]:
    found: dict[str, list[AgencyVersion]] = {}
    for version in dated.versions():
        found.setdefault(version.organisation.organisation_id, []).append(version)
    return found


def _days(versions: list[AgencyVersion]) -> list[tuple[date, date | None]]:
    return [(version.valid_from, version.valid_to) for version in versions]


def test_an_agency_of_every_list_has_its_territory_versions() -> None:
    (version,) = _versions(_dated())["H47.20.25"]
    assert (version.valid_from, version.valid_to) == (directory.CODES_BEGAN, date(2025, 7, 1))
    assert (version.unit_code, version.heir_code) == ("20431", "20413")


def test_an_agency_that_is_listed_no_more_ends_and_stays_known() -> None:
    versions = _versions(_dated(H47_20_25=[(LISTED["H47.20.25"], None, CHANGE)]))
    assert _days(versions["H47.20.25"]) == [(directory.CODES_BEGAN, CHANGE)]
    assert len(versions["H47.20"]) == 1


def test_an_agency_begins_with_the_list_that_adds_it() -> None:
    versions = _versions(_dated(H47_14=[(LISTED["H47.14"], CHANGE, None)]))
    assert versions["H47.14"][0].valid_from == CHANGE


def test_a_renamed_agency_has_a_version_of_each_name() -> None:
    later = replace(LISTED["H47.07"], name="Sở Số hóa", key="sở số hóa")
    versions = _versions(_dated(H47_07=[(LISTED["H47.07"], None, CHANGE), (later, CHANGE, None)]))["H47.07"]
    assert [v.organisation.name for v in versions][:2] == ["Sở Thông tin và Truyền thông", "Sở Số hóa"]
    assert versions[0].valid_to == versions[1].valid_from == CHANGE


def test_an_agency_listed_too_late_has_its_former_territory() -> None:
    versions = _versions(_dated(H47_20_25=[(LISTED["H47.20.25"], date(2025, 8, 1), None)]))["H47.20.25"]
    assert [v.unit_code for v in versions] == ["20431"]


def test_a_name_means_the_agency_that_had_it_on_that_day() -> None:
    first = replace(LISTED["H47.07"], name="Sở Số hóa", key="sở số hóa")
    second = replace(LISTED["H47.14"], name="Sở Số hóa", key="sở số hóa")
    dated = _dated(
        H47_07=[(first, None, CHANGE), (LISTED["H47.07"], CHANGE, None)],
        H47_14=[(LISTED["H47.14"], None, CHANGE), (second, CHANGE, None)],
    )
    matcher = DatedMatcher(dated, {}, "one_stop_shop")
    before, after = matcher.match("sở số hóa", CHANGE - timedelta(days=1)), matcher.match("sở số hóa", CHANGE)
    assert before and before.organisation_id == "H47.07"
    assert after and after.organisation_id == "H47.14"


def test_a_name_of_another_time_is_known_too() -> None:
    first = replace(LISTED["H47.07"], name="Sở Số hóa", key="sở số hóa")
    dated = _dated(H47_07=[(first, None, CHANGE), (LISTED["H47.07"], CHANGE, None)])
    match = DatedMatcher(dated, {}, "one_stop_shop").match("sở số hóa", CHANGE + timedelta(days=9))
    assert match and match.organisation_id == "H47.07"


def test_a_department_is_succeeded_as_the_decision_says() -> None:
    found = successors.find(_dated().names, _dated().versions())
    assert found["H47.07"] == successors.Successor("H47.14", date(2025, 3, 1))
    assert "H47.14" not in found


def test_a_successor_that_no_list_names_is_none() -> None:
    dated = DatedDirectory(Listing(o) for id_, o in LISTED.items() if id_ != "H47.14")
    assert "H47.07" not in successors.find(dated.names, dated.versions())


def test_a_committee_is_succeeded_by_that_of_its_new_territory() -> None:
    heirs = directory.directory([*ROWS, ("H47.113", "UBND phường Hội An Đông", None, "000.00.00.H47", "batch#1:5")])
    dated = DatedDirectory(Listing(o) for o in heirs)
    assert successors.find(dated.names, dated.versions())["H47.20.25"].organisation_id == "H47.113"


RUN = st.tuples(st.integers(0, 2000), st.integers(1, 2000))


@given(st.dictionaries(st.sampled_from(sorted(LISTED)), RUN))
def test_versions_of_an_agency_never_overlap(runs: dict[str, tuple[int, int]]) -> None:
    listings = []
    for id_, organisation in LISTED.items():
        start, length = runs.get(id_, (0, 0))
        begins = date(2021, 1, 1) + timedelta(days=start) if length else None
        listings.append(Listing(organisation, begins, begins + timedelta(days=length) if begins else None))
    versions = _versions(DatedDirectory(listings))
    assert versions.keys() == LISTED.keys()
    for own in versions.values():
        days = _days(own)
        assert all(end is None or start < end for start, end in days)
        assert all(end is not None and end <= start for (_, end), (start, _) in itertools.pairwise(days))
