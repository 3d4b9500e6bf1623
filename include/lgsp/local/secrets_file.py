"""Creates secrets once and stores them in the home, readable by their owner only."""

from __future__ import annotations

import json
from pathlib import Path

from lgsp import files


def load_or_create(path: Path, new_secrets: dict[str, str]) -> dict[str, str]:
    """The secrets in a file. When it does not exist, `new_secrets` are written to it; of two processes the first wins."""
    secrets: dict[str, str] = json.loads(files.make_once(path, lambda: json.dumps(new_secrets).encode()))
    return secrets
