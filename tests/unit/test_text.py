"""Vietnamese text: one form for reading, one for comparing, none with persons in it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp import text


@pytest.mark.parametrize(
    "spelling",
    [
        "UBND TP.Hội An", "Ủy ban nhân dân thành phố Hội An", "Uỷ ban nhân dân Tp Hội An", "UBND  TP Hội An",
        unicodedata.normalize("NFD", "UBND TP.Hội An"), "<p>UBND&nbsp;TP.Hội An</p>", "UBND TP.Hội\u200b An",
    ],
)  # fmt: skip
def test_d08_spellings_of_one_agency_have_one_key(spelling: str) -> None:
    assert text.key(spelling) == "ủy ban nhân dân thành phố hội an"


def test_accents_tell_communes_apart() -> None:
    assert text.key("xã Tam Dân") != text.key("xã Tam Đàn")
    assert text.key("xã Trà Don") != text.key("xã Trà Dơn")


def test_d06_both_tone_styles_have_one_key() -> None:
    assert text.key("xã Hoà Thuận") == text.key("xã Hòa Thuận") and text.key("Thuỷ") == text.key("Thủy")
    assert text.key("quý") == "quý" and text.key("hoàng") == "hoàng"


def test_d17_markup_is_undone() -> None:
    assert text.clean("<p>V/v&nbsp;b&aacute;o c&aacute;o</p>") == "V/v báo cáo"


@given(st.text(max_size=80))
def test_cleaning_twice_changes_nothing_more(value: str) -> None:
    once = text.clean(value)
    assert text.clean(once) == once or "&" in value or "<" in value
    assert text.key(text.key(value)) == text.key(value)


@pytest.mark.parametrize(
    "subject",
    [
        "giải quyết đơn của ông Nguyễn Văn A", "đơn của bà Trần Thị Bích Ngọc, CCCD 049094000001", "liên hệ 0905 000 000",
        "gửi a.b@example.gov.vn", "điện thoại +84905000000 của Lê Văn Tám",
    ],
)  # fmt: skip
def test_p17_no_person_is_left_in_a_subject(subject: str) -> None:
    cleaned = text.without_persons(subject) or ""
    assert text.GONE in cleaned
    assert not any(part in cleaned for part in ("Nguyễn", "Bích", "049094", "0905", "905000000", "@", "Tám"))


@pytest.mark.parametrize(
    "subject", ["V/v báo cáo số liệu tuần 24 năm 2021", "Kế hoạch số 785/KH-UBND ngày 18/06/2021", "UBND xã Cẩm Thanh"]
)
def test_an_ordinary_subject_stays(subject: str) -> None:
    assert text.without_persons(subject) == subject
