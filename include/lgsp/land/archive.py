"""Writes and reads the landing area: one sealed folder for each batch, with the exact bytes of every answer.

    landing/<source>/<batch>/bodies.pack     each answer as one zstd frame, appended and synced
    landing/<source>/<batch>/calls.jsonl     one line for each answer: list, request, offset, size, SHA-256
    landing/<source>/<batch>/manifest.json   written last: its presence means that the batch is complete

A folder without a manifest is incomplete and is never read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from lgsp import files
from lgsp.errors import ContractError

# Bytes between two syncs. All answers are durable at the latest when the manifest is written.
SYNC_BYTES = 8 * 1024 * 1024


def by_key(list_name: str) -> str:
    """The list under which the records of another list are landed that were requested one by one, by their keys."""
    return f"{list_name}_by_key"


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
    """An open batch folder to which any thread appends answers. An existing folder is replaced."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self.folder = folder
        self.calls: list[LandedAnswer] = []
        self._bodies: IO[bytes] = (folder / "bodies.pack").open("wb")
        self._offset = 0
        self._unsynced = 0
        self._lock = threading.Lock()
        self._frames = threading.local()

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

    def seal(self, facts: dict[str, Any]) -> None:
        """Complete the batch: sync all answers, then write the manifest with `facts` and the checksum of the calls."""
        with self._lock:
            self._sync()
            self._bodies.close()
        lines = b"".join(orjson.dumps(call) + b"\n" for call in self.calls)
        files.replace(self.folder / "calls.jsonl", lines)
        manifest = {**facts, "calls": len(self.calls), "calls_sha256": hashlib.sha256(lines).hexdigest()}
        files.replace(self.folder / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))

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
        """The sealed batch in a folder. Raises ContractError when it is missing or incomplete."""
        path = folder / "manifest.json"
        if not path.exists():
            raise ContractError(f"{folder} has no sealed batch: land its window again")
        return cls(folder, orjson.loads(path.read_bytes()))

    def calls(self, list_name: str | None = None) -> list[LandedAnswer]:
        """The answers that count, in order of arrival, of one list or of all. Raises ContractError when the file was altered."""
        lines = (self.folder / "calls.jsonl").read_bytes()
        if hashlib.sha256(lines).hexdigest() != self.manifest["calls_sha256"]:
            raise ContractError(f"{self.folder / 'calls.jsonl'} was altered after landing: restore it from a backup")
        calls = (LandedAnswer(**orjson.loads(line)) for line in lines.splitlines())
        return [call for call in calls if call.is_whole and list_name in (None, call.list)]

    def bodies(self, calls: list[LandedAnswer]) -> Iterator[tuple[LandedAnswer, bytes]]:
        """Each answer with its exact bytes. Raises ContractError when their SHA-256 differs from the recorded one."""
        decompressor = zstandard.ZstdDecompressor()
        with (self.folder / "bodies.pack").open("rb") as file:
            for call in calls:
                file.seek(call.offset)
                body = decompressor.decompress(file.read(call.length), max_output_size=max(call.bytes, 1))
                if hashlib.sha256(body).hexdigest() != call.sha256:
                    raise ContractError(
                        f"{self.folder}: answer {call.number} was altered after landing: restore it from a backup"
                    )
                yield call, body
