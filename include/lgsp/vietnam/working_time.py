"""Working time: how long work went on between two instants, and when what is promised in it falls due.

Instants are numpy `datetime64` in UTC, days are local `datetime64[D]`, working time is exact to the microsecond.
Opening hours are the same every working day: 7:00-11:30 and 13:30-17:00, eight hours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lgsp import sql, vietnam
from lgsp.vietnam import working_days
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
LOCAL_OFFSET = 7 * HOUR  # Việt Nam has had no summer time since 1975

PAUSES = ("supplement_requested", "payment_requested", "suspended")
SHORT_DAYS = 90  # promises of complex dossiers reach about a quarter ahead


class OutOfCalendar(ValueError):
    """A day lies outside the calendar, so nobody knows whether it is worked."""


@dataclass(frozen=True)
class Horizon:
    """How far the calendar is announced, seen from the data's own day."""

    confirmed_until: date
    days_left: int

    @property
    def is_short(self) -> bool:
        """Whether promises given now may fall on days nobody has announced."""
        return self.days_left < SHORT_DAYS

    @property
    def warning(self) -> str | None:
        """What an operator must do and where; None while the calendar reaches far enough."""
        if not self.is_short:
            return None
        return (
            f"the working calendar is announced until {self.confirmed_until}, {self.days_left} days after the data: "
            f"add the newly announced swaps and the new confirmed_until to {vietnam.holiday_overrides.FILE.name}, "
            "then run `lgsp init`"
        )


def horizon(as_of: date) -> Horizon:
    """How far the calendar is announced on the data's day."""
    until = working_days.confirmed_until()
    return Horizon(until, (until - as_of).days)


def warn(as_of: date) -> str | None:
    """The warning of a short calendar, which is also logged; None while it reaches far enough."""
    warning = horizon(as_of).warning
    if warning:
        log.warning(warning)
    return warning


@dataclass(frozen=True)
class _Calendar:
    """Which days are worked, counted: day numbers are days since 1970-01-01."""

    first: int
    is_working: NDArray[np.bool_]
    worked_before: Whole  # one longer than the days
    working_days: Whole

    def place(self, days: Whole) -> Whole:
        """Where days are in the calendar's arrays."""
        for day in (days.min(initial=self.first), days.max(initial=self.first)):
            if not 0 <= day - self.first < len(self.is_working):
                raise OutOfCalendar(
                    f"working time: {np.datetime64(int(day), 'D')} is outside the calendar "
                    f"({working_days.FIRST_DAY} to {working_days.last_day()})"
                )
        return days - self.first

    def nth(self, number: Whole) -> Whole:
        """The working days of these ordinal numbers, the calendar's first being 0."""
        if ((number < 0) | (number >= len(self.working_days))).any():
            raise OutOfCalendar(
                f"working time: the calendar ends on {working_days.last_day()}, before what is asked for"
            )
        return self.working_days[number]


@cache
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
    return calendar.is_working[calendar.place(_numbers(days))]


def next_working_day(days: Days) -> Days:
    """The first working day after each day."""
    return add_days(days, np.int64(1))


def add_days(days: Days, count: Whole | np.int64) -> Days:
    """The working day that is `count` working days after each day, of which a day off counts as none.

    With 0, a working day itself, or the last one before a day off.
    """
    calendar = _calendar()
    worked = calendar.worked_before[calendar.place(_numbers(days)) + 1]
    return calendar.nth(worked + count - 1).astype("datetime64[D]")


def days_between(start: Days, end: Days) -> Whole:
    """Working days after `start`, up to and with `end`; negative when `end` comes first."""
    calendar = _calendar()
    first, last = (calendar.worked_before[calendar.place(_numbers(days)) + 1] for days in (start, end))
    return np.asarray(last - first, np.int64)


def due(received: Instants, days: Whole | np.int64) -> Instants:
    """Closing time of the day `days` working days after receipt.

    A receipt from 17:00 on, or on a day off, counts from the next working day.
    """
    local = _micros(received) + LOCAL_OFFSET
    calendar = _calendar()
    counted = local // DAY + (local % DAY >= CLOSES)
    target = calendar.nth(calendar.worked_before[calendar.place(counted)] + days)
    return _instants(target * DAY + CLOSES - LOCAL_OFFSET)


def shifted(due_on: Days, paused_minutes: Whole | np.int64) -> Days:
    """The due day after its clock stood still: a begun working day of pause moves it by one."""
    return add_days(due_on, -(-paused_minutes * MINUTE // WORKING_DAY))


def between(start: Instants, end: Instants) -> Spans:
    """Working time from one instant to another, as `timedelta64[us]`; negative when the second comes first."""
    return (_worked(end) - _worked(start)).astype("timedelta64[us]")


def minutes_between(start: Instants, end: Instants) -> Whole:
    """Whole working minutes from one instant to another; a begun minute does not count."""
    worked = _worked(end) - _worked(start)
    return np.asarray(np.sign(worked) * (np.abs(worked) // MINUTE), np.int64)


def add(start: Instants, working_time: Spans | np.timedelta64) -> Instants:
    """The first instant at which so much working time has passed: eight hours after 7:00 is 17:00 the same day."""
    span = np.asarray(working_time).astype("timedelta64[us]").astype(np.int64)
    if (span < 0).any():
        raise ValueError("working time: only time ahead can be added")
    begun, worked = np.broadcast_arrays(_micros(start), _worked(start) + span)
    whole, rest = np.divmod(worked - 1, WORKING_DAY)
    rest = rest + 1
    day = _calendar().nth(np.maximum(whole, 0))
    time = np.where(rest <= MORNING, OPENS + rest, NOON_END + rest - MORNING)
    return _instants(np.where(span == 0, begun, day * DAY + time - LOCAL_OFFSET))


def paused_minutes(events: Iterable[tuple[datetime, str]], as_of: datetime | None = None) -> int:
    """Whole working minutes a dossier's clock stood still: from each pause to the event that follows it.

    Events are (when, status) in order. A pause that nothing ended counts until `as_of`; without it, not at all.
    """
    told = list(events)
    if told and as_of is not None and as_of > told[-1][0]:
        told.append((as_of, ""))
    pauses = [(begun, end) for (begun, status), (end, _) in pairwise(told) if status in PAUSES]
    if not pauses:
        return 0
    bounds = np.array([[_utc(begun), _utc(end)] for begun, end in pauses], "datetime64[us]")
    return int(between(bounds[:, 0], bounds[:, 1]).astype(np.int64).sum() // MINUTE)


def vocabulary() -> str:
    """Working time as DuckDB macros over `working_day (day_on, is_working_day)`, a table that must be there before."""
    hours = {
        "opens": OPENS, "noon_break": NOON_BREAK, "noon_end": NOON_END, "closes": CLOSES,
        "working_day_us": WORKING_DAY,
    }  # fmt: skip
    said = [f"create macro {name}() as {micros}::bigint;" for name, micros in hours.items()]
    listed = ", ".join(f"'{status}'" for status in PAUSES)
    said.append(f"create macro is_pause(status) as status in ({listed});")
    return "\n".join([*said, sql.load("lgsp.vietnam", "working_time")])


def _worked(instants: Instants) -> Whole:
    """Working time since the calendar began."""
    calendar = _calendar()
    local = _micros(instants) + LOCAL_OFFSET
    place, time = calendar.place(local // DAY), local % DAY
    within = np.clip(time - OPENS, 0, MORNING) + np.clip(time - NOON_END, 0, AFTERNOON)
    return np.asarray(calendar.worked_before[place] * WORKING_DAY + calendar.is_working[place] * within, np.int64)


def _micros(instants: Instants) -> Whole:
    return np.asarray(instants).astype("datetime64[us]").astype(np.int64)


def _instants(micros: Whole) -> Instants:
    return np.asarray(micros).astype("datetime64[us]")


def _numbers(days: Days) -> Whole:
    return np.asarray(days).astype("datetime64[D]").astype(np.int64)


def _utc(moment: datetime) -> datetime:
    """The moment as numpy takes it: UTC, without saying so."""
    offset = (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).utcoffset()
    return moment.replace(tzinfo=None) - (offset or timedelta())
