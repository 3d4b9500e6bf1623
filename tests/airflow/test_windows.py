"""The window of a run, the retry rules, the failure log line and the connections."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from lgsp.errors import (
    BatchRefused,
    ContractError,
    SettingError,
    SourceFailed,
    SourcePaused,
    SourceRefused,
    UnlikelyWindow,
)
from lgsp.window import LOCAL, Window, midnight


def context(window_from=None, window_to=None, *, interval=None, run_after=datetime(2022, 6, 5, 9, tzinfo=LOCAL)):
    start, end = interval or (None, None)
    run = SimpleNamespace(data_interval_start=start, data_interval_end=end, run_after=run_after)
    return {"params": {"window_from": window_from, "window_to": window_to}, "dag_run": run, "run_id": "a run"}


def test_a_scheduled_run_takes_its_data_interval():
    from wiring import windows

    interval = midnight(date(2022, 6, 1)), midnight(date(2022, 6, 2))
    assert windows.of_run(context(interval=interval)) == Window.of_days(date(2022, 6, 1), date(2022, 6, 1))


def test_a_manual_run_takes_the_day_before():
    from wiring import windows

    assert windows.of_run(context()).days() == [date(2022, 6, 4)]


def test_an_operator_may_choose_any_past_window():
    from wiring import windows

    chosen = windows.of_run(context("2022-05-01T00:00:00+07:00", "2022-05-03T12:00:00Z"))
    assert chosen == Window.of("2022-05-01T00:00:00+07:00", "2022-05-03T19:00:00+07:00")


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2022-05-01T00:00:00+07:00", None, "belong together"),
        (None, "2022-05-01T00:00:00+07:00", "belong together"),
        ("2022-05-02T00:00:00+07:00", "2022-05-01T00:00:00+07:00", "is not a valid window"),
        ("2022-05-02T00:00:00+07:00", "2022-05-02T00:00:00+07:00", "is not a valid window"),
        ("2022-06-01T00:00:00+07:00", "2022-06-06T00:00:00+07:00", "no data exist yet"),
        ("2022-06-01T00:00:00+07:00", "9999-12-31T00:00:00+07:00", "no data exist yet"),
        ("0001-01-01T00:00:00+07:00", "2022-06-01T00:00:00+07:00", "the calendar does not reach"),
    ],
)
def test_an_incomplete_empty_or_future_window_is_refused(start, end, message):
    from wiring import windows

    with pytest.raises(SettingError, match=message):
        windows.of_run(context(start, end))


@pytest.mark.parametrize("user", ["lan", None])
def test_a_run_that_confirms_its_window_names_who_did(user):
    from wiring import windows

    confirming = context("1999-08-01T00:00:00+07:00", "1999-08-02T00:00:00+07:00")
    assert windows.confirmed_by(confirming) is None
    confirming["params"]["really"] = True
    confirming["dag_run"].triggering_user_name = user
    assert windows.confirmed_by(confirming) == ("lan, run a run" if user else "run a run")


@pytest.mark.parametrize(
    ("failure", "action"),
    [
        (SourceFailed("timed out"), "retry"),
        (SourceRefused("login refused"), "fail"),
        (BatchRefused("no rows"), "fail"),
        (UnlikelyWindow("begins in 1999"), "fail"),
        (ContractError("unknown list"), "fail"),
        (KeyError("a programming error"), "fail"),
        (ConnectionResetError("database gone"), "default"),
    ],
)
def test_only_failures_that_may_pass_are_retried(failure, action):
    from wiring import defaults

    assert defaults.RETRY_POLICY.evaluate(failure, 1, 4).action.value == action


def test_a_paused_source_is_called_again_when_it_may_be():
    from wiring import defaults

    until = datetime.now(UTC) + timedelta(hours=6)
    decision = defaults.RETRY_POLICY.evaluate(SourcePaused("quiet hours", until), 1, 4)
    assert decision.action.value == "retry"
    assert timedelta(hours=6) <= decision.retry_delay + timedelta(seconds=30) <= timedelta(hours=6, minutes=2)


def test_a_failure_is_logged_in_one_line(caplog):
    from wiring import alerts

    task = SimpleNamespace(dag_id="ingest_documents", task_id="land", try_number=2)
    failed = {**context(), "task_instance": task, "exception": SourceRefused("401 at the login")}
    with caplog.at_level(logging.ERROR):
        alerts.log_failure(failed)
    (line,) = caplog.messages
    assert line == (
        "FAILED ingest_documents.land, window 2022-06-04..2022-06-05, run a run, try 2: SourceRefused: 401 at the login"
    )


def test_a_connection_made_in_the_ui_reaches_the_settings(monkeypatch):
    from airflow.sdk import Connection

    from wiring import connections

    connection = Connection(
        conn_id="documents", conn_type="http", schema="https", host="trục.example", port=8443,
        login="ministry", password="s3cret pass", extra='{"realm": "lgsp"}',
    )  # fmt: skip
    monkeypatch.setattr(Connection, "get", classmethod(lambda cls, name: {"documents": connection}[name]))
    endpoint = connections.settings("documents").endpoint("documents")
    assert endpoint.base_url == "https://trục.example:8443"
    assert (endpoint.login, endpoint.password, endpoint.extra) == (
        "ministry",
        "s3cret pass",
        {"realm": "lgsp"},
    )
