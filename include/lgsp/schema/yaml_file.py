"""Read a YAML file of the project: with libyaml where PyYAML was built with it, which is ten times faster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lgsp.schema import csv_file


def read(path: Path) -> Any:
    """The content of a YAML file, with the types of YAML only. Raises yaml.YAMLError when it cannot be read."""
    return loads(path.read_text(encoding="utf-8"))


def texts(path: Path) -> Any:
    """The content of a YAML file of a province with every scalar as the text that was written: 010 stays 010, no stays no."""
    import yaml

    return yaml.load(csv_file.read_text(path), getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 — no types


def loads(text: str) -> Any:
    """The content of a YAML text, as `read`."""
    import yaml

    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 — a safe loader
