"""Tests of the whole stack: PostgreSQL, the simulated province and Airflow backfill a day and publish it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from datetime import timedelta

import pandas as pd
import psutil
import psycopg
import pytest

from lgsp import store
from lgsp.local import airflow_environment, lifecycle, province, stack
from lgsp.local import backfill as backfills
from lgsp.local.processes import wait_until_ended
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.store.embedded_postgres import Server
from lgsp.window import Window

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("stack")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings = Settings.from_env({**clean, "LGSP_HOME": str(home)})
    lifecycle.up(settings, province.Simulation("tiny", days=10))
    yield settings
    lifecycle.down(settings)


@pytest.fixture(scope="module")
def published(settings):
    simulated = province.span(settings.home).days()
    days = backfills.days_to_fetch(simulated[-4], simulated[-4], "all", simulated[-1] + timedelta(days=1))
    lines = []
    backfills.backfill(settings, days, lines.append)
    wait_until_published(settings)
    return days, lines


def wait_until_published(settings):
    """Wait until no publication runs any more: Airflow stores a run's event after the run's transaction."""
    airflow = backfills.client(settings, lifecycle.running(settings))
    deadline = time.monotonic() + 60
    while airflow.active_runs(backfills.PUBLISH):
        assert time.monotonic() < deadline, "a publication does not end"
        time.sleep(0.2)


def test_the_ledger_has_exactly_the_backfilled_day(settings, published):
    days, lines = published
    backfilled = days.window.days()
    around = Window.of_days(backfilled[0] - timedelta(days=2), backfilled[-1] + timedelta(days=1))
    for source in days.sources:
        assert ledger.published_days(settings, source, around) == set(backfilled)
    assert lines[-1] == f"published: {days}"


def test_the_backfilled_day_is_published_as_parquet(settings, published):
    dossiers = pd.read_parquet(settings.shared / "current" / "dossier")
    assert len(dossiers)
    assert dossiers["dossier_id"].is_unique


def test_the_asset_event_names_the_snapshot_and_its_changes(settings, published):
    with psycopg.connect(Server(settings.home).url("airflow")) as connection:
        events = connection.execute(
            "select e.extra from asset_event e join asset a on a.id = e.asset_id where a.name = 'shared_dataset' order by e.id"
        ).fetchall()
    extras = [extra for (extra,) in events]
    assert [extra["snapshot"] for extra in extras] == [f"1-{number}" for number in range(1, len(extras) + 1)]
    assert sum(extra["changed_rows"].get("dossier", 0) for extra in extras) >= 1 and extras[-1]["as_of"]


@pytest.mark.exhaustive
def test_a_second_backfill_of_the_same_day_changes_nothing(settings, published):
    days, _ = published
    before = pd.read_parquet(settings.shared / "current" / "dossier")
    backfills.backfill(settings, days, lambda line: None)
    after = pd.read_parquet(settings.shared / "current" / "dossier")
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.exhaustive
def test_the_days_of_a_downtime_are_filled_by_airflow(settings, published):
    days, _ = published
    simulated = province.span(settings.home).days()
    lost = backfills.Days(Window.of_days(days.window.days()[-1] + timedelta(days=1), simulated[-2]), days.sources)
    with store.connect(
        settings
    ) as connection:  # the schedule read yesterday first: as if the backfilled day had been first
        connection.execute(
            "update ledger.batch set created_at = created_at - interval '1 day' where window_from = %s",
            [days.window.start],
        )
    airflow = backfills.client(settings, lifecycle.running(settings))
    airflow.unpause("fill_gaps")
    backfills.wait_for_run(airflow, "fill_gaps", airflow.trigger("fill_gaps", {}, "after a downtime"))
    backfills.wait_for_publication(settings, airflow, lost, lambda line: None)
    for source in days.sources:
        with store.connect(settings) as connection:
            landed = connection.execute(
                "select window_from from ledger.batch where source = %s and window_from >= %s and window_to <= %s order by created_at",
                [source, lost.window.start, lost.window.end],
            ).fetchall()
        starts = [row["window_from"] for row in landed]
        assert starts == sorted(starts, reverse=True) and len(starts) == len(lost.window.days()), "newest first"


@pytest.mark.exhaustive
def test_a_backfill_of_a_mistyped_year_fails_at_once(settings, published):
    airflow = backfills.client(settings, lifecycle.running(settings))
    window = Window.of("1999-08-02", "1999-08-03")
    assert airflow.start_backfill("ingest_documents", window, "completed", 1, {})
    deadline = time.monotonic() + 120
    while not (runs := [run for run in airflow.runs_of_days("ingest_documents", window) if run["state"] == "failed"]):
        assert time.monotonic() < deadline, "the run does not end"
        time.sleep(0.5)
    (message,) = airflow.error_messages("ingest_documents", runs[0]["dag_run_id"])
    assert "begins more than 3660 days ago" in message and "nothing was read" in message
    with store.connect(settings) as connection:
        assert connection.execute("select 1 from ledger.batch where window_from < '2000-01-01'").fetchall() == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_signed_in_user_can_read_the_data_docs(settings, published):
    from playwright.sync_api import sync_playwright

    running = lifecycle.running(settings)
    password = airflow_environment.passwords(settings)["reader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context().new_page()
        page.goto(f"{running.airflow_url}/data-docs/one_stop_shop/index.html")
        assert "rule" not in page.inner_text("body"), "the page needs a login"
        page.goto(running.airflow_url)
        page.fill("input[name=username]", "reader")
        page.fill("input[name=password]", password)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "login" not in url)
        page, missing = page.context.new_page(), []
        page.on("requestfailed", lambda request: missing.append(request.url))
        page.goto(f"{running.airflow_url}/data-docs/one_stop_shop/index.html")
        page.click("td a >> nth=0")
        page.click("summary")
        text = page.inner_text("body")
        assert "Đối chiếu số bản ghi" in text and "DOS_FINISH_BEFORE_RECEIVE" in text and "VOLUME_LIMIT" in text
        page.click("small a >> text=rules")
        assert "DOS_STATUS_MAPPED" in page.inner_text("body")
        assert missing == [], "the pages make no failing request"
        browser.close()


def test_down_ends_all_processes_of_a_killed_supervisor(settings):
    running = lifecycle.running(settings)
    family = [process for child in running.children for process in psutil.Process(child.pid).children(recursive=True)]
    os.kill(running.supervisor.pid, signal.SIGKILL)
    assert wait_until_ended(running.supervisor, seconds=10)
    with pytest.raises(lifecycle.NotUp):
        lifecycle.running(settings)

    lifecycle.down(settings)

    assert not [child for child in running.children if child.is_running()]
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert stack.load(settings.home).phase == stack.STOPPED
