"""What runs, what waits and for whom is visible to every operator."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from click.testing import CliRunner, Result

from lgsp import store
from lgsp.cli.main import main
from lgsp.errors import PublicationFailed
from lgsp.maintain import retention, rollback
from lgsp.publish import stage
from lgsp.publish.context import PublishRun
from lgsp.settings import Settings
from lgsp.store import activity, heartbeat, ledger
from lgsp.store.activity import Activity
from lgsp.store.transaction import MOST_NAME, publishing, session_name
from tests.integration.conftest import WHOLE, Installation

HERE = f"pid {os.getpid()} on {socket.gethostname()}"


def _run(installation: Installation, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))


def _running(installation: Installation) -> list[Activity]:
    with store.connect(installation.settings) as connection:
        return activity.running(connection)


def _wait_for(installation: Installation, condition: Callable[[list[Activity]], bool]) -> list[Activity]:
    deadline = time.monotonic() + 20
    while not condition(found := _running(installation)):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_a_name_of_a_session_fits_and_names_its_process() -> None:
    name = session_name("publish", "10/12 mark_outdated_files")
    assert name.startswith(f"lgsp publish 10/12 mark_outdated_files {os.getpid()}@{socket.gethostname()[:9]}")
    assert len(name) <= MOST_NAME and len(session_name("x" * 80)) == MOST_NAME


def test_a_running_stage_shows_its_progress(empty_store: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    with store.connect(empty_store.settings) as connection:
        batch_id = ledger.open_batch(connection, "documents", WHOLE).batch_id
    with heartbeat.beating(empty_store.settings, batch_id, lambda: "7 answers, 90 records, 0.1 MB"):
        (work,) = _wait_for(empty_store, lambda found: bool(found and found[0].progress))
        assert (work.what, work.subject, work.process) == ("land", batch_id, HERE)
        assert work.progress == "7 answers, 90 records, 0.1 MB"
        for command in ("status", "ps"):
            assert (
                f"runs now: land {batch_id}, 7 answers, 90 records, 0.1 MB, since " in _run(empty_store, command).output
            )
        (shown,) = json.loads(_run(empty_store, "status", "--json").stdout.splitlines()[-1])["running"]
        assert shown["subject"] == batch_id and shown["since"]
    with store.connect(empty_store.settings) as connection:
        connection.execute("update ledger.batch set heartbeat_at = now() - interval '1 hour'")
    assert _running(empty_store) == [], "its process was killed"
    with store.connect(empty_store.settings) as connection:
        connection.execute("truncate ledger.batch cascade")


def test_the_step_of_a_publication_is_shown(checked_copy: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Activity]] = []

    def link_documents(run: PublishRun) -> None:
        seen.append(_running(checked_copy))
        original(run)

    original = stage.CHANGE_STEPS[4]
    assert original.__name__ == "link_documents"
    monkeypatch.setattr(stage, "CHANGE_STEPS", (*stage.CHANGE_STEPS[:4], link_documents, *stage.CHANGE_STEPS[5:]))
    assert checked_copy.publish() is not None
    ((publisher,),) = seen
    assert (publisher.what, publisher.progress, publisher.process) == ("publish", "step 5/12 link_documents", HERE)
    assert _running(checked_copy) == []


@pytest.mark.parametrize(
    ("command", "act"),
    [
        ("publish", lambda settings: stage.run(settings)),
        ("rollback", lambda settings: rollback.roll_back(settings, 1, "Lan", "wrong")),
        ("retire", lambda settings: retention.retire_expired(settings)),
    ],
    ids=["publish", "rollback", "retire"],
)
def test_a_waiting_command_names_the_holder_and_gives_up(
    published: Installation, command: str, act: Callable[[Settings], object], caplog: pytest.LogCaptureFixture
) -> None:
    patient = Settings.from_env({**published.settings.environment, "LGSP_PUBLISH_WAIT_SECONDS": "2"})
    errors: list[str] = []

    def wait() -> None:
        try:
            act(patient)
        except PublicationFailed as error:
            errors.append(str(error))

    with publishing(store.url(published.settings), command="backup") as holder:
        holder.show_step("3/9 copy")
        waiting = threading.Thread(target=wait)
        waiting.start()
        found = _wait_for(published, lambda found: len(found) == 2)
        waiting.join(timeout=30)
    assert [(work.what, work.progress, work.process) for work in found] == [
        ("backup", "step 3/9 copy", HERE),
        (command, "waits for the publish lock", HERE),
    ]
    (error,) = errors
    assert (
        "is not free after 2 s (LGSP_PUBLISH_WAIT_SECONDS)" in error
        and f"(lgsp backup 3/9 copy {os.getpid()}@" in error
    )
    assert f"lgsp {command} waits for the publish lock, for at most 2 s: process " in caplog.text


def test_a_session_of_another_program_is_shown_by_its_name(published: Installation) -> None:
    with psycopg.connect(store.url(published.settings), application_name="psql") as session:
        session.execute("lock table ledger.publish_lock in exclusive mode")
        (work,) = _running(published)
        assert (work.what, work.process) == ("psql", f"process {session.info.backend_pid} of the database")
