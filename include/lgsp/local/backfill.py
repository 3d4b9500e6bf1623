"""Backfills past days through Airflow and waits until they are published, or reports the days that are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from lgsp.errors import LgspError
from lgsp.local import lifecycle
from lgsp.local.airflow_api import FINISHED, Airflow
from lgsp.local.supervisor import client
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.window import Window, instant, local_day

PUBLISH = "publish_shared_dataset"
ACTIVE_RUNS = 3
POLL_SECONDS = 0.5
# Airflow closes a finished backfill on a timer of 30 seconds. Only then can the next one start.
CLOSING_SECONDS = 90
# An asset event starts a run within a few scheduler loops.
EVENT_SECONDS = 15
REPORT_SECONDS = 20

Report = Callable[[str], None]
"""Prints one line of progress."""


class NotPublished(LgspError):
    """Requested days are not in the shared dataset; the message names them, or what failed."""


@dataclass(frozen=True)
class Days:
    """Local days of some sources."""

    window: Window
    sources: tuple[str, ...]

    def __str__(self) -> str:
        first, last = self.window.days()[0], self.window.days()[-1]
        return f"{first}..{last} of {', '.join(self.sources)}"


def days_to_fetch(first: date, last: date, source: str, today: date) -> Days:
    """The requested days of one source or of ``all``, up to yesterday.

    Raises NotPublished when no day is left, ValueError when there is no such source.
    """
    names = tuple(sources.names())
    if source != "all" and source not in names:
        raise ValueError(f"there is no source {source!r}; the sources are {', '.join(names)} and all")
    yesterday = date.fromordinal(today.toordinal() - 1)
    if first > min(last, yesterday):
        raise NotPublished(f"no day to fetch from {first} to {last}: the last whole day is {yesterday}")
    return Days(Window.of_days(first, min(last, yesterday)), names if source == "all" else (source,))


def backfill(
    settings: Settings, days: Days, report: Report, reprocess: str = "completed", *, is_meant: bool = False
) -> None:
    """Run an Airflow backfill for each source and wait until every day is published.

    Days that ran before are run again, unless ``reprocess`` is ``failed`` or ``none``. Days that are unlikely for their source
    are read only with ``is_meant``. Raises NotPublished with the
    missing days when days are missing at the end.
    """
    airflow = client(settings, lifecycle.running(settings))
    _check_not_paused(airflow, days.sources)
    for source in days.sources:
        _start(airflow, source, days.window, reprocess, report, {"really": True} if is_meant else {})
    failed = _wait_for_runs(airflow, days, report)
    wait_for_publication(settings, airflow, days, report)
    if failed:
        raise NotPublished(f"these runs failed: {', '.join(failed)}; data of these days published before is unchanged")


def wait_for_publication(settings: Settings, airflow: Airflow, days: Days, report: Report) -> None:
    """Wait until the days are published; trigger a publication when no asset event has started one.

    Raises NotPublished with the days that are still missing after it.
    """
    idle_since = reported_at = time.monotonic()
    while missing := not_published(settings, days):
        if active := airflow.active_runs(PUBLISH):
            idle_since = time.monotonic()
            if idle_since - reported_at > REPORT_SECONDS:
                report(f"still publishing: {_page(airflow, active[-1])}")
                reported_at = idle_since
        elif time.monotonic() - idle_since > EVENT_SECONDS:
            break
        time.sleep(POLL_SECONDS)
    if missing:
        wait_for_run(airflow, PUBLISH, airflow.trigger(PUBLISH, {}, "triggered by lgsp"))
        missing = not_published(settings, days)
    if missing:
        raise NotPublished("not published: " + "; ".join(f"{source} {_listed(gap)}" for source, gap in missing.items()))
    report(f"published: {days}")


def not_published(settings: Settings, days: Days) -> dict[str, list[date]]:
    """The days that no published batch covers or that a checked batch still waits to publish, by source.

    Sources without such days are left out.
    """
    from lgsp import store
    from lgsp.store import ledger

    gaps = {}
    for source in days.sources:
        published = ledger.published_days(settings, source, days.window)
        with store.connect(settings) as connection:
            waiting = {d for b in ledger.batches(connection, "checked", source=source) for d in b.window.days()}
        if missing := [day for day in days.window.days() if day not in published or day in waiting]:
            gaps[source] = missing
    return gaps


def wait_for_run(airflow: Airflow, dag_id: str, run_id: str, progress: Callable[[], None] = lambda: None) -> None:
    """Wait until a run has ended, and call `progress` meanwhile. Raises NotPublished with its errors when it failed."""
    while (run := airflow.get_run(dag_id, run_id))["state"] not in FINISHED:
        progress()
        time.sleep(POLL_SECONDS)
    if run["state"] == "failed":
        errors = "; ".join(airflow.error_messages(dag_id, run_id))
        raise NotPublished(f"{dag_id} failed: {errors}; see {_page(airflow, run)}")


def _check_not_paused(airflow: Airflow, source_names: Sequence[str]) -> None:
    paused = airflow.dags()
    for dag_id in (PUBLISH, *(_dag(source) for source in source_names)):
        if dag_id not in paused:
            raise NotPublished(f"Airflow has no Dag {dag_id}; look for import errors at {airflow.url}")
        if paused[dag_id]:
            raise NotPublished(
                f"{dag_id} is paused, its runs would never start; unpause it at {airflow.url}/dags/{dag_id}"
            )


def _start(airflow: Airflow, source: str, window: Window, reprocess: str, report: Report, conf: dict[str, Any]) -> None:
    deadline = time.monotonic() + CLOSING_SECONDS
    is_reported = False
    while not airflow.start_backfill(_dag(source), window, reprocess, ACTIVE_RUNS, conf):
        if not is_reported:
            report(f"{source}: waiting until Airflow closes an earlier backfill")
            is_reported = True
        if airflow.list_runs(_dag(source), state=["queued", "running"], run_type="backfill"):
            deadline = time.monotonic() + CLOSING_SECONDS
        if time.monotonic() > deadline:
            raise NotPublished(
                f"{source}: an earlier backfill does not end; see {airflow.url}/dags/{_dag(source)}/backfills"
            )
        time.sleep(1)
    report(f"{source}: backfill of {len(window.days())} days started")


def _wait_for_runs(airflow: Airflow, days: Days, report: Report) -> list[str]:
    """Wait until the run of every day and source has ended; returns the runs that failed."""
    expected, finished = len(days.window.days()) * len(days.sources), set[str]()
    while True:
        runs = _runs(airflow, days)
        for key, run in runs.items():
            if run["state"] in FINISHED and key not in finished:
                finished.add(key)
                report(f"{len(finished)} of {expected} runs: {key} {run['state']}")
                if run["state"] == "failed":
                    report("; ".join(airflow.error_messages(run["dag_id"], run["dag_run_id"])))
        if len(finished) >= max(expected, len(runs)):
            return [key for key, run in runs.items() if run["state"] == "failed"]
        time.sleep(POLL_SECONDS)


def _runs(airflow: Airflow, days: Days) -> dict[str, dict[str, Any]]:
    """The backfill and scheduled runs of the days, by Dag id and local day."""
    runs = (run for source in days.sources for run in airflow.runs_of_days(_dag(source), days.window))
    return {
        f"{run['dag_id']} {local_day(instant(run['data_interval_start']))}": run
        for run in runs
        if run["run_type"] in ("backfill", "scheduled")
    }


def _page(airflow: Airflow, run: dict[str, Any]) -> str:
    return f"{airflow.url}/dags/{run['dag_id']}/runs/{run['dag_run_id']}"


def _dag(source: str) -> str:
    return f"ingest_{source}"


def _listed(days: Sequence[date]) -> str:
    return ", ".join(day.isoformat() for day in days)
