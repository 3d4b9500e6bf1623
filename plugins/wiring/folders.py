"""Resolve a path from a UI request to a file inside a folder."""

from __future__ import annotations

from pathlib import Path


def inside(root: Path, path: str) -> Path | None:
    """The file at a path below `root`, for a folder its `index.html`; None for a missing file or a path outside `root`."""
    if "\0" in path:
        return None
    try:
        file = (root / path).resolve()
        if file.is_dir():
            file /= "index.html"
        return file if file.is_relative_to(root) and file.is_file() else None
    except OSError:  # a name longer than the file system allows
        return None
