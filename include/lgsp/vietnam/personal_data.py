"""Finds and removes personal data in a text: names, identity numbers, phone numbers and e-mail addresses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lgsp import config
from lgsp.vietnam import phones, territory_versions
from lgsp.vietnam.text import surnames
from lgsp.vietnam.text.repair import clean

REDACTED = "[…]"
# A source's own keys may be long numbers, so these kinds are not reported in keys.
KINDS_ALLOWED_IN_KEYS = frozenset({"identity", "phone"})
# In bytes. The store does not accept a longer key.
LONGEST_KEY = 1_000

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_IDENTITY_LABEL = (
    r"(?:cccd|cmnd|cmt|cmtnd|căn cước(?: công dân)?|chứng minh(?: nhân dân| thư)?|định danh(?: cá nhân)?|mst|mã số thuế"
    r"|bhxh|bhyt|hộ chiếu|stk|tk|tài khoản|sổ bảo hiểm(?: xã hội)?|mã thẻ)"
)
_PHONE_LABEL = r"(?:sđt|đt|đtdđ|điện thoại|di động|hotline|zalo|tel|fax|mobile|phone)"
_DIGITS = r"(?<!\d)[a-z]{0,2}\d(?:[ .\-]?\d){6,14}(?![\w/]|[ .\-]\d)"
_LABELLED = re.compile(
    rf"\b(?P<label>{_IDENTITY_LABEL}|{_PHONE_LABEL})(?:\W{{0,3}}(?:số|no))?\W{{0,4}}(?P<number>{_DIGITS})",
    re.IGNORECASE,
)
_IS_PHONE_LABEL = re.compile(_PHONE_LABEL, re.IGNORECASE)
# A number does not start inside a code (H47-220601), a document number (785/UBND), a decimal or a longer number.
_NUMBER_START = r"(?<!\w)(?<!\w/)(?<!\w-)(?<!\d[.,])"
_PHONE = re.compile(
    rf"{_NUMBER_START}(?:\(?(?:\+|00)84\)?[ .\-]{{0,2}}\(?0?|\(?84|\(?0)\d{{0,3}}\)?(?:[ .\-]{{0,2}}\d){{5,9}}(?!\w|/[^\W\d]|[.,\-]\w)"
)
_IDENTITY = re.compile(
    rf"{_NUMBER_START}(?:\d{{9,10}}(?:-\d{{3}})?|\d{{12,13}}|\d{{3}}(?:[ .]\d{{3}}){{2,3}}|\d{{4}}(?: \d{{4}}){{2}}|\d{{3}} ?\d ?\d\d ?\d{{6}})(?!\w|/[^\W\d]|[.,\-]\w)"
)
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_MONEY = re.compile(r"\s?(?:đồng|đ|vnđ|vnd|usd|triệu|tỷ|tỉ|m2|m²|ha|kg|tấn)(?!\w)", re.IGNORECASE)

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_NAMED_AFTER = re.compile(rf"(?<!\w)(?:{surnames.NAMED_AFTER})\s[\"“]?$")
_LONGEST_PHRASE = 11  # words: trường phổ thông dân tộc nội trú THCS và THPT
_TITLE_GAP = re.compile(r"[\s:)/(]{1,3}")


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    text: str
    lower: str


@config.cached()
def _unit_names() -> frozenset[str]:
    """The names of territories, in lower case and without their kind: they may look like a person's name."""
    kinds = r"^(?:xã|phường|thị trấn|thị xã|thành phố|huyện|quận|đặc khu|tỉnh) "
    return frozenset(re.sub(kinds, "", unit.name.lower()) for unit in territory_versions.units())


def without_persons(value: str | None) -> str | None:
    """The cleaned text with every name, identity number, phone number and e-mail address replaced by […]."""
    text = clean(value)
    while text is not None and (spans := _spans(text)):
        parts, last = [], 0
        for start, end, _ in spans:
            parts += [text[last:start], REDACTED]
            last = end
        text = clean("".join([*parts, text[last:]]))
    return text


@config.cached(most=16_384)  # the names in lists are the same from batch to batch
def persons_in(value: str | None) -> tuple[str, ...]:
    """The kinds of personal data in a text, sorted: email, identity, name, phone."""
    text = clean(value)
    return () if text is None else tuple(sorted({kind for _, _, kind in _spans(text)}))


def _spans(text: str) -> list[tuple[int, int, str]]:
    """The spans of personal data (start, end, kind), from left to right and without overlaps."""
    candidates = [*_emails(text), *_numbers(text), *_names(text)]
    spans: list[tuple[int, int, str]] = []
    for span in sorted(candidates, key=lambda span: (span[0], -span[1])):  # stable: of equal spans the first kind stays
        if not spans or span[0] >= spans[-1][1]:
            spans.append(span)
    return spans


def _emails(text: str) -> Iterator[tuple[int, int, str]]:
    if "@" in text:
        yield from ((match.start(), match.end(), "email") for match in _EMAIL.finditer(text))


def _numbers(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _LABELLED.finditer(text):
        kind = "phone" if _IS_PHONE_LABEL.fullmatch(match["label"]) else "identity"
        yield match.start("number"), match.end("number"), kind
    for match in _PHONE.finditer(text):
        if phones.to_e164(match[0]) and not (_GROUPED.fullmatch(match[0]) and _MONEY.match(text, match.end())):
            yield match.start(), match.end(), "phone"
    for match in _IDENTITY.finditer(text):
        is_amount = _GROUPED.fullmatch(match[0]) or _MONEY.match(text, match.end())
        if not is_amount:
            yield match.start(), match.end(), "identity"


def _words(text: str) -> list[_Word]:
    return [_Word(match.start(), match.end(), match[0], match[0].lower()) for match in _WORD.finditer(text)]


def _names(text: str) -> Iterator[tuple[int, int, str]]:
    words = _words(text)
    index = 0
    while index < len(words):
        first = _first_after_title(text, words, index)
        if first is not None and (last := _last_of_titled_name(text, words, index, first)) is not None:
            index = first
        else:
            first = index
            last = _last_of_untitled_name(text, words, index)
        if last is None:
            index += 1
        else:
            yield words[first].start, words[last].end, "name"
            index = last + 1


def _first_after_title(text: str, words: list[_Word], index: int) -> int | None:
    """The index of the word after the title at `index`; None when there is no title, or no word after it."""
    lower = words[index].lower
    two = f"{lower} {words[index + 1].lower}" if index + 1 < len(words) else ""
    if two in ("đồng chí", "công dân", "đ c"):
        first = index + 2
    elif lower in surnames.TITLES:
        before = words[index - 1].lower if index else ""
        if (lower == "em" and before in ("trẻ", "anh", "chị")) or (lower == "anh" and before in ("tiếng", "nước")):
            return None
        first = index + 1
    else:
        return None
    if first >= len(words):
        return None
    return first if _TITLE_GAP.fullmatch(text, words[first - 1].end, words[first].start) else None


def _last_of_name(text: str, words: list[_Word], first: int, longest: int) -> int:
    """The index of a name's last word: the same case, separated by spaces, before any word that ends names."""
    is_capital = words[first].text[0].isupper()
    last = first
    for index in range(first + 1, min(first + longest, len(words))):
        word = words[index]
        if not text[words[index - 1].end : word.start].isspace() or _ends_name(words, index):
            break
        if is_capital and not (word.text[0].isupper() or word.lower in ("văn", "thị")):
            break
        if not is_capital and not word.text.islower():
            break
        last = index
    if is_capital and last > first and words[last].text in ("văn", "thị"):
        last -= 1
    return last


def _ends_name(words: list[_Word], index: int) -> bool:
    word = words[index]
    if index + 1 < len(words) and (word.lower, words[index + 1].lower) in surnames.TWO_WORD_STOPS:
        return True
    return word.lower in (surnames.LOWER_CASE_STOPS if word.text.islower() else surnames.STOPS)


def _last_of_titled_name(text: str, words: list[_Word], title: int, first: int) -> int | None:
    """The index of the last word of the name after a title; None when it is not a person's name."""
    word, lower = words[first], words[first].lower
    if lower in surnames.TITLES:
        return None
    last = _last_of_name(text, words, first, 5)
    if _is_exempt(words, first, last):
        return None
    is_capital, is_surname = word.text[0].isupper(), lower in surnames.SURNAMES
    is_lone_capital = first - title == 1 and words[title].text[0].isupper() and title > 0
    if is_surname and last > first and not _is_joined(words, first, check_before=False):
        if is_capital and word.text.isupper() and len(word.text) > 1 and lower not in surnames.UNTITLED:
            return last if words[first + 1].lower in surnames.MIDDLES else None
        return last
    if not is_capital or (word.text.isupper() and len(word.text) > 1) or lower in surnames.ROLES or is_lone_capital:
        return None
    return None if words[title].lower == "công" else last


def _last_of_untitled_name(text: str, words: list[_Word], first: int) -> int | None:
    """The index of the last word of a name without a title; None when the words are not a person's name."""
    word, lower = words[first], words[first].lower
    if lower not in surnames.SURNAMES or first + 1 >= len(words):
        return None
    last = _last_of_name(text, words, first, 4)
    is_plain = _is_plain_name(words, first, last)
    if last == first or (lower not in surnames.UNTITLED and not is_plain):
        return None
    if _is_joined(words, first, check_before=not is_plain) or _is_exempt(words, first, last):
        return None
    if _is_named_after(text, words, first):
        return None
    is_unambiguous = lower in surnames.UNAMBIGUOUS or lower in surnames.HIGHLAND
    has_middle = words[first + 1].lower in surnames.MIDDLES
    if word.text.islower():
        return last if is_unambiguous and (lower == "nguyễn" or has_middle) and last - first >= 2 else None
    if word.text.isupper():
        return last if is_unambiguous or (has_middle and last - first >= 2) else None
    return last if is_unambiguous or last - first >= 2 else None


def _is_plain_name(words: list[_Word], first: int, last: int) -> bool:
    """Whether the words have the form Lưu Văn An after a word in lower case: a name even when the surname is also a word."""
    if (
        last - first < 2
        or words[first].lower in surnames.NEVER_UNTITLED
        or words[first + 1].lower not in ("văn", "thị")
    ):
        return False
    is_title_case = all(word.text == word.text.capitalize() for word in (words[first], words[last]))
    return is_title_case and (first == 0 or words[first - 1].text.islower())


def _is_joined(words: list[_Word], first: int, check_before: bool = True) -> bool:
    """Whether a surname is only part of a compound word, as in quản lý or hồ sơ."""
    lower = words[first].lower
    before = words[first - 1].lower if check_before and first else ""
    after = words[first + 1].lower if first + 1 < len(words) else ""
    return before in surnames.JOINED_BEFORE.get(lower, ()) or after in surnames.JOINED_AFTER.get(lower, ())


def _is_exempt(words: list[_Word], first: int, last: int) -> bool:
    """Whether a name is that of a territory, or of a public figure listed in EXEMPT."""
    name = " ".join(word.lower for word in words[first : last + 1])
    if name.startswith(surnames.EXEMPT) or name in _unit_names():
        return True
    if first and words[first - 1].lower in surnames.KINDS:
        parts = name.split()
        return any(" ".join(parts[:length]) in _unit_names() for length in range(2, len(parts)))
    return False


def _is_named_after(text: str, words: list[_Word], first: int) -> bool:
    """Whether the words before a name show that it is the name of a street, a school or a prize."""
    start = words[max(0, first - _LONGEST_PHRASE)].start
    return _NAMED_AFTER.search(text[start : words[first].start].lower()) is not None


def mask_key(key: str) -> str:
    """A record's key for the ledger and logs: a key that contains personal data, or is longer than any id, is replaced by a hash."""
    is_replaced = len(key.encode(errors="replace")) > LONGEST_KEY or any(
        kind not in KINDS_ALLOWED_IN_KEYS for kind in persons_in(key)
    )
    return f"sha256:{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:16]}" if is_replaced else key
