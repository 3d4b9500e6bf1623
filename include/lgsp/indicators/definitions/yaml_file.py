"""Read the versions of the indicators from their YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions.source_row import SourceRow, conflict
from lgsp.schema import located_yaml
from lgsp.schema.located_yaml import LocatedMapping

DIRECTION = {"high": True, "low": False, "": None}
INDICATOR = {"name": dict, "table": str, "unit": str, "better": str, "versions": list}
INDICATOR_OPTIONAL = {"ratio": dict, "explain": dict}
VERSION = {"version": str, "from": date, "numerator": dict, "denominator": dict}
VERSION_OPTIONAL = {"excluded": dict, "basis": str}
LANGUAGES = {"vi": str, "en": str}
KINDS = {str: "text; write it in quotes", date: "a date such as 2022-08-15", dict: "a mapping of names", list: "a list"}


def rows(path: Path) -> Iterator[SourceRow]:
    """Each version of each indicator, valid until the day on which the next version begins.

    Raises ContractError, with the line, for a definition that cannot be used.
    """
    content = located_yaml.parse(path)
    if not content or not isinstance(content, LocatedMapping):
        raise ContractError(f"{path.name}: it must describe each indicator under its kpi_id")
    for kpi_id, indicator in content.items():
        location = SourceRow(path.name, content.lines.get(kpi_id, content.line), {})
        _check_keys(location, str(kpi_id), indicator, INDICATOR, INDICATOR_OPTIONAL)
        _check_keys(location, f"{kpi_id} name", indicator["name"], LANGUAGES, {})
        if indicator["better"] not in DIRECTION:
            raise location.error(f"{kpi_id} better {indicator['better']!r} must be high, low or ''")
        versions = [_version(location, kpi_id, indicator, version) for version in indicator["versions"]]
        if not versions:
            raise location.error(f"{kpi_id} has no version")
        yield from _with_valid_to(sorted(versions, key=lambda version: (version.row["valid_from"], version.line)))


def _check_keys(
    location: SourceRow, subject: str, mapping: Any, required: Mapping[str, type], optional: Mapping[str, type]
) -> None:
    """Raise ContractError when a mapping lacks a key, has an unknown key, or a value of another type."""
    if not isinstance(mapping, dict):
        raise location.error(f"{subject} must be {KINDS[dict]}: {', '.join(required)}")
    for name in required:
        if name not in mapping:
            raise location.error(f"{subject} lacks {name!r}")
    for name, value in mapping.items():
        kind = {**required, **optional}.get(name)
        if kind is None:
            raise location.error(f"{subject} has the unknown key {name!r}; known are {', '.join((*required, *optional))}")  # fmt: skip
        if not (type(value) is kind or (kind is dict and isinstance(value, dict))):  # a datetime is also a date
            raise location.error(f"{subject} {name} {value!r} must be {KINDS[kind]}")
        if kind is str and name != "better" and not str(value).strip():
            raise location.error(f"{subject} {name} is empty")


def _version(indicator_location: SourceRow, kpi_id: str, indicator: dict[str, Any], version: Any) -> SourceRow:
    """One version of an indicator, as a row of its table."""
    location = (
        replace(indicator_location, line=version.line) if isinstance(version, LocatedMapping) else indicator_location
    )
    _check_keys(location, kpi_id, version, VERSION, VERSION_OPTIONAL)
    for name in ("numerator", "denominator"):
        _check_keys(location, f"{kpi_id} {name}", version[name], LANGUAGES, {})
    _check_keys(location, f"{kpi_id} excluded", version.get("excluded", {}), {}, LANGUAGES)

    def both(name: str, text: dict[str, str]) -> dict[str, str | None]:
        return {f"{name}_{language}": text.get(language) for language in LANGUAGES}

    row = {
        "kpi_id": kpi_id, "definition_version": version["version"], "table_name": indicator["table"], "unit": indicator["unit"],
        "is_higher_better": DIRECTION[indicator["better"]], "valid_from": version["from"], "valid_to": None,
        "legal_basis": version.get("basis"), **both("name", indicator["name"]), **both("numerator", version["numerator"]),
        **both("denominator", version["denominator"]), **both("excluded", version.get("excluded", {})),
    }  # fmt: skip
    return replace(location, row=row)


def _with_valid_to(versions: list[SourceRow]) -> Iterator[SourceRow]:
    """The versions of one indicator in order of time, each with the day on which the next one begins as valid_to."""
    for first, second in pairwise(versions):
        if first.row["valid_from"] == second.row["valid_from"]:
            raise conflict(first, second, f"{first.row['kpi_id']} has two versions from {first.row['valid_from']}; keep one")  # fmt: skip
        yield replace(first, row=first.row | {"valid_to": second.row["valid_from"]})
    yield versions[-1]
