"""Decodes words in old character sets: TCVN3 (ABC), VNI-Windows, and Windows-1258 misread as Windows-1252."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

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
_VNI |= {spelling.capitalize(): letter.upper() for spelling, letter in _VNI.items()}  # some programs write Uû for UÛ
_VNI |= {spelling.upper(): letter.upper() for spelling, letter in _VNI.items()}
_VNI_SPELLING = re.compile("|".join(sorted(_VNI, key=len, reverse=True)))

_CP1258 = str.maketrans("ÌÒÞìòÃãÐðÕõÝý", "\u0300\u0309\u0303\u0301\u0323ĂăĐđƠơƯư")


def _vni(text: str) -> str:
    return _VNI_SPELLING.sub(lambda match: _VNI[match[0]], text)


def _cp1258(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(_CP1258))


@dataclass(frozen=True, slots=True)
class Encoding:
    """An old character set: the characters that its bytes show in Windows-1252, and the decoding of a word.

    With `is_by_font`, capitals with tones come from the font: their codes are those of the small letters.
    """

    name: str
    alphabet: re.Pattern[str]
    decode: Callable[[str], str]
    is_by_font: bool = False


ENCODINGS = (
    Encoding("tcvn3", re.compile(f"[{_NEUTRAL}{_TCVN3_FROM}]*"), lambda text: text.translate(TCVN3), is_by_font=True),
    Encoding("vni", re.compile(f"[{_NEUTRAL}{''.join(sorted(set(''.join(_VNI))))}]*"), _vni),
    Encoding("cp1258", re.compile(f"[{_NEUTRAL}À-ÖØ-öø-ÿ]*"), _cp1258),
)
