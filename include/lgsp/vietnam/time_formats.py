"""Recognises the formats of times: of Java, .NET, JavaScript, PostgreSQL, spreadsheets and people. The day comes before the month."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from lgsp.window import LOCAL

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 1901, 2999
# Programs disagree on the century of the years between these two, so such a year is not read.
LAST_OF_THIS_CENTURY, FIRST_OF_LAST_CENTURY = 49, 70

_MAX_OFFSET_HOURS = 14  # Kiribati
_ZONE_OFFSETS = {"ICT": "+07:00", "GMT": "Z", "UTC": "Z"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# 8:15, 08:15:00.000, 08h15, 8h, 5:00:00 PM, 05:00 CH (chiều)
_CLOCK = (
    r"(?P<hour>\d{1,2})(?:h|[:hg](?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)"
    r"(?:\s?(?P<half>am|pm|sa|ch))?"
)
_OFFSET = r"\s*(?P<offset>z|(?:gmt|utc)?[+-]\d{2}(?::?\d{2})?)?(?:\[[a-z_/]{3,40}\])?"
_DAYS = (
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})",
    r"(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})",
    r"(?P<day>\d{1,2})(?P<sign>[/.-])(?P<month>\d{1,2})(?P=sign)(?P<year>\d{4}|\d{2})",
)
_NAMED_DAY = rf"(?P<weekday>{'|'.join(_WEEKDAYS)}),? "
_NAMED_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_NAMED_ZONE = rf"(?P<zone>{'|'.join(_ZONE_OFFSETS)})?(?P<offset>[+-]\d{{2}}:?\d{{2}})?"
_TIMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        *(rf"{day}(?:(?:t|,?\s+){_CLOCK})?{_OFFSET}" for day in _DAYS),
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2}))?",
        *(rf"{_CLOCK},?\s+(?:ngày\s+)?{day}" for day in _DAYS),
        # the array of Java's JSON libraries: [2022,6,1,8,15]
        r"\[(?P<year>\d{4}), ?(?P<month>\d{1,2}), ?(?P<day>\d{1,2})"
        r"(?:, ?(?P<hour>\d{1,2}), ?(?P<minute>\d{1,2})(?:, ?(?P<second>\d{1,2})(?:, ?\d{1,9})?)?)?\]",
        # Wed Jun 01 08:15:00 ICT 2022; Wed Jun 01 2022 08:15:00 GMT+0700 (Indochina Time); Wed, 01 Jun 2022 01:15:00 GMT
        rf"{_NAMED_DAY}{_NAMED_MONTH} (?P<day>\d{{1,2}}) {_CLOCK} {_NAMED_ZONE} (?P<year>\d{{4}})",
        rf"{_NAMED_DAY}{_NAMED_MONTH} (?P<day>\d{{1,2}}) (?P<year>\d{{4}}) {_CLOCK} {_NAMED_ZONE}(?: \([\w ]+\))?",
        rf"{_NAMED_DAY}(?P<day>\d{{1,2}}) {_NAMED_MONTH} (?P<year>\d{{4}}) {_CLOCK} {_NAMED_ZONE}",
    )
)
_PARTIAL_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:00?[/.-])?(?P<month>\d{1,2})[/.-](?P<year>\d{4})",
        r"(?P<year>\d{4})[/.-](?P<month>\d{1,2})(?:[/.-]00?)?",
        r"(?:tháng|t\.?)\s*(?P<month>\d{1,2})\s*(?:[/.-]|,?\s*năm)\s*(?P<year>\d{4})",
        r"(?:năm\s*|00?[/.-]00?[/.-])?(?P<year>\d{4})(?:[/.-]00?[/.-]00?)?",
    )
)


def parse(cleaned: str) -> datetime | None:
    """The instant in a cleaned text, local when it has no offset; None for an unknown format and for an impossible time."""
    for pattern in _TIMES:
        if match := pattern.fullmatch(cleaned):
            return _from_parts(match.groupdict())
    if re.fullmatch(r"\d{13}", cleaned):
        return _after_epoch(int(cleaned))
    if match := re.fullmatch(r"/Date\((-?\d{1,14})(?:[+-]\d{4})?\)/", cleaned):  # the offset is for display only
        return _after_epoch(int(match.group(1)))
    return None


def partial_date(cleaned: str) -> str | None:
    """The month (`2022-05`) or year (`2022`) that a text without a day states; None for every other text."""
    for pattern in _PARTIAL_DATES:
        if not (match := pattern.fullmatch(cleaned)):
            continue
        year, month = int(match["year"]), match.groupdict().get("month")
        if FIRST_YEAR <= year <= LAST_YEAR and (month is None or 1 <= int(month) <= 12):
            return f"{year}-{int(month):02}" if month else str(year)
    return None


def _after_epoch(milliseconds: int) -> datetime | None:
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:  # the smallest date of .NET, in a time zone ahead of UTC
        return YEAR_ONE if milliseconds < 0 else None


def _from_parts(parts: dict[str, str | None]) -> datetime | None:
    year, month, hour, second = (
        _year(parts["year"] or ""),
        _month(parts["month"] or ""),
        _hour(parts),
        _number(parts, "second"),
    )
    minute, offset = (
        _number(parts, "minute"),
        (parts.get("offset") or _ZONE_OFFSETS.get((parts.get("zone") or "").upper())),
    )
    if year is None or hour is None or (hour == 24 and (minute or second)):
        return None
    # the end of a day, and a leap second
    later = timedelta(days=hour == 24, minutes=second == 60)
    fraction = (parts.get("fraction") or "0")[:6].ljust(6, "0")
    try:
        moment = (
            datetime(year, month, _number(parts, "day"), hour % 24, minute, second % 60, int(fraction), tzinfo=LOCAL)
            + later
        )
    except (ValueError, OverflowError):
        return None
    weekday = parts.get("weekday")
    if second > 60 or (weekday and _WEEKDAYS[moment.weekday()] != weekday.lower()):
        return None
    return moment if offset is None else _with_offset(moment, offset.upper(), has_time=parts.get("hour") is not None)


def _number(parts: dict[str, str | None], name: str) -> int:
    return int(parts.get(name) or 0)


def _year(sent: str) -> int | None:
    year = int(sent)
    if len(sent) == 4:
        return year
    if LAST_OF_THIS_CENTURY < year < FIRST_OF_LAST_CENTURY:
        return None
    return year + (2000 if year <= LAST_OF_THIS_CENTURY else 1900)


def _month(sent: str) -> int:
    return int(sent) if sent.isdigit() else _MONTHS.index(sent.lower()) + 1


def _hour(parts: dict[str, str | None]) -> int | None:
    """The hour of the day from 0 to 24; None when it contradicts its half of the day: 13:00 SA."""
    hour, half = _number(parts, "hour"), (parts.get("half") or "").lower()
    if half in ("am", "sa"):
        return hour % 12 if hour <= 12 else None
    if half in ("pm", "ch"):
        return hour % 12 + 12 if 1 <= hour <= 12 else hour if 12 < hour < 24 else None
    return hour if hour <= 24 else None


def _with_offset(moment: datetime, offset: str, *, has_time: bool) -> datetime | None:
    if offset == "Z":
        return moment.replace(tzinfo=UTC)
    digits = offset.removeprefix("GMT").removeprefix("UTC")
    hours, minutes = int(digits[1:3]), int(digits[3:].lstrip(":") or 0)
    if hours > _MAX_OFFSET_HOURS or minutes >= 60 or (len(digits) == 3 and not has_time):
        return None
    offset_from_utc = timedelta(hours=hours, minutes=minutes) * (-1 if digits[0] == "-" else 1)
    try:
        return moment.replace(tzinfo=UTC) - offset_from_utc
    except OverflowError:
        return YEAR_ONE
