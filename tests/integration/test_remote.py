"""The shared files on S3-compatible storage: a real server on a real socket, killed at, raced at and tampered with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import orjson
import pandas as pd
import pyarrow.fs
import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lgsp.errors import PublicationFailed, SettingError
from lgsp.snapshots.object_store import Held, Remote
from lgsp.snapshots.s3 import Bucket, RemoteFailed
from tests.integration.remote_side import (
    AT_ONCE,
    Publisher,
    client,
    copied,
    dying,
    keys,
    new_publisher,
    requests,
    seen,
    tables,
)


@pytest.fixture
def publisher(endpoint: str, tmp_path: Path) -> Publisher:
    """An installation with an empty remote side of its own."""
    return new_publisher(tmp_path)


def test_consumers_read_the_files_of_the_newest_manifest_with_pandas_and_arrow(
    endpoint: str, publisher: Publisher
) -> None:
    for number in (1, 2):
        publisher.publish(tables(number))
    store = pyarrow.fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1")
    root = f"{publisher.remote.bucket.name}/{publisher.remote.bucket.prefix}"
    current = orjson.loads(store.open_input_file(f"{root}current.json").read())
    manifest = orjson.loads(store.open_input_file(f"{root}{current['manifest']}").read())
    paths = [f"{root}files/{file['path']}" for file in manifest["tables"]["dossier"]["files"]]
    assert (current["snapshot_id"], sorted(pd.read_parquet(paths, filesystem=store)["row"])) == (2, [1, 2, 2, 3])


def test_a_publication_puts_what_it_changed_and_asks_no_more_often_when_there_is_more_that_it_did_not(
    publisher: Publisher,
) -> None:
    still = {f"dossier/month={year}-{month:02}": [year, month] for year in range(2000, 2010) for month in range(1, 13)}
    publisher.publish(still | {"document": [1]})
    sent = requests(publisher.remote, lambda: publisher.publish(still | {"document": [2]}))
    put = [url.partition("/shared/")[2] for method, url in sent if method == "PUT"]
    assert [key.partition("/")[0] for key in put].count("files") == 2, "the changed file and the catalogue"
    assert len(sent) < 25


def test_a_publisher_killed_before_any_change_leaves_a_whole_snapshot_and_its_successor_mends_the_rest(
    publisher: Publisher,
) -> None:
    publisher.publish(tables(1))
    publisher.turn()
    outcomes, writes, is_done = [], 0, False
    while not is_done:
        copy = copied(publisher)
        with dying(copy.remote, writes):
            copy.attempt(tables(2))
            is_done = True
        outcomes.append((seen(copy.remote), len(copy.held)))
        copy.recover()
        copy.prove()
        writes += 1
    assert copy.recover() == [], "a second time there is nothing left to mend"
    assert set(outcomes) == {(1, 1), (1, 2), (2, 2)}, (
        "killed before the commit, before the pointer moved, or not at all"
    )


def _wound(publisher: Publisher) -> None:
    """A lost file, an uncommitted snapshot and a pointer that lags."""
    publisher.publish(tables(1))
    for number in (2, 3):
        folder, held = publisher.seal(publisher.turn(), tables(number))
        publisher.remote.stage(folder, held.snapshot_id, held.token)  # and its publisher dies before the commit,
    publisher.commit(folder, held)  # or before the pointer moves
    lost = next((publisher.home / "2").rglob("month=2026-08/*.parquet"))
    publisher.remote.bucket.remove(f"files/{lost.relative_to(publisher.home / '2')}")


def _outlive(publisher: Publisher) -> None:
    """A snapshot that the database has retired."""
    for number in (1, 2):
        publisher.publish(tables(number))
    del publisher.held[0]


@pytest.mark.parametrize(
    ("arrange", "mend"),
    [(_wound, lambda publisher: publisher.recover()), (_outlive, lambda publisher: publisher.remote.retire([1]))],
    ids=["recovery", "retirement"],
)
def test_what_mends_can_be_killed_before_any_change_too_and_the_next_recovery_finishes_it(
    publisher: Publisher, arrange: Callable[[Publisher], None], mend: Callable[[Publisher], object]
) -> None:
    arrange(publisher)
    reference = copied(publisher)
    reference.recover()
    reference.prove()
    writes, is_done = 0, False
    while not is_done:
        copy = copied(publisher)
        with dying(copy.remote, writes):
            mend(copy)
            is_done = True
        assert seen(copy.remote) in (1, 2)
        copy.recover()
        assert (copy.remote.current(), keys(copy.remote)) == (reference.remote.current(), keys(reference.remote))
        writes += 1


def test_a_publisher_that_lost_its_turn_moves_nothing_back(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    late = Publisher(publisher.home, publisher.remote, list(publisher.held), publisher.turn())
    folder, held = publisher.seal(late.token, tables(2))
    late.remote.stage(folder, held.snapshot_id, held.token)
    publisher.publish(tables(3))
    publisher.publish(tables(4))
    before = keys(publisher.remote)
    with pytest.raises(RemoteFailed, match="does not know"):
        late.remote.recover(late.home, late.held, late.token)
    late.remote.point(publisher.held[1])
    assert keys(publisher.remote) == before
    publisher.remote = replace(publisher.remote, grace=AT_ONCE)
    publisher.recover()
    assert held.manifest not in keys(publisher.remote), "what the late one staged is removed"
    publisher.prove()


def test_of_two_pointers_moved_at_the_same_moment_the_newer_one_stays(endpoint: str, publisher: Publisher) -> None:
    publisher.publish(tables(1))
    for number in (2, 3):
        folder, held = publisher.seal(publisher.turn(), tables(number))
        publisher.remote.stage(folder, held.snapshot_id, held.token)
        publisher.commit(folder, held)
    other = Remote(replace(publisher.remote.bucket, client=client("reader")))

    def overtake(request: Any, **_: Any) -> None:
        publisher.remote.bucket.client.meta.events.unregister("before-send.s3.PutObject", unique_id="overtake")
        other.point(publisher.held[2])

    publisher.remote.bucket.client.meta.events.register("before-send.s3.PutObject", overtake, unique_id="overtake")
    publisher.remote.point(publisher.held[1])
    assert seen(publisher.remote) == 3


def test_answers_that_are_lost_on_their_way_change_nothing(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = publisher.remote.bucket.client._endpoint.http_session
    send, lost = session.send, set[tuple[str, str]]()

    def lose(request: Any) -> Any:
        answer = send(request)
        if (request.method, request.url) not in lost:
            lost.add((request.method, request.url))
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    monkeypatch.setattr(session, "send", lose)
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    for number in (1, 2):
        publisher.publish(tables(number))
    publisher.prove()
    assert len(lost) > 10


def test_a_retired_snapshot_goes_and_takes_no_file_along_that_another_names(publisher: Publisher) -> None:
    for number in (1, 2, 3):
        publisher.publish(tables(number))
    everything = keys(publisher.remote)
    retired = publisher.held.pop(0)
    publisher.remote.retire([1, 3])
    gone = {retired.manifest, f"{retired.manifest}.sig"}
    assert everything - keys(publisher.remote) == gone, "files are too young, and snapshot 3 is what readers see"
    publisher.remote = replace(publisher.remote, grace=AT_ONCE)
    publisher.remote.retire([])
    assert len(everything - keys(publisher.remote)) == len(gone) + 2 + 1, "two files and the catalogue"
    publisher.prove()


def test_nothing_is_removed_once_the_turn_is_lost(publisher: Publisher) -> None:
    class TurnLost(Exception):
        pass

    def ask() -> None:
        raise TurnLost

    for number in (1, 2):
        publisher.publish(tables(number))
    before = keys(publisher.remote)
    with pytest.raises(TurnLost):
        replace(publisher.remote, keep_turn=ask, grace=AT_ONCE).retire([1])
    assert keys(publisher.remote) == before


def test_an_old_file_that_nobody_names_is_put_again_before_it_is_relied_upon(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    publisher.publish(tables(2))
    folder, held = publisher.seal(publisher.turn(), tables(1))  # what it was before: only snapshot 1 names its files
    assert publisher.remote.stage(folder, held.snapshot_id, held.token) == 0
    aged = replace(publisher.remote, grace=AT_ONCE)
    assert aged.stage(folder, held.snapshot_id, held.token) == 2


@pytest.mark.parametrize("what", ["manifest", "signature", "catalogue", "file", "missing file"])
def test_proof_notices(what: str, publisher: Publisher) -> None:
    held = publisher.publish(tables(1))
    folder = publisher.home / "1"
    assert publisher.remote.prove(folder, held) == 3
    data = next(folder.rglob("*.parquet"))
    key = {
        "manifest": held.manifest,
        "signature": f"{held.manifest}.sig",
        "catalogue": f"files/1.{held.token}.catalog.json",
    }.get(what, f"files/{data.relative_to(folder)}")
    if what == "missing file":
        publisher.remote.bucket.remove(key)
    else:
        publisher.remote.bucket.put_over(key, b"x" * data.stat().st_size)
    with pytest.raises(
        PublicationFailed, match="is missing" if what == "missing file" else "is not what was published"
    ):
        publisher.remote.prove(folder, held)
    publisher.remote.bucket.remove(key)
    publisher.recover()
    publisher.prove()


def test_another_database_or_an_older_copy_of_it_is_refused_and_removes_nothing(publisher: Publisher) -> None:
    for number in (1, 2):
        publisher.publish(tables(number))
    before = keys(publisher.remote)
    for held in ([], publisher.held[:1], [publisher.held[0], replace(publisher.held[1], token=99)]):
        with pytest.raises(RemoteFailed, match=r"another database.*LGSP_SHARED_URL"):
            publisher.remote.recover(publisher.home, held, 100)
    with pytest.raises(RemoteFailed, match=r"not of one database.*LGSP_SHARED_URL"):
        publisher.remote.point(Held(3, 1, "0"))
    assert keys(publisher.remote) == before


def test_a_snapshot_that_is_not_wholly_there_is_shown_to_nobody(publisher: Publisher) -> None:
    publisher.publish(tables(1))
    folder, held = publisher.seal(publisher.turn(), tables(2))
    publisher.remote.stage(folder, held.snapshot_id, held.token)
    data = next(folder.rglob("month=2026-08/*.parquet"))
    publisher.remote.bucket.remove(f"files/{data.relative_to(folder)}")
    with pytest.raises(RemoteFailed, match="is missing"):
        publisher.remote.point(held)
    assert seen(publisher.remote) == 1


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_conditions_is_refused(condition: str, publisher: Publisher) -> None:
    def ignore(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop(condition, None)

    bucket = replace(publisher.remote.bucket, client=Bucket.open("s3://province").client)
    bucket.client.meta.events.register("before-call.s3.PutObject", ignore)
    with pytest.raises(SettingError, match=r"LGSP_SHARED_URL.*s3://province-.*If-None-Match"):
        Remote(bucket).recover(publisher.home, [], 1)


def test_a_store_that_refuses_or_does_not_answer_is_named_without_its_credentials(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RemoteFailed, match=r"s3://nowhere refused get_object.*NoSuchBucket.*LGSP_SHARED_URL"):
        Remote.open("s3://nowhere").current()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://lgsp:a-secret@127.0.0.1:9")
    with pytest.raises(RemoteFailed, match=r"s3://province/x gave no answer.*AWS_ENDPOINT_URL") as raised:
        Remote.open("s3://province/x").current()
    assert "a-secret" not in str(raised.getrepr(chain=True, style="short", showlocals=False))


@pytest.mark.parametrize(
    "url", ["province", "s3://", "s3://lgsp:a-secret@province/x", "https://province", "s3://province?key=a-secret"]
)
def test_an_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingError, match="LGSP_SHARED_URL must look like s3://bucket/prefix") as raised:
        Remote.open(url)
    assert "a-secret" not in str(raised.value)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(["publish", "recover", "retire"]), st.integers(0, 9)), min_size=2, max_size=5)
)
def test_whatever_is_killed_wherever_readers_see_a_whole_snapshot_and_nothing_committed_is_lost(
    endpoint: str, tmp_path: Path, life: list[tuple[str, int]]
) -> None:
    publisher = new_publisher(tmp_path)
    publisher.remote = replace(publisher.remote, grace=AT_ONCE)
    shown = 0
    for number, (what, writes) in enumerate(life):
        publisher.recover()
        with dying(publisher.remote, writes):
            if what == "publish":
                publisher.attempt(tables(number))
            elif what == "recover":
                publisher.recover()
            else:
                retired, publisher.held = publisher.held[:-2], publisher.held[-2:]
                publisher.remote.retire([one.snapshot_id for one in retired])
        now = seen(publisher.remote) or 0
        assert shown <= now <= max((one.snapshot_id for one in publisher.held), default=0)
        shown = now
    publisher.recover()
    publisher.prove()
