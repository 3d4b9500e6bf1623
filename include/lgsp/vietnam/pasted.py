"""Reads ids, days and times as people paste them from Word, Excel, e-mails and documents.

A day has its year in four digits, and comes before the month. Every other order or a missing part is refused, not guessed.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from lgsp.vietnam import codes, time_formats
from lgsp.window import LOCAL, midnight
from lgsp.window import instant as iso_instant

_QUOTES = "'\"`´‘’‚“”„«»‹›"
_AROUND = _QUOTES + " <>,;."
_LABEL = re.compile(r"^(?:mã|số|id|code)\b[^:\d]{0,30}:\s*", re.IGNORECASE)
_AROUND_HYPHEN = re.compile(r"(?<=\w) ?- ?(?=\w)")
_DAYS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})(?P<sign>[-/.])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})(?P<sign>[-/.])(?P<month>\d{1,2})(?P=sign)(?P<year>\d{4})",
        r"(?P<day>\d{1,2}) tháng (?P<month>\d{1,2}),? năm (?P<year>\d{4})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    )
)
_DAY_WORD = re.compile(r"^ngày\s*", re.IGNORECASE)
_MIDNIGHT = re.compile(r"[ T]0{1,2}:00(?::00(?:\.0+)?)?$")
_SHORT_YEAR = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?!\d)")


def code(value: str) -> str:
    """An id as it would be typed: without quotes, Excel's `=""`, a label such as `Mã hồ sơ:`, and Word's dashes and blanks."""
    typed, before = codes.plain(value), None
    while typed != before:
        before = typed
        typed = _LABEL.sub("", typed.removeprefix("=").strip(_AROUND))
    return typed


def key(value: str) -> str:
    """As `code`, also without blanks around hyphens: for ids, which have none."""
    return _AROUND_HYPHEN.sub("-", code(value))


def day(value: str) -> date:
    """The local day in a text: `2022-06-01`, `1/6/2022`, `1-6-2022`, `01.06.2022`, `ngày 1 tháng 6 năm 2022`.

    Raises ValueError, with the reason, for every other text.
    """
    written = _MIDNIGHT.sub("", _DAY_WORD.sub("", code(value)))
    for pattern in _DAYS:
        if match := pattern.fullmatch(written):
            return _day(value, int(match["year"]), int(match["month"]), int(match["day"]))
    raise ValueError(f"{value!r} is not a day{_why(written)}; write 2022-06-01 or 01/06/2022")


def instant(value: str) -> datetime:
    """The instant in a text: ISO 8601, or a day of `day`, alone or with a time: `01/06/2022 08:15`. Local without an offset.

    Raises ValueError, with the reason, for every other text.
    """
    written = code(value)
    try:
        return iso_instant(written)
    except ValueError:
        pass
    if _SHORT_YEAR.search(written) or ":" not in written:
        return midnight(day(value))
    parsed = time_formats.parse(_DAY_WORD.sub("", written))
    if parsed is None:
        raise ValueError(f"{value!r} is not a time; write 2022-06-01T08:15:00+07:00 or 01/06/2022 08:15")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=LOCAL)


def _day(value: str, year: int, month: int, day_of_month: int) -> date:
    try:
        return date(year, month, day_of_month)
    except ValueError as error:
        order = "; the day comes before the month" if month > 12 and day_of_month <= 12 else ""
        raise ValueError(f"{value!r} is not a day: {error}{order}") from None


def _why(written: str) -> str:
    if partial := time_formats.partial_date(written):
        return f": it states {partial} only"
    if _SHORT_YEAR.fullmatch(written):
        return ": its year has two digits, which may also be a day"
    return ""
