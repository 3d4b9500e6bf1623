"""Recognises text that is still damaged: characters that were lost, and damage that no repair could undo."""

from __future__ import annotations

import re

from lgsp.vietnam.text import mojibake, readings
from lgsp.vietnam.text.syllables import GLUED

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
# Signs that no text has before a letter; in TCVN3 they are letters themselves.
_SIGN_BEFORE_LETTER = re.compile(r"[¨¸¦](?=[^\W\d_])")
# A program that has no code for a letter writes a question mark: Qu?ng Nam, ?i?n B?n, Tr??ng, S? T? pháp.
_TOKEN = re.compile(r"\S*\?\S*")
_ADDRESS = re.compile(r"[/=@&#\\]")
_WITHIN = re.compile(r"[^\W\d_]\?+(?=[^\W\d_])(?![A-ZÀ-ỸĐ])")
_WITHIN_CAPITALS = re.compile(r"([A-ZÀ-ỸĐ]+)\?+([A-ZÀ-ỸĐ]+)")
_AT_START = re.compile(r"(?:^|[^\w?!.,;:)])\?+[^\W\d_]")
_AT_END = re.compile(r"(?:^|[^\w?])(?:[bcdghklmnpqrstvxđ]{1,3}|[BCDGHKLMNPQRSTVXĐ][bcdghklmnpqrstvxđ]{1,2})\?+(?!\w)")
_SINGLE_CAPITAL = re.compile(r"(?<!\S)[BCDGHKLMNPQRSTVXĐ]\?+(?=\s)")
_VOWEL = re.compile(r"[AEIOUYÀ-ÃÈ-ÊÌÍÒ-ÕÙÚÝĂĨŨƠƯẠ-Ỹ]")


def is_garbled(value: str) -> bool:
    """Whether a text still has damage: lost or control characters, misread UTF-8, letters of an old character set."""
    if CONTROL.search(value) or ("?" in value and has_lost_letters(value)):
        return True
    signs = (mojibake.REST, GLUED, _SIGN_BEFORE_LETTER)
    return not value.isascii() and (any(sign.search(value) for sign in signs) or readings.has_damage(value))


def has_lost_letters(value: str) -> bool:
    """Whether question marks stand for letters; addresses of the web and questions without a blank are no damage."""
    tokens = [token for token in _TOKEN.findall(value) if not _ADDRESS.search(token)]
    return any(map(_has_lost_letter, tokens)) or len(_SINGLE_CAPITAL.findall(value)) > 1


def _has_lost_letter(token: str) -> bool:
    if _WITHIN.search(token) or _AT_START.search(token) or _AT_END.search(token):
        return True
    return any(not _VOWEL.search(part) for match in _WITHIN_CAPITALS.finditer(token) for part in match.groups())
