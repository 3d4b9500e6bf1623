"""Disks that are full or read-only: a folder is moved to a small file system of its own, which needs the right to mount."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, free_kilobytes: int) -> Iterator[None]:
    """Move a folder to a small disk of its own with so many kilobytes free."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder.rename(folder.with_name(f"{folder.name}.kept"))
    used = sum(path.stat().st_blocks for path in kept.rglob("*") if not path.is_symlink()) // 2
    folder.mkdir()
    size = f"size={used + free_kilobytes}k"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("NO FULL DISK IS TESTED: mounting is not allowed here")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the disk of a folder, such as `size=100m`, `ro` or `rw`."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
