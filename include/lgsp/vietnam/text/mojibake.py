"""Decodes UTF-8 that was read as Windows-1252, Windows-1258 or Latin-1, word by word.

Vietnamese Windows reads files as Windows-1258, all other programs as Windows-1252 or Latin-1. The three differ in few
bytes, and no character stands for different bytes in them, so one table decodes all.
"""

from __future__ import annotations

import re

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
_COMBINED = "".join(re.escape(sign) for sign, code in _BYTE.items() if code in (0x80, 0x81, 0x82, 0x83, 0x86, 0x89, 0x9B, 0xA3))
MOJIBAKE = re.compile(
    f"[{_LEADS}][{CONTINUATION}]|\u0300[{_COMBINED}]|á[º»][{CONTINUATION}]|â[€„][{CONTINUATION}]|ï»¿|ï¿½|[ðđ]Ÿ[{CONTINUATION}]{{2}}"
)
# A rest of misread UTF-8, which a sound text cannot have; some programs write a lost byte as a question mark.
REST = re.compile(
    f"á[º»][{CONTINUATION}]|[ÃÄÅÆĂ][\x80-\x9f¡-¿‘†]|[ÄÅÆĂ]\\?|á[º»]\\?(?=\\w)|(?<=[a-zđ])Ã\\?|â€|ï»¿|ï¿½"
)
_PUNCTUATION = frozenset("\u00a0«»“”‘’–—…•")
_TOKEN = re.compile(r"[^ \t\r\n\f\v]+")  # a no-break space is also a byte of misread UTF-8
_LOST_SPACE = re.compile(r"[ÃĂ](?=[ \t\r\n]|$)")  # C3 A0, whose second byte was read as a space
_SURELY_LOST_SPACE = re.compile(r"(?<=[a-zđ])[ÃĂ](?=[ \t\r\n]|$)")  # no word has a capital after small letters


def fix(text: str) -> str:
    """The text with the misread words decoded; a word is decoded when it then scores better as Vietnamese."""
    if not MOJIBAKE.search(text) and not _SURELY_LOST_SPACE.search(text):
        return text
    decoded = _TOKEN.sub(_decode_token, text)
    if decoded != text and _LOST_SPACE.sub("", MOJIBAKE.sub("", text)).isascii():  # the whole text is misread
        decoded = _LOST_SPACE.sub("à", decoded)
    return _SURELY_LOST_SPACE.sub("à", decoded)


def _decode_token(match: re.Match[str]) -> str:
    token = match[0]
    if token.isascii():
        return token
    decoded = MOJIBAKE.sub(_decode, token)
    return decoded if decoded != token and _score(decoded) > _score(token) else token


def _decode(match: re.Match[str]) -> str:
    try:
        return bytes(_BYTE[sign] for sign in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def _score(text: str) -> int:
    return vietnamese_score(text) - sum(1 for match in MOJIBAKE.finditer(text) if not _may_be_correct(match))


def _may_be_correct(match: re.Match[str]) -> bool:
    """`XÃ”` may be the end of a quotation: a capital after a capital, then punctuation, with no word continuing."""
    text, start, end = match.string, *match.span()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    if match[0][0] not in "ÂÃÌĂ" or match[0][1:] not in _PUNCTUATION or not before.isupper():
        return False
    return not after.islower() and not (match[0].endswith("\u00a0") and after == " ")
