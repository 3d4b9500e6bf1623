"""The shared files on S3-compatible storage: a real server on a real socket, killed at, raced at and tampered with."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import botocore.endpoint
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from lgsp.bucket import Bucket, RemoteFailed
from lgsp.errors import PublicationFailed, SettingError
from lgsp.remote import Held, Remote

AT_ONCE = timedelta(0)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an empty S3 server with one bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "lgsp")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-nobody-is-told")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Publisher:
    """One installation: its local snapshots, what its database has committed, and the turns it has taken."""

    home: Path
    remote: Remote
    held: list[Held] = field(default_factory=list)
    token: int = 0

    def turn(self) -> int:
        """The number of a new turn."""
        self.token += 1
        return self.token

    def recover(self) -> list[str]:
        """What a publisher does first in its turn."""
        return self.remote.recover(self.home, self.held, self.turn())

    def seal(self, token: int, tables: dict[str, list[int]]) -> tuple[Path, Held]:
        """A local snapshot, not yet committed."""
        snapshot_id = max((one.snapshot_id for one in self.held), default=0) + 1
        folder = self.home / f".{snapshot_id}.{token}"
        told: dict[str, Any] = {}
        for part, rows in tables.items():
            table = part.partition("/")[0]
            temporary = self.home / f"{uuid4().hex}.parquet"
            pq.write_table(pa.table({"row": rows}), temporary)
            digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
            path = f"{part}/{digest[:32]}.parquet"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            size = temporary.stat().st_size
            temporary.rename(folder / path)
            told.setdefault(table, {"files": []})["files"].append({"path": path, "bytes": size, "sha256": digest})
        manifest = orjson.dumps({"snapshot_id": snapshot_id, "token": token, "tables": told})
        (folder / "manifest.json").write_bytes(manifest)
        (folder / "manifest.json.sig").write_bytes(b"signature of " + manifest)
        (folder / "catalog.json").write_bytes(b"catalogue of " + manifest)
        return folder, Held(snapshot_id, token, hashlib.sha256(manifest).hexdigest())

    def commit(self, folder: Path, held: Held) -> None:
        """What the database and the local side do at once."""
        self.held.append(held)
        folder.rename(self.home / str(held.snapshot_id))

    def publish(self, tables: dict[str, list[int]]) -> Held:
        """A whole turn."""
        self.recover()
        return self.attempt(tables)

    def attempt(self, tables: dict[str, list[int]]) -> Held:
        """A turn without the recovery it begins with."""
        folder, held = self.seal(self.token, tables)
        self.remote.stage(folder, held.snapshot_id, held.token)
        self.commit(folder, held)
        self.remote.point(held)
        return held

    def prove(self) -> None:
        """Everything that is held is there, and readers are led to the newest."""
        assert self.remote.current() == (self.held[-1] if self.held else None)
        for held in self.held:
            self.remote.prove(self.home / str(held.snapshot_id), held)


@pytest.fixture
def publisher(endpoint: str, tmp_path: Path) -> Publisher:
    """An installation with an empty remote side of its own."""
    return _publisher(tmp_path)


def _publisher(folder: Path) -> Publisher:
    home = folder / uuid4().hex
    home.mkdir()
    return Publisher(home, Remote(_new_bucket()))


def _new_bucket() -> Bucket:
    """An empty bucket: the server's listings take longer the more a bucket holds, under whatever prefix."""
    bucket = Bucket(f"province-{uuid4().hex}", "lgsp/shared/", _client("publisher"))
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


@cache
def _client(who: str) -> Any:
    """A client of somebody's own; to make one costs more than to ask it."""
    return Bucket.open("s3://province").client


def _tables(number: int) -> dict[str, list[int]]:
    """Three files, one of which stays the same from snapshot to snapshot."""
    return {"dossier/month=2026-07": [1, 2, 3], "dossier/month=2026-08": [number], "document": [number, number]}


def _seen(remote: Remote) -> int | None:
    """The snapshot that a reader finds, who follows the pointer and reads and proves every file; None before the first."""
    bucket = replace(remote.bucket, client=_client("reader"))
    pointer = bucket.get("current.json")
    if pointer is None:
        return None
    current = orjson.loads(pointer[0])
    manifest = bucket.get(current["manifest"])
    assert manifest is not None
    assert hashlib.sha256(manifest[0]).hexdigest() == current["manifest_sha256"]
    for table in orjson.loads(manifest[0])["tables"].values():
        for file in table["files"]:
            assert bucket.digest(f"files/{file['path']}") == file["sha256"]
    return int(current["snapshot_id"])


def _keys(remote: Remote) -> set[str]:
    return set(remote.bucket.things(""))


@contextmanager
def _dying(remote: Remote, requests: int) -> Iterator[None]:
    """The process dies when it is about to send one request more than that; the block ends either way."""
    lock, sent = threading.Lock(), 0

    def count(**_: Any) -> None:
        nonlocal sent
        with lock:
            sent += 1
            if sent > requests:
                raise Killed

    events = remote.bucket.client.meta.events
    events.register("before-send.s3", count, unique_id="death")
    try:
        yield
    except Killed:
        pass
    finally:
        events.unregister("before-send.s3", unique_id="death")


def _requests(remote: Remote, work: Callable[[], object]) -> list[tuple[str, str]]:
    """The method and path of every request that some work sends."""
    sent: list[tuple[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        sent.append((request.method, request.url))

    remote.bucket.client.meta.events.register("before-send.s3", note, unique_id="note")
    work()
    remote.bucket.client.meta.events.unregister("before-send.s3", unique_id="note")
    return sent


def test_consumers_read_the_files_of_the_newest_manifest_with_pandas_and_arrow(
    endpoint: str, publisher: Publisher
) -> None:
    for number in (1, 2):
        publisher.publish(_tables(number))
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
    sent = _requests(publisher.remote, lambda: publisher.publish(still | {"document": [2]}))
    put = [url.partition("/shared/")[2] for method, url in sent if method == "PUT"]
    assert [key.partition("/")[0] for key in put].count("files") == 2, "the changed file and the catalogue"
    assert len(sent) < 25


def _copied(publisher: Publisher) -> Publisher:
    """The same installation in another place, where everything remote is old enough to be removed."""
    home = publisher.home.with_name(uuid4().hex)
    shutil.copytree(publisher.home, home)
    bucket, original = _new_bucket(), publisher.remote.bucket
    for key in _keys(publisher.remote):
        source = {"Bucket": original.name, "Key": original.prefix + key}
        bucket.client.copy_object(CopySource=source, Bucket=bucket.name, Key=bucket.prefix + key)
    return replace(publisher, home=home, remote=Remote(bucket, grace=AT_ONCE), held=list(publisher.held))


def test_a_publisher_killed_before_any_request_leaves_a_whole_snapshot_and_its_successor_mends_the_rest(
    publisher: Publisher,
) -> None:
    publisher.publish(_tables(1))
    publisher.turn()
    outcomes, requests, is_done = [], 0, False
    while not is_done:
        copy = _copied(publisher)
        with _dying(copy.remote, requests):
            copy.attempt(_tables(2))
            is_done = True
        outcomes.append((_seen(copy.remote), len(copy.held)))
        copy.recover()
        copy.prove()
        assert copy.recover() == [], "a second time there is nothing left to mend"
        requests += 1
    assert set(outcomes) == {(1, 1), (1, 2), (2, 2)}, (
        "killed before the commit, before the pointer moved, or not at all"
    )


def _wound(publisher: Publisher) -> None:
    """A lost signature, a lost file, an uncommitted snapshot and a pointer that lags."""
    publisher.publish(_tables(1))
    for number in (2, 3):
        folder, held = publisher.seal(publisher.turn(), _tables(number))
        publisher.remote.stage(folder, held.snapshot_id, held.token)  # and its publisher dies before the commit,
    publisher.commit(folder, held)  # or before the pointer moves
    publisher.remote.bucket.remove(f"{publisher.held[0].manifest}.sig")
    lost = next((publisher.home / "2").rglob("month=2026-08/*.parquet"))
    publisher.remote.bucket.remove(f"files/{lost.relative_to(publisher.home / '2')}")


def _outlive(publisher: Publisher) -> None:
    """A snapshot that the database has retired."""
    for number in (1, 2):
        publisher.publish(_tables(number))
    del publisher.held[0]


@pytest.mark.parametrize(
    ("arrange", "mend"),
    [(_wound, lambda publisher: publisher.recover()), (_outlive, lambda publisher: publisher.remote.retire([1]))],
    ids=["recovery", "retirement"],
)
def test_what_mends_can_be_killed_before_any_request_too_and_the_next_recovery_finishes_it(
    publisher: Publisher, arrange: Callable[[Publisher], None], mend: Callable[[Publisher], object]
) -> None:
    arrange(publisher)
    reference = _copied(publisher)
    reference.recover()
    reference.prove()
    requests, is_done = 0, False
    while not is_done:
        copy = _copied(publisher)
        with _dying(copy.remote, requests):
            mend(copy)
            is_done = True
        assert _seen(copy.remote) in (1, 2)
        copy.recover()
        assert (copy.remote.current(), _keys(copy.remote)) == (reference.remote.current(), _keys(reference.remote))
        requests += 1


def test_a_publisher_that_lost_its_turn_moves_nothing_back(publisher: Publisher) -> None:
    publisher.publish(_tables(1))
    late = Publisher(publisher.home, publisher.remote, list(publisher.held), publisher.turn())
    folder, held = publisher.seal(late.token, _tables(2))
    late.remote.stage(folder, held.snapshot_id, held.token)
    publisher.publish(_tables(3))
    publisher.publish(_tables(4))
    before = _keys(publisher.remote)
    with pytest.raises(RemoteFailed, match="does not know"):
        late.remote.recover(late.home, late.held, late.token)
    late.remote.point(publisher.held[1])
    assert _keys(publisher.remote) == before
    publisher.remote = replace(publisher.remote, grace=AT_ONCE)
    publisher.recover()
    assert held.manifest not in _keys(publisher.remote), "what the late one staged is removed"
    publisher.prove()


def test_of_two_pointers_moved_at_the_same_moment_the_newer_one_stays(endpoint: str, publisher: Publisher) -> None:
    publisher.publish(_tables(1))
    for number in (2, 3):
        folder, held = publisher.seal(publisher.turn(), _tables(number))
        publisher.remote.stage(folder, held.snapshot_id, held.token)
        publisher.commit(folder, held)
    other = Remote(replace(publisher.remote.bucket, client=_client("reader")))

    def overtake(request: Any, **_: Any) -> None:
        publisher.remote.bucket.client.meta.events.unregister("before-send.s3.PutObject", unique_id="overtake")
        other.point(publisher.held[2])

    publisher.remote.bucket.client.meta.events.register("before-send.s3.PutObject", overtake, unique_id="overtake")
    publisher.remote.point(publisher.held[1])
    assert _seen(publisher.remote) == 3


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
        publisher.publish(_tables(number))
    publisher.prove()
    assert len(lost) > 10


def test_a_retired_snapshot_goes_and_takes_no_file_along_that_another_names(publisher: Publisher) -> None:
    for number in (1, 2, 3):
        publisher.publish(_tables(number))
    everything = _keys(publisher.remote)
    retired = publisher.held.pop(0)
    publisher.remote.retire([1, 3])
    gone = {retired.manifest, f"{retired.manifest}.sig"}
    assert everything - _keys(publisher.remote) == gone, "files are too young, and snapshot 3 is what readers see"
    publisher.remote = replace(publisher.remote, grace=AT_ONCE)
    publisher.remote.retire([])
    assert len(everything - _keys(publisher.remote)) == len(gone) + 2 + 1, "two files and the catalogue"
    publisher.prove()


def test_nothing_is_removed_once_the_turn_is_lost(publisher: Publisher) -> None:
    class TurnLost(Exception):
        pass

    def ask() -> None:
        raise TurnLost

    for number in (1, 2):
        publisher.publish(_tables(number))
    before = _keys(publisher.remote)
    with pytest.raises(TurnLost):
        replace(publisher.remote, keep_turn=ask, grace=AT_ONCE).retire([1])
    assert _keys(publisher.remote) == before


def test_an_old_file_that_nobody_names_is_put_again_before_it_is_relied_upon(publisher: Publisher) -> None:
    publisher.publish(_tables(1))
    publisher.publish(_tables(2))
    folder, held = publisher.seal(publisher.turn(), _tables(1))  # what it was before: only snapshot 1 names its files
    assert publisher.remote.stage(folder, held.snapshot_id, held.token) == 0
    aged = replace(publisher.remote, grace=AT_ONCE)
    assert aged.stage(folder, held.snapshot_id, held.token) == 2


@pytest.mark.parametrize("what", ["manifest", "signature", "catalogue", "file", "missing file"])
def test_proof_notices(what: str, publisher: Publisher) -> None:
    held = publisher.publish(_tables(1))
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
        publisher.publish(_tables(number))
    before = _keys(publisher.remote)
    for held in ([], publisher.held[:1], [publisher.held[0], replace(publisher.held[1], token=99)]):
        with pytest.raises(RemoteFailed, match=r"another database.*LGSP_SHARED_URL"):
            publisher.remote.recover(publisher.home, held, 100)
    with pytest.raises(RemoteFailed, match=r"not of one database.*LGSP_SHARED_URL"):
        publisher.remote.point(Held(3, 1, "0"))
    assert _keys(publisher.remote) == before


def test_a_snapshot_that_is_not_wholly_there_is_shown_to_nobody(publisher: Publisher) -> None:
    publisher.publish(_tables(1))
    folder, held = publisher.seal(publisher.turn(), _tables(2))
    publisher.remote.stage(folder, held.snapshot_id, held.token)
    data = next(folder.rglob("month=2026-08/*.parquet"))
    publisher.remote.bucket.remove(f"files/{data.relative_to(folder)}")
    with pytest.raises(RemoteFailed, match="is missing"):
        publisher.remote.point(held)
    assert _seen(publisher.remote) == 1


def test_a_store_that_ignores_conditions_is_refused(publisher: Publisher) -> None:
    def ignore(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop("If-None-Match", None)

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
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
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
    st.lists(st.tuples(st.sampled_from(["publish", "recover", "retire"]), st.integers(0, 25)), min_size=2, max_size=5)
)
def test_whatever_is_killed_wherever_readers_see_a_whole_snapshot_and_nothing_committed_is_lost(
    endpoint: str, tmp_path: Path, life: list[tuple[str, int]]
) -> None:
    publisher = _publisher(tmp_path)
    publisher.remote = replace(publisher.remote, grace=AT_ONCE)
    seen = 0
    for number, (what, requests) in enumerate(life):
        publisher.recover()
        with _dying(publisher.remote, requests):
            if what == "publish":
                publisher.attempt(_tables(number))
            elif what == "recover":
                publisher.recover()
            else:
                retired, publisher.held = publisher.held[:-2], publisher.held[-2:]
                publisher.remote.retire([one.snapshot_id for one in retired])
        now = _seen(publisher.remote) or 0
        assert seen <= now <= max((one.snapshot_id for one in publisher.held), default=0)
        seen = now
    publisher.recover()
    publisher.prove()
