"""Lists the periods that contain data, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

LOCAL = timezone(timedelta(hours=7))
THURSDAY = 3
HALF_MONTH = "half_month"


@dataclass(frozen=True)
class Period:
    """A period `[start, end)` of local days; its data end before `until`, and `is_covered` means that they are complete."""

    name: str
    start: date
    end: date
    until: date
    is_covered: bool

    @property
    def last_day(self) -> date:
        """The day for which definitions, weights and thresholds are chosen."""
        return self.end - timedelta(days=1)

    @property
    def as_of(self) -> datetime:
        """The instant at which its data end."""
        return datetime.combine(self.until, time(), LOCAL)

    def contains(self, day: date | None) -> bool:
        """Whether a day is in the period and before the end of its data."""
        return day is not None and self.start <= day < self.until


def read_from(windows: Iterable[tuple[date, int]]) -> date:
    """The day from which data were read: the first day of the windows, each as (first day, records), that had records."""
    return next(day for day, records in sorted(windows) if records > 0)


def reached(first: date, until: date) -> list[Period]:
    """Every period that contains a day of `[first, until)`."""
    spans = {span for n in range((until - first).days) for span in _spans(first + timedelta(days=n))}
    return [Period(*span, min(span[2], until), first <= span[1] and span[2] <= until) for span in sorted(spans)]


def _spans(day: date) -> Iterator[tuple[str, date, date]]:
    thursday = day
    while thursday.weekday() != THURSDAY:
        thursday -= timedelta(days=1)
    yield "week", thursday, thursday + timedelta(days=7)
    middle = day.replace(day=16)
    yield (HALF_MONTH, middle, _month(day, 1)) if day >= middle else (HALF_MONTH, _month(day, 0), middle)
    for name, months in (("month", 1), ("quarter", 3), ("half_year", 6), ("year", 12)):
        elapsed = (day.month - 1) % months
        yield name, _month(day, -elapsed), _month(day, months - elapsed)


def _month(day: date, later: int) -> date:
    """The first day of the month that is `later` months after the day's."""
    number = day.year * 12 + day.month - 1 + later
    return date(number // 12, number % 12 + 1, 1)
