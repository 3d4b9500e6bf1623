"""Read and switch the pointer `current`, and read the manifests of the snapshots it can point to."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lgsp.errors import PublicationFailed
from lgsp.files import sync_folder
from lgsp.snapshots.manifest import MANIFEST, Manifest, parse

LOCK_SECONDS = 30  # moving the pointer takes a millisecond


def manifest(root: Path, snapshot_id: int) -> Manifest:
    """The manifest of a snapshot. Raises PublicationFailed when the snapshot has none."""
    path = root / "snapshots" / str(snapshot_id) / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"snapshot {snapshot_id} has no manifest at {path}; was it retired?")
    return parse(path.read_bytes(), path)


def current(root: Path) -> int | None:
    """The snapshot that readers of files see; None before the first."""
    try:
        target = os.readlink(root / "current")
    except FileNotFoundError:
        return None
    match = re.fullmatch(r"snapshots/(\d+)", target)
    return int(match.group(1)) if match else None


def switch_to(root: Path, snapshot_id: int) -> None:
    """Switch the pointer to a snapshot. It only moves forward: a pointer to a newer snapshot stays.

    Raises PublicationFailed when another process holds the pointer's lock for LOCK_SECONDS.
    """
    with _locked(root):
        shown = current(root)
        if shown is not None and shown >= snapshot_id and (root / "current").exists():
            return
        temporary = root / f".current.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(f"snapshots/{snapshot_id}")
        temporary.replace(root / "current")
        sync_folder(root)


def retire(root: Path, snapshot_id: int) -> None:
    """Remove the files of a snapshot; a reader who has a file open can still read it to the end."""
    folder, retired = root / "snapshots" / str(snapshot_id), root / "snapshots" / f".{snapshot_id}.retired"
    if folder.exists():
        folder.rename(retired)
    shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    deadline = time.monotonic() + LOCK_SECONDS
    with (root / ".pointer.lock").open("w", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PublicationFailed(
                        f"another process has the lock on {file.name} for more than {LOCK_SECONDS} s: it hangs while it moves the pointer. "
                        f"End it (`fuser {file.name}` shows its process id), then run `lgsp recover`"
                    ) from None
                time.sleep(0.02)
        yield
