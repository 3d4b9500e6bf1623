"""An installation with a remote side for tests: publish to it, kill the publisher at any write, read it as a consumer."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.snapshots.object_store import Remote, RetainedSnapshot
from lgsp.snapshots.s3 import Bucket

NO_GRACE = timedelta(0)


class Killed(BaseException):
    """Simulates the end of the process: no code catches it."""


@dataclass
class Publisher:
    """One installation: its local snapshots, its committed and retained snapshots, and its newest publish token."""

    home: Path
    remote: Remote
    retained: list[RetainedSnapshot] = field(default_factory=list)
    token: int = 0

    def new_session(self) -> int:
        """The token of a new publish session."""
        self.token += 1
        return self.token

    def recover(self) -> list[str]:
        """The first step of a publish session."""
        return self.remote.recover(self.home, self.retained, self.new_session())

    def write(self, token: int, tables: dict[str, list[int]]) -> tuple[Path, RetainedSnapshot]:
        """A complete local snapshot that is not committed yet."""
        snapshot_id = max((snapshot.snapshot_id for snapshot in self.retained), default=0) + 1
        folder = self.home / f".{snapshot_id}.{token}"
        entries: dict[str, Any] = {}
        for part, rows in tables.items():
            table = part.partition("/")[0]
            temporary = self.home / f"{uuid4().hex}.parquet"
            pq.write_table(pa.table({"row": rows}), temporary)
            digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
            path = f"{part}/{digest[:32]}.parquet"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            size = temporary.stat().st_size
            temporary.rename(folder / path)
            entries.setdefault(table, {"files": []})["files"].append({"path": path, "bytes": size, "sha256": digest})
        manifest = orjson.dumps({"snapshot_id": snapshot_id, "token": token, "tables": entries})
        (folder / "manifest.json").write_bytes(manifest)
        (folder / "manifest.json.sig").write_bytes(b"signature of " + manifest)
        (folder / "catalog.json").write_bytes(b"catalogue of " + manifest)
        return folder, RetainedSnapshot(snapshot_id, token, hashlib.sha256(manifest).hexdigest())

    def commit(self, folder: Path, snapshot: RetainedSnapshot) -> None:
        """Commit a snapshot in the database and give its local folder its final name."""
        self.retained.append(snapshot)
        folder.rename(self.home / str(snapshot.snapshot_id))

    def publish(self, tables: dict[str, list[int]]) -> RetainedSnapshot:
        """A complete publish session."""
        self.recover()
        return self.publish_without_recovery(tables)

    def publish_without_recovery(self, tables: dict[str, list[int]]) -> RetainedSnapshot:
        """A publish session without its first step, the recovery."""
        folder, snapshot = self.write(self.token, tables)
        self.remote.stage(folder, snapshot.snapshot_id, snapshot.token)
        self.commit(folder, snapshot)
        self.remote.switch_to(snapshot)
        return snapshot

    def verify(self) -> None:
        """The pointer names the newest snapshot, and all files of the retained snapshots are stored unaltered."""
        assert self.remote.current() == (self.retained[-1] if self.retained else None)
        for snapshot in self.retained:
            self.remote.verify(self.home / str(snapshot.snapshot_id), snapshot)


def new_publisher(folder: Path) -> Publisher:
    """An installation without publications, with its own empty remote side."""
    home = folder / uuid4().hex
    home.mkdir()
    return Publisher(home, Remote(new_bucket()))


def new_bucket() -> Bucket:
    """An empty bucket: on this server a listing takes longer the more objects a bucket has, under any prefix."""
    bucket = Bucket(f"province-{uuid4().hex}", "lgsp/shared/", client("publisher"))
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


@cache
def client(role: str) -> Any:
    """The S3 client of a role (publisher or reader), created once: creating one takes longer than a request."""
    return Bucket.open("s3://province").client


def tables(number: int) -> dict[str, list[int]]:
    """The rows of three files by part; the first file is the same in every snapshot."""
    return {"dossier/month=2026-07": [1, 2, 3], "dossier/month=2026-08": [number], "document": [number, number]}


def snapshot_seen(remote: Remote) -> int | None:
    """The snapshot of a reader who follows the pointer and checks the digest of every file; None before the first."""
    bucket = replace(remote.bucket, client=client("reader"))
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


def stored_keys(remote: Remote) -> set[str]:
    """The keys of all stored objects."""
    return set(remote.bucket.list_objects(""))


@contextmanager
def killed_after(remote: Remote, writes: int) -> Iterator[None]:
    """Kill the process in the block before it changes one more object than `writes`; the block ends without an error.

    Between two changes the moment does not matter: the store is the same.
    """
    lock, sent = threading.Lock(), 0

    def count(**_: Any) -> None:
        nonlocal sent
        with lock:
            sent += 1
            if sent > writes:
                raise Killed

    events, changes = remote.bucket.client.meta.events, ("before-send.s3.PutObject", "before-send.s3.DeleteObject")
    for change in changes:
        events.register(change, count, unique_id=f"kill at {change}")
    try:
        yield
    except Killed:
        pass
    finally:
        for change in changes:
            events.unregister(change, unique_id=f"kill at {change}")


def requests_of(remote: Remote, work: Callable[[], object]) -> list[tuple[str, str]]:
    """The method and URL of every request that `work` sends."""
    sent: list[tuple[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        sent.append((request.method, request.url))

    remote.bucket.client.meta.events.register("before-send.s3", note, unique_id="note")
    work()
    remote.bucket.client.meta.events.unregister("before-send.s3", unique_id="note")
    return sent


def copy_of(publisher: Publisher) -> Publisher:
    """A copy of an installation and its remote side, in which all remote objects are old enough to be removed."""
    home = publisher.home.with_name(uuid4().hex)
    shutil.copytree(publisher.home, home)
    bucket, original = new_bucket(), publisher.remote.bucket
    for key in stored_keys(publisher.remote):
        source = {"Bucket": original.name, "Key": original.prefix + key}
        bucket.client.copy_object(CopySource=source, Bucket=bucket.name, Key=bucket.prefix + key)
    return replace(publisher, home=home, remote=Remote(bucket, grace=NO_GRACE), retained=list(publisher.retained))
