"""Territories over time: units per day, the crosswalk, and the territories of agencies."""

from datetime import date
from pathlib import Path

import pytest

from lgsp.harmonise.organisations import directory
from lgsp.schema import codelists
from lgsp.vietnam import territories, territory_versions


def _at(day: date, level: str, province: set[str]) -> list[territory_versions.Unit]:
    return [
        u
        for u in territory_versions.units()
        if u.level == level
        and u.valid_from <= day
        and (u.valid_to is None or day < u.valid_to)
        and u.parent_code in province
    ]


def _districts(day: date) -> set[str]:
    return {unit.code for unit in _at(day, "district", {"49"})}


def test_the_units_of_quang_nam_are_counted_before_and_in_2025() -> None:
    before, after = date(2024, 12, 31), date(2025, 1, 1)
    assert (len(_districts(before)), len(_at(before, "commune", _districts(before)))) == (18, 241)
    assert (len(_districts(after)), len(_at(after, "commune", _districts(after)))) == (17, 233)


def test_da_nang_has_94_communes_after_the_merger() -> None:
    assert len(_at(date(2025, 7, 1), "commune", {"48"})) == 94


def test_a_code_is_reused_for_another_territory() -> None:
    names = [unit.name for unit in territory_versions.units() if unit.code == "20656"]
    assert list(dict.fromkeys(names)) == ["Xã Quế Trung", "Thị trấn Trung Phước", "Xã Nông Sơn"]


def test_da_nang_has_56_communes_before_2025_and_47_after() -> None:
    counts = []
    for day in (date(2024, 12, 31), date(2025, 1, 1)):
        districts = {unit.code for unit in _at(day, "district", {"48"})}
        counts.append((len(districts), len(_at(day, "commune", districts))))
    assert counts == [(8, 56), (8, 47)]


def test_old_communes_have_successors_but_old_districts_none() -> None:
    current_codes = territories.current_codes()
    for unit in territory_versions.units():
        now = current_codes[(unit.code, unit.valid_from)]
        if unit.level == "district" and unit.code != "498":
            assert now is None, unit
        elif unit.level == "commune" and unit.code not in territory_versions.WITHOUT_LINE:
            assert now is not None, unit


def test_exactly_one_line_of_the_crosswalk_is_the_default() -> None:
    lines: dict[tuple[str, date], int] = {}
    for line in territory_versions.crosswalk():
        lines[line.from_code, line.effective_on] = lines.get((line.from_code, line.effective_on), 0) + line.is_default
    assert set(lines.values()) == {1}


def test_an_agency_finds_its_commune_by_name_under_its_parent() -> None:
    listed = directory.directory(
        [
            ("000.00.00.H47", "UBND tỉnh Quảng Nam", "province", None, ""),
            ("000.00.20.H47", "UBND TP.Hội An", "district", "000.00.00.H47", ""),
            ("000.25.20.H47", "Ủy ban nhân dân xã Cẩm Thanh", "commune", "000.00.20.H47", ""),
            ("000.00.07.H47", "Sở Thông tin và Truyền thông", "province", "000.00.00.H47", ""),
        ]
    )
    places = {(place.organisation_id, place.unit.code, place.now) for place in directory.places(listed)}
    assert places == {
        ("H47", "49", "48"),
        ("H47", "48", "48"),
        ("H47.20", "503", None),
        ("H47.20.25", "20431", "20413"),
        ("H47.07", "49", "48"),
        ("H47.07", "48", "48"),
    }


def test_an_agency_code_is_reversed_without_its_empty_groups() -> None:
    assert directory.identify("000.25.20.H47") == ("H47.20.25", "000.25.20.H47", "H47.20.25")
    assert directory.identify("000.00.00.H47") == ("H47", "000.00.00.H47", "H47")
    assert directory.identify("H55.242") == ("H55.242", None, "H55.242")
    assert directory.identify("H47_test") is None


def test_invisible_characters_do_not_change_an_agency_code() -> None:
    for seen in ("000.25.20.h47", " 000.25. 20.H47\u00a0", "\ufeff000.25.20.H47\u200b", "h47.20.25", "H47.20.25.00"):
        found = directory.identify(seen)
        assert found is not None and found[0] == "H47.20.25", seen


def test_a_listed_code_wins_over_the_reversed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agency_code.yml").write_text("any: {000.25.20.H47: H47.20.99}")
    monkeypatch.setattr(codelists, "FOLDER", tmp_path)
    codelists.load.cache_clear()
    try:
        assert directory.identify("000.25.20.H47") == ("H47.20.99", "000.25.20.H47", "H47.20.99")
        assert directory.identify("000.26.20.H47") == ("H47.20.26", "000.26.20.H47", "H47.20.26")
    finally:
        codelists.load.cache_clear()


def test_three_digits_under_the_province_are_a_commune() -> None:
    assert directory.level("H47.101", None) == directory.level("H55.242", None) == "commune"
    assert directory.level("H47.20", None) == "province" and directory.level("H47.20.25", None) == "commune"


LISTED = (
    ("000.00.00.H47", "UBND tỉnh Quảng Nam", "province", None, ""),
    ("000.00.20.H47", "UBND TP.Hội An", "district", "000.00.00.H47", ""),
    ("000.25.20.H47", "UBND xã Cẩm Thanh", "commune", "000.00.20.H47", ""),
    ("000.00.37.H47", "UBND huyện Nông Sơn", "district", "000.00.00.H47", ""),
    ("000.00.27.H47", "UBND huyện Quế Sơn", "district", "000.00.00.H47", ""),
    ("000.00.30.H47", "UBND huyện Hiệp Đức", "district", "000.00.00.H47", ""),
    ("000.14.30.H47", "UBND xã Hiệp Hòa", "commune", "000.00.30.H47", ""),
    ("000.15.30.H47", "UBND xã Hiệp Thuận", "commune", "000.00.30.H47", ""),
    ("H47.113", "UBND phường Hội An Đông", None, "000.00.00.H47", ""),
)


def _versions(*rows: tuple[str | None, str | None, str | None, str | None, str]) -> dict[str, list[tuple[object, ...]]]:
    listed = directory.directory(rows)
    found: dict[str, list[tuple[object, ...]]] = {}
    for v in directory.versions(listed, directory.places(listed)):
        version = (str(v.valid_from), str(v.valid_to), v.admin_unit_code, v.heir_code)
        found.setdefault(v.organisation_id, []).append(version)
    return found


def test_an_agency_ends_with_its_territory_and_has_a_successor() -> None:
    versions = _versions(*LISTED)
    assert versions["H47.20.25"] == [("2016-04-01", "2025-07-01", "20431", "20413")]
    assert versions["H47.113"] == [("2025-07-01", "None", "20413", None)]
    assert versions["H47.20"] == [("2016-04-01", "2025-07-01", "503", None)]
    assert versions["H47.37"] == [("2016-04-01", "2025-01-01", "519", "509")]
    assert versions["H47"] == [("2016-04-01", "2025-07-01", "49", None), ("2025-07-01", "None", "48", None)]


def test_a_committee_continues_when_its_commune_absorbs_another() -> None:
    versions = _versions(*LISTED)
    assert versions["H47.30.14"] == [("2016-04-01", "2025-07-01", "20758", "20779")]
    assert versions["H47.30.15"] == [("2016-04-01", "2025-01-01", "20761", "20758")]


def test_an_agency_under_its_later_name_keeps_its_versions() -> None:
    renamed = [row if row[0] != "000.14.30.H47" else (row[0], "UBND xã Quế Tân", *row[2:]) for row in LISTED]
    assert _versions(*renamed)["H47.30.14"] == [("2016-04-01", "2025-07-01", "20758", "20779")]


def test_an_agency_of_an_unknown_territory_has_one_version() -> None:
    assert _versions(("000.14.30.H47", "UBND xã Không Đâu", "commune", None, ""))["H47.30.14"] == [
        ("2016-04-01", "None", None, None)
    ]


def test_a_commune_without_a_parent_is_found_in_its_province() -> None:
    assert _versions(("000.25.20.H47", "UBND xã Cẩm Thanh", "commune", None, ""))["H47.20.25"][0][2] == "20431"
    assert _versions(("000.25.20.H47", "UBND xã Bình An", "commune", None, ""))["H47.20.25"][0][2] == "20845"
