"""The tasks that write reports, and the period of a run: the operator's choice, else the period that ended before the run."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from lgsp.errors import NothingPublished, SettingError
from lgsp.window import local_day
from wiring import connections

DAY = r"^\d{4}-\d{2}-\d{2}$"
PERIODS = ("month", "quarter", "half_year")


def week_params() -> dict[str, Param]:
    """The optional week of a digest run."""
    return {"week": _day("Week", "First day of the week, a Thursday. Empty: the week that ended before the run.")}


def index_params() -> dict[str, Param]:
    """The optional period of an index run."""
    return {
        "period": Param(
            None, type=["null", "string"], enum=[None, *PERIODS], title="Period",
            description="Which index to write. Empty: every period that ended with the month before the run.",
        ),
        "start": _day("Start", "First day of the period. Give period and start, or neither."),
    }  # fmt: skip


@task
def digest() -> list[str]:
    """Write the digest of the run's week in both languages; skipped before the first publication."""
    from lgsp import report

    start = week_of_run(get_current_context())
    try:
        return [str(report.weekly(connections.settings(), start, language)) for language in report.LANGUAGES]
    except NothingPublished as error:
        raise AirflowSkipException(str(error)) from error


@task
def index() -> list[str]:
    """Write the index reports of the run's periods in both languages; skipped before the first publication."""
    from lgsp import report

    requested = periods_of_run(get_current_context())
    try:
        return [
            str(report.index(connections.settings(), period, start, language))
            for period, start in requested.items()
            for language in report.LANGUAGES
        ]
    except NothingPublished as error:
        raise AirflowSkipException(str(error)) from error


def week_of_run(context: Any) -> date:
    """The first day of the week of this run: the `week` param, else the week that ended before the run's day."""
    if week := context["params"]["week"]:
        return date.fromisoformat(week)
    from lgsp.indicators import periods

    return periods.week_start(local_day(context["dag_run"].run_after)) - timedelta(days=7)


def periods_of_run(context: Any) -> dict[str, date]:
    """The periods of this run, each with its first day: `{"month": date(2026, 10, 1)}`.

    Raises SettingError, which is never retried, when `period` is given without `start` or `start` without `period`.
    """
    period, start = context["params"]["period"], context["params"]["start"]
    if bool(period) != bool(start):
        raise SettingError("period and start belong together: give both or neither")
    if period:
        return {period: date.fromisoformat(start)}
    from lgsp.indicators import periods

    return periods.ended_before(local_day(context["dag_run"].run_after))


def _day(title: str, description: str) -> Param:
    schema = {"type": ["null", "string"], "format": "date", "pattern": DAY, "title": title}
    return Param(None, description=description, schema=schema)
