"""The demo: the simulated province, its history and its last days, published; then what to look at."""

from __future__ import annotations

from collections.abc import Callable

from lgsp.local import backfill as backfills
from lgsp.local import lifecycle, province, showcase
from lgsp.local.airflow_api import Airflow
from lgsp.local.province import Simulation
from lgsp.local.supervisor import client
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.window import Window

DAYS = 90
RECENT_DAYS = 3
REPORT = "weekly_digest"


def demo(settings: Settings, say: Callable[[str], None]) -> None:
    """Leave a running stack whose shared dataset holds the province's 90 days, and say where everything is.

    What is published already is not fetched again. Raises NotPublished when a day is missing at the end.
    """
    running = lifecycle.up(settings, Simulation("demo", DAYS))
    if not running.has_province:
        raise lifecycle.NotUp("a stack without the simulated province runs in this home; stop it first")
    say(f"the stack is up: {running.airflow_url}")
    airflow = client(settings, running)
    known, lived = tuple(sources.names()), province.span(settings.home).days()
    history = backfills.Days(Window.of_days(lived[0], lived[-RECENT_DAYS - 1]), known)
    recent = backfills.Days(Window.of_days(lived[-RECENT_DAYS], lived[-1]), known)
    if backfills.not_published(settings, history):
        _fetch_history(airflow, history, say)
        backfills.wait_for_publication(settings, airflow, history, say)
    if backfills.not_published(settings, recent):
        backfills.backfill(settings, recent, say, reprocess="failed")
    say(f"the shared dataset holds {len(lived)} days")
    backfills.wait_for_run(airflow, REPORT, airflow.trigger(REPORT, {}, "digest of the demo"))
    say("the digest of its last whole week is written\n")
    showcase.show(settings, running)


def _fetch_history(airflow: Airflow, history: backfills.Days, say: Callable[[str], None]) -> None:
    """One run for each source over the whole history: a long range is a window, not a hundred runs."""
    conf = {"window_from": history.window.start.isoformat(), "window_to": history.window.end.isoformat()}
    runs = {f"ingest_{s}": airflow.trigger(f"ingest_{s}", conf, "history of the demo") for s in history.sources}
    say(f"one run for each source fetches {len(history.window.days())} days")
    for dag_id, run_id in runs.items():
        backfills.wait_for_run(airflow, dag_id, run_id)
        say(f"{dag_id}: fetched, harmonised and checked")
