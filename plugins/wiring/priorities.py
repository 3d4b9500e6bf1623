"""The order of tasks that wait for a slot: those of the schedule before those of backfills and of runs by hand."""

from __future__ import annotations

from typing import Any

from airflow.task.priority_strategy import PriorityWeightStrategy

SCHEDULED, OTHER = 10, 1


class ScheduledFirst(PriorityWeightStrategy):
    """Airflow's own order is by date, so that every day of a long backfill would come before the day of the schedule."""

    def get_weight(self, ti: Any) -> int:
        """The weight of a task by the kind of its run, which is the beginning of the run's id."""
        return SCHEDULED if str(ti.run_id).startswith("scheduled__") else OTHER
