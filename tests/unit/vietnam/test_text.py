"""Vietnamese text is cleaned for reading and turned into keys for comparing."""

import importlib
import unicodedata
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.schema import codelists
from lgsp.vietnam import personal_data, phones, territory_versions, text
from lgsp_province.defects import text_damage
from lgsp_province.world import agencies


@pytest.mark.parametrize(
    "spelling",
    [
        "UBND TP.Hội An", "Ủy ban nhân dân thành phố Hội An", "Uỷ ban nhân dân Tp Hội An", "UBND  TP Hội An",
        unicodedata.normalize("NFD", "UBND TP.Hội An"), "<p>UBND&nbsp;TP.Hội An</p>", "UBND TP.Hội\u200b An",
    ],
)  # fmt: skip
def test_d08_spellings_of_one_agency_have_one_key(spelling: str) -> None:
    assert text.key(spelling) == "ủy ban nhân dân thành phố hội an"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("Sở TT&TT", "Sở Thông tin và Truyền thông"), ("STTTT", "Sở Thông tin và Truyền thông"),
        ("Sở KH&ĐT", "Sở Kế hoạch và Đầu tư"), ("Sở GTVT", "Sở Giao thông vận tải"), ("Sở TP", "Sở Tư pháp"),
        ("Sở LĐ-TB&XH", "Sở Lao động - Thương binh và Xã hội"), ("Phòng TNMT", "Phòng Tài nguyên và Môi trường"),
        ("Sở NN&PTNT", "Sở Nông nghiệp và Phát triển nông thôn"), ("Sở GDĐT", "Sở Giáo dục & Đào tạo"),
        ("Sở VH,TT&DL", "Sở Văn hóa, Thể thao và Du lịch"), ("VP UBND tỉnh", "Văn phòng Ủy ban nhân dân tỉnh"),
        ("Ban QLDA ĐTXD H.Núi Thành", "Ban Quản lý dự án đầu tư xây dựng huyện Núi Thành"), ("HĐND", "Hội đồng nhân dân"),
        ("TTHC", "thủ tục hành chính"), ("UBND P.Cẩm Châu", "Ủy ban nhân dân phường Cẩm Châu"),
        ("UBND TT Prao", "Ủy ban nhân dân thị trấn Prao"), ("UBND Tx. Điện Bàn", "Ủy ban nhân dân thị xã Điện Bàn"),
        ("xã Tam Xuân I", "Xã Tam Xuân 1"), ("xã Ch’ơm", "xã Chơm"), ("xã Ch'ơm", "xã Ch`ơm"),
        ("xã A Vương", "Xã Avương"), ("Bha Lêê", "Bhalêê"), ("VP TP.Hội An", "Văn phòng thành phố Hội An"),
        ("Văn phòng TP Tam Kỳ", "Văn phòng thành phố Tam Kỳ"), ("Phòng TP TP. Hội An", "Phòng Tư pháp thành phố Hội An"),
        ("TT Y tế Đại Lộc", "Trung tâm Y tế Đại Lộc"), ("TT.VHTT huyện", "Trung tâm Văn hóa và Thông tin huyện"),
        ("Đại Lộc - TT Phát triển quỹ đất", "Đại Lộc Trung tâm phát triển quỹ đất"), ("TT. Trà My", "Thị trấn Trà My"),
        ("Sở NN và MT", "Sở Nông nghiệp và Môi trường"), ("SNN&MT", "Sở Nông nghiệp và Môi trường"),
    ],
)  # fmt: skip
def test_d08_short_and_long_have_one_key(short: str, long: str) -> None:
    assert text.key(short) == text.key(long)


def test_d08_abbreviated_spellings_have_the_key_of_the_agency() -> None:
    for agency in agencies.load():
        for spelling in agencies.name_variants(agency)[1:]:
            assert text.key(spelling) == text.key(agency.name), spelling


def test_accents_distinguish_communes() -> None:
    assert text.key("xã Tam Dân") != text.key("xã Tam Đàn")
    assert text.key("xã Trà Don") != text.key("xã Trà Dơn")


def test_no_two_units_of_one_parent_and_one_day_share_a_key() -> None:
    codes = defaultdict(set)
    for unit in territory_versions.units():
        codes[unit.parent_code, unit.valid_from, text.key(unit.name)].add(unit.code)
    assert [where for where, found in codes.items() if len(found) > 1] == []


def test_words_that_look_like_abbreviations_or_numerals_stay() -> None:
    assert text.key("phạm vi, xi măng, V/v") == "phạm vi xi măng v v"
    assert text.key("Văn phòng TC") == "văn phòng tc"


def test_d06_both_tone_styles_have_one_key() -> None:
    assert text.key("xã Hoà Thuận") == text.key("xã Hòa Thuận") and text.key("Thuỷ") == text.key("Thủy")
    assert text.key("quý") == "quý" and text.key("hoàng") == "hoàng"
    assert text.key(text_damage.to_new_tones("Hòa Thủy Hóa")) == text.key("Hòa Thủy Hóa")


def test_d06_the_tone_style_is_kept_for_reading() -> None:
    assert text.clean("xã Hoà Thuận") == "xã Hoà Thuận"


@given(st.text(max_size=80))
def test_cleaning_twice_changes_nothing_more(value: str) -> None:
    once = text.clean(value)
    assert text.clean(once) == once
    assert text.key(text.key(value)) == text.key(value)


def test_empty_text_gives_none() -> None:
    assert text.clean(None) is text.key(None) is personal_data.without_persons(None) is None
    assert text.clean(" \u00a0\u200b ") is text.clean("<p></p>") is None


@pytest.mark.parametrize("value", ["", "#N/A", "Dinhkem", "Chuyên viên", ".", "null"])
def test_d23_d41_fillers_are_listed(value: str) -> None:
    assert value in codelists.load("filler")["any"]


def test_d23_a_cross_is_not_a_filler() -> None:
    assert "x" not in codelists.load("filler")["any"]


@pytest.mark.parametrize(
    ("spelling", "number"),
    [
        ("0905 000 000", "+84905000000"), ("84905000000", "+84905000000"), ("0084905000000", "+84905000000"),
        ("+84 (0) 905.000.000", "+84905000000"), ("01261234567", "+84761234567"), ("841261234567", "+84761234567"),
        ("0510 3852123", "+842353852123"), ("(0511) 3.852.123", "+842363852123"), ("0280-3852123", "+842083852123"),
        ("0281 3852123", "+842093852123"), ("(0235) 3852123", "+842353852123"),
    ],
)  # fmt: skip
def test_d33_a_phone_has_one_form(spelling: str, number: str) -> None:
    assert phones.to_e164(spelling) == number


@pytest.mark.parametrize("value", ["", "1022", "049094000001", "0123456789", "0905 000 00", "0905x00000", "٠٩٠٥٠٠٠٠٠٠"])
def test_d33_text_that_is_not_a_phone_number_gives_none(value: str) -> None:
    assert phones.to_e164(value) is None


def test_a_clean_text_passes_without_any_repair_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: str) -> tuple[str, str]:
        raise AssertionError(f"a repair step ran for {value!r}")

    monkeypatch.setattr(importlib.import_module("lgsp.vietnam.text.repair"), "_STEPS", (refuse,))
    for agency in agencies.load():
        value = f"{agency.name}, hồ sơ 7"
        assert text.repair(value).text == value
    with pytest.raises(AssertionError, match="a repair step ran"):
        text.repair("Hội&nbsp;An")
