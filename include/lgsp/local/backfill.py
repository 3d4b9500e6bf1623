"""One command from 'these days are wanted' to 'these days are published', or a list of those that are not."""

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
# Airflow closes a finished backfill on a timer of 30 seconds; only then may the next one start.
CLOSING_SECONDS = 90
# An asset event becomes a run within a few scheduler loops.
EVENT_SECONDS = 15
TELL_SECONDS = 20

Say = Callable[[str], None]


class NotPublished(LgspError):
    """Days asked for are not in the shared dataset; the message says which, or what stopped them."""


@dataclass(frozen=True)
class Days:
    """The local days wanted from some sources."""

    window: Window
    sources: tuple[str, ...]

    def __str__(self) -> str:
        first, last = self.window.days()[0], self.window.days()[-1]
        return f"{first}..{last} of {', '.join(self.sources)}"


def wanted(first: date, last: date, source: str, today: date) -> Days:
    """The days to fetch, no later than yesterday.

    Raises NotPublished when none are left, ValueError when there is no such source.
    """
    known = tuple(sources.names())
    if source != "all" and source not in known:
        raise ValueError(f"there is no source {source!r}; there are {', '.join(known)} and all")
    yesterday = date.fromordinal(today.toordinal() - 1)
    if first > min(last, yesterday):
        raise NotPublished(f"no day to fetch from {first} to {last}: the last whole day is {yesterday}")
    return Days(Window.of_days(first, min(last, yesterday)), known if source == "all" else (source,))


def backfill(settings: Settings, days: Days, say: Say, reprocess: str = "completed") -> None:
    """Run Airflow's backfill for each source and wait until every day is published.

    Days that ran before are run again, unless ``reprocess`` is ``failed`` or ``none``. Raises NotPublished
    when days are missing at the end, naming them.
    """
    airflow = client(settings, lifecycle.running(settings))
    _insist_on_unpaused(airflow, days.sources)
    for source in days.sources:
        _start(airflow, source, days.window, reprocess, say)
    failed = _wait_for_runs(airflow, days, say)
    wait_for_publication(settings, airflow, days, say)
    if failed:
        raise NotPublished(f"failed, what was published before stays: {', '.join(failed)}")


def wait_for_publication(settings: Settings, airflow: Airflow, days: Days, say: Say) -> None:
    """Wait until the days are published, asking for a publication if the events asked for none.

    Raises NotPublished for the days that are still missing after it.
    """
    quiet_since = told_at = time.monotonic()
    while missing := not_published(settings, days):
        if waiting := airflow.running(PUBLISH):
            quiet_since = time.monotonic()
            if quiet_since - told_at > TELL_SECONDS:
                say(f"still publishing: {_page(airflow, waiting[-1])}")
                told_at = quiet_since
        elif time.monotonic() - quiet_since > EVENT_SECONDS:
            break
        time.sleep(POLL_SECONDS)
    if missing:
        wait_for_run(airflow, PUBLISH, airflow.trigger(PUBLISH, {}, "asked for by lgsp"))
        missing = not_published(settings, days)
    if missing:
        raise NotPublished("not published: " + "; ".join(f"{source} {_listed(gap)}" for source, gap in missing.items()))
    say(f"published: {days}")


def not_published(settings: Settings, days: Days) -> dict[str, list[date]]:
    """For each source the wanted days that no published batch covers, or that a checked one still waits for.

    Sources without a gap are left out.
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


def wait_for_run(airflow: Airflow, dag_id: str, run_id: str) -> None:
    """Wait until a run has ended. Raises NotPublished when it failed."""
    while (run := airflow.run(dag_id, run_id))["state"] not in FINISHED:
        time.sleep(POLL_SECONDS)
    if run["state"] == "failed":
        words = "; ".join(airflow.last_words(dag_id, run_id))
        raise NotPublished(f"{dag_id} failed: {words}; see {_page(airflow, run)}")


def _insist_on_unpaused(airflow: Airflow, wanted_sources: Sequence[str]) -> None:
    paused = airflow.dags()
    for dag_id in (PUBLISH, *(_dag(source) for source in wanted_sources)):
        if dag_id not in paused:
            raise NotPublished(f"{dag_id} is not known to Airflow; look for import errors at {airflow.url}")
        if paused[dag_id]:
            raise NotPublished(
                f"{dag_id} is paused, its runs would wait for ever; unpause it at {airflow.url}/dags/{dag_id}"
            )


def _start(airflow: Airflow, source: str, window: Window, reprocess: str, say: Say) -> None:
    deadline = time.monotonic() + CLOSING_SECONDS
    is_told = False
    while not airflow.start_backfill(_dag(source), window, reprocess, ACTIVE_RUNS):
        if not is_told:
            say(f"{source}: an earlier backfill is not closed yet; waiting for it")
            is_told = True
        if airflow.runs(_dag(source), state=["queued", "running"], run_type="backfill"):
            deadline = time.monotonic() + CLOSING_SECONDS
        if time.monotonic() > deadline:
            raise NotPublished(
                f"{source}: an earlier backfill does not end; see {airflow.url}/dags/{_dag(source)}/backfills"
            )
        time.sleep(1)
    say(f"{source}: backfill started, days: {len(window.days())}")


def _wait_for_runs(airflow: Airflow, days: Days, say: Say) -> list[str]:
    """Wait until every wanted run has ended; those that failed."""
    expected, told = len(days.window.days()) * len(days.sources), set[str]()
    while True:
        runs = _runs(airflow, days)
        for key, run in runs.items():
            if run["state"] in FINISHED and key not in told:
                told.add(key)
                say(f"{len(told)} of {expected} runs: {key} {run['state']}")
                if run["state"] == "failed":
                    say("; ".join(airflow.last_words(run["dag_id"], run["dag_run_id"])))
        if len(told) >= max(expected, len(runs)):
            return [key for key, run in runs.items() if run["state"] == "failed"]
        time.sleep(POLL_SECONDS)


def _runs(airflow: Airflow, days: Days) -> dict[str, dict[str, Any]]:
    found = (run for source in days.sources for run in airflow.runs_of_days(_dag(source), days.window))
    return {
        f"{run['dag_id']} {local_day(instant(run['data_interval_start']))}": run
        for run in found
        if run["run_type"] in ("backfill", "scheduled")
    }


def _page(airflow: Airflow, run: dict[str, Any]) -> str:
    return f"{airflow.url}/dags/{run['dag_id']}/runs/{run['dag_run_id']}"


def _dag(source: str) -> str:
    return f"ingest_{source}"


def _listed(days: Sequence[date]) -> str:
    return ", ".join(day.isoformat() for day in days)
