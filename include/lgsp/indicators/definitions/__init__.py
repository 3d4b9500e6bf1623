"""Load the definitions of the indicators: versions with their legal basis, weights, thresholds and reported figures.

A province replaces a file by one of the same name in the folder `definitions` of LGSP_CONFIG.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions import csv_file, ratios, validate, yaml_file
from lgsp.indicators.definitions.source_row import SourceRow

OWN = "definitions"  # the folder in LGSP_CONFIG
FOLDER = Path(__file__).parent
NAMES = ("indicator_definition", "indicator_threshold", "index_766_weight", "manual_indicator")
_FILES = {name: f"{name}.yml" if name == "indicator_definition" else f"{name}.csv" for name in NAMES}


def tables(folder: Path | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of the definition tables, by table; files in `folder` replace those of the program.

    Raises ContractError, with file, line and error, for a definition that cannot be used.
    """
    replaced = _replaced(folder) if folder else set()
    rows = {
        name: _read(name, folder / file) if folder and file in replaced else _shipped(name)
        for name, file in _FILES.items()
    }
    validate.check(rows, {name: _shipped(name) for name in NAMES})
    if folder and _FILES["indicator_definition"] in replaced:
        ratios.check(folder / _FILES["indicator_definition"])
    return {name: [dict(row.row) for row in table] for name, table in rows.items()}


def file_names() -> list[str]:
    """The names of the files that a province may replace."""
    return list(_FILES.values())


def _replaced(folder: Path) -> set[str]:
    """The names of the files in a province's own folder. Raises ContractError for a file that is no definition file."""
    if not folder.is_dir():
        raise ContractError(f"definitions: there is no folder {folder}")
    files = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if unknown := files - set(_FILES.values()):
        raise ContractError(f"definitions: unknown file {', '.join(sorted(unknown))}; known are {', '.join(_FILES.values())}")  # fmt: skip
    return files


def _read(name: str, path: Path) -> tuple[SourceRow, ...]:
    return tuple(yaml_file.rows(path) if path.suffix == ".yml" else csv_file.rows(name, path))


@cache
def _shipped(name: str) -> tuple[SourceRow, ...]:
    return _read(name, FOLDER / _FILES[name])
