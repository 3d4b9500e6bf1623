"""Reporting periods and their text forms: weeks that start on Thursday, half-months, months, quarters, half-years, years.

Forms: 2026, 2026-H1, 2026-Q3, 2026-08, 2026-08/1 (the first half of a month), 2026-W32 or the first day of a week.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from lgsp.errors import LgspError, SettingError
from lgsp.vietnam import pasted, time_formats

# Forms that people write in addition to the listed ones: 8/2026, tháng 8/2026, quý 3/2026, Q3/2026, quý III năm 2026, 06/08/2026
_QUARTER = re.compile(r"(?:QUÝ|Q)\.?\s*([1-4]|I{1,3}|IV)\s*(?:[/.-]|,?\s*NĂM\s)\s*(\d{4})")
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4}

FORMS = "2026 (year), 2026-H1, 2026-Q3, 2026-08 (month), 2026-08/1 (its first half), 2026-W32 or 2026-08-06 (a week, by its first day)"

# Kinds of period that consist of whole months, with their number of months.
MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
# The kinds of period for which the index is reported.
INDEX_PERIODS = ("month", "quarter", "half_year")
WEEK_STARTS_ON = 4  # Thursday, as an ISO weekday


@dataclass(frozen=True)
class Period:
    """A reporting period: its kind, its first local day and the day after its last."""

    kind: str
    start: date
    end: date

    def __str__(self) -> str:
        return f"{self.kind} [{self.start}, {self.end})"


def parse(text: str) -> Period:
    """The period that a text describes. Raises LgspError, with the valid forms, when it describes none."""
    form = pasted.code(text).upper()
    try:
        if match := re.fullmatch(r"(\d{4})-W(\d{1,2})", form):
            # the Thursday of an ISO week decides its number
            return starting("week", date.fromisocalendar(int(match[1]), int(match[2]), WEEK_STARTS_ON))
        if match := _QUARTER.fullmatch(form):
            quarter = _ROMAN.get(match[1]) or int(match[1])
            return starting("quarter", date(int(match[2]), 3 * quarter - 2, 1))
        if match := re.fullmatch(r"(\d{4})-(\d{2})/([12])", form):
            return starting("half_month", date(int(match[1]), int(match[2]), 1 if match[3] == "1" else 16))
        if match := re.fullmatch(r"(\d{4})-H([12])", form):
            return starting("half_year", date(int(match[1]), 6 * int(match[2]) - 5, 1))
        if match := re.fullmatch(r"(\d{4})-Q([1-4])", form):
            return starting("quarter", date(int(match[1]), 3 * int(match[2]) - 2, 1))
        if match := re.fullmatch(r"(\d{4})-(\d{1,2})", form):
            return starting("month", date(int(match[1]), int(match[2]), 1))
        if re.fullmatch(r"\d{4}", form):
            return starting("year", date(int(form), 1, 1))
        if partial := time_formats.partial_date(form):
            return parse(partial)
        return starting("week", pasted.day(form))
    except ValueError as error:
        raise LgspError(f"{text!r} is not a period ({error}); write {FORMS}") from error


def text_of(kind: str, start: date) -> str:
    """The text of a period, as `parse` reads it."""
    match kind:
        case "year":
            return f"{start:%Y}"
        case "half_year":
            return f"{start:%Y}-H{start.month // 6 + 1}"
        case "quarter":
            return f"{start:%Y}-Q{start.month // 3 + 1}"
        case "month":
            return f"{start:%Y-%m}"
        case "half_month":
            return f"{start:%Y-%m}/{1 if start.day == 1 else 2}"
    return start.isoformat()


def starting(kind: str, start: date) -> Period:
    """The period of a kind that starts on a day; the day is not checked."""
    if kind == "week":
        return Period(kind, start, start + timedelta(days=7))
    if kind == "half_month" and start.day == 1:
        return Period(kind, start, start.replace(day=16))
    return Period(kind, start, shift_months(start, MONTHS.get(kind, 1)))


def is_start(kind: str, day: date) -> bool:
    """Whether a period of a kind (week, or whole months) starts on a day."""
    if kind == "week":
        return day.isoweekday() == WEEK_STARTS_ON
    return day.day == 1 and (day.month - 1) % MONTHS[kind] == 0


def end_of(kind: str, start: date) -> date:
    """The day after the last day of a period. Raises SettingError when no such period starts on `start`."""
    if not is_start(kind, start):
        raise SettingError(f"{start} is not the first day of a {kind}")
    return starting(kind, start).end


def week_start(day: date) -> date:
    """The first day, a Thursday, of the week of a day."""
    return day - timedelta(days=(day.isoweekday() - WEEK_STARTS_ON) % 7)


def ended_before(day: date) -> dict[str, date]:
    """The index periods that ended with the month before the month of a day, each with its first day."""
    last = shift_months(day.replace(day=1), -1)
    return {kind: shift_months(last, 1 - MONTHS[kind]) for kind in INDEX_PERIODS if last.month % MONTHS[kind] == 0}


def shift_months(start: date, months: int) -> date:
    """The first day of the month that many months later (negative: earlier) than the month starting on `start`."""
    years, month = divmod(start.month - 1 + months, 12)
    return date(start.year + years, month + 1, 1)
