"""The periods of an index report: how long each is, and where it ends."""

from __future__ import annotations

from datetime import date

from lgsp.errors import SettingError
from lgsp.indicators.months import LENGTHS, shifted

MONTHS = {period: LENGTHS[period] for period in ("month", "quarter", "half_year")}


def interval(period: str) -> str:
    """Its length as PostgreSQL writes it."""
    return f"{MONTHS[period]} months"


def end(period: str, start: date) -> date:
    """The day after its last one.

    Raises SettingError for a day that begins no such period.
    """
    months = MONTHS[period]
    if start.day != 1 or (start.month - 1) % months:
        raise SettingError(f"{start} begins no {period}")
    return shifted(start, months)


def ended(day: date) -> dict[str, date]:
    """The periods that ended with the month before a day's, by their first day."""
    last = shifted(day.replace(day=1), -1)
    return {period: shifted(last, 1 - months) for period, months in MONTHS.items() if last.month % months == 0}
