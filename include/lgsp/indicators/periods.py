"""Periods as people write them: 2026, 2026-H1, 2026-Q3, 2026-08, a half month 2026-08/1, a week 2026-W32 or by its first day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from lgsp.errors import LgspError
from lgsp.indicators.months import LENGTHS, shifted

FORMS = "2026 (year), 2026-H1, 2026-Q3, 2026-08 (month), 2026-08/1 (its first half), 2026-W32 or 2026-08-06 (a week, by its first day)"


@dataclass(frozen=True)
class Span:
    """A period that indicators are published for: its kind, its first local day and the day after its last."""

    period: str
    start: date
    end: date

    def __str__(self) -> str:
        return f"{self.period} [{self.start}, {self.end})"


def read(text: str) -> Span:
    """The period that a text means. Raises LgspError when it means none, with the ways to write one."""
    told = text.strip().upper()
    try:
        if found := re.fullmatch(r"(\d{4})-W(\d{1,2})", told):
            # a week that is cut on Thursday begins on the Thursday that gives the ISO week its number
            return of("week", date.fromisocalendar(int(found[1]), int(found[2]), 4))
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", told):
            return of("week", date.fromisoformat(told))
        if found := re.fullmatch(r"(\d{4})-(\d{2})/([12])", told):
            return of("half_month", date(int(found[1]), int(found[2]), 1 if found[3] == "1" else 16))
        if found := re.fullmatch(r"(\d{4})-H([12])", told):
            return of("half_year", date(int(found[1]), 6 * int(found[2]) - 5, 1))
        if found := re.fullmatch(r"(\d{4})-Q([1-4])", told):
            return of("quarter", date(int(found[1]), 3 * int(found[2]) - 2, 1))
        if found := re.fullmatch(r"(\d{4})-(\d{1,2})", told):
            return of("month", date(int(found[1]), int(found[2]), 1))
        if re.fullmatch(r"\d{4}", told):
            return of("year", date(int(told), 1, 1))
    except ValueError as error:
        raise LgspError(f"{text!r} is no period ({error}); write {FORMS}") from error
    raise LgspError(f"{text!r} is no period; write {FORMS}")


def of(period: str, start: date) -> Span:
    """The period of a kind that begins on a day."""
    if period == "week":
        return Span(period, start, start + timedelta(days=7))
    if period == "half_month" and start.day == 1:
        return Span(period, start, start.replace(day=16))
    return Span(period, start, shifted(start, LENGTHS.get(period, 1)))


def written(period: str, start: date) -> str:
    """A period as `read` takes it."""
    match period:
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
