"""A run's window: the one its operator asked for, else its data interval, else the day before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from lgsp.errors import SettingError
from lgsp.window import Window, local_day

INSTANT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"


def optional_params() -> dict[str, Param]:
    """Two instants an operator may give; left empty, the run takes its own day."""
    return {
        "window_from": _instant("Changed from (inclusive)", "First instant to fetch. Empty: the run's own day.", True),
        "window_to": _instant(
            "Changed until (exclusive)", "First instant not to fetch any more; give both or none.", True
        ),
    }


def required_params() -> dict[str, Param]:
    """Two instants an operator must give."""
    return {
        "window_from": _instant("Landed from (inclusive)", "Batches that touch this window are taken.", False),
        "window_to": _instant("Landed until (exclusive)", "The first instant that is not wanted any more.", False),
    }


def sweep_params() -> dict[str, Param]:
    """What an operator may say of a sweep; left alone, each source is swept as its description says."""
    return {
        "range_days": Param(
            None, type=["null", "integer"], minimum=1, title="Days", description="How many days back. Empty: as each source's description says.",
        ),
        "range_from": _instant("Swept from (inclusive)", "First instant of the range. Empty: the days above.", True),
        "range_to": _instant("Swept until (exclusive)", "End of the range; give both or none.", True),
        "thorough": Param(
            False, type="boolean", title="Thorough", description="Also read days on which only the count would be compared.",
        ),
        "accept_deletions": Param(
            False, type="boolean", title="Accept deletions",
            description="Believe it when more is gone than usual; only after the source was asked.",
        ),
    }  # fmt: skip


def of_sweep(context: Any, source: str) -> Window:
    """The range that this run sweeps: the one its operator asked for, else so many days up to the day of the run.

    Raises SettingError, which is never retried, when the operator's range cannot be meant.
    """
    from lgsp.maintain import sweep

    params, until = context["params"], context["dag_run"].run_after
    start, end = params["range_from"], params["range_to"]
    if start or end:
        return _asked_for(start, end, until, "range")
    return sweep.default_range(source, local_day(until), params["range_days"])


def of_run(context: Any) -> Window:
    """The window of this run.

    Raises SettingError, which is never retried, when the operator's window cannot be meant.
    """
    params, run = context["params"], context["dag_run"]
    start, end = params.get("window_from"), params.get("window_to")
    if start or end:
        return _asked_for(start, end, run.data_interval_end or run.run_after)
    if run.data_interval_start and run.data_interval_end:
        return Window(run.data_interval_start, run.data_interval_end)
    yesterday = local_day(run.run_after) - timedelta(days=1)
    return Window.of_days(yesterday, yesterday)


def described(context: Any) -> str:
    """The window for a log line, also when there is none that makes sense."""
    if "window_from" not in context["params"]:
        return "no window"
    try:
        return f"window {of_run(context)}"
    except SettingError:
        return "window refused"


def _asked_for(start: str | None, end: str | None, latest: Any, what: str = "window") -> Window:
    if not (start and end):
        raise SettingError(f"{what}_from and {what}_to belong together: give both or none")
    try:
        window = Window.of(start, end)
    except ValueError as error:
        raise SettingError(f"{what}_from {start} .. {what}_to {end} is no window: {error}") from None
    if window.end > latest:
        raise SettingError(
            f"{what}_to {end} lies after {latest.isoformat()}, the end of this run; nothing is there yet"
        )
    return window


def _instant(title: str, sentence: str, is_optional: bool) -> Param:
    # The format gives the form its date picker; only the pattern is checked everywhere.
    schema = {"type": "string", "format": "date-time", "pattern": INSTANT, "title": title}
    described = f"{sentence} With an offset: 2022-06-01T00:00:00+07:00."
    if is_optional:
        return Param(None, description=described, schema={**schema, "type": ["null", "string"]})
    # Without a default the form and the API refuse a run that does not give it.
    return Param(description=described, schema=schema)
