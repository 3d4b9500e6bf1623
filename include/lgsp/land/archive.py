"""Writes and reads the landing area: one sealed folder for each batch, with the exact bytes of every answer.

    landing/<source>/<batch>/bodies.pack     each answer as one zstd frame, appended and synced
    landing/<source>/<batch>/calls.jsonl     one line for each answer: list, request, offset, size, SHA-256
    landing/<source>/<batch>/manifest.json   written last: its presence means that the batch is complete

A folder without a manifest is incomplete and is never read. A sealed folder is never changed or replaced; only `expire`
removes what is in it, and leaves `expired.json` in its place, which says why and is signed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from lgsp import files
from lgsp.errors import ContractError
from lgsp.signing import SigningKey

# Of the manifest. Those of format 1 have neither `format` nor `purpose`.
FORMAT = 2
MANIFEST, EXPIRED = "manifest.json", "expired.json"

# Bytes between two syncs. All answers are durable at the latest when the manifest is written.
SYNC_BYTES = 8 * 1024 * 1024


def by_key(list_name: str) -> str:
    """The list under which the records of another list are landed that were requested one by one, by their keys."""
    return f"{list_name}_by_key"


def _now() -> str:
    return datetime.now().astimezone().isoformat()


def is_sealed(folder: Path) -> bool:
    """Whether a folder has, or had until it expired, a complete batch."""
    return (folder / MANIFEST).exists() or (folder / EXPIRED).exists()


def remove_unsealed(folder: Path) -> bool:
    """Remove a folder whose batch was never complete, if it exists. Raises ContractError when the batch is sealed."""
    if is_sealed(folder):
        raise ContractError(
            f"{folder} has a sealed batch, which is never replaced: is the database an older copy? Run `lgsp adopt`"
        )
    if not folder.exists():
        return False
    shutil.rmtree(folder)
    return True


def expire(folder: Path, reason: str, key: SigningKey) -> None:
    """Remove a landed batch for good: its answers and its manifest. Leaves `expired.json`, signed, with the reason. Safe to repeat.

    Only retention and the erasure of a person may do this. Raises ContractError when the folder has no sealed batch.
    """
    if not (folder / EXPIRED).exists():
        manifest = Batch.open(folder).manifest
        content = {
            "batch_id": manifest.get("batch_id", folder.name), "source": manifest.get("source"), "from": manifest.get("from"), "to": manifest.get("to"),
            "manifest_sha256": hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(), "reason": reason, "expired_at": _now(), "signing_key": key.id,
        }  # fmt: skip
        encoded = orjson.dumps(content, option=orjson.OPT_INDENT_2)
        files.replace(folder / f"{EXPIRED}.sig", key.sign(encoded))
        files.replace(folder / EXPIRED, encoded)
    for name in (MANIFEST, "calls.jsonl", "bodies.pack"):  # a folder without a manifest is never read
        (folder / name).unlink(missing_ok=True)
    files.sync_folder(folder)


@dataclass(frozen=True)
class LandedAnswer:
    """One landed answer: its list, its request, and where its bytes are in the pack.

    `is_whole` is false for an answer that was stored but does not count, because it was invalid or is requested again.
    """

    number: int
    list: str
    request: str
    status: int
    offset: int
    length: int
    bytes: int
    sha256: str
    seconds: float
    is_whole: bool = True
    records: int = 0


class Pack:
    """An open batch folder to which any thread appends answers."""

    def __init__(self, folder: Path) -> None:
        """Create the folder. Raises ContractError when it has a sealed batch: what was landed is never replaced."""
        remove_unsealed(folder)
        folder.mkdir(parents=True, mode=0o700)
        self.folder = folder
        self.opened_at = _now()
        self.calls: list[LandedAnswer] = []
        self._bodies: IO[bytes] = (folder / "bodies.pack").open("wb")
        self._digest = hashlib.sha256()
        self._offset = 0
        self._unsynced = 0
        self._lock = threading.Lock()
        self._frames = threading.local()

    def progress(self) -> str:
        """What was landed so far, for people."""
        answers = list(self.calls)
        return f"{len(answers):,} answers, {sum(answer.records for answer in answers):,} records, {self._offset / 1e6:,.1f} MB"

    def append(self, list_name: str, request: str, status: int, body: bytes, seconds: float, is_durable: bool) -> int:
        """Store one answer and return its number; with `is_durable`, return when its bytes are on disk."""
        if not hasattr(self._frames, "compressor"):
            self._frames.compressor = zstandard.ZstdCompressor(level=1)
        frame = self._frames.compressor.compress(body)
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            answer = LandedAnswer(
                len(self.calls),
                list_name,
                request,
                status,
                self._offset,
                len(frame),
                len(body),
                digest,
                round(seconds, 4),
            )
            self._bodies.write(frame)
            self._digest.update(frame)
            self._offset += len(frame)
            self._unsynced += len(frame)
            self.calls.append(answer)
            if is_durable or self._unsynced >= SYNC_BYTES:
                self._sync()
        return answer.number

    def annotate(self, number: int, *, is_whole: bool, records: int = 0) -> None:
        """Record whether an answer counts, and how many records it has."""
        with self._lock:
            self.calls[number] = replace(self.calls[number], is_whole=is_whole, records=records)

    def discard_from(self, first: int) -> None:
        """Mark the answers from number `first` on as not counting; they stay stored and will be requested again."""
        for number in range(first, len(self.calls)):
            self.annotate(number, is_whole=False)

    def seal(self, facts: dict[str, Any]) -> str:
        """Complete the batch: sync all answers, then write the manifest with `facts` and checksums; its SHA-256."""
        with self._lock:
            self._sync()
            self._bodies.close()
        lines = b"".join(orjson.dumps(call) + b"\n" for call in self.calls)
        files.replace(self.folder / "calls.jsonl", lines)
        pack = {"pack_bytes": self._offset, "pack_sha256": self._digest.hexdigest()}
        manifest = {
            "format": FORMAT,
            **facts,
            **pack,
            "opened_at": self.opened_at,
            "sealed_at": _now(),
            "calls": len(self.calls),
            "calls_sha256": hashlib.sha256(lines).hexdigest(),
        }
        content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        files.replace(self.folder / MANIFEST, content)
        return hashlib.sha256(content).hexdigest()

    def move(self, folder: Path) -> None:
        """Rename the batch folder; appending continues in the new one."""
        self.folder = self.folder.rename(folder)

    def close_unsealed(self) -> None:
        """Close without a manifest, so that the batch is never read."""
        with self._lock:
            self._bodies.close()

    def _sync(self) -> None:
        self._bodies.flush()
        os.fsync(self._bodies.fileno())
        self._unsynced = 0


@dataclass(frozen=True)
class Batch:
    """A sealed landing folder, for reading."""

    folder: Path
    manifest: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Batch:
        """The sealed batch in a folder. Raises ContractError when it is missing, incomplete, altered or expired."""
        path = folder / MANIFEST
        if not path.exists():
            if (folder / EXPIRED).exists():
                raise ContractError(f"{folder} was removed: {orjson.loads((folder / EXPIRED).read_bytes())['reason']}")
            raise ContractError(f"{folder} has no sealed batch: land its window again")
        try:
            manifest = orjson.loads(path.read_bytes())
            if not isinstance(manifest, dict) or "calls_sha256" not in manifest:
                raise ValueError("it is no manifest")
        except ValueError as error:
            raise ContractError(f"{path} was altered after landing ({error}): restore it from a backup") from None
        if manifest.get("format", 1) > FORMAT:
            raise ContractError(
                f"{path} has format {manifest['format']}, of a newer version of lgsp: install that version"
            )
        return cls(folder, manifest)

    @property
    def purpose(self) -> str:
        """Why it was landed: `window` or `sweep`."""
        return str(self.manifest.get("purpose") or ("sweep" if "deleted" in self.manifest else "window"))

    @property
    def manifest_sha256(self) -> str:
        """The SHA-256 of the manifest."""
        return hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The beginning and the end of its window."""
        return datetime.fromisoformat(self.manifest["from"]), datetime.fromisoformat(self.manifest["to"])

    @property
    def opened_at(self) -> datetime:
        """When its first answer was requested; when it was sealed, in a manifest of format 1, which does not have it."""
        return datetime.fromisoformat(self.manifest["opened_at"]) if "opened_at" in self.manifest else self.sealed_at

    @property
    def sealed_at(self) -> datetime:
        """When its last answer was stored."""
        if "sealed_at" in self.manifest:
            return datetime.fromisoformat(self.manifest["sealed_at"])
        return datetime.fromtimestamp((self.folder / MANIFEST).stat().st_mtime).astimezone()

    def calls(self, list_name: str | None = None) -> list[LandedAnswer]:
        """The answers that count, in order of arrival, of one list or of all. Raises ContractError when the file was altered."""
        return [call for call in self.all_calls() if call.is_whole and list_name in (None, call.list)]

    def all_calls(self) -> list[LandedAnswer]:
        """All answers, also those that do not count. Raises ContractError when the file was altered."""
        try:
            lines = (self.folder / "calls.jsonl").read_bytes()
        except FileNotFoundError:
            lines = b""
        if hashlib.sha256(lines).hexdigest() != self.manifest["calls_sha256"]:
            raise ContractError(f"{self.folder / 'calls.jsonl'} was altered after landing: restore it from a backup")
        return [LandedAnswer(**orjson.loads(line)) for line in lines.splitlines()]

    def prove(self) -> list[LandedAnswer]:
        """All answers, after their bytes were compared with their hashes. Raises ContractError when something was altered."""
        calls = self.all_calls()
        for _ in self.bodies(calls):
            pass
        if "pack_sha256" in self.manifest:  # also what no answer is made of, such as the head of a frame
            with (self.folder / "bodies.pack").open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != self.manifest["pack_sha256"]:
                raise ContractError(
                    f"{self.folder / 'bodies.pack'} was altered after landing: restore it from a backup"
                )
        return calls

    def bodies(self, calls: list[LandedAnswer]) -> Iterator[tuple[LandedAnswer, bytes]]:
        """Each answer with its exact bytes. Raises ContractError when their SHA-256 differs from the recorded one."""
        decompressor = zstandard.ZstdDecompressor()
        with (self.folder / "bodies.pack").open("rb") as file:
            for call in calls:
                file.seek(call.offset)
                try:
                    body = decompressor.decompress(file.read(call.length), max_output_size=max(call.bytes, 1))
                except zstandard.ZstdError:
                    body = None
                if body is None or hashlib.sha256(body).hexdigest() != call.sha256:
                    raise ContractError(
                        f"{self.folder}: answer {call.number} was altered after landing: restore it from a backup"
                    )
                yield call, body
