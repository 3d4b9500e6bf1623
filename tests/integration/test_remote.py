"""The shared files on S3-compatible storage: a real server, with killed publishers, races and altered objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pyarrow.dataset
import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lgsp.errors import PublicationFailed, SettingError
from lgsp.snapshots.object_store import Remote, RetainedSnapshot
from lgsp.snapshots.s3 import Bucket, RemoteFailed
from tests.conftest import ROOT
from tests.exhaustive import exhaustive
from tests.integration.remote_side import (
    NO_GRACE,
    Publisher,
    client,
    copy_of,
    killed_after,
    new_publisher,
    requests_of,
    snapshot_seen,
    stored_keys,
    tables,
)


@pytest.fixture
def publisher(endpoint: str, tmp_path: Path) -> Publisher:
    """An installation with its own empty remote side."""
    return new_publisher(tmp_path)


def documented_program() -> str:
    """The program of docs/reading-the-data.md that reads a table from object storage."""
    page = (ROOT / "docs" / "reading-the-data.md").read_text(encoding="utf-8")
    (program,) = (block for block in re.findall(r"^```py\n(.*?)^```", page, re.M | re.S) if "current.json" in block)
    return program


def run_documented(publisher: Publisher) -> dict[str, Any]:
    """The variables of that program after it read a publisher's storage; only the name of the bucket is changed."""
    bucket = publisher.remote.bucket
    variables: dict[str, Any] = {}
    exec(documented_program().replace("bucket/prefix", f"{bucket.name}/{bucket.prefix}".rstrip("/")), variables)
    return variables


def test_the_documented_program_reads_the_newest_snapshot(publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(tables(number))
    read = run_documented(publisher)
    assert (read["current"]["snapshot_id"], sorted(read["dossiers"]["row"])) == (2, [1, 2, 2, 3])


def test_a_folder_of_a_table_is_no_snapshot(publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(tables(number))
    read = run_documented(publisher)
    folder = pyarrow.dataset.dataset(f"{read['root']}/files/dossier", filesystem=read["store"])
    assert sorted(folder.to_table()["row"].to_pylist()) == [1, 1, 2, 2, 3], "a row of snapshot 1 too, as the page warns"


def test_a_lazy_dataset_keeps_its_snapshot(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    read = run_documented(publisher)
    lazy = pyarrow.dataset.dataset(read["files"], filesystem=read["store"])
    publisher.publish(tables(2))
    assert sorted(lazy.to_table()["row"].to_pylist()) == sorted(read["dossiers"]["row"]) == [1, 1, 2, 3]


def test_every_object_has_its_content_type(publisher: Publisher) -> None:
    snapshot = publisher.publish(tables(1))
    bucket = publisher.remote.bucket
    types = {
        key: bucket.client.head_object(Bucket=bucket.name, Key=bucket.prefix + key)["ContentType"]
        for key in stored_keys(publisher.remote)
    }
    assert {types[key] for key in types if key.endswith(".parquet")} == {"application/vnd.apache.parquet"}
    assert types["current.json"] == types[snapshot.manifest] == "application/json"
    assert types[f"files/1.{snapshot.token}.catalog.json"] == "application/ld+json"
    assert types[f"{snapshot.manifest}.sig"] == "application/octet-stream"


def test_a_publication_uploads_only_the_changed_files(publisher: Publisher) -> None:
    unchanged = {
        f"dossier/month={year}-{month:02}": [year, month] for year in range(2000, 2010) for month in range(1, 13)
    }
    publisher.publish(unchanged | {"document": [1]})
    sent = requests_of(publisher.remote, lambda: publisher.publish(unchanged | {"document": [2]}))
    put = [url.partition("/shared/")[2] for method, url in sent if method == "PUT"]
    assert [key.partition("/")[0] for key in put].count("files") == 2, "the changed file and the catalogue"
    assert len(sent) < 25, "the number of requests does not grow with the 120 unchanged files"


def test_a_publisher_killed_before_any_write_tears_nothing(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    publisher.new_session()
    outcomes, writes, is_complete = [], 0, False
    while not is_complete:
        copy = copy_of(publisher)
        with killed_after(copy.remote, writes):
            copy.publish_without_recovery(tables(2))
            is_complete = True
        outcomes.append((snapshot_seen(copy.remote), len(copy.retained)))
        copy.recover()
        copy.verify()
        writes += 1
    assert copy.recover() == [], "a second recovery finds nothing to repair"
    assert set(outcomes) == {(1, 1), (1, 2), (2, 2)}, (
        "killed before the commit, killed before the pointer switch, or not killed"
    )


def _damage(publisher: Publisher) -> None:
    """A lost file, an uncommitted snapshot and a lagging pointer."""
    publisher.publish(tables(1))
    for number in (2, 3):
        folder, snapshot = publisher.write(publisher.new_session(), tables(number))
        publisher.remote.stage(folder, snapshot.snapshot_id, snapshot.token)  # 2: its publisher ends before the commit,
    publisher.commit(folder, snapshot)  # 3: before the pointer switch
    lost = next((publisher.home / "2").rglob("month=2026-08/*.parquet"))
    publisher.remote.bucket.remove(f"files/{lost.relative_to(publisher.home / '2')}")


def _retire(publisher: Publisher) -> None:
    """A snapshot that is retired in the database."""
    for number in (1, 2):
        publisher.publish(tables(number))
    del publisher.retained[0]


@pytest.mark.parametrize(
    ("arrange", "repair"),
    [
        (_damage, lambda publisher: publisher.recover()),
        *exhaustive((_retire, lambda publisher: publisher.remote.retire([1]))),
    ],
    ids=["recovery", "retirement"],
)
def test_a_repair_killed_before_any_write_is_finished_next_time(
    publisher: Publisher, arrange: Callable[[Publisher], None], repair: Callable[[Publisher], object]
) -> None:
    arrange(publisher)
    reference = copy_of(publisher)
    reference.recover()
    reference.verify()
    writes, is_complete = 0, False
    while not is_complete:
        copy = copy_of(publisher)
        with killed_after(copy.remote, writes):
            repair(copy)
            is_complete = True
        assert snapshot_seen(copy.remote) in (1, 2)
        copy.recover()
        assert (copy.remote.current(), stored_keys(copy.remote)) == (
            reference.remote.current(),
            stored_keys(reference.remote),
        )
        writes += 1


def test_a_publisher_that_lost_the_lock_moves_nothing_back(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    late = Publisher(publisher.home, publisher.remote, list(publisher.retained), publisher.new_session())
    folder, snapshot = publisher.write(late.token, tables(2))
    late.remote.stage(folder, snapshot.snapshot_id, snapshot.token)
    publisher.publish(tables(3))
    publisher.publish(tables(4))
    before = stored_keys(publisher.remote)
    with pytest.raises(RemoteFailed, match="is not in the database"):
        late.remote.recover(late.home, late.retained, late.token)
    late.remote.switch_to(publisher.retained[1])
    assert stored_keys(publisher.remote) == before
    publisher.remote = replace(publisher.remote, grace=NO_GRACE)
    publisher.recover()
    assert snapshot.manifest not in stored_keys(publisher.remote), "what the late publisher staged is removed"
    publisher.verify()


def test_the_newer_of_two_simultaneous_pointer_switches_wins(endpoint: str, publisher: Publisher) -> None:
    publisher.publish(tables(1))
    for number in (2, 3):
        folder, snapshot = publisher.write(publisher.new_session(), tables(number))
        publisher.remote.stage(folder, snapshot.snapshot_id, snapshot.token)
        publisher.commit(folder, snapshot)
    other = Remote(replace(publisher.remote.bucket, client=client("reader")))

    def overtake(request: Any, **_: Any) -> None:
        publisher.remote.bucket.client.meta.events.unregister("before-send.s3.PutObject", unique_id="overtake")
        other.switch_to(publisher.retained[2])

    publisher.remote.bucket.client.meta.events.register("before-send.s3.PutObject", overtake, unique_id="overtake")
    publisher.remote.switch_to(publisher.retained[1])
    assert snapshot_seen(publisher.remote) == 3


def test_a_publication_survives_lost_responses(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    session = publisher.remote.bucket.client._endpoint.http_session
    send, lost = session.send, set[tuple[str, str]]()

    def lose(request: Any) -> Any:
        response = send(request)
        if (request.method, request.url) not in lost:
            lost.add((request.method, request.url))
            raise ConnectionClosedError(endpoint_url=request.url)
        return response

    monkeypatch.setattr(session, "send", lose)
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    for number in (1, 2):
        publisher.publish(tables(number))
    publisher.verify()
    assert len(lost) > 10


def test_retiring_a_snapshot_keeps_the_files_that_others_name(publisher: Publisher) -> None:
    for number in (1, 2, 3):
        publisher.publish(tables(number))
    everything = stored_keys(publisher.remote)
    retired = publisher.retained.pop(0)
    publisher.remote.retire([1, 3])
    removed = {retired.manifest, f"{retired.manifest}.sig"}
    assert everything - stored_keys(publisher.remote) == removed, "the files are too young, and snapshot 3 is current"
    publisher.remote = replace(publisher.remote, grace=NO_GRACE)
    publisher.remote.retire([])
    assert len(everything - stored_keys(publisher.remote)) == len(removed) + 2 + 1, "and two files and the catalogue"
    publisher.verify()


def test_nothing_is_removed_once_the_publish_lock_is_lost(publisher: Publisher) -> None:
    class LockLost(Exception):
        pass

    def heartbeat() -> None:
        raise LockLost

    for number in (1, 2):
        publisher.publish(tables(number))
    before = stored_keys(publisher.remote)
    with pytest.raises(LockLost):
        replace(publisher.remote, heartbeat=heartbeat, grace=NO_GRACE).retire([1])
    assert stored_keys(publisher.remote) == before


def test_an_old_file_that_no_manifest_names_is_uploaded_again(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    publisher.publish(tables(2))
    folder, snapshot = publisher.write(publisher.new_session(), tables(1))  # only snapshot 1 names these files
    assert publisher.remote.stage(folder, snapshot.snapshot_id, snapshot.token) == 0
    aged = replace(publisher.remote, grace=NO_GRACE)
    assert aged.stage(folder, snapshot.snapshot_id, snapshot.token) == 2


@pytest.mark.parametrize("part", ["manifest", "signature", "catalogue", "file", "missing file"])
def test_verification_finds_an_altered_or_missing_object(part: str, publisher: Publisher) -> None:
    snapshot = publisher.publish(tables(1))
    folder = publisher.home / "1"
    assert publisher.remote.verify(folder, snapshot) == 3
    data = next(folder.rglob("*.parquet"))
    key = {
        "manifest": snapshot.manifest,
        "signature": f"{snapshot.manifest}.sig",
        "catalogue": f"files/1.{snapshot.token}.catalog.json",
    }.get(part, f"files/{data.relative_to(folder)}")
    if part == "missing file":
        publisher.remote.bucket.remove(key)
    else:
        publisher.remote.bucket.overwrite(key, b"x" * data.stat().st_size)
    with pytest.raises(
        PublicationFailed, match="is missing" if part == "missing file" else "is not what was published"
    ):
        publisher.remote.verify(folder, snapshot)
    publisher.remote.bucket.remove(key)
    publisher.recover()
    publisher.verify()


def test_another_database_is_refused_and_removes_nothing(publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(tables(number))
    before = stored_keys(publisher.remote)
    for retained in ([], publisher.retained[:1], [publisher.retained[0], replace(publisher.retained[1], token=99)]):
        with pytest.raises(RemoteFailed, match=r"another database.*LGSP_SHARED_URL"):
            publisher.remote.recover(publisher.home, retained, 100)
    with pytest.raises(RemoteFailed, match=r"from two databases.*LGSP_SHARED_URL"):
        publisher.remote.switch_to(RetainedSnapshot(3, 1, "0"))
    assert stored_keys(publisher.remote) == before


def test_the_pointer_never_names_an_incomplete_snapshot(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    folder, snapshot = publisher.write(publisher.new_session(), tables(2))
    publisher.remote.stage(folder, snapshot.snapshot_id, snapshot.token)
    data = next(folder.rglob("month=2026-08/*.parquet"))
    publisher.remote.bucket.remove(f"files/{data.relative_to(folder)}")
    with pytest.raises(RemoteFailed, match="is missing"):
        publisher.remote.switch_to(snapshot)
    assert snapshot_seen(publisher.remote) == 1


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_conditions_is_refused(condition: str, publisher: Publisher) -> None:
    def ignore(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop(condition, None)

    bucket = replace(publisher.remote.bucket, client=Bucket.open("s3://province").client)
    bucket.client.meta.events.register("before-call.s3.PutObject", ignore)
    with pytest.raises(SettingError, match=r"LGSP_SHARED_URL.*s3://province-.*If-None-Match"):
        Remote(bucket).recover(publisher.home, [], 1)


def test_an_error_names_the_store_without_its_credentials(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RemoteFailed, match=r"s3://nowhere refused get_object.*NoSuchBucket.*LGSP_SHARED_URL"):
        Remote.open("s3://nowhere").current()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://lgsp:a-secret@127.0.0.1:9")
    with pytest.raises(RemoteFailed, match=r"s3://province/x gave no answer.*AWS_ENDPOINT_URL") as raised:
        Remote.open("s3://province/x").current()
    assert "a-secret" not in str(raised.getrepr(chain=True, style="short", showlocals=False))


@pytest.mark.parametrize(
    "url", ["province", "s3://", "s3://lgsp:a-secret@province/x", "https://province", "s3://province?key=a-secret"]
)
def test_an_invalid_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingError, match="LGSP_SHARED_URL must look like s3://bucket/prefix") as raised:
        Remote.open(url)
    assert "a-secret" not in str(raised.value)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(["publish", "recover", "retire"]), st.integers(0, 9)), min_size=2, max_size=5)
)
def test_readers_see_whole_snapshots_whatever_is_killed(
    endpoint: str, tmp_path: Path, steps: list[tuple[str, int]]
) -> None:
    publisher = new_publisher(tmp_path)
    publisher.remote = replace(publisher.remote, grace=NO_GRACE)
    shown = 0
    for number, (step, writes) in enumerate(steps):
        publisher.recover()
        with killed_after(publisher.remote, writes):
            if step == "publish":
                publisher.publish_without_recovery(tables(number))
            elif step == "recover":
                publisher.recover()
            else:
                retired, publisher.retained = publisher.retained[:-2], publisher.retained[-2:]
                publisher.remote.retire([snapshot.snapshot_id for snapshot in retired])
        seen = snapshot_seen(publisher.remote) or 0
        assert shown <= seen <= max((snapshot.snapshot_id for snapshot in publisher.retained), default=0)
        shown = seen
    publisher.recover()
    publisher.verify()
