"""Old character sets undone: TCVN3 (ABC), VNI-Windows, Windows-1258, and UTF-8 read as Windows-1252.

A text is converted only where the result reads better as Vietnamese than the text does, syllable by syllable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from lgsp.vietnam.text.syllables import sense

ETH = str.maketrans({"\u00d0": "\u0110", "\u0189": "\u0110", "\u00f0": "\u0111", "\u0256": "\u0111"})

# Signs that no font changes, and may stand in a text of any character set.
_NEUTRAL = "\x00-\x7f\u00a0\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2022\u200b-\u200f\ufeff°²³"

_TCVN3_FROM = "¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ"
_TCVN3_TO = "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ"
TCVN3 = str.maketrans(_TCVN3_FROM, _TCVN3_TO)

# VNI writes a vowel and then one sign for hat and tone together.
_VNI_SIGNS = dict.fromkeys("aeouyôö", "øùûõï")  # grave, acute, hook, tilde, dot
_TONED = {
    "a": "àáảãạ", "e": "èéẻẽẹ", "o": "òóỏõọ", "u": "ùúủũụ", "y": "ỳýỷỹỵ", "ô": "ờớởỡợ", "ö": "ừứửữự",
}  # fmt: skip
_HATTED = {("a", "âàáåãä"): "âầấẩẫậ", ("a", "êèéúüë"): "ăằắẳẵặ", ("e", "âàáåãä"): "êềếểễệ", ("o", "âàáåãä"): "ôồốổỗộ"}
_VNI = {
    vowel + sign: letter
    for vowel, signs in _VNI_SIGNS.items()
    for sign, letter in zip(signs, _TONED[vowel], strict=True)
}
_VNI |= {
    vowel + sign: letter for (vowel, signs), row in _HATTED.items() for sign, letter in zip(signs, row, strict=True)
}
_VNI |= dict(zip("ìíæóòîñôö", "ìíỉĩịỵđơư", strict=True))
_VNI |= {spelling.upper(): letter.upper() for spelling, letter in _VNI.items()}
_VNI_SPELLING = re.compile("|".join(sorted(_VNI, key=len, reverse=True)))

_CP1258 = str.maketrans("ÌÒÞìòÃãÐðÕõÝý", "\u0300\u0309\u0303\u0301\u0323ĂăĐđƠơƯư")

# The bytes 80-BF that continue a UTF-8 sequence, as Windows-1252 or Latin-1 shows them.
_BYTE = {chr(code): code for code in range(0x80, 0x100)}
_BYTE |= {
    bytes([code]).decode("cp1252"): code for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
CONTINUED = "".join(re.escape(sign) for sign, code in _BYTE.items() if code < 0xC0)
MOJIBAKE = re.compile(f"[ÂÃÄÅÆÌ][{CONTINUED}]|á[º»][{CONTINUED}]|â[€„][{CONTINUED}]|ï»¿|ï¿½|ðŸ[{CONTINUED}]{{2}}")
_PUNCTUATION = frozenset("\u00a0«»“”‘’–—…•")
_LOST_SPACE = re.compile(r"Ã(?= |$)")  # C3 A0, whose second half was taken for a space


def _vni(text: str) -> str:
    return _VNI_SPELLING.sub(lambda found: _VNI[found[0]], text)


def _cp1258(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(_CP1258))


_Decoder = tuple[str, re.Pattern[str], Callable[[str], str]]
_DECODERS: tuple[_Decoder, ...] = (
    ("tcvn3", re.compile(f"[{_NEUTRAL}{_TCVN3_FROM}]*"), lambda text: text.translate(TCVN3)),
    ("vni", re.compile(f"[{_NEUTRAL}{''.join(sorted(set(''.join(_VNI))))}]*"), _vni),
    ("cp1258", re.compile(f"[{_NEUTRAL}À-ÖØ-öø-ÿ]*"), _cp1258),
)


def undone(text: str) -> tuple[str, str]:
    """The text out of TCVN3, VNI or misread Windows-1258, and which of them it was; itself and "" where none reads better."""
    best, name, most = text, "", 0
    told = text.translate(ETH)
    for decoder, alphabet, decode in _DECODERS:
        if alphabet.fullmatch(text):
            decoded, by_font = decode(text), decoder == "tcvn3"  # its fonts, not its letters, hold the capitals
            gain = sense(decoded, by_font) - sense(told, by_font)
            if gain > most:
                best, name, most = decoded, decoder, gain
    return best, name


def _sequence(found: re.Match[str]) -> str:
    try:
        return bytes(_BYTE[sign] for sign in found[0]).decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def without_mojibake(text: str) -> str:
    """The text with UTF-8 read as Windows-1252 or Latin-1 read as UTF-8 again, where it then reads better."""
    decoded = MOJIBAKE.sub(_sequence, text)
    if decoded == text or _sense_of_ruins(decoded) <= _sense_of_ruins(text):
        return text
    if _LOST_SPACE.sub("", MOJIBAKE.sub("", text)).isascii():  # ruined as a whole, so no Ã is meant
        decoded = MOJIBAKE.sub(_sequence, _LOST_SPACE.sub("à", text))
    return decoded


def _sense_of_ruins(text: str) -> int:
    return sense(text) - sum(1 for found in MOJIBAKE.finditer(text) if not _may_be_meant(found))


def _may_be_meant(found: re.Match[str]) -> bool:
    """`XÃ”` may be the end of a quotation: a capital after a capital, a sign of punctuation, and no word going on."""
    text, start, end = found.string, *found.span()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    if found[0][0] not in "ÂÃÌ" or found[0][1:] not in _PUNCTUATION or not before.isupper():
        return False
    return not after.islower() and not (found[0].endswith("\u00a0") and after == " ")
