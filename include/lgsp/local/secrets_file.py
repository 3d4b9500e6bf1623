"""Secrets that are made once and kept in the home, readable by their owner only."""

from __future__ import annotations

import json
from pathlib import Path

from lgsp import files


def kept(path: Path, fresh: dict[str, str]) -> dict[str, str]:
    """What the file holds, after ``fresh`` was written to it if there was none; two makers agree on one."""
    secrets: dict[str, str] = json.loads(files.make_once(path, lambda: json.dumps(fresh).encode()))
    return secrets
