"""A database that was lost, or restored from an older copy, is made again from landing; no landed byte is changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result

from lgsp import store
from lgsp.cli.main import main
from lgsp.errors import ContractError, SettingError
from lgsp.land.archive import Batch, Pack
from lgsp.maintain import adopt, retention, verify
from lgsp.settings import Settings
from lgsp.snapshots import pointer, recovery
from lgsp.store import dump
from lgsp.store.embedded_postgres import Server
from tests.exhaustive import exhaustive
from tests.integration.conftest import WHOLE, Installation

EARLIER, LATER = WHOLE.split(6)


def _files(landing: Path) -> dict[str, tuple[int, int, str]]:
    """Inode, time of modification and hash of every landed file."""
    found = {}
    for path in sorted(landing.rglob("*")):
        if path.is_file() and path.parent != landing:
            stat = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(landing))] = (stat.st_ino, stat.st_mtime_ns, digest)
    return found


def _on(installation: Installation, url: str) -> Installation:
    """The same folders with another database."""
    return Installation(Settings.from_env({**installation.settings.environment, "LGSP_DATABASE_URL": url}))


def _without_database(server: Server, installation: Installation) -> Installation:
    name = f"t{uuid4().hex[:12]}"
    server.create_database(name)
    return _on(installation, server.url(name))


def _dump(server: Server, installation: Installation) -> Installation:
    """The same folders with a copy of the database as it is now."""
    name = f"t{uuid4().hex[:12]}"
    template = str(installation.settings.database_url).rsplit("/", 1)[-1]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}" strategy file_copy')
    return _on(installation, server.url(name))


def _run(installation: Installation, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))


@pytest.fixture
def lost(server: Server, published_copy: Installation) -> Installation:
    """An installation whose database was lost after it published the whole world."""
    return _without_database(server, published_copy)


@pytest.mark.parametrize(
    "command",
    [
        ("init",),
        ("run", "one_stop_shop", "--from", "2026-07-30", "--to", "2026-08-11"),
        ("rebuild", "documents", "--from", "2026-07-30", "--to", "2026-08-11"),
        ("publish",),
    ],
    ids=lambda command: command[0],
)
def test_a_database_that_lacks_batches_is_refused(lost: Installation, command: tuple[str, ...]) -> None:
    landed = _files(lost.settings.landing)
    refused = _run(lost, *command)
    assert refused.exit_code == 1 and "lgsp adopt" in refused.output and "lacks 3 batches" in refused.output
    assert _files(lost.settings.landing) == landed


def test_a_lost_database_is_made_again_from_landing(lost: Installation, published_copy: Installation) -> None:
    landed, expected = _files(lost.settings.landing), published_copy.data_hashes()
    adopted = _run(lost, "adopt")
    assert adopted.exit_code == 0 and "3 landed batches adopted" in adopted.output and "epoch 2" in adopted.output
    assert pointer.current(lost.settings.shared) == 1, "readers of files keep what they had"
    publication = lost.publish()
    assert publication is not None and publication.snapshot_id == 2
    assert lost.data_hashes() == expected
    assert _files(lost.settings.landing) == landed
    number, proofs = verify.verify_snapshot(lost.settings)
    assert number == 2 and all(proof.is_equal for proof in proofs)
    assert pointer.manifest(lost.settings.shared, 2)["epoch"] == 2
    assert _run(lost, "adopt").output.startswith("0 landed batches adopted")
    ids = lost.query("select batch_id from ledger.batch order by landed_at")
    lost.ingest("documents", LATER)
    (newest,) = lost.query("select batch_id from ledger.batch order by created_at desc limit 1")
    assert newest["batch_id"].endswith(".2-000005") and newest not in ids


@pytest.mark.exhaustive
def test_an_older_copy_of_the_database_catches_up(server: Server, installation: Installation) -> None:
    installation.ingest_all(EARLIER)
    installation.publish()
    restored = _dump(server, installation)
    installation.ingest_all(LATER)
    installation.publish()
    landed, expected = _files(installation.settings.landing), installation.data_hashes()
    with pytest.raises(SettingError, match="lacks 3 batches that were landed, such as documents"):
        restored.ingest("documents", LATER)
    adoption = adopt.adopt(restored.settings)
    assert (len(adoption.batch_ids), adoption.refused, adoption.damaged) == (3, {}, {})
    assert pointer.current(restored.settings.shared) == 2
    publication = restored.publish()
    assert publication is not None and publication.snapshot_id == 3
    assert restored.data_hashes() == expected and _files(restored.settings.landing) == landed
    assert pointer.current(restored.settings.shared) == 3 and recovery.recover(restored.settings) == []
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="snapshot 2 was published in an earlier epoch"
    ) as lost:
        restored.query("select * from history.dossier_changes(2)")
    assert "load all rows of snapshot 3" in str(lost.value.diag.message_hint)
    assert restored.query("select count(*) as n from history.dossier_changes(1)")[0]["n"] > 0
    assert [row["epoch"] for row in restored.query("select epoch from shared.snapshot order by snapshot_id")] == [1, 2]


def test_a_copy_that_lacks_only_a_snapshot_publishes_it_anew(server: Server, checked_copy: Installation) -> None:
    restored = _dump(server, checked_copy)
    checked_copy.publish()
    adoption = adopt.adopt(restored.settings)
    assert adoption.batch_ids == [] and adoption.epoch == 2
    publication = restored.publish()
    assert publication is not None and publication.snapshot_id == 2
    assert restored.data_hashes() == checked_copy.data_hashes()
    assert restored.publish() is None


def test_files_that_the_database_lost_are_retired_in_turn(server: Server, published_copy: Installation) -> None:
    restored = _dump(server, published_copy)
    shared = published_copy.settings.shared / "snapshots"
    shutil.copytree(shared / "1", shared / "2", symlinks=True)
    manifest = json.loads((shared / "2" / "manifest.json").read_text())
    (shared / "2" / "manifest.json").write_text(json.dumps({**manifest, "snapshot_id": 2}))
    adopt.adopt(restored.settings)
    publication = restored.publish()
    assert publication is not None and publication.snapshot_id == 3
    assert retention.retire_expired(restored.settings).files == [], "readers of files have some days"
    with store.connect(restored.settings) as connection:
        connection.execute("set session_replication_role = replica")  # without it a trigger refuses to alter these rows
        connection.execute("update ledger.publication set published_at = published_at - interval '4 years'")
    assert retention.retire_expired(restored.settings).files == [1, 2]
    assert sorted(path.name for path in shared.iterdir() if path.name.isdigit()) == ["3"]


def test_a_snapshot_follows_a_restore_without_changes(server: Server, published_copy: Installation) -> None:
    restored = _dump(server, published_copy)
    shutil.rmtree(published_copy.settings.shared / "snapshots" / "1")  # the next publication writes all files again
    published_copy.publish()
    adopt.adopt(restored.settings)
    publication = restored.publish()
    assert publication is not None and publication.snapshot_id == 3
    assert restored.data_hashes() == published_copy.data_hashes()


@pytest.mark.exhaustive
def test_an_adoption_that_was_interrupted_is_finished(
    lost: Installation, published_copy: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(adopt.check, "run", _interrupted)
        adopt.adopt(lost.settings)
    assert {row["state"] for row in lost.query("select state from ledger.batch")} == {"landed", "harmonised"}
    with store.connect(lost.settings) as connection:
        connection.execute("update ledger.batch set heartbeat_at = heartbeat_at - interval '6 minutes'")
    adoption = adopt.adopt(lost.settings)
    assert (adoption.batch_ids, adoption.epoch) == ([], None)
    lost.publish()
    assert lost.data_hashes() == published_copy.data_hashes()


def _interrupted(*_: object) -> list[str]:
    raise KeyboardInterrupt


def test_a_damaged_record_of_the_epoch_is_named(published_copy: Installation) -> None:
    (published_copy.settings.home / "epoch.json").write_text('{"epoch": 1,')
    refused = _run(published_copy, "publish")
    assert refused.exit_code == 1 and "epoch.json is damaged" in refused.output and "lgsp adopt" in refused.output


def _damage(path: Path, change: Callable[[bytearray], object]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(bytes(content))


def _flip_last(content: bytearray) -> None:
    content[-1] ^= 0xFF


@pytest.mark.parametrize("name", ["bodies.pack", *exhaustive("calls.jsonl", "manifest.json")])
def test_an_altered_folder_is_left_out_and_named(lost: Installation, name: str) -> None:
    (folder,) = (lost.settings.landing / "documents").iterdir()
    _damage(folder / name, _flip_last)
    adopted = _run(lost, "adopt")
    assert adopted.exit_code == 1 and "2 landed batches adopted" in adopted.output
    assert (
        f"NOT adopted: documents/{folder.name}: {folder}" in adopted.output
        and "restore it from a backup" in adopted.output
    )


def test_a_folder_that_was_never_complete_is_removed(lost: Installation) -> None:
    unsealed = lost.settings.landing / "documents" / "documents.2026-08-01_2026-08-02.1-000009"
    Pack(unsealed).close_unsealed()
    assert adopt.adopt(lost.settings).removed == [f"documents/{unsealed.name}"]
    assert not unsealed.exists()


def test_a_batch_sealed_after_the_copy_was_made_is_finished(
    server: Server, installation: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seal = Pack.seal

    def copy_and_seal(pack: Pack, facts: dict[str, Any]) -> Any:
        dump.dump(store.url(installation.settings), tmp_path / "dump")
        return seal(pack, facts)

    with monkeypatch.context() as patch:
        patch.setattr(Pack, "seal", copy_and_seal)
        installation.ingest("documents", LATER)
    installation.publish()
    restored = _without_database(server, installation)
    dump.restore(store.url(restored.settings), tmp_path / "dump")
    with store.connect(restored.settings) as connection:
        connection.execute("update ledger.batch set heartbeat_at = heartbeat_at - interval '6 minutes', created_at = created_at - interval '6 minutes'")  # fmt: skip
    adopt.adopt(restored.settings)
    restored.publish()
    assert restored.data_hashes() == installation.data_hashes()


def test_a_sealed_folder_is_never_replaced(published: Installation) -> None:
    landed = _files(published.settings.landing)
    for folder in (published.settings.landing / "documents").iterdir():
        with pytest.raises(ContractError, match="sealed batch, which is never replaced"):
            Pack(folder)
        assert Batch.open(folder).prove()
    assert _files(published.settings.landing) == landed
