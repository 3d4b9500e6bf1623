"""The tasks that write reports, and which period a run writes: its operator's, else the one that ended before its own day."""

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
    """The week an operator may name."""
    return {"week": _day("Week", "First day of the week, a Thursday. Empty: the week that ended before the run.")}


def index_params() -> dict[str, Param]:
    """The period an operator may name."""
    return {
        "period": Param(
            None, type=["null", "string"], enum=[None, *PERIODS], title="Period",
            description="Which index to write. Empty: every period that ended with the month before the run.",
        ),
        "start": _day("Start", "First day of the period; give both or none."),
    }  # fmt: skip


@task
def digest() -> list[str]:
    """The digest of the run's week in both languages; skipped before the first publication."""
    from lgsp import report

    start = week_of_run(get_current_context())
    try:
        return [str(report.weekly(connections.settings(), start, language)) for language in report.LANGUAGES]
    except NothingPublished as nothing:
        raise AirflowSkipException(str(nothing)) from nothing


@task
def index() -> list[str]:
    """The index of the run's periods in both languages; skipped before the first publication."""
    from lgsp import report

    wanted = periods_of_run(get_current_context())
    try:
        return [
            str(report.index(connections.settings(), period, start, language))
            for period, start in wanted.items()
            for language in report.LANGUAGES
        ]
    except NothingPublished as nothing:
        raise AirflowSkipException(str(nothing)) from nothing


def week_of_run(context: Any) -> date:
    """The first day of the week that this run writes."""
    if asked := context["params"]["week"]:
        return date.fromisoformat(asked)
    from lgsp.report import weekly_digest

    return weekly_digest.week_of(local_day(context["dag_run"].run_after)) - timedelta(days=7)


def periods_of_run(context: Any) -> dict[str, date]:
    """The periods that this run writes, by their first day.

    Raises SettingError, which is never retried, when the operator gave one choice without the other.
    """
    period, start = context["params"]["period"], context["params"]["start"]
    if bool(period) != bool(start):
        raise SettingError("period and start belong together: give both or none")
    if period:
        return {period: date.fromisoformat(start)}
    from lgsp.report import periods

    return periods.ended(local_day(context["dag_run"].run_after))


def _day(title: str, sentence: str) -> Param:
    schema = {"type": ["null", "string"], "format": "date", "pattern": DAY, "title": title}
    return Param(None, description=sentence, schema=schema)
