"""Replicate the shared Parquet files to S3-compatible storage, after the local files.

<prefix>/files/<table>/<months>/month=2022-06/<sha>.parquet   named by content, put once
<prefix>/files/contracts/<sha>/dossier.odcs.yaml     descriptions of tables, in a folder named by content, put once
<prefix>/files/<id>.<token>.catalog.json             in the same folder as the files: its addresses are relative
<prefix>/manifests/<id>.<token>.json.sig
<prefix>/manifests/<id>.<token>.json                 put last: when it exists, everything that it names exists
<prefix>/current.json                                points to the newest snapshot; changed after the commit, only forward

Object storage has no folders and no links. Readers follow `current.json` to a manifest and the manifest to files. Each
object is put after everything it names and removed before it, so a publisher can end between any two requests and
readers still see a complete snapshot.
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
from lgsp.snapshots.manifest import CATALOG, MANIFEST, SIGNATURE, Manifest, descriptions, files, parse
from lgsp.snapshots.s3 import ATTEMPTS, URL_VARIABLE, Bucket, RemoteFailed, StoredObject, for_each

log = logging.getLogger(__name__)

CURRENT = "current.json"
MANIFEST_KEY = re.compile(r"manifests/(\d+)\.(\d+)\.json(?:\.sig)?")
# No younger object is removed: a publication in progress may need it, or a reader who just read the pointer.
GRACE = timedelta(days=1)


@dataclass(frozen=True)
class RetainedSnapshot:
    """A committed publication whose files are retained: its id, its publisher's token and its manifest's SHA-256."""

    snapshot_id: int
    token: int
    manifest_sha256: str

    @property
    def manifest(self) -> str:
        """The key of its manifest, relative to `current.json`."""
        return f"manifests/{self.snapshot_id}.{self.token}.json"


@dataclass(frozen=True)
class DataFile:
    """One data file, or description of a table, as a manifest lists it."""

    path: str
    bytes: int
    sha256: str
    is_named_by_content: bool = True

    @property
    def key(self) -> str:
        """Its key, relative to `current.json`; unlike its path it is the same only for the same content."""
        if self.is_named_by_content:
            return f"files/{self.path}"
        folder, _, name = self.path.rpartition("/")
        return f"files/{folder}/{self.sha256[:32]}/{name}"


@dataclass(frozen=True)
class Remote:
    """The remote side of the shared files.

    `heartbeat` is called between requests, in the caller's thread, and before each removal: it keeps the publisher's
    database session active, and raises when this publisher no longer holds the publish lock.
    """

    bucket: Bucket
    heartbeat: Callable[[], object] = field(default=lambda: None, repr=False)
    grace: timedelta = GRACE

    @classmethod
    def open(cls, url: str, heartbeat: Callable[[], object] = lambda: None) -> Remote:
        """The remote side at a URL such as s3://bucket/prefix. Raises SettingError when the URL has another form."""
        return cls(Bucket.open(url), heartbeat)

    def current(self) -> RetainedSnapshot | None:
        """The snapshot that readers see; None before the first."""
        return self._pointer()[0]

    def known(self) -> list[tuple[int, int]]:
        """The number and token of every snapshot that has a manifest here, and of the one that readers see."""
        pointer = self.current()
        return [*self._manifest_keys().values(), *([(pointer.snapshot_id, pointer.token)] if pointer else [])]

    def stage(self, folder: Path, snapshot_id: int, token: int) -> int:
        """Upload the files of a complete local snapshot that the remote side lacks; the number of data files uploaded.

        Call it before the commit: no reader sees the files until `switch_to`. Raises RemoteFailed when an upload fails.
        """
        files = _files((folder / MANIFEST).read_bytes())
        stored = self.bucket.list_objects("files/")
        reusable = self._reusable(stored)
        missing = [file for file in files if not (file.key in reusable and _is_stored(file, stored))]
        for_each(lambda file: self._put_file(folder, file, stored.get(file.key)), missing, self.heartbeat)
        for name, key in _metadata_keys(snapshot_id, token).items():
            if (folder / name).exists():
                self._put_metadata(key, (folder / name).read_bytes())
        return len(missing)

    def switch_to(self, snapshot: RetainedSnapshot) -> None:
        """Switch the pointer to a staged and committed snapshot.

        It only moves forward, also when another process moves it at the same time. Raises RemoteFailed when files of the
        snapshot are missing, or when the pointer belongs to another database.
        """
        for _ in range(ATTEMPTS):
            current, version = self._pointer()
            if current is not None and current.snapshot_id >= snapshot.snapshot_id:
                return
            if current is not None and current.token >= snapshot.token:
                raise RemoteFailed(
                    f"{self.bucket}: snapshot {snapshot.snapshot_id} has token {snapshot.token}, but the older snapshot {current.snapshot_id} "
                    f"has token {current.token}: they come from two databases; set another {URL_VARIABLE} for this one"
                )
            epoch = self._require_complete(snapshot).get("epoch", 1)
            shown = {**asdict(snapshot), "epoch": epoch, "manifest": snapshot.manifest}
            content = orjson.dumps(shown, option=orjson.OPT_INDENT_2)
            if self.bucket.replace_version(CURRENT, content, version):
                return
        raise RemoteFailed(
            f"{self.bucket}: other processes kept moving {CURRENT} during {ATTEMPTS} attempts; run `lgsp recover`"
        )

    def recover(self, snapshots: Path, retained: Collection[RetainedSnapshot], token: int, first: int = 1) -> list[str]:
        """Make the remote side agree with the database; a description of each repair.

        Call it in the publish session with that token, before anything is staged in it. `retained` must be every committed
        publication whose files are not retired, `first` the first number of the epoch: the pointer may name an older
        snapshot that the database has lost, which readers keep until the next publication. Missing files are uploaded from the local snapshots; what an earlier
        session left uncommitted or half retired is removed, and so are files that no manifest names.
        """
        self.bucket.require_conditional_writes()
        newest = max(retained, key=lambda snapshot: snapshot.snapshot_id, default=None)
        pointer = self.current()
        is_of_earlier_epoch = (
            pointer is not None and (newest.snapshot_id if newest else 0) < pointer.snapshot_id < first
        )
        if not is_of_earlier_epoch:
            self._refuse_unknown_snapshot(pointer, retained, newest)
        manifests, stored = self._manifest_keys(), self.bucket.list_objects("files/")
        repairs, known = self._upload_missing(snapshots, retained, newest, {*manifests, *stored}, stored)
        is_local = newest is not None and (snapshots / str(newest.snapshot_id)).exists()
        if (
            newest is not None
            and pointer != newest
            and not is_of_earlier_epoch
            and (is_local or self._manifest(newest) is not None)
        ):
            self.switch_to(newest)
            repairs.append(f"moved the pointer of {self.bucket} to snapshot {newest.snapshot_id}")
        committed = {(snapshot.snapshot_id, snapshot.token) for snapshot in retained}
        committed |= {(pointer.snapshot_id, pointer.token)} if pointer is not None and is_of_earlier_epoch else set()
        strays = [key for key, owner in manifests.items() if owner not in committed and owner[1] <= token]
        repairs += self._remove_manifests(strays) + self._remove_unreferenced(stored, known)
        if repairs:
            log.warning("recovered: %s", "; ".join(repairs))
        return repairs

    def _upload_missing(
        self, snapshots: Path, retained: Collection[RetainedSnapshot], newest: RetainedSnapshot | None, keys: Collection[str],
        stored: Mapping[str, StoredObject],
    ) -> tuple[list[str], set[str]]:  # fmt: skip
        """Upload what the remote side lacks of the local snapshots; a description of each upload, and the keys they need."""
        repairs, known = list[str](), set[str]()
        for snapshot in sorted(retained, key=lambda snapshot: snapshot.snapshot_id):
            folder = snapshots / str(snapshot.snapshot_id)
            if not (folder / MANIFEST).exists():
                continue
            try:
                files = _local_files(folder, snapshot)
            except PublicationFailed:
                if snapshot is newest:
                    raise
                log.exception("the copy of snapshot %d in %s is not repaired", snapshot.snapshot_id, self.bucket)
                continue
            known |= {file.key for file in files} | {_catalog_key(snapshot.snapshot_id, snapshot.token)}
            metadata = _metadata_keys(snapshot.snapshot_id, snapshot.token)
            expected = {key for name, key in metadata.items() if (folder / name).exists()}
            if not expected <= set(keys) or not all(_is_stored(file, stored) for file in files):
                self.stage(folder, snapshot.snapshot_id, snapshot.token)
                repairs.append(f"uploaded the missing files of snapshot {snapshot.snapshot_id} to {self.bucket}")
        return repairs, known

    def retire(self, ids: Collection[int]) -> list[str]:
        """Remove the manifests of some snapshots, then the files that no other manifest names.

        Returns a description of each removal. The snapshot that the pointer names is never removed.
        """
        pointer = self.current()
        stored = self.bucket.list_objects("files/")
        retired = [
            key for key, (snapshot_id, _) in self._manifest_keys().items()
            if snapshot_id in ids and (pointer is None or snapshot_id != pointer.snapshot_id)
        ]  # fmt: skip
        return self._remove_manifests(retired) + self._remove_unreferenced(stored, ())

    def verify(self, folder: Path, snapshot: RetainedSnapshot) -> int:
        """Download a snapshot and compare it with what was published; the number of data files compared.

        Raises PublicationFailed when something is missing or was altered. `folder` is the local snapshot.
        """
        manifest = self._manifest(snapshot)
        if manifest is None or hashlib.sha256(manifest).hexdigest() != snapshot.manifest_sha256:
            raise PublicationFailed(self._damage(snapshot.manifest, manifest is None))
        for name, key in _metadata_keys(snapshot.snapshot_id, snapshot.token).items():
            if (folder / name).exists():
                stored = self.bucket.get(key)
                if stored is None or stored[0] != (folder / name).read_bytes():
                    raise PublicationFailed(self._damage(key, stored is None))
        files = _files(manifest)
        for_each(self._verify_file, files, self.heartbeat)
        return len(files)

    def _verify_file(self, file: DataFile) -> None:
        digest = self.bucket.digest(file.key)
        if digest != file.sha256:
            raise PublicationFailed(self._damage(file.key, digest is None))

    def _damage(self, key: str, is_missing: bool) -> str:
        if is_missing:
            return f"{self.bucket}/{key} is missing: `lgsp recover` uploads it again"
        return f"{self.bucket}/{key} is not what was published: delete it, then `lgsp recover` uploads it again"

    def _pointer(self) -> tuple[RetainedSnapshot | None, str | None]:
        stored = self.bucket.get(CURRENT)
        if stored is None:
            return None, None
        content, version = orjson.loads(stored[0]), stored[1]
        return RetainedSnapshot(content["snapshot_id"], content["token"], content["manifest_sha256"]), version

    def _manifest(self, snapshot: RetainedSnapshot) -> bytes | None:
        stored = self.bucket.get(snapshot.manifest)
        return None if stored is None else stored[0]

    def _reusable(self, stored: Mapping[str, StoredObject]) -> set[str]:
        """The keys of stored files that no process removes while a snapshot is staged.

        Any other file is put again, so that its age starts at zero.
        """
        pointer = self.current()
        manifest = self._manifest(pointer) if pointer is not None else None
        named = {file.key for file in _files(manifest)} if manifest is not None else set()
        return named | {key for key, entry in stored.items() if entry.age < self.grace / 2}

    def _put_file(self, folder: Path, file: DataFile, stored: StoredObject | None) -> None:
        path = folder / file.path
        if not path.exists():
            raise RemoteFailed(f"{path} is missing and cannot be uploaded to {self.bucket}: restore it from a copy")
        if stored is None:
            if not self.bucket.put_new(file.key, path, file.sha256) and not self.bucket.has_content(
                file.key, file.bytes, file.sha256
            ):
                raise RemoteFailed(self._damage(file.key, is_missing=False))
            return
        if stored.size != file.bytes:
            log.warning(
                "%s/%s has %d bytes instead of %d and is uploaded again",
                self.bucket, file.key, stored.size, file.bytes,
            )  # fmt: skip
        self.bucket.overwrite(file.key, path, file.sha256)

    def _put_metadata(self, key: str, content: bytes) -> None:
        if not self.bucket.put_new(key, content) and not self.bucket.has_content(
            key, len(content), hashlib.sha256(content).hexdigest()
        ):
            raise RemoteFailed(self._damage(key, is_missing=False))

    def _require_complete(self, snapshot: RetainedSnapshot) -> Manifest:
        """The manifest of a snapshot. Raises RemoteFailed when the manifest or a file is missing or was altered."""
        manifest = self._manifest(snapshot)
        if manifest is None or hashlib.sha256(manifest).hexdigest() != snapshot.manifest_sha256:
            raise RemoteFailed(self._damage(snapshot.manifest, manifest is None))
        stored = self.bucket.list_objects("files/")
        for file in _files(manifest):
            if not _is_stored(file, stored):
                raise RemoteFailed(self._damage(file.key, file.key not in stored))
        return parse(manifest, snapshot.manifest)

    def _refuse_unknown_snapshot(
        self, pointer: RetainedSnapshot | None, retained: Iterable[RetainedSnapshot], newest: RetainedSnapshot | None
    ) -> None:
        same = [
            snapshot for snapshot in retained if pointer is not None and snapshot.snapshot_id == pointer.snapshot_id
        ]
        is_ahead = pointer is not None and (newest is None or pointer.snapshot_id > newest.snapshot_id)
        if pointer is not None and (is_ahead or (same and same != [pointer])):
            known = newest.snapshot_id if newest is not None else None
            raise RemoteFailed(
                f"{self.bucket} shows a snapshot {pointer.snapshot_id} that is not in the database (its newest is {known}): "
                f"is it another database, or an older copy? Nothing was removed. Run `lgsp adopt` after a restore; set another {URL_VARIABLE} for another database"
            )

    def _manifest_keys(self) -> dict[str, tuple[int, int]]:
        """The keys of all stored manifests and signatures, each with its snapshot id and token."""
        matches = ((key, MANIFEST_KEY.fullmatch(key)) for key in self.bucket.list_objects("manifests/"))
        return {key: (int(match[1]), int(match[2])) for key, match in matches if match}

    def _remove_manifests(self, keys: Sequence[str]) -> list[str]:
        """Remove manifests, then their signatures: no reader needs a signature without its manifest."""
        for key in sorted(keys, key=lambda key: key.endswith(".sig")):
            self.heartbeat()
            self.bucket.remove(key)
        return [f"removed {self.bucket}/{key}" for key in keys if not key.endswith(".sig")]

    def _remove_unreferenced(self, stored: Mapping[str, StoredObject], known: Collection[str]) -> list[str]:
        """Remove the stored files that are old enough and that no manifest names; `known` are named, so not removed."""
        unreferenced = {key for key, entry in stored.items() if entry.age >= self.grace and key not in known}
        if not unreferenced:
            return []
        for key, (snapshot_id, token) in self._manifest_keys().items():
            manifest = None if key.endswith(".sig") else self.bucket.get(key)
            if manifest is not None:
                unreferenced -= {_catalog_key(snapshot_id, token), *(file.key for file in _files(manifest[0]))}
        for key in sorted(unreferenced):
            self.heartbeat()
            self.bucket.remove(key)
        return [f"removed {len(unreferenced)} files of {self.bucket} that no snapshot names"] if unreferenced else []


def _metadata_keys(snapshot_id: int, token: int) -> dict[str, str]:
    """The key of each metadata file of a local snapshot; the manifest last, after everything that it names."""
    manifest = RetainedSnapshot(snapshot_id, token, "").manifest
    return {
        CATALOG: _catalog_key(snapshot_id, token), SIGNATURE: f"{manifest}.sig", MANIFEST: manifest
    }  # fmt: skip


def _catalog_key(snapshot_id: int, token: int) -> str:
    return f"files/{snapshot_id}.{token}.catalog.json"


def _files(manifest: bytes) -> list[DataFile]:
    """The data files and descriptions that a manifest lists."""
    parsed = parse(manifest, MANIFEST)
    data = [DataFile(file["path"], int(file["bytes"]), file["sha256"]) for _, file in files(parsed)]
    return data + [DataFile(f["path"], f["bytes"], f["sha256"], False) for f in descriptions(parsed)]


def _local_files(folder: Path, snapshot: RetainedSnapshot) -> list[DataFile]:
    """The data files of a local snapshot. Raises PublicationFailed when its manifest is not the published one."""
    manifest = (folder / MANIFEST).read_bytes()
    if hashlib.sha256(manifest).hexdigest() != snapshot.manifest_sha256:
        raise PublicationFailed(f"{folder / 'manifest.json'} is not the manifest that was published")
    return _files(manifest)


def _is_stored(file: DataFile, stored: Mapping[str, StoredObject]) -> bool:
    return file.key in stored and stored[file.key].size == file.bytes
