"""The backfill command: which days it takes, and what it admits at the end."""

from __future__ import annotations

from datetime import date

import pytest

from lgsp.local import backfill as backfills
from lgsp.local.airflow_api import Airflow
from lgsp.schema import sources
from lgsp.window import Window

TODAY = date(2022, 6, 10)


def test_it_ends_yesterday_at_the_latest():
    days = backfills.wanted(date(2022, 6, 8), date(2022, 6, 30), "all", TODAY)
    assert days.window == Window.of_days(date(2022, 6, 8), date(2022, 6, 9))
    assert days.sources == tuple(sources.names())


@pytest.mark.parametrize(("first", "last"), [(TODAY, TODAY), (date(2022, 6, 5), date(2022, 6, 4))])
def test_no_day_at_all_is_an_error_and_not_a_success(first, last):
    with pytest.raises(backfills.NotPublished, match="no day to fetch"):
        backfills.wanted(first, last, "all", TODAY)


def test_a_source_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ValueError, match="documents"):
        backfills.wanted(date(2022, 6, 1), date(2022, 6, 2), "post_office", TODAY)


class Played(Airflow):
    """An Airflow whose runs are told in advance."""

    def dags(self):
        return {"publish_shared_dataset": False, "ingest_documents": self.user == "paused"}

    def start_backfill(self, dag_id, window, reprocess, max_active_runs):
        return True

    def runs_of_days(self, dag_id, window):
        starts = [Window.of_days(day, day).start.isoformat() for day in window.days()]
        states = ["success", "failed"]
        return [
            dict(dag_id=dag_id, dag_run_id=start, data_interval_start=start, run_type="backfill", state=state)
            for start, state in zip(starts, states, strict=True)
        ]

    def last_words(self, dag_id, run_id):
        return ["FAILED land: the source is down"]


@pytest.fixture
def days():
    return backfills.wanted(date(2022, 6, 1), date(2022, 6, 2), "documents", TODAY)


@pytest.fixture
def play(monkeypatch):
    def as_user(user):
        monkeypatch.setattr(backfills.lifecycle, "running", lambda settings: None)
        monkeypatch.setattr(backfills, "client", lambda settings, running: Played("http://airflow", user, ""))
        monkeypatch.setattr(backfills, "not_published", lambda settings, days: {})

    return as_user


def test_a_failed_run_is_admitted_although_its_day_was_published_before(play, days):
    play("admin")
    told = []
    with pytest.raises(backfills.NotPublished, match="ingest_documents 2022-06-02") as failure:
        backfills.backfill(None, days, told.append)
    assert "2022-06-01" not in str(failure.value)
    assert "FAILED land: the source is down" in told


def test_a_paused_dag_is_refused_because_its_runs_would_wait_for_ever(play, days):
    play("paused")
    with pytest.raises(backfills.NotPublished, match="ingest_documents is paused"):
        backfills.backfill(None, days, print)
