"""Territories through time."""

from datetime import date

from lgsp import organisations, territory


def _at(day: date, level: str, province: set[str]) -> list[territory.Unit]:
    return [
        u
        for u in territory.units()
        if u.level == level
        and u.valid_from <= day
        and (u.valid_to is None or day < u.valid_to)
        and u.parent_code in province
    ]


def _districts(day: date) -> set[str]:
    return {unit.code for unit in _at(day, "district", {"49"})}


def test_quang_nam_has_18_districts_and_241_communes_before_2025_and_17_and_233_after() -> None:
    before, after = date(2024, 12, 31), date(2025, 1, 1)
    assert (len(_districts(before)), len(_at(before, "commune", _districts(before)))) == (18, 241)
    assert (len(_districts(after)), len(_at(after, "commune", _districts(after)))) == (17, 233)


def test_da_nang_has_94_communes_after_the_merger() -> None:
    assert len(_at(date(2025, 7, 1), "commune", {"48"})) == 94


def test_a_code_is_reused_under_another_name() -> None:
    names = [unit.name for unit in territory.units() if unit.code == "20656"]
    assert list(dict.fromkeys(names)) == ["Xã Quế Trung", "Thị trấn Trung Phước", "Xã Nông Sơn"]


def test_da_nang_has_56_communes_before_2025_and_47_after() -> None:
    counts = []
    for day in (date(2024, 12, 31), date(2025, 1, 1)):
        districts = {unit.code for unit in _at(day, "district", {"48"})}
        counts.append((len(districts), len(_at(day, "commune", districts))))
    assert counts == [(8, 56), (8, 47)]


def test_every_old_commune_is_somewhere_today_and_every_district_is_gone() -> None:
    today = territory.today()
    for unit in territory.units():
        now = today[(unit.code, unit.valid_from)]
        if unit.level == "district" and unit.code != "498":
            assert now is None, unit
        elif unit.level == "commune" and unit.code not in territory.WITHOUT_LINE:
            assert now is not None, unit


def test_exactly_one_line_of_the_crosswalk_is_the_default() -> None:
    lines: dict[tuple[str, date], int] = {}
    for line in territory.crosswalk():
        lines[line.from_code, line.effective_on] = lines.get((line.from_code, line.effective_on), 0) + line.is_default
    assert set(lines.values()) == {1}


def test_an_agency_finds_its_commune_by_name_under_its_parent() -> None:
    listed = organisations.directory(
        [
            ("000.00.00.H47", "UBND tỉnh Quảng Nam", "province", None, ""),
            ("000.00.20.H47", "UBND TP.Hội An", "district", "000.00.00.H47", ""),
            ("000.25.20.H47", "Ủy ban nhân dân xã Cẩm Thanh", "commune", "000.00.20.H47", ""),
            ("000.00.07.H47", "Sở Thông tin và Truyền thông", "province", "000.00.00.H47", ""),
        ]
    )
    places = {(place.organisation_id, place.unit.code, place.now) for place in organisations.places(listed)}
    assert places == {
        ("H47", "49", "48"),
        ("H47.20", "503", None),
        ("H47.20.25", "20431", "20413"),
        ("H47.07", "49", "48"),
    }


def test_an_agency_code_is_reversed_without_its_empty_groups() -> None:
    assert organisations.identify("000.25.20.H47") == ("H47.20.25", "000.25.20.H47", "H47.20.25")
    assert organisations.identify("000.00.00.H47") == ("H47", "000.00.00.H47", "H47")
    assert organisations.identify("H55.242") == ("H55.242", None, "H55.242")
    assert organisations.identify("H47_test") is None
