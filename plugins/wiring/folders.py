"""Which file of a folder a path of the UI means; none outside it."""

from __future__ import annotations

from pathlib import Path


def inside(root: Path, path: str) -> Path | None:
    """The file that a path names below a folder, a folder's `index.html` for the folder; None for anything else."""
    if "\0" in path:
        return None
    try:
        wanted = (root / path).resolve()
        if wanted.is_dir():
            wanted /= "index.html"
        return wanted if wanted.is_relative_to(root) and wanted.is_file() else None
    except OSError:  # a name longer than the file system allows
        return None
