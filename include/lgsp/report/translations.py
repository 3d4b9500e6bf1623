"""The words of a report in one language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

LANGUAGES = ("vi", "en")


@cache
def of(language: str) -> dict[str, str]:
    """Every word of `translations.yml` in a language."""
    told: dict[str, Any] = yaml.safe_load(files("lgsp.report").joinpath("translations.yml").read_text(encoding="utf-8"))
    return {name: both[language] for name, both in told.items()}
