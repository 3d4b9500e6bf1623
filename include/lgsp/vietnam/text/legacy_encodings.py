"""Decodes text in old character sets: TCVN3 (ABC), VNI-Windows, Windows-1258, and UTF-8 misread as Windows-1252.

A text is converted only when the result has more Vietnamese syllables (see `vietnamese_score`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from lgsp.vietnam.text.syllables import vietnamese_score

ETH = str.maketrans({"\u00d0": "\u0110", "\u0189": "\u0110", "\u00f0": "\u0111", "\u0256": "\u0111"})

# Characters that are the same in every character set.
_NEUTRAL = "\x00-\x7f\u00a0\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2022\u200b-\u200f\ufeff°²³"

_TCVN3_FROM = "¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ"
_TCVN3_TO = "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ"
TCVN3 = str.maketrans(_TCVN3_FROM, _TCVN3_TO)

# VNI writes a vowel followed by one sign for diacritic and tone together.
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
CONTINUATION = "".join(re.escape(sign) for sign, code in _BYTE.items() if code < 0xC0)
MOJIBAKE = re.compile(
    f"[ÂÃÄÅÆÌ][{CONTINUATION}]|á[º»][{CONTINUATION}]|â[€„][{CONTINUATION}]|ï»¿|ï¿½|ðŸ[{CONTINUATION}]{{2}}"
)
_PUNCTUATION = frozenset("\u00a0«»“”‘’–—…•")
_LOST_SPACE = re.compile(r"Ã(?= |$)")  # C3 A0, whose second byte was read as a space


def _vni(text: str) -> str:
    return _VNI_SPELLING.sub(lambda match: _VNI[match[0]], text)


def _cp1258(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(_CP1258))


_Decoder = tuple[str, re.Pattern[str], Callable[[str], str]]
_DECODERS: tuple[_Decoder, ...] = (
    ("tcvn3", re.compile(f"[{_NEUTRAL}{_TCVN3_FROM}]*"), lambda text: text.translate(TCVN3)),
    ("vni", re.compile(f"[{_NEUTRAL}{''.join(sorted(set(''.join(_VNI))))}]*"), _vni),
    ("cp1258", re.compile(f"[{_NEUTRAL}À-ÖØ-öø-ÿ]*"), _cp1258),
)


def decode_legacy(text: str) -> tuple[str, str]:
    """The text decoded from TCVN3, VNI or misread Windows-1258, and the name of the encoding.

    The unchanged text and "" when no decoding scores better as Vietnamese.
    """
    best, name, best_gain = text, "", 0
    as_sent = text.translate(ETH)
    for decoder, alphabet, decode in _DECODERS:
        if alphabet.fullmatch(text):
            decoded, by_font = (
                decode(text),
                decoder == "tcvn3",
            )  # in TCVN3 capitals come from the font, not from the letters
            gain = vietnamese_score(decoded, by_font) - vietnamese_score(as_sent, by_font)
            if gain > best_gain:
                best, name, best_gain = decoded, decoder, gain
    return best, name


def _decode_utf8(match: re.Match[str]) -> str:
    try:
        return bytes(_BYTE[sign] for sign in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def fix_mojibake(text: str) -> str:
    """The text with UTF-8 sequences that were read as Windows-1252 or Latin-1 decoded, when the result scores better."""
    decoded = MOJIBAKE.sub(_decode_utf8, text)
    if decoded == text or _mojibake_score(decoded) <= _mojibake_score(text):
        return text
    if _LOST_SPACE.sub("", MOJIBAKE.sub("", text)).isascii():  # the whole text is misread, so each Ã is a misread à
        decoded = MOJIBAKE.sub(_decode_utf8, _LOST_SPACE.sub("à", text))
    return decoded


def _mojibake_score(text: str) -> int:
    return vietnamese_score(text) - sum(1 for match in MOJIBAKE.finditer(text) if not _may_be_correct(match))


def _may_be_correct(match: re.Match[str]) -> bool:
    """`XÃ”` may be the end of a quotation: a capital after a capital, then punctuation, with no word continuing."""
    text, start, end = match.string, *match.span()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    if match[0][0] not in "ÂÃÌ" or match[0][1:] not in _PUNCTUATION or not before.isupper():
        return False
    return not after.islower() and not (match[0].endswith("\u00a0") and after == " ")
