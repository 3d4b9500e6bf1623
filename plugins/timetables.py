"""Registers the project's timetable and order of tasks: Airflow reads a Dag only when both are registered."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from wiring.priorities import ScheduledFirst
from wiring.timetables import LocalDays


class Timetables(AirflowPlugin):
    """The timetable, and the order of tasks, of the Dags that ingest a source."""

    name = "lgsp_timetables"
    timetables = [LocalDays]  # noqa: RUF012  Airflow's own attributes
    priority_weight_strategies = [ScheduledFirst]  # noqa: RUF012
