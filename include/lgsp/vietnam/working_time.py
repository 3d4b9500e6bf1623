"""Computes working time: the working time between two instants, and the due times of dossiers.

Instants are numpy `datetime64` in UTC, days are local `datetime64[D]`, working time is exact to the microsecond.
Every working day has the same opening hours: 7:00-11:30 and 13:30-17:00, eight hours.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lgsp import config, sql
from lgsp.vietnam import holiday_overrides, working_days
from lgsp.window import LOCAL

log = logging.getLogger(__name__)

Instants = NDArray[np.datetime64]
Days = NDArray[np.datetime64]
Spans = NDArray[np.timedelta64]
Whole = NDArray[np.int64]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
OPENS, NOON_BREAK, NOON_END, CLOSES = 7 * HOUR, 11 * HOUR + 30 * MINUTE, 13 * HOUR + 30 * MINUTE, 17 * HOUR
MORNING, AFTERNOON = NOON_BREAK - OPENS, CLOSES - NOON_END
WORKING_DAY = MORNING + AFTERNOON
LOCAL_OFFSET = 7 * HOUR  # no summer time since 1975

PAUSES = ("supplement_requested", "payment_requested", "suspended")
SHORT_DAYS = 90  # complex dossiers are due up to about a quarter of a year ahead


class OutOfCalendar(ValueError):
    """A day is outside the calendar, so it is unknown whether it is a working day."""


@dataclass(frozen=True)
class Horizon:
    """How far ahead the calendar is announced, counted from the day of the newest data."""

    confirmed_until: date
    days_left: int

    @property
    def is_short(self) -> bool:
        """Whether dossiers received now may be due on days that are not announced yet."""
        return self.days_left < SHORT_DAYS

    @property
    def warning(self) -> str | None:
        """What an operator must do and where; None while the calendar is announced far enough ahead."""
        if not self.is_short:
            return None
        return (
            f"the working calendar is announced until {self.confirmed_until}, {self.days_left} days after the newest data: "
            f"holidays after that day are a forecast. Add the newly announced days and the new confirmed_until to "
            f"{holiday_overrides.OWN} in LGSP_CONFIG"
        )


def horizon(as_of: date) -> Horizon:
    """How far ahead the calendar is announced, counted from a day."""
    until = working_days.confirmed_until()
    return Horizon(until, (until - as_of).days)


def warn_if_short(as_of: date) -> str | None:
    """Log and return a warning when the calendar is not announced far enough ahead; None otherwise."""
    warning = horizon(as_of).warning
    if warning:
        log.warning(warning)
    return warning


@dataclass(frozen=True)
class _Calendar:
    """The working days as arrays; day numbers are days since 1970-01-01."""

    first: int
    is_working: NDArray[np.bool_]
    worked_before: Whole  # number of working days before each day; one element longer than is_working
    working_days: Whole

    def index(self, days: Whole) -> Whole:
        """The positions of days in the calendar's arrays. Raises OutOfCalendar."""
        for day in (days.min(initial=self.first), days.max(initial=self.first)):
            if not 0 <= day - self.first < len(self.is_working):
                raise OutOfCalendar(
                    f"working time: {np.datetime64(int(day), 'D')} is outside the calendar "
                    f"({working_days.FIRST_DAY} to {working_days.last_day()})"
                )
        return days - self.first

    def nth(self, number: Whole) -> Whole:
        """The working days with these ordinal numbers, from 0 for the calendar's first. Raises OutOfCalendar."""
        if ((number < 0) | (number >= len(self.working_days))).any():
            raise OutOfCalendar(
                f"working time: the calendar ends on {working_days.last_day()}, before the requested day"
            )
        return self.working_days[number]


@config.cached()
def _calendar() -> _Calendar:
    first = (working_days.FIRST_DAY - date(1970, 1, 1)).days
    count = (working_days.last_day() - working_days.FIRST_DAY).days + 1
    is_working = np.array([working_days.is_working(working_days.FIRST_DAY + timedelta(days=n)) for n in range(count)])
    before = np.concatenate([[0], np.cumsum(is_working)]).astype(np.int64)
    return _Calendar(first, is_working, before, np.flatnonzero(is_working).astype(np.int64) + first)


def local_days(instants: Instants) -> Days:
    """The local day of each instant."""
    return ((_micros(instants) + LOCAL_OFFSET) // DAY).astype("datetime64[D]")


def is_working(days: Days) -> NDArray[np.bool_]:
    """Whether offices are open on each local day."""
    calendar = _calendar()
    return calendar.is_working[calendar.index(_numbers(days))]


def next_working_day(days: Days) -> Days:
    """The first working day after each day."""
    return add_days(days, np.int64(1))


def add_days(days: Days, count: Whole | np.int64) -> Days:
    """The working day that is `count` working days after each day; days off do not count.

    With 0, the day itself, or the last working day before a day off.
    """
    calendar = _calendar()
    worked = calendar.worked_before[calendar.index(_numbers(days)) + 1]
    return calendar.nth(worked + count - 1).astype("datetime64[D]")


def days_between(start: Days, end: Days) -> Whole:
    """The number of working days after `start` up to and including `end`; negative when `end` comes first."""
    calendar = _calendar()
    first, last = (calendar.worked_before[calendar.index(_numbers(days)) + 1] for days in (start, end))
    return np.asarray(last - first, np.int64)


def due(received: Instants, days: Whole | np.int64) -> Instants:
    """Closing time of the day `days` working days after receipt.

    A receipt from 17:00 on, or on a day off, counts from the next working day.
    """
    local = _micros(received) + LOCAL_OFFSET
    calendar = _calendar()
    counted = local // DAY + (local % DAY >= CLOSES)
    target = calendar.nth(calendar.worked_before[calendar.index(counted)] + days)
    return _instants(target * DAY + CLOSES - LOCAL_OFFSET)


def shift_due_day(due_on: Days, paused_minutes: Whole | np.int64) -> Days:
    """The due day after a pause: each working day of pause, also a partial one, moves it by one working day."""
    return add_days(due_on, -(-paused_minutes * MINUTE // WORKING_DAY))


def between(start: Instants, end: Instants) -> Spans:
    """Working time from one instant to another, as `timedelta64[us]`; negative when the second comes first."""
    return (_worked(end) - _worked(start)).astype("timedelta64[us]")


def minutes_between(start: Instants, end: Instants) -> Whole:
    """Whole working minutes from one instant to another; a partial minute does not count."""
    worked = _worked(end) - _worked(start)
    return np.asarray(np.sign(worked) * (np.abs(worked) // MINUTE), np.int64)


def add(start: Instants, working_time: Spans | np.timedelta64) -> Instants:
    """The first instant at which this much working time has passed: eight hours after 7:00 is 17:00 of the same day."""
    span = np.asarray(working_time).astype("timedelta64[us]").astype(np.int64)
    if (span < 0).any():
        raise ValueError("working time: a negative time cannot be added")
    started, worked = np.broadcast_arrays(_micros(start), _worked(start) + span)
    whole, rest = np.divmod(worked - 1, WORKING_DAY)
    rest = rest + 1
    day = _calendar().nth(np.maximum(whole, 0))
    time = np.where(rest <= MORNING, OPENS + rest, NOON_END + rest - MORNING)
    return _instants(np.where(span == 0, started, day * DAY + time - LOCAL_OFFSET))


def macros_sql() -> str:
    """The SQL of the working-time macros for DuckDB. The table `working_day (day_on, is_working_day)` must exist."""
    hours = {
        "opens": OPENS, "noon_break": NOON_BREAK, "noon_end": NOON_END, "closes": CLOSES,
        "working_day_us": WORKING_DAY,
    }  # fmt: skip
    statements = [f"create macro {name}() as {micros}::bigint;" for name, micros in hours.items()]
    listed = ", ".join(f"'{status}'" for status in PAUSES)
    statements.append(f"create macro is_pause(status) as status in ({listed});")
    return "\n".join([*statements, sql.load("lgsp.vietnam", "working_time")])


def _worked(instants: Instants) -> Whole:
    """Working time in microseconds since the first day of the calendar."""
    calendar = _calendar()
    local = _micros(instants) + LOCAL_OFFSET
    index, time = calendar.index(local // DAY), local % DAY
    within = np.clip(time - OPENS, 0, MORNING) + np.clip(time - NOON_END, 0, AFTERNOON)
    return np.asarray(calendar.worked_before[index] * WORKING_DAY + calendar.is_working[index] * within, np.int64)


def _micros(instants: Instants) -> Whole:
    return np.asarray(instants).astype("datetime64[us]").astype(np.int64)


def _instants(micros: Whole) -> Instants:
    return np.asarray(micros).astype("datetime64[us]")


def _numbers(days: Days) -> Whole:
    return np.asarray(days).astype("datetime64[D]").astype(np.int64)


def _utc(moment: datetime) -> datetime:
    """The moment in UTC without a time zone, as numpy needs it."""
    offset = (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).utcoffset()
    return moment.replace(tzinfo=None) - (offset or timedelta())
