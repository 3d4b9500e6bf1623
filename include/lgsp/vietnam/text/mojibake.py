"""Decodes UTF-8 that was read as Windows-1252, Windows-1258 or Latin-1, word by word.

Vietnamese Windows reads files as Windows-1258, all other programs as Windows-1252 or Latin-1. The three differ in few
bytes, and no character stands for different bytes in them, so one table decodes all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lgsp.vietnam.text import vocabulary
from lgsp.vietnam.text.syllables import vietnamese_score


def _bytes_by_character() -> dict[str, int]:
    """The byte of each character that one of the character sets shows for a byte above 7F."""
    table = {chr(code): code for code in range(0x80, 0x100)}
    for charset in ("cp1252", "cp1258"):
        shown = ((code, bytes([code]).decode(charset, "ignore")) for code in range(0x80, 0x100))
        table = {character: code for code, character in shown if character} | table
    return table


_BYTE = _bytes_by_character()
CONTINUATION = "".join(re.escape(sign) for sign, code in _BYTE.items() if code < 0xC0)
_LEADS = "ÂÃÄÅÆÌĂ"  # Ă is the byte of Ã in Windows-1258
# The combining marks of Vietnamese (CC 80 …) in Windows-1258, where the byte CC is itself a combining grave.
_COMBINED = "".join(
    re.escape(sign) for sign, code in _BYTE.items() if code in (0x80, 0x81, 0x82, 0x83, 0x86, 0x89, 0x9B, 0xA3)
)
MOJIBAKE = re.compile(
    f"[{_LEADS}][{CONTINUATION}]|\u0300[{_COMBINED}]|á[º»][{CONTINUATION}]|â[€„‚][{CONTINUATION}]|Ë[†œ]|ï»¿|ï¿½|[ðđ]Ÿ[{CONTINUATION}]{{2}}"
)
# A rest of misread UTF-8, which a sound text cannot have; some programs write a lost byte as a question mark.
REST = re.compile(f"á[º»][{CONTINUATION}]|[ÃÄÅÆĂ][\x80-\x9f¡-¿‘†]|[ÄÅÆĂ]\\?|á[º»]\\?(?=\\w)|(?<=[a-zđ])Ã\\?|â€|ï»¿|ï¿½")
_MOST_TIMES = 3  # a text passes through few wrong programs
_PUNCTUATION = frozenset("\u00a0«»“”‘’–—…•")
_TOKEN = re.compile(r"[^ \t\r\n\f\v]+")  # a no-break space is also a byte of misread UTF-8
# A no-break space that ended a word was removed or read as a space: of C3 A0 only the first byte is left.
_CUT = re.compile(rf"(?:[{_LEADS}]|á[º»])$")
_CUT_WORD = re.compile(rf"(?:[a-zđ][{_LEADS}]|[A-ZĐ]Ă)(?=[ \t\r\n]|$)")
_CUT_AFTER_CAPITAL = re.compile(r"(?<![^\W\d_])([A-ZĐ])[ÃĂ](?=[ \t\r\n]|$)")
_SMALL_LETTER = re.compile("[a-z]")


def fix(text: str) -> str:
    """The text with the misread words decoded; a word is decoded when it then scores better as Vietnamese."""
    if not MOJIBAKE.search(text) and not _CUT_WORD.search(text):
        return text
    is_misread = any(not _may_be_correct(match) for match in MOJIBAKE.finditer(text))
    if is_misread and _SMALL_LETTER.search(text):
        text = _CUT_AFTER_CAPITAL.sub(_with_grave, text)
    return _TOKEN.sub(lambda match: _best_reading(match[0], is_misread), text)


def _with_grave(match: re.Match[str]) -> str:
    """`HÃ` as Hà; `XÃ` stays, because the official texts have *xã* more often than *xà*."""
    letter = match[1]
    is_intact = vocabulary.occurrences(letter + "ã") >= vocabulary.occurrences(letter + "à")
    return match[0] if is_intact else letter + "à"


def _best_reading(token: str, is_misread: bool) -> str:
    """The best reading of a token; what may be correct is decoded only where other words are surely misread."""
    if token.isascii():
        return token
    forms = [token, f"{token}\u00a0"] if _CUT.search(token) else [token]
    readings = [reading for form in forms for is_all in (False, is_misread) for reading in _decodings(form, is_all)]
    return max([token, *readings], key=lambda reading: _score(reading, is_misread))


def _decodings(token: str, is_all: bool) -> Iterator[str]:
    """The token decoded once, twice …; with `is_all` also what may be correct."""
    for _ in range(_MOST_TIMES):
        decoded = MOJIBAKE.sub(
            lambda match: _decode(match) if is_all or not _may_be_correct(match) else match[0], token
        )
        if decoded == token:
            return
        yield decoded
        token = decoded


def _decode(match: re.Match[str]) -> str:
    try:
        return bytes(_BYTE[sign] for sign in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def _score(text: str, is_misread: bool) -> int:
    rest = sum(1 for match in MOJIBAKE.finditer(text) if is_misread or not _may_be_correct(match))
    return vietnamese_score(text) - rest


def _may_be_correct(match: re.Match[str]) -> bool:
    """`XÃ”` may be the end of a quotation: a capital after a capital, then punctuation, with no word continuing."""
    text, start, end = match.string, *match.span()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    if match[0][0] not in "ÂÃÌĂ" or match[0][1:] not in _PUNCTUATION or not before.isupper():
        return False
    if not text[max(start - 2, 0) : start - 1].isalpha() and _is_known_only_decoded(before, match):
        return False
    return not (after.islower() or after == " ") if match[0].endswith("\u00a0") else not after.isalpha()


def _is_known_only_decoded(letter: str, match: re.Match[str]) -> bool:
    """Whether a word of one letter and this match is in the official texts only when decoded: HÃ with a blank is Hà."""
    return not vocabulary.occurrences(letter + match[0][0]) and vocabulary.occurrences(letter + _decode(match)) > 0
