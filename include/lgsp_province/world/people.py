"""Generates fictitious applicants: a person is a 64-bit number, and all attributes are derived from its bits."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

_SURNAMES = (
    "Nguyễn Trần Lê Phạm Huỳnh Hoàng Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Alăng Bnướch Zơrâm "
    "Đinh Trương Mai Đoàn Lương"
).split()
_MIDDLE = (
    "Văn Hữu Đình Quang Minh Đức Công Xuân Thanh Ngọc".split(),
    "Thị Ngọc Thu Kim Thanh Hồng Mỹ Diệu Bích Xuân".split(),
)
_GIVEN = (
    "An Bình Cường Dũng Đạt Hải Hòa Hùng Khoa Lâm Long Nam Phúc Quân Sơn Tài Thắng Tuấn Việt Vinh".split(),
    "Anh Bích Chi Dung Hà Hạnh Hiền Hoa Hương Lan Linh Mai Nga Ngân Oanh Phương Thảo Trang Tuyết Yến".split(),
)
_FIRM_KINDS = ("Công ty TNHH", "Công ty TNHH MTV", "Công ty cổ phần", "Doanh nghiệp tư nhân")
_FIRM_TRADES = ("Xây dựng", "Thương mại", "Du lịch", "Vận tải", "Thủy sản", "Nông nghiệp", "Dịch vụ")
_BIRTHPLACES = ("049", "049", "049", "049", "049", "049", "048", "051")
_PHONES = ("090", "091", "093", "097", "098", "032", "070", "081")
_PREFIXES_BEFORE_2018 = {"032": "0162", "070": "0120", "081": "0127"}
_VILLAGES = (
    "Thôn 1",
    "Thôn 2",
    "Thôn 3",
    "Thôn Thanh Đông",
    "Thôn Võng Nhi",
    "Khối phố 5",
    "Khối phố Xuân Hòa",
)
_EPOCH = date(1936, 1, 1)

CITIZEN, BUSINESS, AGENCY = 1, 2, 3


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Pseudo-random 64-bit numbers from consecutive ones (splitmix64), the same on every machine."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Person:
    """An applicant as recorded in the sources; a firm has the identity data of its representative."""

    name: str
    identity_number: str
    is_male: bool
    born_on: date
    phone: str
    email: str
    village: str


def person(bits: int, is_firm: bool) -> Person:
    """The applicant for a 64-bit number."""
    woman = bits & 1
    born_on = _EPOCH + timedelta(days=(bits >> 1) % 25_500)
    sex = woman if born_on.year < 2000 else 2 + woman
    surname = _SURNAMES[(bits >> 16) % len(_SURNAMES)]
    given = _GIVEN[woman][(bits >> 24) % len(_GIVEN[woman])]
    name = f"{surname} {_MIDDLE[woman][(bits >> 20) % 10]} {given}"
    if is_firm:
        trade = _FIRM_TRADES[(bits >> 28) % len(_FIRM_TRADES)]
        name = f"{_FIRM_KINDS[(bits >> 33) & 3]} {trade} {surname} {given}"
    number = f"{_BIRTHPLACES[(bits >> 36) & 7]}{sex}{born_on.year % 100:02d}{(bits >> 40) % 1_000_000:06d}"
    phone = f"{_PHONES[(bits >> 38) & 7]}{(bits >> 30) % 10_000_000:07d}"
    email = f"nguoidan{(bits >> 44) % 100_000}@example.vn" if (bits >> 35) & 3 == 0 else ""
    return Person(name, number, not woman, born_on, phone, email, _VILLAGES[(bits >> 50) % len(_VILLAGES)])


def phone_variant(number: str, traits: int, default_spelling: str) -> str:
    """A phone number in one of nine common spellings, chosen by `traits`; never the spelling `default_spelling`."""
    variant = (traits >> 44 & 0xFF) % 9
    if variant == 0:
        return f"0510{number[3:]}"  # a landline with the area code used before 2017
    if variant == 1:
        return f"{_PREFIXES_BEFORE_2018.get(number[:3], '0126')}{number[3:]}"
    if variant == 2 and (international := f"+84{number[1:]}") != default_spelling:
        return international
    if variant == 3:
        return f"84{number[1:]}"
    if variant == 4:
        return f"(+84) {number[1:4]} {number[4:]}"
    separator = (" ", ".", "-", ". ")[variant % 4]
    return separator.join((number[:4], number[4:7], number[7:]))


def official_name(bits: int) -> str:
    """The name of a fictitious official."""
    return person(bits ^ 0x5DEECE66D, is_firm=False).name
