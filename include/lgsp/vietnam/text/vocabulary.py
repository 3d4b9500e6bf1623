"""Counts the words and phrases of official texts, to decide between two readings of a word."""

from __future__ import annotations

import csv
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

from lgsp.vietnam.text.syllables import one_tone_style

PHRASES = Path(__file__).parents[1] / "data" / "official_phrases.txt"
TERRITORIES = Path(__file__).parents[1] / "data" / "crosswalk_2025.csv"
_NAMES = ("old_province", "old_district", "old_ward", "new_ward")
_WORD = re.compile(r"[^\W\d_]+")


def occurrences(word: str) -> int:
    """How often a word is in the official texts, in any case and tone style."""
    return _counts()[0][one_tone_style(word.lower())]


def is_phrase(left: str, right: str) -> bool:
    """Whether two words follow each other in the official texts."""
    return (one_tone_style(left.lower()), one_tone_style(right.lower())) in _counts()[1]


@cache
def _counts() -> tuple[Counter[str], frozenset[tuple[str, str]]]:
    """The count of each word, and the pairs of neighbours. Read once, when the first damaged text is repaired."""
    words, pairs = Counter[str](), set[tuple[str, str]]()
    for phrase in _phrases():
        found = _WORD.findall(one_tone_style(phrase.lower()))
        words.update(found)
        pairs.update(pairwise(found))
    return words, frozenset(pairs)


def _phrases() -> set[str]:
    lines = PHRASES.read_text(encoding="utf-8").splitlines()
    with TERRITORIES.open(encoding="utf-8", newline="") as file:
        names = {row[column] for row in csv.DictReader(file) for column in _NAMES}
    return names | {line for line in lines if not line.startswith("#")}
