"""Defines the province's working calendar: working days, and arithmetic in working time.

Instants are seconds since 1970 in UTC. Days are local dates, counted since 1970. Both are numpy arrays.
"""

from datetime import date, datetime, timedelta, timezone

import holidays
import numpy as np
from numpy.typing import NDArray

from lgsp.vietnam import holiday_overrides

Seconds = NDArray[np.int64]

LOCAL = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
LOCAL_OFFSET = 7 * 3600
DAY = 86_400
WORKING_DAY = 8 * 3600
EPOCH = date(1970, 1, 1)

_MORNING, _MORNING_LENGTH = 7 * 3600, 16_200
_AFTERNOON, _AFTERNOON_LENGTH = 48_600, 12_600
CLOSING = 17 * 3600
_SAME_DAY_UNTIL = 15 * 3600


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_date(number: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=number)


def instant(moment: datetime) -> int:
    """Seconds since 1970-01-01 UTC of a timezone-aware datetime."""
    return int(moment.timestamp())


def local_days(instants: Seconds) -> Seconds:
    """Local day number of each instant."""
    return (instants + LOCAL_OFFSET) // DAY


def midnight(day: date) -> int:
    """The instant at which a local day begins."""
    return day_number(day) * DAY - LOCAL_OFFSET


class WorkCalendar:
    """Working days with hours 7:00-11:30 and 13:30-17:00; Vietnamese holidays are off, make-up Saturdays are worked."""

    def __init__(self, start: date, end: date) -> None:
        first, last = start - timedelta(days=40), end + timedelta(days=500)
        self.first = day_number(first)
        count = (last - first).days
        official = holidays.country_holidays("VN", years=range(first.year, last.year + 1))
        makeup_days = set(official.weekend_workdays)
        swapped = {day.day_on: day.is_working_day for day in holiday_overrides.load().days.values()}
        days = [first + timedelta(days=n) for n in range(count)]
        self.is_holiday = np.array([not swapped.get(day, day not in official) for day in days])
        self.is_working = np.array(
            [swapped.get(day, (day.weekday() < 5 and day not in official) or day in makeup_days) for day in days]
        )
        self.working_days = np.flatnonzero(self.is_working).astype(np.int64) + self.first
        self._worked_before = np.concatenate([[0], np.cumsum(self.is_working)]).astype(np.int64)

    def is_open(self, day: date) -> bool:
        """Whether offices work on that day."""
        return bool(self.is_working[day_number(day) - self.first])

    def to_working(self, instants: Seconds) -> Seconds:
        """Working seconds elapsed since the calendar's first day."""
        local = instants + LOCAL_OFFSET
        day = local // DAY - self.first
        time = local % DAY
        within = np.clip(time - _MORNING, 0, _MORNING_LENGTH)
        within = within + np.clip(time - _AFTERNOON, 0, _AFTERNOON_LENGTH)
        return self._worked_before[day] * WORKING_DAY + np.where(self.is_working[day], within, 0)

    def from_working(self, worked: Seconds) -> Seconds:
        """The first instant within working hours at which `worked` seconds of working time have passed.

        `worked` is counted from the calendar's first day, as in `to_working`.
        """
        day = self.working_days[worked // WORKING_DAY]
        rest = worked % WORKING_DAY
        time = np.where(rest < _MORNING_LENGTH, _MORNING + rest, _AFTERNOON + rest - _MORNING_LENGTH)
        return day * DAY + time - LOCAL_OFFSET

    def due(self, received: Seconds, days: Seconds) -> Seconds:
        """Closing time of the day `days` working days after receipt.

        A receipt after 17:00 or on a day off counts from the next working day. A one-day service
        received before 15:00 is due the same day.
        """
        local = received + LOCAL_OFFSET
        day, time = local // DAY, local % DAY
        counted = np.where(time >= CLOSING, day + 1, day) - self.first
        is_same_day = (days == 1) & self.is_working[counted] & (time < _SAME_DAY_UNTIL)
        target = self._worked_before[counted] + np.where(is_same_day, 0, days)
        return np.asarray(self.working_days[target] * DAY + CLOSING - LOCAL_OFFSET, np.int64)

    def closing_time_after(self, due: Seconds, days: Seconds) -> Seconds:
        """Closing time (17:00) of the day `days` working days after the day of `due`."""
        day = (due + LOCAL_OFFSET) // DAY - self.first
        target = self._worked_before[day] + days
        return np.asarray(self.working_days[target] * DAY + CLOSING - LOCAL_OFFSET, np.int64)
