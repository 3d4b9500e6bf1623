"""Vietnamese text as it should be: one Unicode form, no markup, no invisible signs, no persons."""

from __future__ import annotations

import html
import re
import unicodedata

LOOK_ALIKES = str.maketrans({"\u00d0": "\u0110", "\u0189": "\u0110", "\u00a0": " ", "\u2019": "'", "\u02bc": "'"})
_TAG = re.compile(r"<[^<>]{1,200}>")
_SPACES = re.compile(r"\s+")

# Tone marks stand on the first vowel of these pairs in the old style (hòa), on the second in the new (hoà).
_PAIRS = ("oa", "oe", "uy")
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_NEW_STYLE = re.compile(rf"(?<![q])(o|u)(a|e|y)([{_TONES}])(?![\w\u0300-\u036f])")

ABBREVIATIONS = (
    (r"\bubnd\b", "ủy ban nhân dân"), (r"\bhđnd\b", "hội đồng nhân dân"), (r"\btp\.?(?=\s|$|[^\W\d_])", "thành phố "),
    (r"\btx\.?\s", "thị xã "), (r"\btt\.\s?", "thị trấn "), (r"\bp\.\s?", "phường "), (r"\bx\.\s?", "xã "), (r"\bh\.\s?", "huyện "),
    (r"\btt&tt\b", "thông tin và truyền thông"), (r"\bvh[,-]?\s?tt\s?&\s?dl\b", "văn hóa, thể thao và du lịch"),
)  # fmt: skip
_ABBREVIATIONS = [(re.compile(pattern), full) for pattern, full in ABBREVIATIONS]

SURNAMES = "Nguyễn|Trần|Lê|Phạm|Hoàng|Huỳnh|Phan|Vũ|Võ|Đặng|Bùi|Đỗ|Hồ|Ngô|Dương|Lý|Đinh|Trương|Lương|Mai|Tô|Đoàn|Trịnh|Hà|Cao|Thái|Tạ|Châu|Alăng|Bhnướch|Zơrâm|Arất|Coor|Pơloong"
_WORD = r"[A-ZÀ-ỸĐ][A-Za-zÀ-ỹđ']*"
_TITLED = re.compile(
    rf"\b((?:ông|bà|anh|chị|em|cháu|công dân|đồng chí|đ/c|Ông|Bà|Anh|Chị)(?:\s*/\s*[bB]à|\s*\([bB]à\))?\s+)"
    rf"({_WORD}(?:\s+(?:(?:văn|thị)\s+\w+|{_WORD})){{1,5}})"
)
# A surname and two or three more names, as written or in capitals; streets named after persons go with them.
_NAMED = re.compile(rf"(?<!\w)(?!Hồ Chí Minh|HỒ CHÍ MINH)(?:{SURNAMES}|{SURNAMES.upper()})(?:\s+{_WORD}){{2,3}}(?!\w)")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"(?<![\d/])\+?\d(?:[\s.-]?\d){8,13}(?![\w/])")
GONE = "[…]"


def clean(text: str | None) -> str | None:
    """A text in NFC without markup, entities, look-alikes and invisible signs; None when nothing is left.

    A combining sequence, an HTML tag and an entity are undone; letters, digits and punctuation stay as sent.
    """
    if text is None:
        return None
    if "<" in text or "&" in text:
        text = html.unescape(_TAG.sub(" ", html.unescape(text)))
    text = unicodedata.normalize("NFC", text.translate(LOOK_ALIKES))
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf") if not text.isascii() else text
    return _SPACES.sub(" ", text).strip() or None


def key(text: str | None) -> str | None:
    """A text for comparing: clean, lower case, abbreviations written out, one tone style, no punctuation.

    Accents stay: Tam Dân and Tam Đàn are two communes.
    """
    cleaned = clean(text)
    if cleaned is None:
        return None
    lowered = cleaned.lower()
    for pattern, full in _ABBREVIATIONS:
        lowered = pattern.sub(full, lowered)
    return _SPACES.sub(" ", re.sub(r"[^\w\s']", " ", one_tone_style(lowered))).strip() or None


def one_tone_style(text: str) -> str:
    """Lower-case text with tone marks placed the old way: hoà becomes hòa, thuỷ becomes thủy."""
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", _NEW_STYLE.sub(r"\1\3\2", decomposed))


def without_persons(text: str | None) -> str | None:
    """A clean text in which names of persons, identity and phone numbers and e-mail addresses are replaced by […]."""
    cleaned = clean(text)
    if cleaned is None:
        return None
    cleaned = _EMAIL.sub(GONE, cleaned)
    cleaned = _NUMBER.sub(GONE, cleaned)
    cleaned = _TITLED.sub(lambda match: match.group(1) + GONE, cleaned)
    return _NAMED.sub(GONE, cleaned)
