"""The shared Parquet files on S3-compatible storage, which knows no folders and no links; it follows the local side.

<prefix>/files/<table>/<months>/month=2022-06/<sha>.parquet   named by content, put once
<prefix>/files/<id>.<token>.catalog.json             beside the files, so the addresses in it hold
<prefix>/manifests/<id>.<token>.json.sig
<prefix>/manifests/<id>.<token>.json                 last of its snapshot: all that it names is there
<prefix>/current.json                                the newest snapshot; moved after the commit, only ever forward

Readers go from `current.json` to a manifest to files. Each is put after everything it names and removed before it, so
a publisher may die between any two requests.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import orjson

from lgsp.errors import PublicationFailed
from lgsp.snapshots.pointer import CATALOG, MANIFEST, SIGNATURE
from lgsp.snapshots.s3 import ATTEMPTS, VARIABLE, Bucket, RemoteFailed, Thing, each

log = logging.getLogger(__name__)

CURRENT = "current.json"
MANIFEST_KEY = re.compile(r"manifests/(\d+)\.(\d+)\.json(?:\.sig)?")
# Nothing younger is removed: it may belong to a publication under way, or be read by who looked a moment ago.
GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Held:
    """A committed publication whose files are kept: its id, its publisher's token and its manifest's SHA-256."""

    snapshot_id: int
    token: int
    manifest_sha256: str

    @property
    def manifest(self) -> str:
        """Where its manifest lies, seen from `current.json`."""
        return f"manifests/{self.snapshot_id}.{self.token}.json"


@dataclass(frozen=True)
class DataFile:
    """One data file as a manifest names it."""

    path: str
    bytes: int
    sha256: str

    @property
    def key(self) -> str:
        """Where it lies, seen from `current.json`."""
        return f"files/{self.path}"


@dataclass(frozen=True)
class Remote:
    """The remote side of the shared files.

    `keep_turn` is called while requests go on, in the caller's thread and before anything is removed: it tells the
    database that the publisher lives, and raises when the turn is no longer ours.
    """

    bucket: Bucket
    keep_turn: Callable[[], object] = field(default=lambda: None, repr=False)
    grace: timedelta = GRACE

    @classmethod
    def open(cls, url: str, keep_turn: Callable[[], object] = lambda: None) -> Remote:
        """The remote side at an address such as s3://bucket/prefix. Raises SettingError when it is none."""
        return cls(Bucket.open(url), keep_turn)

    def current(self) -> Held | None:
        """The snapshot that readers see; None before the first."""
        return self._pointer()[0]

    def stage(self, folder: Path, snapshot_id: int, token: int) -> int:
        """Put what a sealed local snapshot holds and the remote side lacks: how many data files that were.

        Before the commit: nobody reads it until `point`. Raises RemoteFailed when something could not be put.
        """
        files = _files((folder / MANIFEST).read_bytes())
        there = self.bucket.things("files/")
        relied = self._relied(there)
        lacking = [file for file in files if not (file.key in relied and _is_there(file, there))]
        each(lambda file: self._put_file(folder, file, there.get(file.key)), lacking, self.keep_turn)
        for name, key in _papers(snapshot_id, token).items():
            if (folder / name).exists():
                self._put_paper(key, (folder / name).read_bytes())
        return len(lacking)

    def point(self, held: Held) -> None:
        """Lead readers to a staged and committed snapshot; only ever forward, whoever else does so at the same time."""
        for _ in range(ATTEMPTS):
            now, version = self._pointer()
            if now is not None and now.snapshot_id >= held.snapshot_id:
                return
            if now is not None and now.token >= held.token:
                raise RemoteFailed(
                    f"{self.bucket}: snapshot {held.snapshot_id} has token {held.token}, the older snapshot {now.snapshot_id} has {now.token}: "
                    f"they are not of one database; give this one its own {VARIABLE}"
                )
            self._insist_whole(held)
            told = {**asdict(held), "manifest": held.manifest}
            if self.bucket.exchange(CURRENT, orjson.dumps(told, option=orjson.OPT_INDENT_2), version):
                return
        raise RemoteFailed(f"{self.bucket}: {CURRENT} is moved by others all the time; run `lgsp recover`")

    def recover(self, snapshots: Path, held: Collection[Held], token: int) -> list[str]:
        """Make the remote side agree with what the database holds; what was mended, in words.

        For whoever has the turn with that token, before anything is staged under it. `held` must be every committed
        publication whose files are not retired: what lacks is put from the local snapshots, what an earlier turn left
        uncommitted or half retired is removed, and so are files that no manifest names.
        """
        self.bucket.insist_on_conditions()
        newest = max(held, key=lambda one: one.snapshot_id, default=None)
        pointer = self.current()
        self._refuse_stranger(pointer, held, newest)
        mended, known = [], set[str]()
        papers, there = self._manifests(), self.bucket.things("files/")
        for one in sorted(held, key=lambda one: one.snapshot_id):
            folder = snapshots / str(one.snapshot_id)
            if not (folder / MANIFEST).exists():
                continue
            try:
                files = _local_files(folder, one)
            except PublicationFailed:
                if one is newest:
                    raise
                log.exception("%s keeps what it has of snapshot %d", self.bucket, one.snapshot_id)
                continue
            known |= {file.key for file in files} | {_catalog_key(one.snapshot_id, one.token)}
            written = {key for name, key in _papers(one.snapshot_id, one.token).items() if (folder / name).exists()}
            if not written <= {*papers, *there} or not all(_is_there(file, there) for file in files):
                self.stage(folder, one.snapshot_id, one.token)
                mended.append(f"put what {self.bucket} lacked of snapshot {one.snapshot_id}")
        is_told = newest is not None and (snapshots / str(newest.snapshot_id)).exists()
        if newest is not None and pointer != newest and (is_told or self._told(newest) is not None):
            self.point(newest)
            mended.append(f"moved the pointer of {self.bucket} to snapshot {newest.snapshot_id}")
        mine = {(one.snapshot_id, one.token) for one in held}
        strays = [key for key, whose in papers.items() if whose not in mine and whose[1] <= token]
        mended += self._remove(strays) + self._sweep(there, known)
        if mended:
            log.warning("recovered: %s", "; ".join(mended))
        return mended

    def retire(self, ids: Collection[int]) -> list[str]:
        """Remove the manifests of some snapshots, then the files that none of the others names; what was removed.

        Never those of the snapshot that readers are led to.
        """
        pointer = self.current()
        there = self.bucket.things("files/")
        going = [
            key for key, (snapshot_id, _) in self._manifests().items()
            if snapshot_id in ids and (pointer is None or snapshot_id != pointer.snapshot_id)
        ]  # fmt: skip
        return self._remove(going) + self._sweep(there, ())

    def prove(self, folder: Path, held: Held) -> int:
        """Read everything of a snapshot back and compare it with what was published: how many data files.

        Raises PublicationFailed when something is missing or was altered. `folder` is the local snapshot.
        """
        told = self._told(held)
        if told is None or hashlib.sha256(told).hexdigest() != held.manifest_sha256:
            raise PublicationFailed(self._damage(held.manifest, told is None))
        for name, key in _papers(held.snapshot_id, held.token).items():
            if (folder / name).exists():
                found = self.bucket.get(key)
                if found is None or found[0] != (folder / name).read_bytes():
                    raise PublicationFailed(self._damage(key, found is None))
        files = _files(told)
        each(self._prove_file, files, self.keep_turn)
        return len(files)

    def _prove_file(self, file: DataFile) -> None:
        digest = self.bucket.digest(file.key)
        if digest != file.sha256:
            raise PublicationFailed(self._damage(file.key, digest is None))

    def _damage(self, key: str, is_missing: bool) -> str:
        if is_missing:
            return f"{self.bucket}/{key} is missing: `lgsp recover` puts it again"
        return f"{self.bucket}/{key} is not what was published: remove it, `lgsp recover` puts it again"

    def _pointer(self) -> tuple[Held | None, str | None]:
        found = self.bucket.get(CURRENT)
        if found is None:
            return None, None
        told = orjson.loads(found[0])
        return Held(told["snapshot_id"], told["token"], told["manifest_sha256"]), found[1]

    def _told(self, held: Held) -> bytes | None:
        found = self.bucket.get(held.manifest)
        return None if found is None else found[0]

    def _relied(self, there: Mapping[str, Thing]) -> set[str]:
        """The keys of files that nobody removes while a snapshot is staged; any other is put again, to begin its grace."""
        pointer = self.current()
        told = self._told(pointer) if pointer is not None else None
        named = {file.key for file in _files(told)} if told is not None else set()
        return named | {key for key, thing in there.items() if thing.age < self.grace / 2}

    def _put_file(self, folder: Path, file: DataFile, there: Thing | None) -> None:
        path = folder / file.path
        if not path.exists():
            raise RemoteFailed(f"{path} is missing, so {self.bucket} cannot be given it: restore it from a copy")
        if there is None:
            if not self.bucket.put_new(file.key, path, file.sha256) and not self.bucket.holds(
                file.key, file.bytes, file.sha256
            ):
                raise RemoteFailed(self._damage(file.key, is_missing=False))
            return
        if there.size != file.bytes:
            log.warning(
                "%s/%s has %d bytes instead of %d and is put again", self.bucket, file.key, there.size, file.bytes
            )
        self.bucket.put_over(file.key, path, file.sha256)

    def _put_paper(self, key: str, told: bytes) -> None:
        if not self.bucket.put_new(key, told) and not self.bucket.holds(
            key, len(told), hashlib.sha256(told).hexdigest()
        ):
            raise RemoteFailed(self._damage(key, is_missing=False))

    def _insist_whole(self, held: Held) -> None:
        """Raises RemoteFailed when readers of a snapshot would miss something."""
        told = self._told(held)
        if told is None or hashlib.sha256(told).hexdigest() != held.manifest_sha256:
            raise RemoteFailed(self._damage(held.manifest, told is None))
        there = self.bucket.things("files/")
        for file in _files(told):
            if not _is_there(file, there):
                raise RemoteFailed(self._damage(file.key, file.key not in there))

    def _refuse_stranger(self, pointer: Held | None, held: Iterable[Held], newest: Held | None) -> None:
        same = [one for one in held if pointer is not None and one.snapshot_id == pointer.snapshot_id]
        is_ahead = pointer is not None and (newest is None or pointer.snapshot_id > newest.snapshot_id)
        if pointer is not None and (is_ahead or (same and same != [pointer])):
            known = newest.snapshot_id if newest is not None else None
            raise RemoteFailed(
                f"{self.bucket} shows a snapshot {pointer.snapshot_id} that the database does not know (its newest is {known}): "
                f"is it another database, or an older copy? Nothing was removed; give this database its own {VARIABLE}"
            )

    def _manifests(self) -> dict[str, tuple[int, int]]:
        """Whose manifests and signatures are there: snapshot and token by key."""
        found = ((key, MANIFEST_KEY.fullmatch(key)) for key in self.bucket.things("manifests/"))
        return {key: (int(match[1]), int(match[2])) for key, match in found if match}

    def _remove(self, papers: Sequence[str]) -> list[str]:
        """Remove manifests, then the signatures nobody asks for any more."""
        for key in sorted(papers, key=lambda key: key.endswith(".sig")):
            self.keep_turn()
            self.bucket.remove(key)
        return [f"removed {self.bucket}/{key}" for key in papers if not key.endswith(".sig")]

    def _sweep(self, there: Mapping[str, Thing], known: Collection[str]) -> list[str]:
        """Remove listed files that were old enough and that no manifest names; `known` are some that one names."""
        old = {key for key, thing in there.items() if thing.age >= self.grace and key not in known}
        if not old:
            return []
        for key, (snapshot_id, token) in self._manifests().items():
            found = None if key.endswith(".sig") else self.bucket.get(key)
            if found is not None:
                old -= {_catalog_key(snapshot_id, token), *(file.key for file in _files(found[0]))}
        for key in sorted(old):
            self.keep_turn()
            self.bucket.remove(key)
        return [f"removed {len(old)} files of {self.bucket} that no snapshot names"] if old else []


def _papers(snapshot_id: int, token: int) -> dict[str, str]:
    """Where each paper of a local snapshot goes; the manifest last, for its presence says that all it names is there."""
    manifest = Held(snapshot_id, token, "").manifest
    return {
        CATALOG: _catalog_key(snapshot_id, token), SIGNATURE: f"{manifest}.sig", MANIFEST: manifest
    }  # fmt: skip


def _catalog_key(snapshot_id: int, token: int) -> str:
    return f"files/{snapshot_id}.{token}.catalog.json"


def _files(manifest: bytes) -> list[DataFile]:
    """The data files that a manifest names."""
    tables = orjson.loads(manifest)["tables"].values()
    return [DataFile(told["path"], int(told["bytes"]), told["sha256"]) for table in tables for told in table["files"]]


def _local_files(folder: Path, held: Held) -> list[DataFile]:
    """The data files of a local snapshot; its manifest must be the published one."""
    manifest = (folder / MANIFEST).read_bytes()
    if hashlib.sha256(manifest).hexdigest() != held.manifest_sha256:
        raise PublicationFailed(f"{folder / 'manifest.json'} is not the manifest that was published")
    return _files(manifest)


def _is_there(file: DataFile, there: Mapping[str, Thing]) -> bool:
    return file.key in there and there[file.key].size == file.bytes
