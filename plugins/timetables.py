"""Registers the project's timetable: Airflow reads a Dag only when its timetable is registered."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from wiring.timetables import LocalDays


class Timetables(AirflowPlugin):
    """The timetable of the Dags that ingest a source."""

    name = "lgsp_timetables"
    timetables = [LocalDays]  # noqa: RUF012  Airflow's own attribute
