"""A code, a name and a day are resolved to the territory of the applicant."""

from __future__ import annotations

from datetime import date

import pytest

from lgsp.vietnam import applicant_addresses

BEFORE, BETWEEN, AFTER = date(2022, 6, 1), date(2025, 3, 1), date(2025, 8, 1)


@pytest.mark.parametrize(
    ("code", "name", "day", "unit", "is_outdated"),
    [
        ("20335", "Phường Tân Thạnh", BEFORE, "20335", False),
        ("20335", "Phường Bàn Thạch", AFTER, "20335", False),
        ("20431", "Xã Cẩm Thanh", BEFORE, "20431", False),
        ("20431", "Xã Cẩm Thanh", AFTER, "20413", True),  # an old address, followed to Hội An Đông
        ("20431", None, AFTER, "20413", True),
        ("20656", "Xã Quế Trung", AFTER, "20656", True),  # the code is now xã Nông Sơn's, into which it was merged
        ("20383", "Xã Tam Vinh", BETWEEN, "20364", True),  # merged on 1 January 2025
        ("1834", "Phường Nguyễn Thị Minh Khai", BEFORE, "01834", False),  # a spreadsheet removed the zero
    ],
)  # fmt: skip
def test_the_name_decides_which_of_a_codes_territories_is_meant(
    code: str, name: str | None, day: date, unit: str, is_outdated: bool
) -> None:
    found = applicant_addresses.resolve(code, name, day)
    assert found is not None
    assert (found.unit.code, found.is_outdated, found.unit.is_in_force(day)) == (unit, is_outdated, True)


@pytest.mark.parametrize("code", ["00001", "abc", "", "203350", "503"])
def test_a_code_of_another_province_is_not_resolved(code: str) -> None:
    assert applicant_addresses.resolve(code, None, BEFORE) is None


def test_reform_dates_are_distinct_and_in_order() -> None:
    assert (
        date(2025, 1, 1) in applicant_addresses.reform_dates()
        and date(2025, 7, 1) in applicant_addresses.reform_dates()
    )
    assert list(applicant_addresses.reform_dates()) == sorted(set(applicant_addresses.reform_dates()))
