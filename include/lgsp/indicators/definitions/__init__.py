"""Definitions of the indicators as data: what is counted since when, weights, thresholds, and figures that were reported.

A province replaces a file by one of the same name in the folder that `LGSP_DEFINITIONS` names.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions import csv_file, ratios, validate, yaml_file
from lgsp.indicators.definitions.source_row import SourceRow

FOLDER = Path(__file__).parent
NAMES = ("indicator_definition", "indicator_threshold", "index_766_weight", "manual_indicator")
_FILES = {name: f"{name}.yml" if name == "indicator_definition" else f"{name}.csv" for name in NAMES}


def tables(given: Path | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of the definition tables; ContractError names the file, the line and what is wrong there."""
    own = _own(given) if given else set()
    told = {
        name: _read(name, given / file) if given and file in own else _shipped(name) for name, file in _FILES.items()
    }
    validate.check(told, {name: _shipped(name) for name in NAMES})
    if given and _FILES["indicator_definition"] in own:
        ratios.check(given / _FILES["indicator_definition"])
    return {name: [dict(row.row) for row in rows] for name, rows in told.items()}


def _own(given: Path) -> set[str]:
    if not given.is_dir():
        raise ContractError(f"LGSP_DEFINITIONS: there is no folder {given}")
    found = {path.name for path in given.iterdir() if not path.name.startswith(".")}
    if others := found - set(_FILES.values()):
        raise ContractError(f"LGSP_DEFINITIONS: {', '.join(sorted(others))} in {given} would be read by nobody; the files there are {', '.join(_FILES.values())}")  # fmt: skip
    return found


def _read(name: str, path: Path) -> tuple[SourceRow, ...]:
    return tuple(yaml_file.read(path) if path.suffix == ".yml" else csv_file.listed(name, path))


@cache
def _shipped(name: str) -> tuple[SourceRow, ...]:
    return _read(name, FOLDER / _FILES[name])
