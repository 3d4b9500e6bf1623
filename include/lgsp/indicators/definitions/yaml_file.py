"""The versions of the indicators' definitions, as their YAML file tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from lgsp.errors import ContractError
from lgsp.indicators.definitions import csv_file
from lgsp.indicators.definitions.source_row import SourceRow, clash

DIRECTION = {"high": True, "low": False, "": None}
INDICATOR = {"name": dict, "table": str, "unit": str, "better": str, "versions": list}
INDICATOR_OPTIONAL = {"ratio": dict, "explain": dict}
VERSION = {"version": str, "from": date, "numerator": dict, "denominator": dict}
VERSION_OPTIONAL = {"excluded": dict, "basis": str}
LANGUAGES = {"vi": str, "en": str}
KINDS = {str: "text; write it in quotes", date: "a date such as 2022-08-15", dict: "a mapping of names", list: "a list"}


class _Placed(dict[Any, Any]):
    """A mapping that knows in which line it begins, and each of its names."""

    line: int
    lines: Mapping[Any, int]


class _Loader(yaml.SafeLoader):
    """Reads mappings with their lines, each name once; a value that cannot be is told with its line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (
            ValueError,
            LookupError,
            AttributeError,
        ) as error:  # the thirteenth month; a tag that is not the value's
            raise yaml.MarkedYAMLError(problem=f"{node.value} cannot be: {error}", problem_mark=node.start_mark) from error  # fmt: skip

    def placed(self, node: yaml.MappingNode) -> _Placed:
        """The mapping of a node, with its lines."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if (name := str(key.value)) in lines:
                raise yaml.MarkedYAMLError(problem=f"{name} is there twice", problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        told = _Placed(self.construct_mapping(node, deep=True))
        told.line, told.lines = node.start_mark.line + 1, lines
        return told


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.placed)


def read(path: Path) -> Iterator[SourceRow]:
    """Each version of each indicator, until the day the next one begins. Raises ContractError with the line."""
    told = parsed(path)
    if not told or not isinstance(told, _Placed):
        raise ContractError(f"{path.name}: it must say what each indicator counts, by its name")
    for kpi_id, indicator in told.items():
        at = SourceRow(path.name, told.lines.get(kpi_id, told.line), {})
        _fits(at, str(kpi_id), indicator, INDICATOR, INDICATOR_OPTIONAL)
        _fits(at, f"{kpi_id} name", indicator["name"], LANGUAGES, {})
        if indicator["better"] not in DIRECTION:
            raise at.refused(f"{kpi_id} better {indicator['better']!r} must be high, low or ''")
        rows = [_version(at, kpi_id, indicator, version) for version in indicator["versions"]]
        if not rows:
            raise at.refused(f"{kpi_id} has no version")
        yield from _followed(sorted(rows, key=lambda told: (told.row["valid_from"], told.line)))


def parsed(path: Path) -> Any:
    """The content of a YAML file, its mappings with their lines. Raises ContractError with the line."""
    text = csv_file.text(path)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 — a safe loader
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ContractError(f"{path.name}{line}: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = f" line {text.count(chr(10), 0, error.position) + 1}"
        raise ContractError(f"{path.name}{line}: {error.reason}") from error


def _fits(at: SourceRow, who: str, told: Any, needed: Mapping[str, type], optional: Mapping[str, type]) -> None:
    if not isinstance(told, dict):
        raise at.refused(f"{who} must be {KINDS[dict]}: {', '.join(needed)}")
    for name in needed:
        if name not in told:
            raise at.refused(f"{who} lacks {name!r}")
    for name, value in told.items():
        kind = {**needed, **optional}.get(name)
        if kind is None:
            raise at.refused(f"{who} has {name!r}, which means nothing here; known are {', '.join((*needed, *optional))}")  # fmt: skip
        if not (type(value) is kind or (kind is dict and isinstance(value, dict))):  # a datetime is a date too
            raise at.refused(f"{who} {name} {value!r} must be {KINDS[kind]}")
        if kind is str and name != "better" and not str(value).strip():
            raise at.refused(f"{who} {name} is empty")


def _version(indicated: SourceRow, kpi_id: str, indicator: dict[str, Any], version: Any) -> SourceRow:
    at = replace(indicated, line=version.line) if isinstance(version, _Placed) else indicated
    _fits(at, kpi_id, version, VERSION, VERSION_OPTIONAL)
    for name in ("numerator", "denominator"):
        _fits(at, f"{kpi_id} {name}", version[name], LANGUAGES, {})
    _fits(at, f"{kpi_id} excluded", version.get("excluded", {}), {}, LANGUAGES)

    def both(name: str, text: dict[str, str]) -> dict[str, str | None]:
        return {f"{name}_{language}": text.get(language) for language in LANGUAGES}

    row = {
        "kpi_id": kpi_id, "definition_version": version["version"], "table_name": indicator["table"], "unit": indicator["unit"],
        "is_higher_better": DIRECTION[indicator["better"]], "valid_from": version["from"], "valid_to": None,
        "legal_basis": version.get("basis"), **both("name", indicator["name"]), **both("numerator", version["numerator"]),
        **both("denominator", version["denominator"]), **both("excluded", version.get("excluded", {})),
    }  # fmt: skip
    return replace(at, row=row)


def _followed(rows: list[SourceRow]) -> Iterator[SourceRow]:
    for first, second in pairwise(rows):
        if first.row["valid_from"] == second.row["valid_from"]:
            raise clash(first, second, f"{first.row['kpi_id']} has two versions from {first.row['valid_from']}; keep one")  # fmt: skip
        yield replace(first, row=first.row | {"valid_to": second.row["valid_from"]})
    yield rows[-1]
