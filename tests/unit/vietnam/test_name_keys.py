"""Tests of the keys by which names are sorted and searched, against ICU's Vietnamese collation in DuckDB."""

from __future__ import annotations

import unicodedata
from functools import cache

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from lgsp.vietnam import territory_versions
from lgsp.vietnam.text import name_keys

LETTERS = "aăâbcdđeêghiklmnoôơpqrstuưvxy"
TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
VOWELS = "aăâeêioôơuưy"
SYLLABLES = [*LETTERS, *(unicodedata.normalize("NFC", v + tone) for v in VOWELS for tone in TONES)]
NAMES = st.lists(st.sampled_from([*SYLLABLES, " ", "-", ",", "(", ")", ".", "'", "1", "9"]), max_size=12).map("".join)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def _icu_keys(names: list[str]) -> list[str]:
    """The sort keys of ICU for the locale vi, with their weights of letters, marks and tones; upper case is not used."""
    rows = _connection().execute("select icu_sort_key(name, 'vi') from (select unnest(?::varchar[]) as name)", [names])
    return [key for (key,) in rows.fetchall()]


@given(NAMES, NAMES)
def test_two_names_sort_as_icu_sorts_them(one: str, other: str) -> None:
    one, other = (" ".join(name.split()) for name in (one, other))
    first, second = _icu_keys([one, other])
    assert (name_keys.of(one).name_sort < name_keys.of(other).name_sort) == (first < second)
    assert (name_keys.of(one).name_sort == name_keys.of(other).name_sort) == (first == second)


def test_the_names_of_all_territories_sort_as_icu_sorts_them() -> None:
    names = sorted({unit.name.lower() for unit in territory_versions.units()})
    assert len(names) > 500
    by_icu = [name for _, name in sorted(zip(_icu_keys(names), names, strict=True))]
    assert sorted(names, key=lambda name: (name_keys.of(name).name_sort, name)) == by_icu


def test_letters_come_before_tones_and_d_before_stroked_d() -> None:
    expected = ["Dũng", "Dương", "Đa", "Đà", "Đả", "Đã", "Đá", "Đạ", "Đan", "Đăk", "Đâu", "Êa", "Ơn"]
    assert sorted(reversed(expected), key=lambda name: name_keys.of(name).name_sort) == expected


def test_case_composition_and_blanks_do_not_change_a_key() -> None:
    for name in ("Sở Kế hoạch và Đầu tư", "Ủy ban nhân dân xã Trà Đốc"):
        variants = {name, name.upper(), unicodedata.normalize("NFD", name), f"  {name.replace(' ', '  ')}\t"}
        assert len(variants) == 4 and len({name_keys.of(variant).name_sort for variant in variants}) == 1
        assert len({name_keys.of(variant).name_search for variant in variants}) == 1


def test_a_search_key_is_what_people_type_without_accents() -> None:
    assert name_keys.of("Phường Điện Bàn – Đông").name_search == "phuong dien ban - dong"
    assert name_keys.of("ỦY BAN  nhân dân xã Trà Đốc").name_search == "uy ban nhan dan xa tra doc"


@given(st.text(max_size=30))
def test_a_search_key_of_any_text_has_no_accents(text: str) -> None:
    key = name_keys.of(text).name_search
    assert not any(unicodedata.combining(char) for char in unicodedata.normalize("NFD", key))
