"""Makes the keys by which names are sorted and searched: Vietnamese order by code point, and text without accents."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# A letter with its mark sorts after all words with the plain letter: `{` and `|` are greater than any plain letter.
_LETTERS = {"ă": "a{", "â": "a|", "đ": "d{", "ê": "e{", "ô": "o{", "ơ": "o|", "ư": "u{"}
# Tones in the order of dictionaries: none, huyền, hỏi, ngã, sắc, nặng.
_TONES = {"\u0300": "1", "\u0309": "2", "\u0303": "3", "\u0301": "4", "\u0323": "5"}
# A blank sorts before punctuation, and punctuation (in this order) before digits: `!` to `/` are free for them.
_SEPARATORS = {separator: chr(ord("!") + place) for place, separator in enumerate(" _-,;:!?.'\"()/&")}
_SAME = str.maketrans({"–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"'})


@dataclass(frozen=True)
class NameKeys:
    """The keys of one name."""

    name: str
    name_sort: str
    name_search: str


def of(name: str) -> NameKeys:
    """The sort key and the search key of a name.

    The search key is the name in lower case without accents, with d for đ and single blanks: what people type. The order
    of sort keys by code point (collation C) is the Vietnamese order of names: a, ă, â … d, đ … are different letters;
    where all letters are equal, the tones decide from left to right. Upper and lower case are equal. A sort key has the
    letters, one blank, and the tones, one digit for each vowel.
    """
    words = unicodedata.normalize("NFKC", name).translate(_SAME).lower().split()
    letters, tones, plain = zip(*map(_parts_of_word, words), strict=True) if words else ((), (), ())
    sort_key = f"{_SEPARATORS[' '].join(letters)} {''.join(tones).rstrip('0')}"
    return NameKeys(name, sort_key, " ".join(plain))


@lru_cache(maxsize=8192)  # names are made of few syllables
def _parts_of_word(word: str) -> tuple[str, str, str]:
    """What a word adds to the letters and the tones of a sort key, and to a search key."""
    letters, tones, plain = zip(*map(_parts, word), strict=True)
    return "".join(letters), "".join(tones), "".join(plain)


def _parts(char: str) -> tuple[str, str, str]:
    """What a character adds to the letters and the tones of a sort key, and to a search key."""
    decomposed = unicodedata.normalize("NFD", char)
    tone = next((_TONES[mark] for mark in decomposed if mark in _TONES), "0")
    marks = "".join(mark for mark in decomposed if mark not in _TONES)
    plain = "".join(each for each in decomposed if not unicodedata.combining(each)).replace("đ", "d")
    letter = _LETTERS.get(unicodedata.normalize("NFC", marks)) or _SEPARATORS.get(char)
    if letter is None:  # a letter or digit of the alphabet; any other character sorts after z
        letter = plain if plain.isascii() and plain.isalnum() else f"z}}{plain}" if plain else ""
    return letter, tone if plain in tuple("aeiouy") else "", plain
