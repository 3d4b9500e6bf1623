"""Load the code lists: the meaning of each source's codes in the shared language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lgsp import config
from lgsp.errors import ContractError
from lgsp.schema import yaml_file

OWN = "codelists"  # the folder in LGSP_CONFIG
FOLDER = Path(str(files("lgsp"))) / "codelists"


@config.cached()
def load(name: str) -> dict[str, Any]:
    """A code list: the codes of each source (or of `any`) with their meanings.

    A province's file of the same name adds codes, and gives others another meaning. Raises ContractError when it is missing
    or invalid.
    """
    shipped, own = load_shipped(name), config.file(f"{OWN}/{name}.yml")
    if own is None:
        return shipped
    merged = dict(shipped)
    for section, codes in yaml_file.texts(own).items():
        known = merged.get(section)
        merged[section] = [*(known or []), *codes] if isinstance(codes, list) else {**(known or {}), **codes}
    return merged


def load_shipped(name: str) -> dict[str, Any]:
    """A code list as the program has it. Raises ContractError when it is missing or invalid."""
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
    What a province adds for the source adds to them.
    """
    code_list = load(name)
    codes: dict[Any, Any] = code_list.get(source) or code_list.get("any") or {}
    if own_list := _source_code_lists(source).get(name):
        codes = {**own_list, **_added(name, source)}
    elif codes is code_list.get(source) and _added(name, source) and source not in load_shipped(name):
        codes = {**(code_list.get("any") or {}), **codes}
    return {str(code): str(meaning) for code, meaning in codes.items()}


def all_meanings(name: str) -> list[str]:
    """The meanings that any source can have, in the order of the code list; those of sources' own lists last.

    A province adds codes, never meanings: they are part of the contracts.
    """
    sections = [codes for codes in load_shipped(name).values() if isinstance(codes, dict)]
    own = [_source_code_lists(path.parent.name).get(name, {}) for path in sorted(_sources().glob("*/codelists.yml"))]
    return list(dict.fromkeys(str(meaning) for codes in [*sections, *own] for meaning in codes.values()))


def _added(name: str, source: str) -> dict[str, str]:
    """The codes that the province adds to a code list for a source."""
    own = config.file(f"{OWN}/{name}.yml")
    return dict(yaml_file.texts(own).get(source) or {}) if own else {}


@cache
def _source_code_lists(source: str) -> dict[str, dict[str, str]]:
    """The code lists in a source's own folder, by name."""
    path = _sources() / source / "codelists.yml"
    return yaml_file.read(path) or {} if path.exists() else {}


def _sources() -> Path:
    """The folder of the sources, each with its own folder."""
    return Path(str(files("lgsp.sources")))


def names() -> list[str]:
    """The names of all code lists, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))
