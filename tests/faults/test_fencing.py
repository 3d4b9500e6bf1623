"""A publisher that lost the publish lock cannot publish, and no database user can publish a snapshot that breaks rules."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lgsp import publish, store
from lgsp.errors import PublicationFailed
from lgsp.snapshots import pointer
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import END_HANGING, TAKE_PUBLISH_LOCK
from tests.faults import stores
from tests.integration.conftest import Installation, installed

LEASE_SECONDS = 5
TIMEOUT_SECONDS = 120
# Everything is imported before the publish session starts, because the lease is short.
PUBLISH = "import great_expectations; from lgsp import publish; from lgsp.cli.main import main; main(['publish'])"


def _publisher(installation: Installation) -> subprocess.Popen[str]:
    environment = {**os.environ, **installation.settings.environment, "LGSP_PUBLISH_LEASE_SECONDS": str(LEASE_SECONDS)}
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )  # fmt: skip


def _wait_until(publisher: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    """Wait for a condition while the publisher runs. Raises TimeoutError when it does not become true."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not become true within {TIMEOUT_SECONDS} s")
        assert publisher.poll() is None, publisher.communicate()[0]
        time.sleep(0.1)


def _waits_for_a_lock(installation: Installation) -> bool:
    return bool(
        installation.query(
            "select 1 from pg_locks where not granted and relation = 'ledger.publication_file'::regclass"
        )
    )


@contextmanager
def _stopped(publisher: subprocess.Popen[str]) -> Iterator[None]:
    """Stop the process for the duration of the block."""
    publisher.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        publisher.send_signal(signal.SIGCONT)


def test_p8_f33_a_publisher_that_hangs_beyond_its_lease_fails(harmed: Installation) -> None:
    with psycopg.connect(str(harmed.settings.database_url)) as blocker:
        blocker.execute("lock table ledger.publication_file in exclusive mode")
        first = _publisher(harmed)
        _wait_until(first, lambda: _waits_for_a_lock(harmed))
        with _stopped(first):
            blocker.rollback()
            second = publish.run(harmed.settings)
            assert second is not None and second.snapshot_id == 2
            published = stores.State.read(harmed)
    output = first.communicate()[0]
    assert first.returncode == 1 and "lost the publish lock" in output and "Traceback" not in output, output
    assert stores.State.read(harmed) == published
    assert publish.run(harmed.settings) is None


def test_p8_f33_the_next_run_finishes_one_hanging_after_commit(harmed: Installation) -> None:
    root = harmed.settings.shared
    with (root / ".pointer.lock").open("w") as blocker:
        fcntl.flock(blocker, fcntl.LOCK_EX)
        first = _publisher(harmed)
        _wait_until(first, lambda: stores.newest(harmed) == 2 and (root / "snapshots" / "2").exists())
        assert stores.pointed(harmed) == 1
        with _stopped(first):
            fcntl.flock(blocker, fcntl.LOCK_UN)
            assert publish.run(harmed.settings) is None
            published = stores.State.read(harmed)
            assert published.newest == 2
    output = first.communicate()[0]
    assert first.returncode == 0, output
    assert stores.State.read(harmed) == published


def test_p8_f33_an_error_names_the_lock_of_a_hanging_switch(
    harmed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer, "LOCK_SECONDS", 0.1)
    with (harmed.settings.shared / ".pointer.lock").open("w") as hanging:
        fcntl.flock(hanging, fcntl.LOCK_EX)
        with pytest.raises(PublicationFailed, match=r"has the lock on .*pointer\.lock"):
            publish.run(harmed.settings)
        assert (stores.newest(harmed), stores.pointed(harmed)) == (2, 1)
    assert publish.run(harmed.settings) is None
    assert stores.State.read(harmed).newest == 2


PUBLICATION = (
    "insert into ledger.publication (snapshot_id, published_at, manifest_sha256, batch_count, seconds, token, verdict, overruled) "
    "values (%(id)s, clock_timestamp(), 'none', 0, 0, %(token)s, %(verdict)s, %(overruled)s)"
)
BROKEN = (
    "insert into ledger.check_result (snapshot_id, rule_id, suite, severity, is_passed, checked_count, failed_count, meaning, rule_version) "
    "values (2, 'KPI_RANGE', 'service_kpi', 'error', false, 10, 1, 'shares', '1')"
)


@pytest.fixture
def session(harmed: Installation) -> Iterator[psycopg.Connection[tuple[int]]]:
    """A session of the superuser, in a transaction."""
    with psycopg.connect(str(harmed.settings.database_url)) as connection:
        (is_superuser,) = connection.execute(
            "select rolsuper from pg_roles where rolname = current_user"
        ).fetchone() or (0,)
        assert is_superuser
        yield connection


def _lock(session: psycopg.Connection[tuple[int]]) -> None:
    session.execute(TAKE_PUBLISH_LOCK)


def _token(session: psycopg.Connection[tuple[int]]) -> int:
    row = session.execute("select nextval('ledger.publish_token')").fetchone()
    assert row is not None
    return row[0]


def _insert_publication(session: psycopg.Connection[tuple[int]], token: int, snapshot_id: int = 2, verdict: str = "pass", overruled: str | None = None) -> None:  # fmt: skip
    session.execute(PUBLICATION, {"id": snapshot_id, "token": token, "verdict": verdict, "overruled": overruled})


def test_p8_only_the_holder_of_the_publish_lock_can_publish(
    harmed: Installation, session: psycopg.Connection[tuple[int]]
) -> None:
    _insert_publication(session, _token(session))
    with pytest.raises(psycopg.errors.CheckViolation, match="does not hold the publish lock"):
        session.commit()
    _lock(session)
    token = _token(session)
    harmed.query("select nextval('ledger.publish_token')")  # another publisher had a session since
    _insert_publication(session, token)
    with pytest.raises(psycopg.errors.CheckViolation, match="lost the publish lock"):
        session.commit()
    for number in (1, 3):
        with pytest.raises(psycopg.errors.CheckViolation, match="does not follow snapshot 1"):
            _insert_publication(session, _token(session), snapshot_id=number)
        session.rollback()
    for statement in ("update ledger.publication set manifest_sha256 = 'other'", "delete from ledger.publication"):
        with pytest.raises(psycopg.errors.CheckViolation, match="not altered"):
            session.execute(statement)
        session.rollback()
    assert stores.newest(harmed) == 1
    _lock(session)
    _insert_publication(session, _token(session))
    session.commit()
    assert stores.newest(harmed) == 2


def test_p11_the_store_refuses_a_snapshot_that_broke_a_rule(
    harmed: Installation, session: psycopg.Connection[tuple[int]]
) -> None:
    for verdict, overruled in (
        ("pass", None),
        ("overruled", None),
        ("overruled", '{"OTHER": {"by": "An", "why": "known"}}'),
        ("overruled", '{"KPI_RANGE": {"by": "An", "why": ""}}'),
        ("pass", '{"KPI_RANGE": {"by": "An", "why": "known"}}'),
    ):
        _lock(session)
        _insert_publication(session, _token(session), verdict=verdict, overruled=overruled)
        session.execute(BROKEN)
        with pytest.raises(psycopg.errors.CheckViolation, match="KPI_RANGE is broken"):
            session.commit()
    _lock(session)
    _insert_publication(session, _token(session))
    session.execute("insert into ledger.publication_table select 2, table_name, 0, 0, 0 from ledger.table_rule limit 1")
    with pytest.raises(psycopg.errors.CheckViolation, match="was not evaluated"):
        session.commit()
    assert stores.newest(harmed) == 1
    _lock(session)
    _insert_publication(
        session, _token(session), verdict="overruled", overruled='{"KPI_RANGE": {"by": "An", "why": "known"}}'
    )
    session.execute(BROKEN)
    session.commit()
    assert stores.newest(harmed) == 2


def test_a_hanging_publisher_of_another_store_is_left_alone(server: Server, tmp_path: Path) -> None:
    mine, other = (installed(server, tmp_path, {}) for _ in range(2))
    with psycopg.connect(store.url(other.settings)) as hanging, psycopg.connect(store.url(mine.settings)) as publisher:
        hanging.execute(TAKE_PUBLISH_LOCK)
        publisher.execute(f"{END_HANGING} 0)")
        assert hanging.execute("select 1").fetchone() == (1,)
