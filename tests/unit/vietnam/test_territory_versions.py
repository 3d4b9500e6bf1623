"""Territory versions: ambiguous names, reused codes, and counts that stay the same over the mergers."""

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.vietnam import territories, territory_files, territory_versions

BEFORE, BETWEEN, NOW = date(2024, 6, 1), date(2025, 3, 1), date(2026, 6, 1)
DAYS = st.dates(date(2016, 4, 1), date(2027, 12, 31))


def codes(name: str, level: str, parents: set[str], day: date) -> list[str]:
    return [unit.code for unit in territories.find(name, level, parents, day)]


def districts(province: str, day: date) -> set[str]:
    return {
        u.code
        for u in territory_versions.units()
        if u.level == "district" and u.parent_code == province and u.is_in_force(day)
    }


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("20335", ["Phường Tân Thạnh", "Phường Tân Thạnh", "Phường Bàn Thạch"]),
        ("20656", ["Thị trấn Trung Phước", "Thị trấn Trung Phước", "Xã Nông Sơn"]),
        ("05467", ["Phường Cam Giá", "Phường Cam Giá", "Phường Gia Sàng"]),
        ("20758", ["Xã Hiệp Hòa", "Xã Quế Tân", None]),
    ],
)
def test_a_code_means_another_territory_on_another_day(code: str, names: list[str | None]) -> None:
    found = [territory_versions.unit_at(code, day) for day in (BEFORE, BETWEEN, NOW)]
    assert [unit and unit.name for unit in found] == names


@pytest.mark.parametrize(
    ("one", "other", "district", "now"),
    [
        ("Tam Dân", "Tam Đàn", "518", ("Xã Phú Ninh", "Xã Chiên Đàn")),
        ("Trà Don", "Trà Dơn", "516", ("Xã Nam Trà My", "Xã Trà Leng")),
    ],
)
def test_names_that_differ_only_in_accents_are_different_units(
    one: str, other: str, district: str, now: tuple[str, str]
) -> None:
    for day in (BEFORE, BETWEEN):
        (first,), (second,) = (territories.find(name, "commune", {district}, day) for name in (one, other))
        assert first.code != second.code
        assert tuple(t.name for t in (territories.current_unit(first), territories.current_unit(second)) if t) == now
    assert codes("Tam Dan", "commune", {"518"}, BEFORE) == codes("Trà Đơn", "commune", {"516"}, BEFORE) == []


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [
        ("1834", "commune", "01834"), ("6", "province", "06"), (" 58 ", "district", "058"), ("1834.0", "commune", "01834"),
        ("20335", "commune", "20335"), ("020335", "commune", None), ("", "commune", None), (None, "province", None), ("6a", "province", None),
    ],
)  # fmt: skip
def test_a_code_gets_back_the_zeros_that_a_spreadsheet_removed(text: str | None, level: str, code: str | None) -> None:
    assert territory_versions.pad_code(text, level) == code


def test_the_district_resolves_a_name_used_in_several_of_them() -> None:
    everywhere = districts("49", BEFORE)
    assert len(codes("Phước Hòa", "commune", everywhere, BEFORE)) == 2
    assert codes("Phước Hòa", "commune", {"502"}, BEFORE) == ["20338"]
    assert codes("Phước Hòa", "commune", {"511"}, BEFORE) == ["20729"]
    assert codes("phường Phước Hòa", "commune", everywhere, BEFORE) == ["20338"]


@pytest.mark.parametrize(
    ("name", "district", "commune"),
    [("Hội An", "503", "20410"), ("Điện Bàn", "507", "20551"), ("Quế Sơn", "509", "20641"), ("Núi Thành", "517", "20965")],
)  # fmt: skip
def test_an_old_district_is_not_the_new_commune_of_its_name(name: str, district: str, commune: str) -> None:
    assert codes(name, "district", {"49"}, BEFORE) == [district] and codes(name, "district", {"48"}, NOW) == []
    assert codes(name, "commune", {"48"}, NOW) == [commune] and commune not in codes(name, "commune", {"49"}, BEFORE)


@pytest.mark.parametrize("name", ["Điện Bàn 1", "phường Điện Bàn 1", "xã Núi Thành 2", "Hội An 3"])
def test_a_name_of_the_draft_plan_means_no_unit(name: str) -> None:
    for day, parents in ((BEFORE, districts("49", BEFORE)), (BETWEEN, districts("49", BETWEEN)), (NOW, {"48"})):
        assert codes(name, "commune", parents, day) == []


def test_pho_yen_was_a_town_until_it_became_a_city() -> None:
    found = [
        territory_versions.unit_at("172", day)
        for day in (date(2021, 7, 1), date(2022, 4, 9), date(2022, 4, 10), BETWEEN, NOW)
    ]
    assert [unit and unit.kind for unit in found] == ["thị xã", "thị xã", "thành phố", "thành phố", None]
    for name in ("Phổ Yên", "thị xã Phổ Yên", "Thành phố Phổ Yên"):
        assert codes(name, "district", {"19"}, BEFORE) == ["172"]
    assert [u.name for u in territory_versions.units() if u.code == "05902"][:2] == ["Xã Tân Phú", "Phường Tân Phú"]


@pytest.mark.parametrize(
    ("spellings", "district", "code"),
    [
        (("Tam Xuân I", "Tam Xuân 1", "xã Tam Xuân I"), "517", "20968"),
        (("Quế Xuân 1", "Quế Xuân I"), "509", "20644"),
        (("Ch'ơm", "Ch’ơm", "Chơm", "xã Ch\u02bcơm"), "504", "20437"),
        (("Tr'Hy", "Tr’Hy", "TrHy"), "504", "20446"),
        (("A Vương", "Avương"), "504", "20461"),
        (("Bha Lêê", "Bhalêê", "Bha Lê"), "504", "20458"),
        (("Zuôih", "Zuôich"), "510", "20701"),
        (("La Êê", "Laêê"), "510", "20698"),
        (("Prao", "P Rao", "thị trấn P Rao"), "505", "20467"),
        (("Hòa Thuận", "Hoà Thuận"), "502", "20375"),
    ],
)
def test_numerals_apostrophes_and_variants_mean_one_unit(spellings: tuple[str, ...], district: str, code: str) -> None:
    for name in spellings:
        assert codes(name, "commune", {district}, BEFORE) == codes(name, "commune", {district}, BETWEEN) == [code], name


def test_a_vuong_is_two_communes_before_the_merger_and_one_after() -> None:
    assert codes("Avương", "commune", {"48"}, NOW) == codes("A Vương", "commune", {"48"}, NOW) == ["20458"]


def test_every_spelling_belongs_to_a_unit_of_its_code() -> None:
    named = {(unit.code, unit.name) for unit in territory_versions.units()}
    assert {(row["code"], row["name"]) for row in territory_files.shipped_rows("unit_spellings")} <= named
    changed = {(row["code"], row["name"]) for row in territory_files.shipped_rows("unit_changes")}
    assert (
        changed | {(row["code"], row["former_name"]) for row in territory_files.shipped_rows("unit_changes")} <= named
    )


def test_a_unit_keeps_its_code_when_it_becomes_a_ward() -> None:
    found = [territory_versions.unit_at("20593", day) for day in (date(2023, 4, 9), date(2023, 4, 10))]
    assert [unit and unit.name for unit in found] == ["Xã Điện Minh", "Phường Điện Minh"]
    assert [
        line.legal_basis for line in territory_versions.crosswalk() if line.effective_on == date(2023, 4, 10)
    ].count("NQ 727/NQ-UBTVQH15") == 6
    assert codes("xã Điện Minh", "commune", {"507"}, BEFORE) == ["20593"]


def test_two_communes_of_thai_nguyen_have_no_crosswalk_line() -> None:
    lost = [u for u in territory_versions.units() if u.level != "district" and territories.current_unit(u) is None]
    assert {unit.code for unit in lost} == territory_versions.WITHOUT_LINE == {"05704", "05782"}
    assert {unit.valid_to for unit in lost} == {territory_versions.FIRST_CHANGE}


@given(DAYS)
def test_counts_by_old_units_equal_counts_by_current_units(day: date) -> None:
    in_force = [u for u in territory_versions.units() if u.is_in_force(day)]
    now = Counter({u.code: 0 for u in territory_versions.units() if u.valid_to is None})
    for unit in in_force:
        if unit.level == "commune" and unit.code not in territory_versions.WITHOUT_LINE:
            found = territories.current_unit(unit)
            assert found is not None and found.valid_to is None and found.level == "commune", unit
            now[found.code] += 1
    known = [u for u in in_force if u.level == "commune" and u.code not in territory_versions.WITHOUT_LINE]
    assert sum(now.values()) == len(known)
    assert all(count for code, count in now.items() if len(code) == 5 and code != "20333")


@given(DAYS)
def test_a_dissolved_district_has_no_current_unit(day: date) -> None:
    for unit in territory_versions.units():
        if unit.level == "district" and unit.is_in_force(day):
            found = territories.current_unit(unit)
            assert (found and found.name) == ("Đặc khu Hoàng Sa" if unit.code == "498" else None)


def test_versions_never_overlap_and_every_line_joins_two_units() -> None:
    ends: dict[str, date | None] = {}
    for unit in territory_versions.units():
        if unit.code in ends:
            assert (end := ends[unit.code]) is not None and end <= unit.valid_from
        ends[unit.code] = unit.valid_to
    for line in territory_versions.crosswalk():
        assert territory_versions.unit_at(line.from_code, line.effective_on - timedelta(days=1)), line
        assert territory_versions.unit_at(line.to_code, line.effective_on), line
        assert line.relation in ("unchanged", "renamed", "merged", "split", "absorbed")
        assert line.weight == (None if line.relation == "split" else 1.0)


def test_the_counts_of_four_split_units_follow_the_default() -> None:
    split = {line.from_code for line in territory_versions.crosswalk() if line.relation == "split"}
    assert split == {"20296", "05461", "05467", "05932"}
    old = territory_versions.unit_at("05467", BEFORE)
    assert old is not None and (new := territories.current_unit(old)) is not None and new.name == "Phường Gia Sàng"


def test_every_line_of_a_change_names_its_act() -> None:
    for line in territory_versions.crosswalk():
        assert line.legal_basis or line.relation == "unchanged", line
    assert {
        u.legal_basis
        for u in territory_versions.units()
        if u.code == "05845" and u.since == territory_versions.FIRST_CHANGE
    } == {"NQ 1240/NQ-UBTVQH15"}
