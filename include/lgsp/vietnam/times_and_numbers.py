"""Times and numbers in every way that programs, spreadsheets and people write them; nothing is guessed.

The day comes before the month; a time without an offset is local; points part thousands and a comma parts decimals.
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
NO_TIME, NO_VALUE = "unreadable_time", "unreadable_value"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_FARTHEST = 14  # hours from UTC, in Kiribati
# What C programs and MySQL write for no date.
_ZERO = re.compile(r"0[0:/. T-]*Z?")
_FIRST, _LAST = 1901, 2999
_GREATEST = 10**15
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
    """The instant a text tells; None when it tells none, or the day that programs write for "no date"."""
    found = _instant(sent)
    return None if found is None or _is_no_date(found) else found


def instant_oddity(sent: str) -> str | None:
    """What is unusual about a time that is not written in its product's own way: a format, a sentinel, unreadable."""
    said = text.clean(sent)
    if said is None:
        return None
    if said in fillers():
        return FILLER
    found = _instant(sent)
    if found is None:
        return NO_TIME
    return SENTINEL if _is_no_date(found) else FORMAT


def number(sent: str) -> Decimal | None:
    """The number a text tells, without its unit; None when it tells none."""
    said = _UNIT.sub("", _UNIT.sub("", text.clean(sent) or ""))
    plain = next((read(said) for pattern, read in _NUMBERS if pattern.fullmatch(said)), None)
    return None if plain is None else Decimal(plain)


def whole_number(sent: str) -> int | None:
    """The whole number a text tells; None when it tells none, or a fraction."""
    found = number(sent)
    return int(found) if found is not None and found == found.to_integral_value() and abs(found) < _GREATEST else None


@cache
def fillers() -> frozenset[str]:
    """What is written where there is nothing to say."""
    return frozenset(str(item) for item in codelists.load("filler")["any"])


def _instant(sent: str) -> datetime | None:
    said = text.clean(sent) or ""
    if _ZERO.fullmatch(said):
        return _BEGINNING
    for pattern in _TIMES:
        if match := pattern.fullmatch(said):
            return _moment(match.groupdict())
    if re.fullmatch(r"\d{13}", said):
        return _after_epoch(int(said))
    if match := re.fullmatch(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/", said):  # the offset is for display only
        return _after_epoch(int(match.group(1)))
    return None


def _after_epoch(milliseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:  # the smallest date of .NET, where clocks are ahead of UTC
        return _BEGINNING if milliseconds < 0 else None


def _moment(told: dict[str, str | None]) -> datetime | None:
    year = int(told["year"] or 0)
    if len(told["year"] or "") == 2:
        year += 2000
    fraction = (told.get("fraction") or "0")[:6].ljust(6, "0")
    try:
        moment = datetime(
            year, int(told["month"] or 0), int(told["day"] or 0), int(told.get("hour") or 0),
            int(told.get("minute") or 0), int(told.get("second") or 0), int(fraction), tzinfo=LOCAL,
        )  # fmt: skip
    except ValueError:
        return None
    offset = told.get("offset")
    if offset is None:
        return moment
    if offset == "Z":
        return moment.replace(tzinfo=UTC)
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > _FARTHEST or minutes >= 60:
        return None
    away = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    try:
        return moment.replace(tzinfo=UTC) - away
    except OverflowError:
        return _BEGINNING


def _is_no_date(moment: datetime) -> bool:
    """The first and last days of programs' calendars: year 1, 1900, 9999, and the first day of 1970."""
    is_epoch = abs(moment - _EPOCH) < timedelta(days=1)
    return is_epoch or not _FIRST <= moment.year <= _LAST
