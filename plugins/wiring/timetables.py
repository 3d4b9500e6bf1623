"""The schedule of one run for each local day."""

from __future__ import annotations

from typing import Any

from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import DateTime

from wiring import defaults


class LocalDays(CronDataIntervalTimetable):
    """One run for each local day, at its end.

    A backfill has a run for every local day that its range touches: from 1 June 00:00 UTC (07:00 in Vietnam) it begins
    with 1 June, where Airflow's own timetable begins with the next midnight.
    """

    def __init__(self) -> None:
        super().__init__("0 0 * * *", timezone=defaults.TIMEZONE)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> LocalDays:
        """The same timetable: it has no options."""
        return cls()

    def serialize(self) -> dict[str, Any]:
        """No options."""
        return {}

    def _align_to_next(self, current: DateTime) -> DateTime:
        return self._align_to_prev(current)
