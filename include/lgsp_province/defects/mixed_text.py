"""Damages a part of a text, as a program does that puts its own words next to a name from an old file."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from lgsp_province.defects import text_damage

_MISREAD = tuple(
    partial(text_damage.to_mojibake, charset=charset, times=times)
    for charset, times in (("cp1258", 1), ("cp1252", 1), ("latin-1", 1), ("cp1252", 2), ("cp1258", 2))
)
# Signs and letters that no Vietnamese word has: a word with one of them can only be read in one way.
_FOREIGN = frozenset("¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇËÏÖ×ØÜÞßäåæçëîïðñöøûüþ")
_LOST_WITHIN = re.compile(r"[a-z]\?[a-z]")
_LETTERS = re.compile(r"[^\x00-\x7f]")


def damaged(text: str, bits: int) -> str:
    """The text with its first or last words in TCVN3, in VNI, or in UTF-8 that was misread once or twice."""
    kind = bits % 8
    if kind >= len(_MISREAD):
        in_font = mixed(text, text_damage.to_vni if kind == 7 else text_damage.to_tcvn3, bits)
        if all(word.isascii() or _FOREIGN & set(word) for word in _changed_words(text, in_font)):
            return in_font
    return mixed(text, _MISREAD[kind % len(_MISREAD)], bits)


def lost(text: str, bits: int) -> str:
    """The text with the letters of its first or last words lost, as question marks or replacement characters."""
    as_question_marks = mixed(text, partial(_LETTERS.sub, "?"), bits)
    if _LOST_WITHIN.search(as_question_marks):
        return as_question_marks
    return mixed(text, partial(_LETTERS.sub, "\ufffd"), bits)


def mixed(text: str, damage: Callable[[str], str], bits: int) -> str:
    """The text with its words after a position damaged, or those before it."""
    words = text.split(" ")
    position = 1 + (bits >> 3) % max(1, len(words) - 1)
    return text_damage.mixed(text, damage, position, is_first=bool(bits >> 9 & 1) and len(words) > 1)


def _changed_words(text: str, changed: str) -> list[str]:
    """The words that are not in the text any more; a damage may also change the blanks between words."""
    unchanged = set(text.split())
    return [word for word in changed.split() if word not in unchanged]
