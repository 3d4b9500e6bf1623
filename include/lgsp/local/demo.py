"""Runs the demo: starts the simulated province, publishes its history and its last days, then shows what to try."""

from __future__ import annotations

from collections.abc import Callable

from lgsp.local import backfill as backfills
from lgsp.local import lifecycle, province, showcase
from lgsp.local.airflow_api import Airflow
from lgsp.local.backfill import Report
from lgsp.local.province import Simulation
from lgsp.local.supervisor import client
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.window import Window

DAYS = 90
RECENT_DAYS = 3
DIGEST_DAG = "weekly_digest"


def demo(settings: Settings, report: Report) -> None:
    """Start a stack whose shared dataset has the province's 90 days, and print where to look and what to try.

    Days that are already published are not read again. Raises NotPublished when a day is missing at the end.
    """
    running = lifecycle.up(settings, Simulation("demo", DAYS))
    if not running.has_province:
        raise lifecycle.NotUp(
            f"a stack without the simulated province runs in {settings.home}; stop it with `make stop`, or use another LGSP_HOME"
        )
    report(f"the stack is up: {running.airflow_url}")
    airflow = client(settings, running)
    names, simulated = province.source_names(settings.home), province.span(settings.home).days()
    history = backfills.Days(Window.of_days(simulated[0], simulated[-RECENT_DAYS - 1]), names)
    recent = backfills.Days(Window.of_days(simulated[-RECENT_DAYS], simulated[-1]), names)
    if backfills.not_published(settings, history):
        _read_history(settings, airflow, history, report)
        backfills.wait_for_publication(settings, airflow, history, report)
    if backfills.not_published(settings, recent):
        backfills.backfill(settings, recent, report, reprocess="failed")
    report(f"the shared dataset has {len(simulated)} days")
    airflow.unpause(DIGEST_DAG)
    backfills.wait_for_run(airflow, DIGEST_DAG, airflow.trigger(DIGEST_DAG, {}, "digest of the demo"))
    report("the digest of the last whole week is written\n")
    for dag_id, is_paused in airflow.dags().items():  # held back until there is something to maintain
        if is_paused:
            airflow.unpause(dag_id)
    showcase.show(settings, running)


def _read_history(settings: Settings, airflow: Airflow, history: backfills.Days, report: Report) -> None:
    """Read the whole history with one run per source: one long window instead of one run per day."""
    conf = {"window_from": history.window.start.isoformat(), "window_to": history.window.end.isoformat()}
    runs = {f"ingest_{s}": airflow.trigger(f"ingest_{s}", conf, "history of the demo") for s in history.sources}
    report(f"reading {len(history.window.days())} days with one run per source")
    for dag_id, run_id in runs.items():
        backfills.wait_for_run(airflow, dag_id, run_id, _progress(settings, history, report))
        report(f"{dag_id}: landed, harmonised and checked")


def _progress(settings: Settings, history: backfills.Days, report: Report) -> Callable[[], None]:
    """A function that reports the numbers of landed and checked days of each source when they have changed."""
    reported = (0, 0)

    def count(source: str, *states: str) -> int:
        return len(ledger.covered_days(settings, source, history.window, states))

    def progress() -> None:
        nonlocal reported
        landed = [count(source, "landed", "harmonised", "checked", "published") for source in history.sources]
        checked = [count(source, "checked", "published") for source in history.sources]
        if (sum(landed), sum(checked)) != reported:
            reported = sum(landed), sum(checked)
            listed = zip(history.sources, landed, checked, strict=True)
            days = ", ".join(f"{source} {read} ({passed})" for source, read, passed in listed)
            report(f"days landed (checked) of {len(history.window.days())}: {days}")

    return progress
