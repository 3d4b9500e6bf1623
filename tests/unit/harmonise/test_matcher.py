"""A spelling is matched to the right agency, or to none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.harmonise.organisations import directory, matcher
from lgsp.harmonise.organisations.directory import Organisation, Version
from lgsp.harmonise.organisations.matcher import Match, Matcher
from lgsp.vietnam import text
from lgsp_province.world import agencies
from lgsp_province.world.agencies import Agency

pytestmark = pytest.mark.slow

AGENCIES = agencies.load()


def _directory(rows: list[tuple[str, str, str, str | None]]) -> list[Organisation]:
    return directory.directory([(*row, "batch#1:0") for row in rows])


PROVINCE = _directory(
    [
        (a.code, a.name, agencies.LEVELS[a.level], AGENCIES[a.parent].code if a.parent is not None else None)
        for a in AGENCIES
    ]
)
VERSIONS = directory.versions(PROVINCE, directory.places(PROVINCE))
FIRST_DAY = {version.organisation_id: version.valid_from for version in reversed(VERSIONS)}
MATCHER = Matcher(PROVINCE, versions=VERSIONS)

# Two districts that each have a commune Tân Hiệp.
TWICE = _directory([
    ("H47", "UBND tỉnh Quảng Nam", "province", None),
    ("H47.20", "UBND thành phố Hội An", "district", "H47"), ("H47.35", "UBND huyện Núi Thành", "district", "H47"),
    ("H47.20.26", "UBND xã Tân Hiệp", "commune", "H47.20"), ("H47.35.40", "UBND xã Tân Hiệp", "commune", "H47.35"),
    ("H47.35.41", "UBND xã Tam Hiệp", "commune", None),
])  # fmt: skip


def _spellings(agency: Agency) -> Iterator[str]:
    """Every spelling of an agency in the sources, and a dozen other common ones."""
    name = agency.name
    yield from (name, agency.short_name, *agencies.name_variants(agency))
    for written in (name, agency.short_name):
        yield from (written.lower(), written.upper(), unicodedata.normalize("NFD", written), f" {written}. ")
        yield written.replace("UBND", "U.B.N.D").replace("Sở", "Sở ")
        yield written.replace("UBND", "Uỷ Ban Nhân Dân")
        yield written.replace(".", ". ")
        yield written.replace(".", " ")
        yield written.replace(" và ", " & ")
        yield written.replace("òa", "oà").replace("ủy", "uỷ").replace("òe", "oè")
        if agency.parent is not None:
            parent = AGENCIES[agency.parent]
            place = parent.name.removeprefix("UBND ")
            yield from (f"{written} - {place}", f"{written}, {place}", f"{written} ({parent.name})")
            yield from (f"{place} - {written}", f"{written} trực thuộc {parent.name}")
            yield f"{written}, {parent.short_name.removeprefix('UBND ')}"
            if parent.parent is not None:
                yield f"{written}, {place}, tỉnh Quảng Nam"


def test_d08_no_spelling_of_an_agency_matches_another_agency() -> None:
    spellings = [(agency, spelling) for agency in AGENCIES for spelling in dict.fromkeys(_spellings(agency))]
    matches = [(agency.new_code, MATCHER.match(spelling, FIRST_DAY[agency.new_code])) for agency, spelling in spellings]
    matched = [(expected, match.organisation_id) for expected, match in matches if match]
    wrong = [(expected, actual) for expected, actual in matched if expected != actual]
    recall = len(matched) / len(spellings)
    print(f"{len(spellings)} spellings of {len(AGENCIES)} agencies: recall {recall:.4f}, {len(wrong)} wrong")
    assert wrong == [] and len(spellings) > 6000
    assert recall >= 0.98


@pytest.mark.parametrize("name", [agency.name for agency in AGENCIES])
def test_a_name_without_its_accents_matches_no_agency(name: str) -> None:
    folded = "".join(
        sign
        for sign in unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
        if not unicodedata.combining(sign)
    )
    assert folded == name or MATCHER.match(folded) is None


@given(st.sampled_from(AGENCIES), st.data())
def test_a_typing_error_never_matches_another_agency(agency: Agency, data: st.DataObject) -> None:
    position = data.draw(st.integers(5, len(agency.name) - 1))
    letter = data.draw(st.sampled_from(["", *"aàăâeêiyoôơuưđdtnhgcm 12I"]))
    misspelt = agency.name[:position] + letter + agency.name[position + 1 :]
    same_name = {o.organisation_id for o in PROVINCE if o.key == text.key(misspelt)}
    match = MATCHER.match(misspelt)
    assert match is None or match.organisation_id in (same_name or {agency.new_code})


def test_a_name_of_two_agencies_matches_neither() -> None:
    assert Matcher(TWICE).match("UBND xã Tân Hiệp") is None


@pytest.mark.parametrize(
    ("spelling", "organisation_id"),
    [
        ("UBND xã Tân Hiệp, huyện Núi Thành", "H47.35.40"), ("UBND xã Tân Hiệp - TP Hội An", "H47.20.26"),
        ("Tp. Hội An: UBND xã Tân Hiệp", "H47.20.26"), ("UBND xã Tân Hiệp (Núi Thành)", "H47.35.40"),
        ("UBND xã Tân Hiệp, huyện Núi Thành, tỉnh Quảng Nam", "H47.35.40"),
        ("UBND xã Tam Hiệp, huyện Núi Thành", "H47.35.41"),
    ],
)  # fmt: skip
def test_the_parent_distinguishes_two_agencies_with_one_name(spelling: str, organisation_id: str) -> None:
    assert Matcher(TWICE).match(spelling) == Match(organisation_id, "exact")


def test_the_day_distinguishes_successive_agencies_of_a_name() -> None:
    began, merged = date(2016, 4, 1), date(2025, 7, 1)
    versions = [Version("H47.20.26", began, merged, "20434", None), Version("H47.35.40", merged, None, "20434", None)]
    matcher = Matcher(TWICE, versions=versions)
    assert matcher.match("UBND xã Tân Hiệp", date(2025, 6, 30)) == Match("H47.20.26", "exact")
    assert matcher.match("UBND X. Tân Hiệp", date(2025, 7, 1)) == Match("H47.35.40", "exact")
    assert matcher.match("UBND xã Tân Hiệp") is None, "no day was given"
    assert [meaning.valid_to for meaning in matcher.meanings("UBND xã Tân Hiệp")] == [merged, None]
    both = [replace(version, valid_to=None) for version in versions]
    assert Matcher(TWICE, versions=both).match("UBND xã Tân Hiệp", date(2025, 7, 1)) is None


CENTRES = _directory([
    ("H47", "UBND tỉnh Quảng Nam", "province", None), ("H47.21", "UBND huyện Đại Lộc", "district", "H47"),
    ("H47.12", "Sở Y tế", "province", "H47"), ("H47.21.90", "Trung tâm Y tế", "district", "H47.21"),
    ("H47.12.07", "Trung tâm Y tế huyện Đại Lộc", "district", "H47.12"),
])  # fmt: skip


@pytest.mark.parametrize(
    ("spelling", "match"),
    [
        ("Trung tâm Y tế huyện Đại Lộc", Match("H47.12.07", "exact")), ("Trung tâm Y tế", Match("H47.21.90", "exact")),
        ("Trung tâm Y tế H Đại Lộc", Match("H47.12.07", "alias")), ("Trung tâm Y tế - UBND huyện Đại Lộc", Match("H47.21.90", "exact")),
        ("Trung tâm Y tế Đại Lộc", Match("H47.21.90", "exact")), ("Sở Y tế: Trung tâm Y tế huyện Đại Lộc", Match("H47.12.07", "exact")),
    ],
)  # fmt: skip
def test_a_full_name_has_priority_over_a_name_with_its_parent(spelling: str, match: Match) -> None:
    assert Matcher(CENTRES).match(spelling) == match


def test_a_name_of_two_agencies_does_not_match_a_third() -> None:
    twice = [*CENTRES, *_directory([("H48.12.07", "Trung tâm Y tế huyện Đại Lộc", "district", None)])]
    assert Matcher(twice).match("Trung tâm Y tế huyện Đại Lộc") is None


def test_a_longer_chain_of_committees_gives_no_more_forms() -> None:
    rows: list[tuple[str, str, str, str | None]] = [
        (f"H47.{n:02}", f"UBND xã Tân {'A' * (n + 1)}", "commune", f"H47.{n - 1:02}") for n in range(1, 13)
    ]
    chain = _directory(rows)
    family = matcher._Family(chain)
    counts = [sum(1 for _ in family.forms(committee, committee.key)) for committee in chain]
    assert counts == [2, 8, 32, *[128] * 9], "four times as many for each parent would be millions"
    assert Matcher(chain).match("UBND xã Tân AAA, xã Tân AA") == Match("H47.02", "exact")


def test_a_wrong_parent_matches_no_agency() -> None:
    assert MATCHER.match("UBND xã Cẩm Thanh") and MATCHER.match("UBND xã Cẩm Thanh, huyện Núi Thành") is None


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Văn phòng UBND tỉnh", "Văn phòng UBND tỉnh Quảng Nam"), ("Sở TTT", "Sở Thông tin và Truyền thông"),
        ("Sở GTVT tỉnh Quảng Nam", "Sở Giao thông vận tải"), ("UBND phường Điện Minh", "UBND xã Điện Minh"),
        ("UBND TT Trung Phước", "UBND xã Quế Trung"), ("UBND xã Zuôih, H Nam Giang", "UBND xã Zuôich"),
        ("UBND xã Ch’ơm", "UBND xã Ch'ơm"), ("UBND xã Chơm", "UBND xã Ch'ơm"),
    ],
)  # fmt: skip
def test_a_listed_alias_matches_the_agency_with_that_name(spelling: str, name: str) -> None:
    match = MATCHER.match(spelling)
    assert match and match.organisation_id == next(o.organisation_id for o in PROVINCE if o.name == name)


@pytest.mark.parametrize(
    "spelling", ["Công an xã Cẩm Thanh", "Sở Quy hoạch và Kiến trúc", "UBND", "UBND xã", "", " . ", None, "VP UBND"]
)
def test_an_unknown_name_matches_no_agency(spelling: str | None) -> None:
    assert MATCHER.match(spelling) is None


def test_an_alias_of_a_name_of_two_agencies_matches_neither() -> None:
    both = _directory([("H47.02", "Sở Nội vụ", "province", None), ("H48.02", "Sở Nội vụ", "province", None)])
    assert Matcher(both).match("SNV") is None


def test_a_decision_applies_only_to_an_unmatched_spelling() -> None:
    accepted = {text.key("UBND xã Cẩm Thanhh") or "": "H47.20.25", text.key("UBND xã Cẩm Hà") or "": "H47.20.25"}
    matcher = Matcher(PROVINCE, accepted)
    assert matcher.match("UBND Xã Cẩm Thanhh") == Match("H47.20.25", "review")
    assert matcher.match("UBND xã Cẩm Hà") == MATCHER.match("UBND xã Cẩm Hà"), "a decision never overrules a full name"
    assert Matcher(TWICE, {text.key("UBND xã Cẩm Thanhh") or "": "H99"}).match("UBND xã Cẩm Thanhh") is None


def test_a_misspelt_name_finds_its_agency_among_the_candidates() -> None:
    best = matcher.candidates("UBND xã Cẩm Thanhh, TP Hội An", PROVINCE)[0]
    assert (best.name, best.parent, best.accent_only) == ("UBND xã Cẩm Thanh", "UBND thành phố Hội An", False)
    assert best.score > 90


def test_a_candidate_that_differs_by_accents_alone_is_marked() -> None:
    listed = {c.name: c for c in matcher.candidates("UBND xã Tam Dần", PROVINCE)}
    assert listed["UBND xã Tam Dân"].accent_only and listed["UBND xã Tam Đàn"].accent_only
    assert not listed["UBND xã Tam An"].accent_only


def test_candidates_with_the_same_name_have_their_parents() -> None:
    listed = matcher.candidates("UBND xã Tân Hiệp", TWICE)
    assert {c.parent for c in listed if c.score == 100} == {"UBND thành phố Hội An", "UBND huyện Núi Thành"}


def test_a_text_similar_to_no_name_has_no_candidates() -> None:
    assert matcher.candidates("Ngân hàng CSXH", PROVINCE) == [] and matcher.candidates(" ", PROVINCE) == []


@given(st.text(max_size=60))
def test_any_text_matches_at_most_the_agency_of_its_key(spelling: str) -> None:
    match = MATCHER.match(spelling)
    assert match is None or MATCHER.match(text.key(spelling)) == match
