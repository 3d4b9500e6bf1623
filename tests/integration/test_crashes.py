"""A publisher killed at any moment leaves a whole snapshot on both sides; the next run finishes the work."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from lgsp import publish, snapshot, verify
from lgsp.window import Window
from tests.integration.conftest import WHOLE, Installation

KILLS = 20


# Its children have everything imported, so that each is killed while it publishes and not before.
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
    """SQL shows exactly what its newest publication says; the files show that snapshot or the one before, whole."""
    newest = installation.query("select coalesce(max(snapshot_id), 0) as n from ledger.publication")[0]["n"]
    pointed = snapshot.current(installation.settings.shared) or 0
    assert newest - 1 <= pointed <= newest
    if newest:
        _, proofs = verify.run(installation.settings)
        assert all(proof.is_equal for proof in proofs)
    if pointed:
        _, proofs = verify.run(installation.settings, pointed)
        assert all(proof.in_files == proof.published for proof in proofs)


@pytest.mark.slow
def test_p3_f26_killing_the_publisher_twenty_times_never_tears_or_loses_a_snapshot(
    installation: Installation, published: Installation
) -> None:
    chance = random.Random(20260801)
    parts = WHOLE.split(3)
    killed = finished = 0
    for window in parts:
        installation.run_all(window)
        for _ in range(KILLS // len(parts)):
            publisher = PUBLISHERS.Process(target=publish.run, args=(installation.settings,))
            publisher.start()
            time.sleep(chance.uniform(0.1, 1.0))
            publisher.kill()
            publisher.join()
            killed += publisher.exitcode == -signal.SIGKILL
            finished += publisher.exitcode == 0
            _see_a_whole_snapshot(installation)
        publish.run(installation.settings)
        publish.recover(installation.settings)
        _see_a_whole_snapshot(installation)
    assert killed + finished == KILLS and killed >= KILLS // 2
    assert installation.data_hashes() == published.data_hashes()
    orphans = [
        path
        for path in (installation.settings.shared / "files").rglob("*")
        if path.is_file() and path.stat().st_nlink == 1
    ]
    assert orphans == []


def test_a_crash_after_the_commit_is_repaired_by_the_next_publisher(installation: Installation) -> None:
    first, second = WHOLE.split(6)
    for window in (first, second):
        installation.run_all(window)
        installation.publish()
    root = installation.settings.shared
    (root / "current").unlink()
    (root / "current").symlink_to("snapshots/1")
    stray = root / "files" / "dossier" / "stray.parquet"
    stray.write_bytes(b"half a file")
    (root / "snapshots" / "9").mkdir()
    mended = publish.recover(installation.settings)
    assert len(mended) == 3 and snapshot.current(root) == 2
    assert not stray.exists() and not (root / "snapshots" / "9").exists()
    assert publish.recover(installation.settings) == []


def test_two_publishers_at_once_publish_once(installation: Installation) -> None:
    installation.run_all(Window(WHOLE.start, WHOLE.start + timedelta(days=4)))
    publishers = [_publish(installation) for _ in range(2)]
    outputs = [publisher.communicate()[0].decode() for publisher in publishers]
    assert [publisher.returncode for publisher in publishers] == [0, 0]
    assert sorted("nothing to publish" in output for output in outputs) == [False, True]
    assert installation.query("select count(*) as n from ledger.publication")[0]["n"] == 1
