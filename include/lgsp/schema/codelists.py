"""Load the code lists: the meaning of each source's codes in the shared language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError

FOLDER = Path(str(files("lgsp"))) / "codelists"


@cache
def load(name: str) -> dict[str, Any]:
    """A code list: the codes of each source (or of `any`) with their meanings.

    Raises ContractError when it is missing or invalid.
    """
    import yaml

    path = FOLDER / f"{name}.yml"
    if not path.exists():
        raise ContractError(f"there is no code list {path.name}")
    content = yaml.safe_load(path.read_text())
    if not isinstance(content, dict):
        raise ContractError(f"{path.name} must map sources to their codes")
    return content


def meanings(name: str, source: str) -> dict[str, str]:
    """The codes of one source with their meanings.

    They come from the source's own `codelists.yml`, else from its section of the code list, else from the section `any`.
    """
    code_list = load(name)
    codes = _source_code_lists(source).get(name) or code_list.get(source) or code_list.get("any") or {}
    return {str(code): str(meaning) for code, meaning in codes.items()}


@cache
def _source_code_lists(source: str) -> dict[str, dict[str, str]]:
    """The code lists in a source's own folder, by name."""
    import yaml

    path = Path(str(files("lgsp.sources"))) / source / "codelists.yml"
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def names() -> list[str]:
    """The names of all code lists, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))
