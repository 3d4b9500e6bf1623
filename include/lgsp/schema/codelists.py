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
    """The codes of one source and their meanings.

    They come from the source's own `codelists.yml`, else from its section of the code list, else from the section `any`.
    """
    listed = load(name)
    codes = _of_source(source).get(name) or listed.get(source) or listed.get("any") or {}
    return {str(code): str(meaning) for code, meaning in codes.items()}


@cache
def _of_source(source: str) -> dict[str, dict[str, str]]:
    """The code lists in a source's own folder, by name."""
    import yaml

    path = Path(str(files("lgsp.sources"))) / source / "codelists.yml"
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def names() -> list[str]:
    """All code lists, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))
