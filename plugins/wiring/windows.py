"""The window of a run: the operator's choice, else the data interval, else the day before the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from lgsp.errors import SettingError
from lgsp.vietnam import pasted
from lgsp.window import Window, local_day

# Blanks around it may be pasted.
INSTANT = r"^[\s\u200b\ufeff]*\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})[\s\u200b\ufeff]*$"


def optional_params() -> dict[str, Param]:
    """The optional window of a run; when it is empty, the run uses its own day."""
    return {
        "window_from": _instant("Changed from (inclusive)", "First instant to fetch. Empty: the run's own day.", True),
        "window_to": _instant(
            "Changed until (exclusive)", "End of the window; this instant is not fetched. Give both or neither.", True
        ),
        "really": _really(),
    }


def required_params() -> dict[str, Param]:
    """The window that an operator must give."""
    return {
        "window_from": _instant("Landed from (inclusive)", "Batches that overlap this window are processed.", False),
        "window_to": _instant("Landed until (exclusive)", "End of the window; this instant is not included.", False),
    }


def sweep_params() -> dict[str, Param]:
    """The options of a sweep; without them the range is the one in each source's description."""
    return {
        "range_days": Param(
            None, type=["null", "integer"], minimum=1, title="Days", description="Number of days before the run. Empty: the number in each source's description.",
        ),
        "range_from": _instant("Swept from (inclusive)", "First instant of the range. Empty: the days above.", True),
        "range_to": _instant("Swept until (exclusive)", "End of the range. Give both or neither.", True),
        "thorough": Param(
            False, type="boolean", title="Thorough", description="Compare the keys of every day, also where the counts are equal.",
        ),
        "accept_deletions": Param(
            False, type="boolean", title="Accept deletions",
            description="Delete the missing records even above the limit. Ask the owner of the source first.",
        ),
        "really": _really(),
    }  # fmt: skip


def of_sweep(context: Any, source: str) -> Window:
    """The range that this run sweeps: the operator's choice, else a number of days up to the day of the run.

    Raises SettingError, which is never retried, when the operator's range is incomplete, empty or in the future.
    """
    from lgsp.maintain import sweep

    params, until = context["params"], context["dag_run"].run_after
    start, end = params["range_from"], params["range_to"]
    if start or end:
        return _requested(start, end, until, "range")
    return sweep.default_range(source, local_day(until), params["range_days"])


def of_run(context: Any) -> Window:
    """The window of this run: the operator's choice, else the data interval, else the local day before the run.

    Raises SettingError, which is never retried, when the operator's window is incomplete, empty or in the future.
    """
    params, run = context["params"], context["dag_run"]
    start, end = params.get("window_from"), params.get("window_to")
    if start or end:
        return _requested(start, end, run.data_interval_end or run.run_after)
    if run.data_interval_start and run.data_interval_end:
        return Window(run.data_interval_start, run.data_interval_end)
    yesterday = local_day(run.run_after) - timedelta(days=1)
    return Window.of_days(yesterday, yesterday)


def confirmed_by(context: Any) -> str | None:
    """Who confirmed that the window of this run is meant although it may be unlikely; None when nobody did."""
    if not context["params"].get("really"):
        return None
    run = context["dag_run"]
    who = getattr(run, "triggering_user_name", None)
    return f"{who}, run {context['run_id']}" if who else f"run {context['run_id']}"


def describe(context: Any) -> str:
    """The window for a log line; also for a run without a window or with a refused one."""
    if "window_from" not in context["params"]:
        return "no window"
    try:
        return f"window {of_run(context)}"
    except SettingError:
        return "window refused"


def _requested(start: str | None, end: str | None, latest: Any, name: str = "window") -> Window:
    if not (start and end):
        raise SettingError(f"{name}_from and {name}_to belong together: give both or neither")
    try:
        window = Window(pasted.instant(start), pasted.instant(end))
    except ValueError as error:
        raise SettingError(f"{name}_from {start} .. {name}_to {end} is not a valid window: {error}") from None
    if window.end > latest:
        raise SettingError(f"{name}_to {end} is after {latest.isoformat()}, the end of this run; no data exist yet")
    return window


def _really() -> Param:
    return Param(
        False, type="boolean", title="Really",
        description="Read the window although it begins before the first record of the source or very long ago. Your name is recorded.",
    )  # fmt: skip


def _instant(title: str, text: str, is_optional: bool) -> Param:
    # `format` gives the form its date picker; only `pattern` is validated everywhere.
    schema = {"type": "string", "format": "date-time", "pattern": INSTANT, "title": title}
    description = f"{text} Write the offset: 2022-06-01T00:00:00+07:00."
    if is_optional:
        return Param(None, description=description, schema={**schema, "type": ["null", "string"]})
    # Without a default value the form and the API refuse a run that does not give this param.
    return Param(description=description, schema=schema)
