"""The pointer `current`, and the manifests of the snapshots it may point to."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from lgsp.errors import PublicationFailed
from lgsp.files import sync_folder

MANIFEST, SIGNATURE, CATALOG = "manifest.json", "manifest.json.sig", "catalog.json"
LOCK_SECONDS = 30  # to move the pointer takes a millisecond


def manifest(root: Path, snapshot_id: int) -> dict[str, Any]:
    """The manifest of a snapshot. Raises PublicationFailed when there is none."""
    path = root / "snapshots" / str(snapshot_id) / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"snapshot {snapshot_id} has no manifest at {path}; was it retired?")
    told = orjson.loads(path.read_bytes())
    assert isinstance(told, dict)
    return told


def current(root: Path) -> int | None:
    """The snapshot that readers of files see; None before the first."""
    try:
        target = os.readlink(root / "current")
    except FileNotFoundError:
        return None
    found = re.fullmatch(r"snapshots/(\d+)", target)
    return int(found.group(1)) if found else None


def point(root: Path, snapshot_id: int) -> None:
    """Move the pointer to a snapshot; only ever forward."""
    with _alone(root):
        now = current(root)
        if now is not None and now >= snapshot_id and (root / "current").exists():
            return
        temporary = root / f".current.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(f"snapshots/{snapshot_id}")
        temporary.replace(root / "current")
        sync_folder(root)


def retire(root: Path, snapshot_id: int) -> None:
    """Take the files of a snapshot away: at once for who comes after, while who reads one of them keeps it."""
    folder, leaving = root / "snapshots" / str(snapshot_id), root / "snapshots" / f".{snapshot_id}.retired"
    if folder.exists():
        folder.rename(leaving)
    shutil.rmtree(leaving, ignore_errors=True)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    until = time.monotonic() + LOCK_SECONDS
    with (root / ".pointer.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise PublicationFailed(
                        f"another process has held {file.name} for {LOCK_SECONDS} s: it hangs while it moves the pointer. "
                        f"End it (`fuser {file.name}` names it), then run `lgsp recover`"
                    ) from None
                time.sleep(0.02)
        yield
