"""Published snapshots: verified in SQL and files, signed, rolled back to, and retired."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import boto3
import psycopg
import pytest
from click.testing import CliRunner

from lgsp import publish
from lgsp.cli.main import main
from lgsp.errors import LgspError, PublicationFailed
from lgsp.maintain import repair, retention, rollback, verify
from lgsp.publish import hold
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.signing import SigningKey
from lgsp.snapshots import pointer, recovery
from lgsp.snapshots.manifest import MANIFEST, SIGNATURE
from lgsp.snapshots.object_store import Remote
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import TAKE_PUBLISH_LOCK, publishing
from tests.integration.conftest import Installation, copied

Copies = Callable[[], Installation]


@pytest.fixture
def store(server: Server, published_twice: Installation, tmp_path: Path) -> Installation:
    """A copy of it that a test can damage."""
    return copied(server, published_twice, tmp_path)


def _hashes(store: Installation, snapshot_id: int) -> dict[str, str]:
    rows = store.query(
        "select table_name, row_count || ' ' || data_hash as sums from ledger.publication_table where snapshot_id = %s",
        snapshot_id,
    )
    return {row["table_name"]: row["sums"] for row in rows}


def _folder(store: Installation, snapshot_id: int) -> Path:
    return store.settings.shared / "snapshots" / str(snapshot_id)


def test_p2_every_snapshot_is_verified_in_sql_and_in_files(published_twice: Installation) -> None:
    for snapshot_id in (1, 2):
        number, proofs = verify.verify_snapshot(published_twice.settings, snapshot_id)
        assert number == snapshot_id and {proof.table for proof in proofs} == set(contract.names())
        assert all(proof.in_sql == proof.in_files == proof.published for proof in proofs)
    assert _hashes(published_twice, 1)["dossier"] != _hashes(published_twice, 2)["dossier"]


def test_s22_f43_an_altered_row_file_or_signature_is_refused(store: Installation, tmp_path: Path) -> None:
    settings, newest = store.settings, _folder(store, 2)
    public = SigningKey.load(settings).public

    def assert_refused(message: str, snapshot_id: int | None = None) -> None:
        with pytest.raises(PublicationFailed, match=message):
            verify.verify_snapshot(settings, snapshot_id)

    with connect(settings) as connection:
        connection.execute(
            "update shared.dossier set extension_count = coalesce(extension_count, 0) + 1 "
            "where dossier_id = (select min(dossier_id) from shared.dossier where snapshot_id = 1)"
        )
        connection.execute("delete from history.dossier where ctid = (select min(ctid) from history.dossier)")
    for snapshot_id in (1, 2):
        _, proofs = verify.verify_snapshot(settings, snapshot_id)
        assert [proof.table for proof in proofs if not proof.is_equal] == ["dossier"], snapshot_id

    path = max((newest / "dossier").rglob("*.parquet"), key=lambda p: p.stat().st_size)
    whole = path.read_bytes()
    path.unlink()  # the file is hard-linked into both snapshots: give this one its own
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    assert_refused("is not the file that was published")
    with pytest.raises(PublicationFailed, match="is not the file"):
        verify.verify_folder(newest, public)
    path.unlink()
    assert_refused("is missing")
    path.write_bytes(whole)

    unlisted = path.with_name("unlisted.parquet")
    unlisted.write_bytes(whole)
    assert_refused("these files are not in the manifest")
    unlisted.unlink()

    manifest = newest / MANIFEST
    original = manifest.read_bytes()
    manifest.write_bytes(original.replace(b'"verdict": "pass"', b'"verdict": "fail"'))
    assert_refused("is not the manifest that was published")
    with pytest.raises(PublicationFailed, match="is not signed with key"):
        verify.verify_folder(newest, public)
    manifest.write_bytes(original)
    signature = newest / SIGNATURE
    signed = signature.read_bytes()
    signature.write_bytes(bytes(64))
    assert_refused("is not signed with key")
    signature.write_bytes(signed)

    moved = tmp_path / "moved"
    newest.rename(moved)
    shutil.copytree(_folder(store, 1), newest)
    assert_refused("is not the manifest that was published")
    with pytest.raises(PublicationFailed, match="the manifest of another snapshot, 1"):
        verify.verify_folder(newest, public)
    with pytest.raises(PublicationFailed, match="is not signed with key"):
        verify.verify_folder(moved.rename(tmp_path / "2"), SigningKey.from_pem(_another_key()).public)
    shutil.rmtree(newest)
    (tmp_path / "2").rename(newest)
    assert verify.verify_folder(newest, public)[0] == 2
    assert verify.verify_folder(settings.shared / "current", public)[0] == 2

    (settings.shared / "current").unlink()
    (settings.shared / "current").symlink_to("snapshots/1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "POINTER_SECONDS", 0.2)
        assert_refused("points to snapshot 1, but 2 is published: run `lgsp recover`")
    assert recovery.recover(settings) == ["moved the pointer to snapshot 2"]


def test_a_lost_or_altered_file_is_rewritten_with_the_same_bytes(store: Installation) -> None:
    files = [path for snapshot_id in (1, 2) for path in _folder(store, snapshot_id).rglob("*.parquet")]
    before = {path: path.read_bytes() for path in files}
    for path in files:
        path.write_bytes(b"rot")
    shutil.rmtree(_folder(store, 2) / "document")
    repaired = repair.repair_files(store.settings)
    assert len(repaired) == len(list(_folder(store, 2).rglob("*.parquet")))
    repair.repair_files(store.settings, 1)
    assert {path: path.read_bytes() for path in files} == before
    for snapshot_id in (1, 2):
        assert all(proof.is_equal for proof in verify.verify_snapshot(store.settings, snapshot_id)[1])
    assert repair.repair_files(store.settings) == []
    with connect(store.settings) as connection:
        connection.execute("update shared.dossier set extension_count = coalesce(extension_count, 0) + 1")
    next(_folder(store, 2).joinpath("dossier").rglob("*.parquet")).unlink()
    with pytest.raises(PublicationFailed, match="cannot be written again: SQL gives other bytes"):
        repair.repair_files(store.settings)


def _another_key() -> bytes:
    from lgsp.signing import new_key

    return new_key()


def test_p9_a_rollback_is_a_new_snapshot_and_holds_publishing(store: Installation) -> None:
    before = _hashes(store, 2)
    assert rollback.roll_back(store.settings, 1, "Lan", "snapshot 2 has wrong agencies") == 3
    assert _hashes(store, 3) == _hashes(store, 1) != before
    assert pointer.current(store.settings.shared) == 3
    _, proofs = verify.verify_snapshot(store.settings)
    assert all(proof.is_equal and proof.in_sql for proof in proofs)
    (row,) = store.query("select kind, restores, as_of from shared.snapshot where snapshot_id = 3")
    assert row == {
        "kind": "rollback",
        "restores": 1,
        "as_of": store.query("select as_of from shared.snapshot where snapshot_id = 1")[0]["as_of"],
    }
    manifest = pointer.manifest(store.settings.shared, 3)
    assert (manifest["restores"], manifest["decided_by"], manifest["why"]) == (
        1,
        "Lan",
        "snapshot 2 has wrong agencies",
    )
    assert manifest["previous"]["snapshot_id"] == 2

    store.ingest("one_stop_shop")  # read again while publishing is on hold: not published
    assert store.publish() is None and pointer.current(store.settings.shared) == 3
    output = CliRunner().invoke(main, ["status"], env=dict(store.settings.environment)).output
    assert "on hold since" in output and "readers of files see" not in output
    assert "by Lan (back to snapshot 1: snapshot 2 has wrong agencies)" in str(hold.current_reason(store.settings))
    hold.release(store.settings, "Lan")
    with pytest.raises(LgspError, match="not on hold"):
        hold.release(store.settings, "Lan")
    again = store.publish()
    assert again and again.snapshot_id == 4 and _hashes(store, 4) == before
    for snapshot_id in (1, 2, 3, 4):
        assert all(proof.is_equal for proof in verify.verify_snapshot(store.settings, snapshot_id)[1]), snapshot_id


def test_a_rollback_needs_an_older_published_snapshot(store: Installation) -> None:
    with pytest.raises(PublicationFailed, match="is the current snapshot"):
        rollback.roll_back(store.settings, 2, "Lan", "why not")
    with pytest.raises(PublicationFailed, match=r"cannot roll back to snapshot 9: it was never published"):
        rollback.roll_back(store.settings, 9, "Lan", "why not")
    assert store.publish() is None and hold.current_reason(store.settings) is None


def _aged(store: Installation, days: int) -> None:
    """Make all snapshots a number of days older."""
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(f"update ledger.publication set published_at = published_at - interval '{days} days'")


def test_p10_old_snapshots_are_retired_and_the_current_one_never(store: Installation) -> None:
    first, second = _folder(store, 1), _folder(store, 2)
    reader = next((first / "dossier").rglob("*.parquet")).open("rb")
    assert retention.retire_expired(store.settings) == retention.Retired([], [], {}, 0)
    _aged(store, 100)
    assert retention.retire_expired(store.settings).files == [] and first.exists(), "it was the last of its month"
    _aged(store, 700)
    bounded = Settings.from_env({**store.settings.environment, "LGSP_KEEP_HISTORY_DAYS": "30"})
    retired = retention.retire_expired(store.settings)
    assert retired.files == [1] and not first.exists() and second.exists() and reader.read(4) == b"PAR1"
    assert all(proof.is_equal and proof.in_files is None for proof in verify.verify_snapshot(store.settings, 1)[1])
    retired = retention.retire_expired(bounded)
    assert retired.history == [1] and retired.versions
    with pytest.raises(PublicationFailed, match="was retired"):
        verify.verify_snapshot(store.settings, 1)
    with pytest.raises(psycopg.Error, match="the history of snapshot 1 was retired"):
        store.query("select count(*) from history.dossier_as_of(1)")
    assert store.query("select count(*) as n from history.dossier")[0]["n"] == 0
    assert all(proof.is_equal for proof in verify.verify_snapshot(store.settings)[1])
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="is current: it cannot be retired"),
        connect(store.settings) as connection,
    ):
        connection.execute("update ledger.publication set files_retired_at = now() where snapshot_id = 2")
    assert recovery.recover(store.settings) == []


def test_recovery_finishes_a_retirement_that_crashed(store: Installation) -> None:
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("update ledger.publication set files_retired_at = now() where snapshot_id = 1")
    assert recovery.recover(store.settings) == ["removed 1, which was retired"]
    assert not _folder(store, 1).exists()
    published = publish.run(store.settings)
    assert published is None and all(proof.is_equal for proof in verify.verify_snapshot(store.settings)[1])


@pytest.mark.exhaustive
def test_the_remote_side_follows_every_change_of_the_local_files(store: Installation, endpoint: str) -> None:
    bucket = f"province{uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    settings = Settings.from_env({**store.settings.environment, "LGSP_SHARED_URL": f"s3://{bucket}/shared"})
    remote = Remote.open(f"s3://{bucket}/shared")
    repairs = recovery.recover(settings)
    assert sum("uploaded the missing files" in repair for repair in repairs) == 2 and recovery.recover(settings) == []
    uploaded = remote.current()
    assert uploaded is not None and uploaded.snapshot_id == 2
    rollback.roll_back(settings, 1, "Lan", "to see it elsewhere")
    current = remote.current()
    assert current is not None and current.snapshot_id == 3
    stored = [key for key in remote.bucket.list_objects("files/contracts/") if key.endswith("/dossier.schema.json")]
    assert len(stored) == 1, "three snapshots share the file"
    verify.verify_snapshot(settings)
    key = f"shared/{current.manifest}"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")
    with pytest.raises(PublicationFailed, match="is not what was published"):
        verify.verify_snapshot(settings)
    boto3.client("s3").delete_object(Bucket=bucket, Key=key)
    assert len(recovery.recover(settings)) == 1
    verify.verify_snapshot(settings)
    _aged(store, 3)
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update ledger.publication set published_at = published_at - interval '1 hour' where snapshot_id = 1"
        )
    retired = retention.retire_expired(
        Settings.from_env({**settings.environment, "LGSP_KEEP_DAILY_DAYS": "1", "LGSP_KEEP_MONTHLY_MONTHS": "1"})
    )
    assert retired.files == [1]
    keys = {
        entry["Key"]
        for entry in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="shared/manifests/")["Contents"]
    }
    assert {name.removeprefix("shared/manifests/").split(".")[0] for name in keys} == {"2", "3"}


def test_a_publication_without_batches_restores_lost_files(store: Installation) -> None:
    before = _hashes(store, 2)
    shutil.rmtree(store.settings.shared)
    assert recovery.recover(store.settings) == [
        "the files of snapshot 2 are lost: the next publication writes all of them again"
    ]
    published = store.publish()
    assert published and published.snapshot_id == 3 and _hashes(store, 3) == before
    assert all(proof.is_equal and proof.in_files for proof in verify.verify_snapshot(store.settings)[1])
    assert store.publish() is None


def test_unknown_folders_and_refused_links_stop_no_publication(
    store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(_folder(store, 1), store.settings.shared / "snapshots" / "1.bak")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert rollback.roll_back(store.settings, 1, "Lan", "to write all files") == 3
    assert all(proof.is_equal for proof in verify.verify_snapshot(store.settings)[1])


def test_verify_names_the_command_that_repairs_a_crash(store: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _folder(store, 2)
    token = pointer.manifest(store.settings.shared, 2)["token"]
    folder.rename(folder.with_name(f".2.{token}"))
    monkeypatch.setattr(verify, "POINTER_SECONDS", 0.2)
    with pytest.raises(PublicationFailed, match="run `lgsp recover`"):
        verify.verify_snapshot(store.settings)
    recovery.recover(store.settings)
    assert all(proof.is_equal for proof in verify.verify_snapshot(store.settings)[1])


def test_a_snapshot_with_other_columns_cannot_be_rolled_back_to(store: Installation) -> None:
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update ledger.publication_table set shape = 'of another version' where table_name = 'document'"
        )
        connection.execute("update ledger.publication set files_retired_at = now() where snapshot_id = 1")
    recovery.recover(store.settings)
    proofs = {proof.table: proof for proof in verify.verify_snapshot(store.settings, 1)[1]}
    assert proofs["document"].in_sql is None and proofs["dossier"].in_sql == proofs["dossier"].published
    with pytest.raises(PublicationFailed, match="another version of lgsp published document with other columns"):
        rollback.roll_back(store.settings, 1, "Lan", "why not")


def test_missing_flow_sums_are_computed_next_time(
    store: Installation,
) -> None:
    with connect(store.settings) as connection:
        connection.execute("delete from record.movement")
    assert all(proof.is_equal for proof in verify.verify_snapshot(store.settings)[1])
    store.publish()
    assert store.query("select count(*) as n from record.movement")[0]["n"] > 0
    verify.verify_snapshot(store.settings)
    with connect(store.settings) as connection:
        connection.execute("update record.movement set received_other = received_other + 1 where service_code <> ''")
    with pytest.raises(PublicationFailed, match="flow sums do not match its dossiers"):
        verify.verify_snapshot(store.settings)


def test_p8_a_publisher_that_hangs_in_a_transfer_is_disconnected(store: Installation) -> None:
    url = str(store.settings.database_url)
    with psycopg.connect(url) as hanging:
        hanging.execute(TAKE_PUBLISH_LOCK)
        with pytest.raises(psycopg.OperationalError), hanging.cursor() as cursor:
            # like a publisher that stops while it sends rows: the server waits for the client, and no timeout applies
            with cursor.copy("copy ledger.hold from stdin"):
                with publishing(url, 1) as transaction:
                    assert transaction.one("select pg_backend_pid()") != hanging.info.backend_pid
