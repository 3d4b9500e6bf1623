"""Snapshots one can rely on: proven on both sides, signed, gone back to, and taken away only when nobody reads them."""

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
from lgsp.snapshots import pointer, recovery
from lgsp.snapshots.object_store import Remote
from lgsp.snapshots.signing import Seal
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import PUBLISH_LOCK, publishing
from tests.integration.conftest import WHOLE, Installation, copied

Copies = Callable[[], Installation]


@pytest.fixture(scope="module")
def twice(server: Server, quiet_province: dict, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two snapshots: half of the world, then the rest; and a batch that changes nothing waits no more."""
    from tests.integration.conftest import installed

    done = installed(server, tmp_path_factory.mktemp("twice"), quiet_province)
    for window in WHOLE.split(6):
        done.run_all(window)
        done.publish()
    return done


@pytest.fixture
def store(server: Server, twice: Installation, tmp_path: Path) -> Installation:
    """A copy of it, to be spoilt."""
    return copied(server, twice, tmp_path)


def _hashes(store: Installation, snapshot_id: int) -> dict[str, str]:
    rows = store.query(
        "select table_name, row_count || ' ' || data_hash as told from ledger.publication_table where snapshot_id = %s",
        snapshot_id,
    )
    return {row["table_name"]: row["told"] for row in rows}


def _folder(store: Installation, snapshot_id: int) -> Path:
    return store.settings.shared / "snapshots" / str(snapshot_id)


def test_p2_older_snapshots_are_proven_in_sql_and_in_files_as_the_newest_is(twice: Installation) -> None:
    for wanted in (1, 2):
        found, proofs = verify.run(twice.settings, wanted)
        assert found == wanted and {proof.table for proof in proofs} == set(contract.names())
        assert all(proof.in_sql == proof.in_files == proof.published for proof in proofs)
    assert _hashes(twice, 1)["dossier"] != _hashes(twice, 2)["dossier"]


def test_s22_f43_an_altered_row_file_manifest_or_signature_and_an_older_manifest_are_refused(
    store: Installation, tmp_path: Path
) -> None:
    settings, newest = store.settings, _folder(store, 2)
    public = Seal.of_installation(settings).public

    def refuse(why: str, wanted: int | None = None) -> None:
        with pytest.raises(PublicationFailed, match=why):
            verify.run(settings, wanted)

    with connect(settings) as connection:
        connection.execute(
            "update shared.dossier set extension_count = coalesce(extension_count, 0) + 1 where dossier_id = (select min(dossier_id) from shared.dossier)"
        )
        connection.execute("delete from history.dossier where ctid = (select min(ctid) from history.dossier)")
    for wanted in (1, 2):
        _, proofs = verify.run(settings, wanted)
        assert [proof.table for proof in proofs if not proof.is_equal] == ["dossier"], wanted

    path = max((newest / "dossier").rglob("*.parquet"), key=lambda p: p.stat().st_size)
    whole = path.read_bytes()
    path.unlink()  # it is linked into more than one snapshot: this one gets its own
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    refuse("is not the file that was published")
    with pytest.raises(PublicationFailed, match="is not the file"):
        verify.files(newest, public)
    path.unlink()
    refuse("is missing")
    path.write_bytes(whole)

    stranger = path.with_name("stray.parquet")
    stranger.write_bytes(whole)
    refuse("the manifest does not know")
    stranger.unlink()

    manifest = newest / pointer.MANIFEST
    told = manifest.read_bytes()
    manifest.write_bytes(told.replace(b'"verdict": "pass"', b'"verdict": "fail"'))
    refuse("is not the manifest that was published")
    with pytest.raises(PublicationFailed, match="does not bear the signature"):
        verify.files(newest, public)
    manifest.write_bytes(told)
    signature = newest / pointer.SIGNATURE
    signed = signature.read_bytes()
    signature.write_bytes(bytes(64))
    refuse("does not bear the signature")
    signature.write_bytes(signed)

    moved = tmp_path / "aside"
    newest.rename(moved)
    shutil.copytree(_folder(store, 1), newest)
    refuse("is not the manifest that was published")
    with pytest.raises(PublicationFailed, match="the manifest of snapshot 1, put in another's place"):
        verify.files(newest, public)
    with pytest.raises(PublicationFailed, match="does not bear the signature"):
        verify.files(moved.rename(tmp_path / "2"), Seal.of(_another_key()).public)
    shutil.rmtree(newest)
    (tmp_path / "2").rename(newest)
    assert verify.files(newest, public)[0] == 2
    assert verify.files(settings.shared / "current", public)[0] == 2

    (settings.shared / "current").unlink()
    (settings.shared / "current").symlink_to("snapshots/1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "POINTER_SECONDS", 0.2)
        refuse("are led to snapshot 1, published is 2: run `lgsp recover`")
    assert recovery.run(settings) == ["moved the pointer to snapshot 2"]


def test_a_lost_or_altered_file_is_written_again_from_sql_byte_for_byte(store: Installation) -> None:
    files = [path for wanted in (1, 2) for path in _folder(store, wanted).rglob("*.parquet")]
    before = {path: path.read_bytes() for path in files}
    for path in files:
        path.write_bytes(b"rot")
    shutil.rmtree(_folder(store, 2) / "document")
    mended = repair.run(store.settings)
    assert len(mended) == len(list(_folder(store, 2).rglob("*.parquet")))
    repair.run(store.settings, 1)
    assert {path: path.read_bytes() for path in files} == before
    for wanted in (1, 2):
        assert all(proof.is_equal for proof in verify.run(store.settings, wanted)[1])
    assert repair.run(store.settings) == []
    with connect(store.settings) as connection:
        connection.execute("update shared.dossier set extension_count = coalesce(extension_count, 0) + 1")
    next(_folder(store, 2).joinpath("dossier").rglob("*.parquet")).unlink()
    with pytest.raises(PublicationFailed, match="cannot be written again: SQL gives other bytes"):
        repair.run(store.settings)


def _another_key() -> bytes:
    from lgsp.snapshots.signing import new_key

    return new_key()


def test_p9_a_rollback_is_a_new_audited_snapshot_and_publishing_waits_until_it_is_released(store: Installation) -> None:
    before = _hashes(store, 2)
    assert rollback.run(store.settings, 1, "Lan", "snapshot 2 has wrong agencies") == 3
    assert _hashes(store, 3) == _hashes(store, 1) != before
    assert pointer.current(store.settings.shared) == 3
    _, proofs = verify.run(store.settings)
    assert all(proof.is_equal and proof.in_sql for proof in proofs)
    (told,) = store.query("select kind, restores, as_of from shared.snapshot where snapshot_id = 3")
    assert told == {
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

    store.run("one_stop_shop")  # read again while publishing is on hold: it waits
    assert store.publish() is None and pointer.current(store.settings.shared) == 3
    said = CliRunner().invoke(main, ["status"], env=dict(store.settings.environment)).output
    assert "on hold since" in said and "readers of files see" not in said
    assert "by Lan (back to snapshot 1: snapshot 2 has wrong agencies)" in str(hold.on_hold(store.settings))
    hold.release(store.settings, "Lan")
    with pytest.raises(LgspError, match="not on hold"):
        hold.release(store.settings, "Lan")
    again = store.publish()
    assert again and again.snapshot_id == 4 and _hashes(store, 4) == before
    for wanted in (1, 2, 3, 4):
        assert all(proof.is_equal for proof in verify.run(store.settings, wanted)[1]), wanted


def test_there_is_no_way_back_to_what_is_published_or_never_was(store: Installation) -> None:
    with pytest.raises(PublicationFailed, match="is what is published now"):
        rollback.run(store.settings, 2, "Lan", "why not")
    with pytest.raises(PublicationFailed, match=r"no way back to snapshot 9: it was never published"):
        rollback.run(store.settings, 9, "Lan", "why not")
    assert store.publish() is None and hold.on_hold(store.settings) is None


def _aged(store: Installation, days: int) -> None:
    """As if all snapshots had been published so many days earlier."""
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(f"update ledger.publication set published_at = published_at - interval '{days} days'")


def test_p10_what_was_replaced_goes_after_its_time_and_the_current_snapshot_never(store: Installation) -> None:
    first, second = _folder(store, 1), _folder(store, 2)
    held = (first / "dossier").rglob("*.parquet")
    reader = next(held).open("rb")
    assert retention.run(store.settings) == retention.Retired([], [], {}, 0)
    _aged(store, 100)
    assert retention.run(store.settings).files == [] and first.exists(), "it was the last of its month"
    _aged(store, 700)
    bounded = Settings.from_env({**store.settings.environment, "LGSP_KEEP_HISTORY_DAYS": "30"})
    done = retention.run(store.settings)
    assert done.files == [1] and not first.exists() and second.exists() and reader.read(4) == b"PAR1"
    assert all(proof.is_equal and proof.in_files is None for proof in verify.run(store.settings, 1)[1])
    done = retention.run(bounded)
    assert done.history == [1] and done.versions
    with pytest.raises(PublicationFailed, match="was retired"):
        verify.run(store.settings, 1)
    with pytest.raises(psycopg.Error, match="the history of snapshot 1 was retired"):
        store.query("select count(*) from history.dossier_as_of(1)")
    assert store.query("select count(*) as n from history.dossier")[0]["n"] == 0
    assert all(proof.is_equal for proof in verify.run(store.settings)[1])
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="is current: it cannot be retired"),
        connect(store.settings) as connection,
    ):
        connection.execute("update ledger.publication set files_retired_at = now() where snapshot_id = 2")
    assert recovery.run(store.settings) == []


def test_what_crashed_between_saying_and_taking_away_is_taken_away_later(
    store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("update ledger.publication set files_retired_at = now() where snapshot_id = 1")
    assert recovery.run(store.settings) == ["removed 1, which was retired"]
    assert not _folder(store, 1).exists()
    published = publish.run(store.settings)
    assert published is None and all(proof.is_equal for proof in verify.run(store.settings)[1])


def test_the_remote_side_follows_every_publication_rollback_and_retirement(store: Installation, endpoint: str) -> None:
    bucket = f"province{uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    settings = Settings.from_env({**store.settings.environment, "LGSP_SHARED_URL": f"s3://{bucket}/shared"})
    remote = Remote.open(f"s3://{bucket}/shared")
    mended = recovery.run(settings)
    assert sum("lacked of snapshot" in one for one in mended) == 2 and recovery.run(settings) == []
    assert str(remote.current()).startswith("Held(snapshot_id=2")
    rollback.run(settings, 1, "Lan", "to see it elsewhere")
    now = remote.current()
    assert now is not None and now.snapshot_id == 3
    verify.run(settings)
    key = f"shared/{now.manifest}"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")
    with pytest.raises(PublicationFailed, match="is not what was published"):
        verify.run(settings)
    boto3.client("s3").delete_object(Bucket=bucket, Key=key)
    assert len(recovery.run(settings)) == 1
    verify.run(settings)
    _aged(store, 3)
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update ledger.publication set published_at = published_at - interval '1 hour' where snapshot_id = 1"
        )
    done = retention.run(
        Settings.from_env({**settings.environment, "LGSP_KEEP_DAILY_DAYS": "1", "LGSP_KEEP_MONTHLY_MONTHS": "1"})
    )
    assert done.files == [1]
    held = {
        thing["Key"]
        for thing in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="shared/manifests/")["Contents"]
    }
    assert {name.removeprefix("shared/manifests/").split(".")[0] for name in held} == {"2", "3"}


def test_the_loss_of_all_files_is_mended_by_the_next_publication_with_nothing_waiting(store: Installation) -> None:
    before = _hashes(store, 2)
    shutil.rmtree(store.settings.shared)
    assert recovery.run(store.settings) == [
        "the files of snapshot 2 are lost: the next publication writes all of them again"
    ]
    published = store.publish()
    assert published and published.snapshot_id == 3 and _hashes(store, 3) == before
    assert all(proof.is_equal and proof.in_files for proof in verify.run(store.settings)[1])
    assert store.publish() is None


def test_a_folder_of_nobodys_and_files_that_cannot_be_linked_hold_up_nobody(
    store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(_folder(store, 1), store.settings.shared / "snapshots" / "1.bak")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert rollback.run(store.settings, 1, "Lan", "to write all files") == 3
    assert all(proof.is_equal for proof in verify.run(store.settings)[1])


def test_after_a_crash_between_commit_and_name_verify_says_what_mends_it(
    store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(store, 2)
    token = pointer.manifest(store.settings.shared, 2)["token"]
    folder.rename(folder.with_name(f".2.{token}"))
    monkeypatch.setattr(verify, "POINTER_SECONDS", 0.2)
    with pytest.raises(PublicationFailed, match="run `lgsp recover`"):
        verify.run(store.settings)
    recovery.run(store.settings)
    assert all(proof.is_equal for proof in verify.run(store.settings)[1])


def test_other_columns_are_proven_as_far_as_they_are_told_and_are_no_way_back(store: Installation) -> None:
    with psycopg.connect(str(store.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update ledger.publication_table set shape = 'of another version' where table_name = 'document'"
        )
        connection.execute("update ledger.publication set files_retired_at = now() where snapshot_id = 1")
    recovery.run(store.settings)
    proofs = {proof.table: proof for proof in verify.run(store.settings, 1)[1]}
    assert proofs["document"].in_sql is None and proofs["dossier"].in_sql == proofs["dossier"].published
    with pytest.raises(PublicationFailed, match="another one published document, with other columns"):
        rollback.run(store.settings, 1, "Lan", "why not")


def test_sums_that_were_never_made_are_made_by_the_next_publication_and_accuse_nobody_before(
    store: Installation,
) -> None:
    with connect(store.settings) as connection:
        connection.execute("delete from record.movement")
    assert all(proof.is_equal for proof in verify.run(store.settings)[1])
    store.publish()
    assert store.query("select count(*) as n from record.movement")[0]["n"] > 0
    verify.run(store.settings)
    with connect(store.settings) as connection:
        connection.execute("update record.movement set received_other = received_other + 1 where service_code <> ''")
    with pytest.raises(PublicationFailed, match="sums of moves are not those of its dossiers"):
        verify.run(store.settings)


def test_p8_who_hangs_in_the_middle_of_a_transfer_is_cut_off_by_the_next_in_turn(store: Installation) -> None:
    url = str(store.settings.database_url)
    with psycopg.connect(url, autocommit=True) as hanging:
        hanging.execute("select pg_advisory_lock(%s)", [PUBLISH_LOCK])
        with pytest.raises(psycopg.OperationalError), hanging.cursor() as cursor:
            # as a publisher that was stopped while it sends rows: the server waits for the client, in no transaction timeout's reach
            with cursor.copy("copy ledger.hold from stdin"):
                with publishing(url, 1) as transaction:
                    assert transaction.one("select pg_backend_pid()") != hanging.info.backend_pid
