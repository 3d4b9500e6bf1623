"""Parses times and numbers in every format that programs, spreadsheets and people use; an ambiguous text gives None.

The day comes before the month. A time without an offset is local. Points separate thousands and a comma the decimals.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

from lgsp.schema import codelists
from lgsp.vietnam import text
from lgsp.window import LOCAL

SENTINEL, FORMAT, FILLER = "sentinel", "format", "filler"
UNREADABLE_TIME = "unreadable_time"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_MAX_OFFSET_HOURS = 14  # Kiribati
# C programs and MySQL write this for "no date".
_ZERO = re.compile(r"0[0:/. T-]*Z?")
_FIRST_YEAR, _LAST_YEAR = 1901, 2999
_MAX_WHOLE_NUMBER = 10**15
_CLOCK = r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?"
_OFFSET = r"(?P<offset>Z|[+-]\d{2}:?\d{2})?"
_TIMES = [
    re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}}){_CLOCK}\s*{_OFFSET}"),
    re.compile(rf"(?P<year>\d{{4}})/(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}}){_CLOCK}"),
    re.compile(rf"(?P<day>\d{{1,2}})(?P<sign>[/.-])(?P<month>\d{{1,2}})(?P=sign)(?P<year>\d{{4}}|\d{{2}}){_CLOCK}"),
    re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2}))?"),
]
_UNIT = re.compile(r"\s|(?:vnđ|vnd|đồng|đ|%)$", re.IGNORECASE)
_NUMBERS: list[tuple[re.Pattern[str], Callable[[str], str]]] = [
    (re.compile(r"-?\d{1,15}"), str),
    (re.compile(r"-?\d{1,3}(?:\.\d{3})+(?:,\d+)?"), lambda number: number.replace(".", "").replace(",", ".")),
    (re.compile(r"-?\d{1,15},\d{1,6}"), lambda number: number.replace(",", ".")),
    (re.compile(r"-?\d{1,15}\.\d{1,6}"), str),
]


def instant(sent: str) -> datetime | None:
    """The instant that a text states; None when it is unreadable, or a date that programs write for "no date"."""
    parsed = _parse_instant(sent)
    return None if parsed is None or _is_sentinel(parsed) else parsed


def instant_oddity(sent: str) -> str | None:
    """Why a time is not in the usual format of its product: FORMAT, SENTINEL, FILLER or UNREADABLE_TIME.

    None for an empty text. The caller must not pass times that are in the usual format: they give FORMAT too.
    """
    cleaned = text.clean(sent)
    if cleaned is None:
        return None
    if cleaned in fillers():
        return FILLER
    parsed = _parse_instant(sent)
    if parsed is None:
        return UNREADABLE_TIME
    return SENTINEL if _is_sentinel(parsed) else FORMAT


def number(sent: str) -> Decimal | None:
    """The number in a text, without its unit; None when the text is not a number."""
    cleaned = _UNIT.sub("", _UNIT.sub("", text.clean(sent) or ""))
    plain = next((to_plain(cleaned) for pattern, to_plain in _NUMBERS if pattern.fullmatch(cleaned)), None)
    return None if plain is None else Decimal(plain)


def whole_number(sent: str) -> int | None:
    """The whole number in a text; None when the text is not a number, has a fraction, or is 10^15 or more."""
    value = number(sent)
    if value is None or value != value.to_integral_value() or abs(value) >= _MAX_WHOLE_NUMBER:
        return None
    return int(value)


@cache
def fillers() -> frozenset[str]:
    """The texts that people and programs write in place of an empty value."""
    return frozenset(str(item) for item in codelists.load("filler")["any"])


def _parse_instant(sent: str) -> datetime | None:
    cleaned = text.clean(sent) or ""
    if _ZERO.fullmatch(cleaned):
        return _YEAR_ONE
    for pattern in _TIMES:
        if match := pattern.fullmatch(cleaned):
            return _from_parts(match.groupdict())
    if re.fullmatch(r"\d{13}", cleaned):
        return _after_epoch(int(cleaned))
    if match := re.fullmatch(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/", cleaned):  # the offset is for display only
        return _after_epoch(int(match.group(1)))
    return None


def _after_epoch(milliseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:  # the smallest date of .NET, in a time zone ahead of UTC
        return _YEAR_ONE if milliseconds < 0 else None


def _from_parts(parts: dict[str, str | None]) -> datetime | None:
    year = int(parts["year"] or 0)
    if len(parts["year"] or "") == 2:
        year += 2000
    fraction = (parts.get("fraction") or "0")[:6].ljust(6, "0")
    try:
        moment = datetime(
            year, int(parts["month"] or 0), int(parts["day"] or 0), int(parts.get("hour") or 0),
            int(parts.get("minute") or 0), int(parts.get("second") or 0), int(fraction), tzinfo=LOCAL,
        )  # fmt: skip
    except ValueError:
        return None
    offset = parts.get("offset")
    if offset is None:
        return moment
    if offset == "Z":
        return moment.replace(tzinfo=UTC)
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > _MAX_OFFSET_HOURS or minutes >= 60:
        return None
    offset_from_utc = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    try:
        return moment.replace(tzinfo=UTC) - offset_from_utc
    except OverflowError:
        return _YEAR_ONE


def _is_sentinel(moment: datetime) -> bool:
    """Whether a program writes this time for "no date": years up to 1900, from 3000 on, and within a day of 1970-01-01."""
    is_epoch = abs(moment - _EPOCH) < timedelta(days=1)
    return is_epoch or not _FIRST_YEAR <= moment.year <= _LAST_YEAR
