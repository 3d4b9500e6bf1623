"""An installation with a remote side in a test's hands: published to, killed at any change, read as a stranger would."""

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

from lgsp.snapshots.object_store import Held, Remote
from lgsp.snapshots.s3 import Bucket

AT_ONCE = timedelta(0)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


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


def new_publisher(folder: Path) -> Publisher:
    """An installation that has published nothing yet, with an empty remote side of its own."""
    home = folder / uuid4().hex
    home.mkdir()
    return Publisher(home, Remote(new_bucket()))


def new_bucket() -> Bucket:
    """An empty bucket: the server's listings take longer the more a bucket holds, under whatever prefix."""
    bucket = Bucket(f"province-{uuid4().hex}", "lgsp/shared/", client("publisher"))
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


@cache
def client(who: str) -> Any:
    """A client of somebody's own; to make one costs more than to ask it."""
    return Bucket.open("s3://province").client


def tables(number: int) -> dict[str, list[int]]:
    """Three files, one of which stays the same from snapshot to snapshot."""
    return {"dossier/month=2026-07": [1, 2, 3], "dossier/month=2026-08": [number], "document": [number, number]}


def seen(remote: Remote) -> int | None:
    """The snapshot that a reader finds, who follows the pointer and reads and proves every file; None before the first."""
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


def keys(remote: Remote) -> set[str]:
    """Everything that is there."""
    return set(remote.bucket.things(""))


@contextmanager
def dying(remote: Remote, writes: int) -> Iterator[None]:
    """The process dies when it is about to change one thing more than that; the block ends either way.

    Between two changes it does not matter when it dies: the store is the same.
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
        events.register(change, count, unique_id=f"death at {change}")
    try:
        yield
    except Killed:
        pass
    finally:
        for change in changes:
            events.unregister(change, unique_id=f"death at {change}")


def requests(remote: Remote, work: Callable[[], object]) -> list[tuple[str, str]]:
    """The method and path of every request that some work sends."""
    sent: list[tuple[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        sent.append((request.method, request.url))

    remote.bucket.client.meta.events.register("before-send.s3", note, unique_id="note")
    work()
    remote.bucket.client.meta.events.unregister("before-send.s3", unique_id="note")
    return sent


def copied(publisher: Publisher) -> Publisher:
    """The same installation in another place, where everything remote is old enough to be removed."""
    home = publisher.home.with_name(uuid4().hex)
    shutil.copytree(publisher.home, home)
    bucket, original = new_bucket(), publisher.remote.bucket
    for key in keys(publisher.remote):
        source = {"Bucket": original.name, "Key": original.prefix + key}
        bucket.client.copy_object(CopySource=source, Bucket=bucket.name, Key=bucket.prefix + key)
    return replace(publisher, home=home, remote=Remote(bucket, grace=AT_ONCE), held=list(publisher.held))
