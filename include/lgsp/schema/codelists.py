"""Code lists: what a source's codes mean in the shared language, as data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError

FOLDER = Path(str(files("lgsp"))) / "codelists"


@cache
def load(name: str) -> dict[str, Any]:
    """A code list: for each source (or `any`) its codes and their meanings."""
    import yaml

    path = FOLDER / f"{name}.yml"
    if not path.exists():
        raise ContractError(f"there is no code list {path.name}")
    told = yaml.safe_load(path.read_text())
    if not isinstance(told, dict):
        raise ContractError(f"{path.name} must map sources to their codes")
    return told


def meanings(name: str, source: str) -> dict[str, str]:
    """The codes of one source and their meanings; the list's `any` codes where the source has none of its own."""
    told = load(name)
    return {str(code): str(meaning) for code, meaning in (told.get(source) or told.get("any") or {}).items()}


def names() -> list[str]:
    """All code lists, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))
