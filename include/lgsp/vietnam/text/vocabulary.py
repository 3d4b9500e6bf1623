"""Counts the words and phrases of official texts, to decide between two readings of a word."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from lgsp import config
from lgsp.vietnam import territory_files
from lgsp.vietnam.text import surnames
from lgsp.vietnam.text.syllables import one_tone_style

PHRASES = territory_files.FOLDER / "official_phrases.txt"
# The files with names of territories, and their columns with names.
TERRITORIES = {
    "crosswalk_2025": ("old_province", "old_district", "old_ward", "new_ward"),
    "admin_units_2024_to_2025": ("a_district", "a_ward", "b_ward", "c_ward"),
    "unit_spellings": ("name", "spelling"),
}
_WORD = re.compile(r"[^\W\d_]+")


def occurrences(word: str) -> int:
    """How often a word is in the official texts, in any case and tone style."""
    return _counts()[0][one_tone_style(word.lower())]


def is_phrase(left: str, right: str) -> bool:
    """Whether two words follow each other in the official texts."""
    return (one_tone_style(left.lower()), one_tone_style(right.lower())) in _counts()[1]


def phrases_in(text: str) -> int:
    """The number of neighbouring words in a text that follow each other in the official texts too."""
    return sum(is_phrase(left, right) for left, right in pairwise(_WORD.findall(text)))


@config.cached()
def _counts() -> tuple[Counter[str], frozenset[tuple[str, str]]]:
    """The count of each word, and the pairs of neighbours. Read once, when the first damaged text is repaired."""
    words, pairs = Counter[str](surnames.SURNAMES | surnames.MIDDLES), set[tuple[str, str]]()
    for phrase in _phrases():
        found = _WORD.findall(one_tone_style(phrase.lower()))
        words.update(found)
        pairs.update(pairwise(found))
    return words, frozenset(pairs)


def _phrases() -> set[str]:
    lines = PHRASES.read_text(encoding="utf-8").splitlines()
    found = {line for line in lines if not line.startswith("#")}
    for name, columns in TERRITORIES.items():
        found |= {row[column] for row in territory_files.rows(name) for column in columns}
    return found
