"""The backfill command: which days it reads, and which failures it reports."""

from __future__ import annotations

from datetime import date

import pytest

from lgsp.local import backfill as backfills
from lgsp.local.airflow_api import Airflow
from lgsp.schema import sources
from lgsp.window import Window

TODAY = date(2022, 6, 10)


def test_it_ends_yesterday_at_the_latest():
    days = backfills.days_to_fetch(date(2022, 6, 8), date(2022, 6, 30), "all", TODAY)
    assert days.window == Window.of_days(date(2022, 6, 8), date(2022, 6, 9))
    assert days.sources == tuple(sources.names())


@pytest.mark.parametrize(("first", "last"), [(TODAY, TODAY), (date(2022, 6, 5), date(2022, 6, 4))])
def test_a_backfill_without_a_day_is_an_error(first, last):
    with pytest.raises(backfills.NotPublished, match="no day to fetch"):
        backfills.days_to_fetch(first, last, "all", TODAY)


def test_an_unknown_source_is_refused_with_the_list_of_sources():
    with pytest.raises(ValueError, match="documents"):
        backfills.days_to_fetch(date(2022, 6, 1), date(2022, 6, 2), "post_office", TODAY)


class FakeAirflow(Airflow):
    """An Airflow API whose runs have fixed states."""

    def dags(self):
        return {"publish_shared_dataset": False, "ingest_documents": self.user == "paused"}

    def start_backfill(self, dag_id, window, reprocess, max_active_runs, conf):
        return True

    def runs_of_days(self, dag_id, window):
        starts = [Window.of_days(day, day).start.isoformat() for day in window.days()]
        states = ["success", "failed"]
        return [
            dict(dag_id=dag_id, dag_run_id=start, data_interval_start=start, run_type="backfill", state=state)
            for start, state in zip(starts, states, strict=True)
        ]

    def error_messages(self, dag_id, run_id):
        return ["FAILED land: the source is down"]


@pytest.fixture
def days():
    return backfills.days_to_fetch(date(2022, 6, 1), date(2022, 6, 2), "documents", TODAY)


@pytest.fixture
def fake_airflow(monkeypatch):
    def as_user(user):
        monkeypatch.setattr(backfills.lifecycle, "running", lambda settings: None)
        monkeypatch.setattr(backfills, "client", lambda settings, running: FakeAirflow("http://airflow", user, ""))
        monkeypatch.setattr(backfills, "not_published", lambda settings, days: {})

    return as_user


def test_a_failed_run_counts_although_its_day_is_published(fake_airflow, days):
    fake_airflow("admin")
    lines = []
    with pytest.raises(backfills.NotPublished, match="ingest_documents 2022-06-02") as failure:
        backfills.backfill(None, days, lines.append)
    assert "2022-06-01" not in str(failure.value)
    assert "FAILED land: the source is down" in lines


def test_a_paused_dag_is_refused_because_no_run_would_start(fake_airflow, days):
    fake_airflow("paused")
    with pytest.raises(backfills.NotPublished, match="ingest_documents is paused"):
        backfills.backfill(None, days, print)
