"""Write files durably and atomically, create secret files once, and lock what one process at a time may do."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    import pyarrow as pa

PRIVATE = 0o600


def write(path: Path, content: bytes | pa.Buffer, mode: int = 0o666) -> None:
    """Write a file and flush it to disk. Not atomic: use `replace` for a path that another process may read."""
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes | pa.Buffer, mode: int = 0o666) -> None:
    """Write or replace a file atomically and durably: a reader sees the old or the new content, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        write(temporary, content, mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def make_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a file that only its owner may read; `make` provides it when the file does not exist.

    When two processes create the file at the same time, both get the content of the first.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        write(temporary, make(), PRIVATE)
        with suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
        sync_folder(path.parent)
    return path.read_bytes()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a lock file during the block; another process waits for it. It ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder (its file names) to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}.new")
