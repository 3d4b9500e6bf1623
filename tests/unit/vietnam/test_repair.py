"""Damage by fonts, keyboards and exports is repaired, and undamaged text is unchanged."""

import csv
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lgsp_province
from lgsp.vietnam import territory_versions, text
from lgsp.vietnam.text.legacy_encodings import TCVN3
from lgsp.vietnam.text.syllables import ONSETS, RHYMES, is_syllable
from lgsp_province.defects import text_damage
from lgsp_province.world import agencies, people, registry
from tests.exhaustive import exhaustive

pytestmark = pytest.mark.slow

FONTS = (text_damage.to_tcvn3, text_damage.to_vni, text_damage.to_cp1258_misread)
_DATA = Path(lgsp_province.__file__).parent / "data"


def _official() -> list[str]:
    found = {unit.name for unit in territory_versions.units()} | set(registry._SUBJECTS)
    found |= {agency.name for agency in agencies.load()} | {agency.short_name for agency in agencies.load()}
    for name in ("services.csv", "agencies.csv"):
        with (_DATA / name).open(encoding="utf-8") as file:
            found |= {value for row in csv.DictReader(file) for value in row.values() if value}
    return sorted(found)


OFFICIAL = _official()
PEOPLE = sorted({people.person(n * 0x9E3779B97F4A7C15 % 2**64, is_firm=n % 5 == 0).name for n in range(3000)})

SYLLABLES = st.sampled_from(
    sorted(word for onset in ONSETS for rhyme in RHYMES.split() if is_syllable(word := onset + rhyme))
)
TONED = st.builds(lambda word, style: style(word), SYLLABLES, st.sampled_from([str.lower, str.upper, str.capitalize]))


def _is_repairable(name: str, damaged: str, damage: Callable[[str], str]) -> bool:
    """Whether the damage is visible and reversible: TCVN3 loses capitals, and `Phó` is both a word and a damaged Phú."""
    if damage is text_damage.to_tcvn3 and damaged.translate(TCVN3) != name:
        return False
    words = re.findall(r"[^\W\d_]+", damaged) if damage in FONTS else []
    return damaged != name and not (words and all(word.isascii() or is_syllable(word) for word in words))


@pytest.mark.parametrize(
    ("damage", "share"),
    [
        (text_damage.to_nfd, 1), (text_damage.to_cp1258, 1), (text_damage.to_html, 1), (lambda value: text_damage.to_look_alikes(value, 126), 1),
        (text_damage.to_mojibake, 0.999), (text_damage.to_tcvn3, 0.995), (text_damage.to_vni, 0.995), (text_damage.to_cp1258_misread, 0.995),
    ],
    ids=["D01", "D04", "D17", "D07", "D05", "D02", "D03", "D04-bytes"],
)  # fmt: skip
def test_d01_d07_official_names_are_repaired(damage: Callable[[str], str], share: float) -> None:
    names = [name for name in OFFICIAL if _is_repairable(name, damage(name), damage)]
    lost = [name for name in names if text.repair(damage(name)).text != name]
    assert len(names) > 800 and len(lost) <= (1 - share) * len(names), lost[:20]


@pytest.mark.parametrize(
    ("damaged", "meant", "repair_name"),
    [
        ("Qu¶ng Nam", "Quảng Nam", "tcvn3"), ("Héi An", "Hội An", "tcvn3"), ("ñy ban nh©n d©n", "ủy ban nhân dân", "tcvn3"),
        ("UBND x· CÈm Thanh", "UBND xã Cẩm Thanh", "tcvn3"), ("Ph\u00ad¬ng", "Phương", "tcvn3"), ("X· PHó NINH", "XÃ PHÚ NINH", "tcvn3"),
        ("CHỦ TỊCH ñY BAN NH¢N D¢N", "CHỦ TỊCH ỦY BAN NHÂN DÂN", "tcvn3"), ("chñ tÞch ñY BAN", "chủ tịch ỦY BAN", "tcvn3"),
        ("UBND THỊ TRẤN ¸I", "UBND THỊ TRẤN ÁI", "tcvn3"),
        ("Quaûng Nam", "Quảng Nam", "vni"), ("Hoäi An", "Hội An", "vni"), ("UÛy ban nhaân daân", "Ủy ban nhân dân", "vni"),
        ("QuaÒng Nam", "Quảng Nam", "cp1258"), ("Ho\u0302\u0323i An", "Hội An", "nfc"), ("Hô\u0323i An", "Hội An", "cp1258"),
        ("Quáº£ng Nam", "Quảng Nam", "mojibake"), ("Há»™i An", "Hội An", "mojibake"), ("Ä\x90iá»\x87n BÃ\xa0n", "Điện Bàn", "mojibake"),
        ("TrÃ My, Báº¯c TrÃ My", "Trà My, Bắc Trà My", "mojibake"), ("â€œHá»™i Anâ€\x9d", "“Hội An”", "mojibake"),
        ("Ðông Giang", "Đông Giang", "look_alike"), ("Ɖông Giang", "Đông Giang", "look_alike"), ("Ch’ơm", "Ch'ơm", "look_alike"),
        ("Hội\u00a0An", "Hội An", "look_alike"), ("Hộ\u00adi \u200bAn\ufeff", "Hội An", "invisible"),
        ("<p>V/v&nbsp;b&aacute;o c&aacute;o</p>", "V/v báo cáo", "html"), ("b&amp;aacute;o c&amp;aacute;o", "báo cáo", "html"),
        ("<b>H</b>ội<br/>An<!-- x --><style>p {}</style>", "Hội An", "html"),
    ],
)  # fmt: skip
def test_d01_d07_d17_a_known_damage_is_repaired_and_reported(damaged: str, meant: str, repair_name: str) -> None:
    repaired = text.repair(damaged)
    assert repaired.text == meant and repair_name in repaired.repairs


def test_several_damages_are_reported_in_the_order_of_repair() -> None:
    damaged = text_damage.to_html(text_damage.to_mojibake(text_damage.to_nfd("Xã Điện Phước")))
    assert text.repair(damaged) == text.Repaired("Xã Điện Phước", ("html", "mojibake", "nfc", "look_alike"))


def test_folding_spaces_is_not_reported() -> None:
    assert text.repair("  Hội   An\n") == text.Repaired("Hội An")


@pytest.mark.parametrize("value", [*OFFICIAL, *PEOPLE][::7])
def test_an_undamaged_name_is_unchanged(value: str) -> None:
    assert text.repair(value) == text.Repaired(value)


@given(st.lists(TONED, min_size=1, max_size=8).map(" ".join))
def test_undamaged_syllables_are_unchanged(value: str) -> None:
    assert text.repair(value) == text.Repaired(value)


@pytest.mark.parametrize(
    "value",
    [
        "100 m²", "35 µg/m³", "10 µm", "§ 3", "30°C", "1ª 2º", "½, ¼", "Microsoft® Windows © 2021", "¬", "kW·h",
        "Điều 5 – khoản 2", "Düsseldorf", "café", "São Paulo", "Citroën", "naïve", "Nestlé Việt Nam", "Müller GmbH",
        "https://dichvucong.gov.vn/?id=2&copy=1&para=3", "Bao_cao_2022-06.docx", "000.25.20.H47-220601-0007",
        "số < 5 và > 3", "R&D", "5 < 7 > 2", "“XÃ”", "XÃ…", "la Êê", "Pơloong Plênh", "Ê đê", "A = {x | x ∈ B}",
    ],
)  # fmt: skip
def test_foreign_words_signs_and_codes_are_unchanged(value: str) -> None:
    assert text.repair(value) == text.Repaired(value)


def test_a_no_break_space_after_a_capital_is_no_misread_letter() -> None:
    assert text.clean("UBND XÃ\u00a0TAM AN") == "UBND XÃ TAM AN"


@given(st.text(max_size=60))
def test_repairing_twice_changes_nothing_more(value: str) -> None:
    once = text.repair(value).text
    assert once is None or text.repair(once) == text.Repaired(once)


@given(
    st.lists(TONED, min_size=1, max_size=6).map(" ".join),
    st.sampled_from([text_damage.to_nfd, text_damage.to_cp1258, text_damage.to_html]),
)
def test_reversible_damage_is_repaired_completely(value: str, damage: Callable[[str], str]) -> None:
    assert text.repair(damage(value)).text == value


@pytest.mark.parametrize(
    "value", ["Qu\ufffdng Nam", "Quáº£ng", "Ä\x90iá»\x87n", "a\x00b", "a\x1bb", "Qu¶ng Nam", "â€œ"]
)
def test_damaged_text_is_garbled(value: str) -> None:
    assert text.is_garbled(value)


@pytest.mark.parametrize("value", [*OFFICIAL[::29], "100 m²", "30°C", "“Hội An”", "dòng 1\ndòng 2\t", "café", "½"])
def test_undamaged_text_is_not_garbled(value: str) -> None:
    assert not text.is_garbled(value)


@pytest.mark.parametrize(
    "value",
    [
        "<script>" * 60 + "alert(1)</script>Hội An", "<!--" * 60 + "-->Hội An", "<STYLE>p {}</style ><!-- > -->Hội An",
        "<script>a</style></script>Hội An", "&" + "amp;" * 60 + "lt;p&gt;Hội An",
    ],
)  # fmt: skip
def test_d17_many_opening_tags_with_one_end_tag_are_removed(value: str) -> None:
    assert text.clean(value) == "Hội An"


def test_d17_an_unclosed_tag_or_comment_hides_no_text() -> None:
    assert text.clean("<!-- Hội An <script>Tam Kỳ") == "<!-- Hội An Tam Kỳ"


def test_markup_nested_deeper_than_any_program_writes_is_removed() -> None:
    assert text.clean("&lt" + "&#59" * 3 + ";b>Hội An") == "Hội An"
    once = text.clean("&lt" + "&#59" * 90 + ";b>Hội An")
    assert once is not None and "&" not in once and text.clean(once) == once


LONG = ["<!--", "<style ", "<a ", "&lt;script&gt;", "<b><", "x·", "a'", "Nguyễn Văn ", "Ä\x90"]


@pytest.mark.parametrize("sign", ["<script>", "Ã", *exhaustive(*LONG)])
def test_a_very_long_text_is_repaired_as_a_short_one(sign: str) -> None:
    with _time_limit():
        long = text.repair(sign * (200_000 // len(sign)))
    assert long.repairs == text.repair(sign * 1000).repairs


def test_an_ampersand_escaped_a_million_times_is_one_ampersand() -> None:
    with _time_limit():
        assert text.repair("&" + "amp;" * 1_000_000).text == "&"


@contextmanager
def _time_limit(seconds: int = 60) -> Iterator[None]:
    """Raises TimeoutError in a block that hangs: a repair whose time grows with the square of the length does."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not finished after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
