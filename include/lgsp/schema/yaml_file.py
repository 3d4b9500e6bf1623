"""Read a YAML file of the project: with libyaml where PyYAML was built with it, which is ten times faster."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """The content of a YAML file, with the types of YAML only. Raises yaml.YAMLError when it cannot be read."""
    return loads(path.read_text(encoding="utf-8"))


def loads(text: str) -> Any:
    """The content of a YAML text, as `read`."""
    import yaml

    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 — a safe loader
