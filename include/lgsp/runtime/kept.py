"""Secrets that are made once and kept in the home, readable by their owner only."""

from __future__ import annotations

import json
import os
from pathlib import Path


def kept(path: Path, fresh: dict[str, str]) -> dict[str, str]:
    """What the file holds, after ``fresh`` was written to it if there was none; two makers agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            json.dump(fresh, file)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    told: dict[str, str] = json.loads(path.read_text())
    return told
