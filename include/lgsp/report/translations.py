"""Load the texts of the reports in one language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

LANGUAGES = ("vi", "en")


@cache
def load(language: str) -> dict[str, str]:
    """All texts of `translations.yml` in a language, by name."""
    texts: dict[str, Any] = yaml.safe_load(
        files("lgsp.report").joinpath("translations.yml").read_text(encoding="utf-8")
    )
    return {name: text[language] for name, text in texts.items()}
