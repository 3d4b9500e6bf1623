"""Persons in a text: where their names, identity numbers, telephone numbers and e-mail addresses stand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from lgsp.vietnam import phones, territory_versions
from lgsp.vietnam.text import surnames
from lgsp.vietnam.text.repair import clean

GONE = "[…]"
# A system's own keys may be long numbers; whatever else they hold is examined.
KEYS_SPARED = frozenset({"identity", "phone"})

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_LABEL = (
    r"(?:cccd|cmnd|cmt|cmtnd|căn cước(?: công dân)?|chứng minh(?: nhân dân| thư)?|định danh(?: cá nhân)?|mst|mã số thuế"
    r"|bhxh|bhyt|hộ chiếu|stk|tk|tài khoản|sổ bảo hiểm(?: xã hội)?|mã thẻ)"
)
_CALL = r"(?:sđt|đt|đtdđ|điện thoại|di động|hotline|zalo|tel|fax|mobile|phone)"
_DIGITS = r"(?<!\d)[a-z]{0,2}\d(?:[ .\-]?\d){6,14}(?![\w/]|[ .\-]\d)"
_LABELLED = re.compile(
    rf"\b(?P<label>{_LABEL}|{_CALL})(?:\W{{0,3}}(?:số|no))?\W{{0,4}}(?P<number>{_DIGITS})", re.IGNORECASE
)
_IS_CALL = re.compile(_CALL, re.IGNORECASE)
# Not inside a code (H47-220601), a document number (785/UBND), a decimal or a longer number.
_OPEN, _SHUT = r"(?<!\w)(?<!\w/)(?<!\w-)(?<!\d[.,])", r"(?!\w|[/\-.,]\w)"
_PHONE = re.compile(
    rf"{_OPEN}(?:\(?(?:\+|00)84\)?[ .\-]{{0,2}}\(?0?|\(?84|\(?0)\d{{0,3}}\)?(?:[ .\-]{{0,2}}\d){{5,9}}(?!\w|/[^\W\d]|[.,\-]\w)"
)
_IDENTITY = re.compile(
    rf"{_OPEN}(?:\d{{9,10}}(?:-\d{{3}})?|\d{{12,13}}|\d{{3}}(?:[ .]\d{{3}}){{2,3}}|\d{{4}}(?: \d{{4}}){{2}}|\d{{3}} ?\d ?\d\d ?\d{{6}})(?!\w|/[^\W\d]|[.,\-]\w)"
)
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_MONEY = re.compile(r"\s?(?:đồng|đ|vnđ|vnd|usd|triệu|tỷ|tỉ|m2|m²|ha|kg|tấn)(?!\w)", re.IGNORECASE)

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_CALLED_AFTER = re.compile(rf"(?<!\w)(?:{surnames.NAMED_AFTER})\s[\"“]?$")
_LONGEST_PHRASE = 11  # words: trường phổ thông dân tộc nội trú THCS và THPT
_TITLE_GAP = re.compile(r"[\s:)/(]{1,3}")


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    text: str
    low: str


@cache
def _unit_names() -> frozenset[str]:
    """Names of territories that could be a person's, in small letters and without their kind."""
    kinds = r"^(?:xã|phường|thị trấn|thị xã|thành phố|huyện|quận|đặc khu|tỉnh) "
    return frozenset(re.sub(kinds, "", unit.name.lower()) for unit in territory_versions.units())


def without_persons(value: str | None) -> str | None:
    """A clean text in which names of persons, identity and phone numbers and e-mail addresses are replaced by […]."""
    text = clean(value)
    while text is not None and (spans := _spans(text)):
        parts, last = [], 0
        for start, end, _ in spans:
            parts += [text[last:start], GONE]
            last = end
        text = clean("".join([*parts, text[last:]]))
    return text


def persons_in(value: str | None) -> tuple[str, ...]:
    """Which kinds of personal data a text holds: email, identity, name, phone."""
    text = clean(value)
    return () if text is None else tuple(sorted({kind for _, _, kind in _spans(text)}))


def _spans(text: str) -> list[tuple[int, int, str]]:
    """Places of personal data, from left to right and apart from each other."""
    found = [*_emails(text), *_numbers(text), *_names(text)]
    apart: list[tuple[int, int, str]] = []
    for span in sorted(found, key=lambda span: (span[0], -span[1])):  # of the same place, the first kind found
        if not apart or span[0] >= apart[-1][1]:
            apart.append(span)
    return apart


def _emails(text: str) -> Iterator[tuple[int, int, str]]:
    if "@" in text:
        yield from ((found.start(), found.end(), "email") for found in _EMAIL.finditer(text))


def _numbers(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _LABELLED.finditer(text):
        kind = "phone" if _IS_CALL.fullmatch(found["label"]) else "identity"
        yield found.start("number"), found.end("number"), kind
    for found in _PHONE.finditer(text):
        if phones.normal(found[0]) and not (_GROUPED.fullmatch(found[0]) and _MONEY.match(text, found.end())):
            yield found.start(), found.end(), "phone"
    for found in _IDENTITY.finditer(text):
        is_amount = _GROUPED.fullmatch(found[0]) or _MONEY.match(text, found.end())
        if not is_amount:
            yield found.start(), found.end(), "identity"


def _words(text: str) -> list[_Word]:
    return [_Word(found.start(), found.end(), found[0], found[0].lower()) for found in _WORD.finditer(text)]


def _names(text: str) -> Iterator[tuple[int, int, str]]:
    words = _words(text)
    place = 0
    while place < len(words):
        first = _after_title(text, words, place)
        if first is not None and (last := _titled(text, words, place, first)) is not None:
            place = first
        else:
            first = place
            last = _untitled(text, words, place)
        if last is None:
            place += 1
        else:
            yield words[first].start, words[last].end, "name"
            place = last + 1


def _after_title(text: str, words: list[_Word], place: int) -> int | None:
    """Where the name begins that the title at a place announces."""
    low = words[place].low
    two = f"{low} {words[place + 1].low}" if place + 1 < len(words) else ""
    if two in ("đồng chí", "công dân", "đ c"):
        begin = place + 2
    elif low in surnames.TITLES:
        before = words[place - 1].low if place else ""
        if (low == "em" and before in ("trẻ", "anh", "chị")) or (low == "anh" and before in ("tiếng", "nước")):
            return None
        begin = place + 1
    else:
        return None
    if begin >= len(words):
        return None
    return begin if _TITLE_GAP.fullmatch(text, words[begin - 1].end, words[begin].start) else None


def _run(text: str, words: list[_Word], first: int, longest: int) -> int:
    """The last word of a name beginning at a place: written alike, apart by spaces, up to a word that ends names."""
    is_capital = words[first].text[0].isupper()
    last = first
    for place in range(first + 1, min(first + longest, len(words))):
        word = words[place]
        if not text[words[place - 1].end : word.start].isspace() or _ends_names(words, place):
            break
        if is_capital and not (word.text[0].isupper() or word.low in ("văn", "thị")):
            break
        if not is_capital and not word.text.islower():
            break
        last = place
    if is_capital and last > first and words[last].text in ("văn", "thị"):
        last -= 1
    return last


def _ends_names(words: list[_Word], place: int) -> bool:
    word = words[place]
    if place + 1 < len(words) and (word.low, words[place + 1].low) in surnames.TWO_WORD_STOPS:
        return True
    return word.low in (surnames.SMALL_STOPS if word.text.islower() else surnames.STOPS)


def _titled(text: str, words: list[_Word], title: int, first: int) -> int | None:
    word, low = words[first], words[first].low
    if low in surnames.TITLES:
        return None
    last = _run(text, words, first, 5)
    if _is_exempt(words, first, last):
        return None
    is_capital, is_surname = word.text[0].isupper(), low in surnames.SURNAMES
    is_lone_capital = first - title == 1 and words[title].text[0].isupper() and title > 0
    if is_surname and last > first and not _is_joined(words, first, check_before=False):
        if is_capital and word.text.isupper() and len(word.text) > 1 and low not in surnames.UNTITLED:
            return last if words[first + 1].low in surnames.MIDDLES else None
        return last
    if not is_capital or (word.text.isupper() and len(word.text) > 1) or low in surnames.ROLES or is_lone_capital:
        return None
    return None if words[title].low == "công" else last


def _untitled(text: str, words: list[_Word], first: int) -> int | None:
    word, low = words[first], words[first].low
    if low not in surnames.SURNAMES or first + 1 >= len(words):
        return None
    last = _run(text, words, first, 4)
    is_plain = _is_plain_name(words, first, last)
    if last == first or (low not in surnames.UNTITLED and not is_plain):
        return None
    if _is_joined(words, first, check_before=not is_plain) or _is_exempt(words, first, last):
        return None
    if _is_called_after(text, words, first):
        return None
    is_sure = low in surnames.SURE or low in surnames.HIGHLAND
    has_middle = words[first + 1].low in surnames.MIDDLES
    if word.text.islower():
        return last if is_sure and (low == "nguyễn" or has_middle) and last - first >= 2 else None
    if word.text.isupper():
        return last if is_sure or (has_middle and last - first >= 2) else None
    return last if is_sure or last - first >= 2 else None


def _is_plain_name(words: list[_Word], first: int, last: int) -> bool:
    """Whether words read Lưu Văn An after a word in small letters: a name, even where the surname may be a word."""
    if last - first < 2 or words[first].low in surnames.NEVER_UNTITLED or words[first + 1].low not in ("văn", "thị"):
        return False
    is_title_case = all(word.text == word.text.capitalize() for word in (words[first], words[last]))
    return is_title_case and (first == 0 or words[first - 1].text.islower())


def _is_joined(words: list[_Word], first: int, check_before: bool = True) -> bool:
    """Whether a surname is only a part of a word, as in quản lý or hồ sơ."""
    low = words[first].low
    before = words[first - 1].low if check_before and first else ""
    after = words[first + 1].low if first + 1 < len(words) else ""
    return before in surnames.JOINED_BEFORE.get(low, ()) or after in surnames.JOINED_AFTER.get(low, ())


def _is_exempt(words: list[_Word], first: int, last: int) -> bool:
    """Whether a name is a territory's, or a man's whose name stands for one."""
    name = " ".join(word.low for word in words[first : last + 1])
    if name.startswith(surnames.EXEMPT) or name in _unit_names():
        return True
    if first and words[first - 1].low in surnames.KINDS:
        parts = name.split()
        return any(" ".join(parts[:length]) in _unit_names() for length in range(2, len(parts)))
    return False


def _is_called_after(text: str, words: list[_Word], first: int) -> bool:
    """Whether the words before a name say that it is a street's, a school's or a prize's."""
    begin = words[max(0, first - _LONGEST_PHRASE)].start
    return _CALLED_AFTER.search(text[begin : words[first].start].lower()) is not None


def mask_key(key: str) -> str:
    """A record's key as the ledger may show it: one that holds a person's data becomes a hash."""
    is_personal = any(kind not in KEYS_SPARED for kind in persons_in(key))
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()[:16]}" if is_personal else key
