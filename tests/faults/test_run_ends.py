"""Every run has a known end: a full or read-only disk, or a killed process, leaves a closed batch and one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from click.testing import CliRunner, Result

from lgsp import store
from lgsp.cli.main import main
from lgsp.land import archive, orphans
from lgsp.land.archive import Pack
from lgsp.store import ledger
from lgsp.window import Window
from tests.exhaustive import exhaustive
from tests.faults import disks
from tests.integration import conftest
from tests.integration.conftest import FIRST, Installation

quiet_province, world, install, installation = (
    conftest.quiet_province,
    conftest.world,
    conftest.install,
    conftest.installation,
)

RUN = ("run", "documents", "--from", str(FIRST), "--to", str(FIRST + timedelta(days=6)))
DAY = Window.of_days(date(2026, 8, 3), date(2026, 8, 3))


def _run(installation: Installation, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))


ERRORS = {
    "size": ("No space left on device", "size=100m"),
    "ro": ("Read-only file system", "rw,size=100m"),
}


@pytest.mark.parametrize(
    ("folder", "full"),
    [
        ("landing", "size"),
        ("staging", "ro"),
        *exhaustive(("landing", "ro"), ("staging", "size")),
    ],
)
def test_f29_a_disk_that_takes_nothing_closes_the_batch(installation: Installation, folder: str, full: str) -> None:
    error, repaired = ERRORS[full]
    path = getattr(installation.settings, folder)
    with disks.small_disk(path, free_kilobytes=4 if full == "size" else 10_000):
        if full == "ro":
            disks.remount(path, "ro")
        failed = _run(installation, *RUN)
        lines = [line for line in failed.output.splitlines() if line.startswith("lgsp:")]
        assert failed.exit_code == 1 and isinstance(failed.exception, SystemExit), failed.output
        assert len(lines) == 1 and error in lines[0] and str(path) in lines[0] and "then run it again" in lines[0]
        (batch,) = installation.query("select state, why from ledger.batch")
        assert batch["state"] == "failed" and error in batch["why"] and str(path) in batch["why"]
        disks.remount(path, repaired)
        assert _run(installation, *RUN).exit_code == 0
        assert installation.publish() is not None
        if folder == "staging":  # what was landed completely is not lost for a rebuild
            assert _run(installation, "rebuild", *RUN[1:]).exit_code == 0


def test_f29_a_read_only_home_is_named_by_every_command(installation: Installation) -> None:
    home = installation.settings.home
    installation.ingest("documents", DAY)
    with disks.small_disk(home, free_kilobytes=100_000):
        disks.remount(home, "ro")
        for command in (RUN, ("publish",), ("rebuild", *RUN[1:]), ("adopt",), ("recover",), ("retire",)):
            failed = _run(installation, *command)
            lines = [line for line in failed.output.splitlines() if line.startswith("lgsp:")]
            assert failed.exit_code == 1 and isinstance(failed.exception, SystemExit), (command, failed.output)
            assert len(lines) == 1 and "Read-only file system" in lines[0] and str(home) in lines[0], (command, lines)
        status = _run(installation, "status")
        assert status.exit_code == 0, status.output
        disks.remount(home, "rw")
        for command in (RUN, ("publish",), ("verify",)):
            assert _run(installation, *command).exit_code == 0


def test_f29_a_full_disk_for_data_docs_stops_nothing(installation: Installation) -> None:
    with disks.small_disk(installation.settings.docs, free_kilobytes=4):
        assert _run(installation, *RUN).exit_code == 0
        assert installation.publish() is not None


KILLED = """
import os, signal, sys
from lgsp import store
from lgsp.land.archive import Pack
from lgsp.settings import Settings
from lgsp.store import heartbeat, ledger
from lgsp.window import Window, instant
settings = Settings.from_env()
with store.connect(settings) as connection:
    batch = ledger.open_batch(connection, "documents", Window(instant(sys.argv[1]), instant(sys.argv[2])))
pack = Pack(settings.landing / batch.landing_path)
pack.append("edocs", "getEdoc 1", 200, b"<a/>", 0.1, is_durable=True)
if sys.argv[3] == "sealed":
    pack.seal({"batch_id": batch.batch_id, "source": "documents", "from": batch.window.start.isoformat(), "to": batch.window.end.isoformat(),
               "purpose": "window", "declared": 0, "read": 0, "gap": 0})
os.kill(os.getpid(), signal.SIGKILL)
"""


def _killed(installation: Installation, when: str) -> ledger.Batch:
    """A batch whose process was killed some minutes ago, before or after its folder was sealed."""
    arguments = [DAY.start.isoformat(), DAY.end.isoformat(), when]
    environment = {**os.environ, **installation.settings.environment}
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=environment, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with store.connect(installation.settings) as connection:
        connection.execute("update ledger.batch set heartbeat_at = heartbeat_at - interval '6 minutes'")
        return ledger.batches(connection, "landing")[0]


def test_f25_a_batch_whose_process_was_killed_is_closed(installation: Installation) -> None:
    batch = _killed(installation, "unsealed")
    folder = installation.settings.landing / batch.landing_path
    assert folder.exists()
    installation.ingest("documents")  # the next run closes it
    closed = installation.batch(batch.batch_id)
    assert (closed.state, folder.exists()) == ("failed", False) and "must be read again" in str(closed.why)


def test_f25_a_batch_killed_after_it_was_sealed_is_recorded(installation: Installation) -> None:
    batch = _killed(installation, "sealed")
    assert [str(each) for each in orphans.close(installation.settings)] == [
        f"{batch.batch_id}: landed completely, now recorded"
    ]
    assert installation.batch(batch.batch_id).state == "landed"
    (call,) = installation.query("select request, bytes from ledger.source_call")
    assert call == {"request": "getEdoc 1", "bytes": 4}
    assert orphans.close(installation.settings) == []


def test_a_batch_that_is_being_landed_is_left_alone(installation: Installation) -> None:
    with store.connect(installation.settings) as connection:
        batch = ledger.open_batch(connection, "documents", DAY)
    Pack(installation.settings.landing / batch.landing_path)
    assert orphans.close(installation.settings) == [] and orphans.remove_unsealed(installation.settings) == []


def test_what_was_never_complete_is_removed_after_a_day(
    installation: Installation, install: Callable[..., Installation]
) -> None:
    with store.connect(installation.settings) as connection:
        batch = ledger.open_batch(connection, "documents", DAY)
        ledger.advance(connection, batch.batch_id, "failed", why="the source did not answer")
    folder = installation.settings.landing / batch.landing_path
    pack = Pack(folder)
    pack.append("edocs", "getEdoc 1", 200, b"<a/>", 0.1, is_durable=True)
    pack.close_unsealed()
    assert orphans.remove_unsealed(installation.settings) == []
    for path in (folder, *folder.iterdir()):
        os.utime(path, (0, 0))
    retired = _run(installation, "retire")
    assert "unsealed: 1" in retired.output and not folder.exists()
    installation.ingest("documents")
    (sealed,) = (path for path in folder.parent.iterdir() if archive.is_sealed(path))
    for path in (sealed, *sealed.iterdir()):
        os.utime(path, (0, 0))
    assert orphans.remove_unsealed(installation.settings) == [] and sealed.exists()


def test_an_error_that_is_not_of_a_disk_keeps_its_own_name(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(*_: object) -> None:
        raise ConnectionResetError("reset by the other side")

    monkeypatch.setattr("lgsp.land.source_client.read_window", reset)
    with pytest.raises(ConnectionResetError):
        installation.ingest("documents")
    (batch,) = installation.query("select state, why from ledger.batch")
    assert batch == {"state": "failed", "why": "reset by the other side"}
