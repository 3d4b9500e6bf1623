"""Normalises Vietnamese telephone numbers, written with the prefixes from before or after the changes of 2017 and 2018."""

from __future__ import annotations

import re

# Mobile prefixes of eleven-digit numbers until 14 November 2018, and their new prefixes.
MOBILE = {
    "0120": "070", "0121": "079", "0122": "077", "0126": "076", "0128": "078",  # MobiFone
    "0123": "083", "0124": "084", "0125": "085", "0127": "081", "0129": "082",  # VinaPhone
    "0162": "032", "0163": "033", "0164": "034", "0165": "035", "0166": "036", "0167": "037", "0168": "038", "0169": "039",  # Viettel
    "0186": "056", "0188": "058",  # Vietnamobile
    "0199": "059",  # Gmobile
}  # fmt: skip
# Area codes until 2017, and their new codes: Quảng Nam, Đà Nẵng, Thái Nguyên, Bắc Kạn.
LANDLINE = {"0510": "0235", "0511": "0236", "0280": "0208", "0281": "0209"}

_SEPARATORS = re.compile(r"[\s().\-]")
_COUNTRY = re.compile(r"(?:\+|00)840?|84(?=\d{9,10}$)0?")
_VALID = re.compile(r"0(?:3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}|02\d{9}")


def to_e164(value: str) -> str | None:
    """The number in E.164 (`+84905000000`), from any spelling and any prefix; None when it is not a Vietnamese number."""
    digits = _SEPARATORS.sub("", value)
    if country := _COUNTRY.match(digits):
        digits = "0" + digits[country.end() :]
    if len(digits) == 11:
        old = digits[:4]
        if old in MOBILE:
            digits = MOBILE[old] + digits[4:]
        elif old in LANDLINE:
            digits = LANDLINE[old] + digits[4:]
    return f"+84{digits[1:]}" if digits.isascii() and _VALID.fullmatch(digits) else None
