"""A publisher killed at any moment leaves a complete snapshot in SQL and files; the next run finishes its work."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess

import pytest

from lgsp import publish, store
from lgsp.errors import PublicationFailed
from lgsp.maintain import verify
from lgsp.schema import contract
from lgsp.signing import SigningKey
from lgsp.snapshots import partitions, pointer, recovery
from lgsp.store.transaction import HOLDER, reading
from tests.exhaustive import exhaustive
from tests.integration.conftest import WHOLE, Installation

# The processes it forks have everything imported, so that each is killed while it publishes and not before.
PUBLISHERS = multiprocessing.get_context("forkserver")
PUBLISHERS.set_forkserver_preload(["lgsp.publish"])


def _publish(installation: Installation) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lgsp.cli", "publish"],
        env={**os.environ, **installation.settings.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _see_a_whole_snapshot(installation: Installation) -> None:
    """SQL shows exactly its newest publication; the files show that snapshot or the previous one, complete."""
    settings = installation.settings
    newest = installation.query("select coalesce(max(snapshot_id), 0) as n from ledger.publication")[0]["n"]
    pointed = pointer.current(settings.shared) or 0
    assert newest - 1 <= pointed <= newest
    if newest:
        with reading(store.url(settings)) as transaction:
            shown = {c.name: partitions.sums(transaction, c, f"shared.{c.name}") for c in contract.every()}
        assert {name: f"{sums.rows} {sums.data_hash}" for name, sums in shown.items()} == installation.data_hashes()
    if pointed:
        number, proofs = verify.verify_folder(settings.shared / "current", SigningKey.load(settings).public)
        assert number == pointed and all(proof.is_equal for proof in proofs)


def _wait_for_the_publish_lock(installation: Installation, publisher: BaseProcess) -> None:
    """Return when the publisher holds the publish lock, or has ended. Raises TimeoutError after two minutes."""
    deadline = time.monotonic() + 120
    while publisher.is_alive() and not installation.query(HOLDER):
        if time.monotonic() > deadline:
            raise TimeoutError("the publisher does not take the publish lock")
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("days", [6, *exhaustive(2)])
def test_p3_a_killed_publisher_never_tears_or_loses_a_snapshot(
    installation: Installation, published: Installation, days: int
) -> None:
    chance = random.Random(20260801)
    parts = WHOLE.split(days)
    killed = finished = 0
    for window in parts:
        installation.ingest_all(window)
        for pause_seconds in (0, chance.uniform(0.1, 1.0)):
            publisher = PUBLISHERS.Process(target=publish.run, args=(installation.settings,))
            publisher.start()
            _wait_for_the_publish_lock(installation, publisher)
            time.sleep(pause_seconds)
            publisher.kill()
            publisher.join()
            killed += publisher.exitcode == -signal.SIGKILL
            finished += publisher.exitcode == 0
            _see_a_whole_snapshot(installation)
        publish.run(installation.settings)
        recovery.recover(installation.settings)
        _see_a_whole_snapshot(installation)
    assert killed + finished == 2 * len(parts) and killed >= len(parts)
    assert installation.data_hashes() == published.data_hashes()
    assert recovery.recover(installation.settings) == []


@pytest.mark.exhaustive
def test_the_next_publisher_repairs_a_crash_after_the_commit(installation: Installation) -> None:
    first, second = WHOLE.split(6)
    for window in (first, second):
        installation.ingest_all(window)
        installation.publish()
    root = installation.settings.shared
    (root / "current").unlink()
    (root / "current").symlink_to("snapshots/1")
    half = root / "snapshots" / ".3.1"
    (half / "dossier").mkdir(parents=True)
    (half / "dossier" / "half.parquet").write_bytes(b"half a file")
    (root / "snapshots" / "2").rename(root / "snapshots" / ".2.2")
    assert recovery.recover(installation.settings) == [
        "moved the pointer to snapshot 2",
        "removed .3.1, which was never committed",
    ]
    assert pointer.current(root) == 2 and not half.exists()
    assert recovery.recover(installation.settings) == []
    (root / "snapshots" / ".9.999999").mkdir()  # of a later publish session than the one that recovers
    assert recovery.recover(installation.settings) == []


def test_files_of_another_database_are_left_alone(installation: Installation) -> None:
    folder = installation.settings.shared / "snapshots" / "7"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"snapshot_id": 7, "token": 3}')
    with pytest.raises(PublicationFailed, match="set another LGSP_HOME for another database"):
        installation.publish()
    assert folder.exists()


def test_two_publishers_at_once_publish_once(checked_copy: Installation) -> None:
    publishers = [_publish(checked_copy) for _ in range(2)]
    outputs = [publisher.communicate()[0].decode() for publisher in publishers]
    assert [publisher.returncode for publisher in publishers] == [0, 0]
    assert sorted("nothing to publish" in output for output in outputs) == [False, True]
    assert checked_copy.query("select count(*) as n from ledger.publication")[0]["n"] == 1
