"""Load the code lists: the meaning of each source's codes in the shared language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.schema import yaml_file

FOLDER = Path(str(files("lgsp"))) / "codelists"


@cache
def load(name: str) -> dict[str, Any]:
    """A code list: the codes of each source (or of `any`) with their meanings.

    Raises ContractError when it is missing or invalid.
    """
    path = FOLDER / f"{name}.yml"
    if not path.exists():
        raise ContractError(f"there is no code list {path.name}")
    content = yaml_file.read(path)
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


def values(name: str) -> set[str]:
    """The meanings that a code list has for any source, those in the sources' own folders included."""
    folder = Path(str(files("lgsp.sources")))
    own = [_source_code_lists(path.parent.name).get(name, {}) for path in folder.glob("*/codelists.yml")]
    return {str(meaning) for codes in (*load(name).values(), *own) for meaning in codes.values()}


@cache
def _source_code_lists(source: str) -> dict[str, dict[str, str]]:
    """The code lists in a source's own folder, by name."""
    path = Path(str(files("lgsp.sources"))) / source / "codelists.yml"
    return yaml_file.read(path) or {} if path.exists() else {}


def names() -> list[str]:
    """The names of all code lists, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))
