"""Definitions of the indicators as data: what is counted since when, weights, thresholds, and figures that were reported.

A province replaces a file by one of the same name in the folder that `LGSP_DEFINITIONS` names.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from lgsp import contract
from lgsp.errors import ContractError

FOLDER = Path(__file__).parent
NAMES = ("indicator_definition", "indicator_threshold", "index_766_weight", "manual_indicator")
DIRECTION = {"high": True, "low": False, "": None}

_READ: dict[str, Callable[[str], Any]] = {
    "text": str, "date": date.fromisoformat, "double precision": float, "bigint": int,
}  # fmt: skip


def tables(given: Path | None = None) -> dict[str, list[dict[str, Any]]]:
    """The rows of the definition tables; ContractError names the file, the line and what is wrong there."""
    return {name: _rows(name, _file(name, given)) for name in NAMES}


def _file(name: str, given: Path | None) -> Path:
    kind = ".yml" if name == "indicator_definition" else ".csv"
    if given and not given.is_dir():
        raise ContractError(f"LGSP_DEFINITIONS: there is no folder {given}")
    own = given / f"{name}{kind}" if given else None
    return own if own and own.exists() else FOLDER / f"{name}{kind}"


def _rows(name: str, path: Path) -> list[dict[str, Any]]:
    rows = _told(path) if path.suffix == ".yml" else list(_listed(name, path))
    key = contract.load(name).key
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        if (told := tuple(row[column] for column in key)) in seen:
            raise ContractError(f"{path.name}: {' '.join(map(str, told))} is there twice; keep the one in force")
        seen.add(told)
    return rows


def _listed(name: str, path: Path) -> Iterator[dict[str, Any]]:
    columns = {c.name: c for c in contract.load(name).columns if c.name not in contract.LINEAGE}
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        if set(lines.fieldnames or ()) != set(columns):
            raise ContractError(f"{path.name} line 1: the columns must be {','.join(columns)}")
        for line in lines:
            row: dict[str, Any] = {}
            for column in columns.values():
                text = (line[column.name] or "").strip()
                try:
                    row[column.name] = _READ[column.type](text) if text else None
                except ValueError as error:
                    raise ContractError(f"{path.name} line {lines.line_num}: {column.name} {text!r} is no {column.type}") from error  # fmt: skip
                if not text and (column.is_required or column.is_key):
                    raise ContractError(f"{path.name} line {lines.line_num}: {column.name} is missing")
            yield row


def _told(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for kpi_id, told in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        try:
            versions = sorted(told["versions"], key=lambda version: version["from"])
            ends = [*(version["from"] for version in versions[1:]), None]
            rows += [_version(kpi_id, told, *pair) for pair in zip(versions, ends, strict=True)]
        except (KeyError, TypeError) as error:
            raise ContractError(f"{path.name}: {kpi_id} lacks {error}") from error
    return rows


def _version(kpi_id: str, told: dict[str, Any], version: dict[str, Any], end: date | None) -> dict[str, Any]:
    def both(name: str, text: dict[str, str]) -> dict[str, str | None]:
        return {f"{name}_{language}": text.get(language) for language in ("vi", "en")}

    return {
        "kpi_id": kpi_id, "definition_version": version["version"], "table_name": told["table"], "unit": told["unit"],
        "is_higher_better": DIRECTION[told["better"]], "valid_from": version["from"], "valid_to": end,
        "legal_basis": version.get("basis"), **both("name", told["name"]), **both("numerator", version["numerator"]),
        **both("denominator", version["denominator"]), **both("excluded", version.get("excluded", {})),
    }  # fmt: skip
