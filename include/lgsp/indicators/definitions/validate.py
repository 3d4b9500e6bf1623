"""Validate the definitions: each row, the versions of a key, and the values that the indicator SQL depends on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions import ratios
from lgsp.indicators.definitions.source_row import SourceRow, conflict
from lgsp.indicators.periods import MONTHS, is_start
from lgsp.schema import contract

Tables = Mapping[str, Sequence[SourceRow]]
# The errors of a row; the second argument has the rows of all tables.
RowCheck = Callable[[Mapping[str, Any], Tables], Iterator[str]]

LEVELS = ("province", "district", "commune")
CLASSES = ("excellent", "good", "fair", "average", "weak")
GROUPS = ("transparency", "progress", "online", "payment", "digitisation", "satisfaction")
UNITS = {"hours_saved": "hours", "vnd_saved": "vnd"}
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
# The indicator SQL counts by online level before the first day of this version, and by mode from then on.
BOUNDARY = ("online_share", "2.0")


def check(tables: Tables, shipped: Tables) -> None:
    """Raise ContractError, with file and line, for the first error; `shipped` has the definitions of the program."""
    for name, rows in tables.items():
        _check_unique(name, rows)
    _check_indicators(tables["indicator_definition"], shipped["indicator_definition"])
    for name, row_errors in _ROW_CHECKS.items():
        for row in tables[name]:
            for message in row_errors(row.row, tables):
                raise row.error(message)
    for name in ("indicator_threshold", "index_766_weight"):
        _check_no_overlap(name, tables[name])
    _check_classes(tables)
    if not tables["index_766_weight"]:
        raise ContractError("index_766_weight.csv: it needs at least one component, to compute the index")


def _check_unique(name: str, rows: Iterable[SourceRow]) -> None:
    columns = contract.load(name).key
    seen: dict[tuple[Any, ...], SourceRow] = {}
    for row in rows:
        key = tuple(row.row[column] for column in columns)
        if key in seen:
            raise conflict(seen[key], row, f"{' '.join(map(str, key))} appears twice; keep the one in force")
        seen[key] = row


def _check_indicators(rows: Sequence[SourceRow], shipped: Sequence[SourceRow]) -> None:
    """Raise ContractError unless the indicators are those that the program computes, with the same tables and units."""
    computed = {row.row["kpi_id"]: row.row for row in shipped}
    for row in rows:
        if (indicator := computed.get(row.row["kpi_id"])) is None:
            raise row.error(f"unknown indicator {row.row['kpi_id']!r}; known are {', '.join(computed)}")
        for column in ("table_name", "unit"):
            if row.row[column] != indicator[column]:
                raise row.error(f"{row.row['kpi_id']} {column.removesuffix('_name')} must be {indicator[column]}")
    if missing := set(_ratios(ratios.TABLE, {"indicator_definition": rows})) - ratios.ratios().keys():
        raise ContractError(
            f"{rows[0].file}: {', '.join(sorted(missing))}: a ratio of {ratios.TABLE} needs the key `ratio`"
        )
    if missing := computed.keys() - {row.row["kpi_id"] for row in rows}:
        raise ContractError(
            f"{rows[0].file} lacks {', '.join(sorted(missing))}; add the definition, or it is not published"
        )
    _check_boundary(rows, [row.row["kpi_id"] for row in shipped if row.row["definition_version"] == BOUNDARY[1]])


def _check_boundary(rows: Sequence[SourceRow], kpis: Iterable[str]) -> None:
    """Raise ContractError unless all indicators change from levels to modes on one day."""
    boundary, version = BOUNDARY
    versions = {row.row["kpi_id"]: row for row in rows if row.row["definition_version"] == version}
    for kpi_id in (boundary, *kpis):
        if kpi_id not in versions:
            first = next(row for row in rows if row.row["kpi_id"] == kpi_id)
            raise first.error(f'{kpi_id} has no version "{version}": levels of services count before its first day, modes from then on')  # fmt: skip
    for kpi_id in kpis:
        if (begins := versions[kpi_id].row["valid_from"]) != (day := versions[boundary].row["valid_from"]):
            raise conflict(versions[boundary], versions[kpi_id], f'{boundary} "{version}" begins {day}, {kpi_id} {begins}: both must begin on the same day')  # fmt: skip


def _validity_errors(row: Mapping[str, Any]) -> Iterator[str]:
    if row["valid_to"] and row["valid_to"] <= row["valid_from"]:
        yield f"valid_to {row['valid_to']} must be after valid_from {row['valid_from']}"


def _weight_errors(row: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    yield from _validity_errors(row)
    if row["kpi_id"]:
        yield from _unknown_errors("kpi_id", row["kpi_id"], _ratios("service_kpi", tables))
    yield from _unknown_errors("group_code", row["group_code"], GROUPS)
    if not 0 < row["full_at"] <= 1:
        yield f"full_at {row['full_at']:g} must be a ratio above 0, 1 at most"
    if row["maximum"] <= 0:
        yield f"maximum {row['maximum']:g} must be more than 0"


def _threshold_errors(row: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    yield from _validity_errors(row)
    scopes = _scopes(tables)
    yield from _unknown_errors("threshold_id", row["threshold_id"], scopes)
    yield from _unknown_errors(f"scope of {row['threshold_id']}", row["scope"], scopes[row["threshold_id"]])
    if row["colour"] and not COLOUR.fullmatch(row["colour"]):
        yield f"colour {row['colour']!r} must be written #rrggbb"
    if row["threshold_id"] == "institution_class":
        yield from (f"{name} of a class is missing" for name in ("label_vi", "label_en", "colour") if not row[name])
    most = {"institution_class": 100, "target": 1, "index_coverage": 1}.get(row["threshold_id"], float("inf"))
    if not 0 <= row["value"] <= most:
        yield f"value {row['value']:g} must be 0 or more{f', {most} at most' if most < float('inf') else ''}"
    if row["threshold_id"] == "low_activity" and row["value"] % 1:
        yield f"value {row['value']:g} must be a whole number of dossiers"


def _scopes(tables: Tables) -> dict[str, Sequence[str]]:
    """The scopes that each threshold may have."""
    return {
        "low_activity": [f"{level}/{period}" for level in LEVELS for period in ("week", "half_month", *MONTHS)],
        "institution_class": CLASSES,
        "index_coverage": ["total"],
        "target": [f"{kpi_id}/{level}" for kpi_id in _ratios("document_kpi", tables) for level in (*LEVELS, "ALL")],
        "implausible_above": sorted(_kpis("document_kpi", tables)),
    }


def _reported_errors(row: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    yield from _unknown_errors("indicator_id", row["indicator_id"], UNITS)
    yield from _unknown_errors(f"unit of {row['indicator_id']}", row["unit"], [UNITS[row["indicator_id"]]])
    yield from _unknown_errors("period", row["period"], ("week", *MONTHS))
    if not is_start(row["period"], row["period_start"]):
        yield f"period_start {row['period_start']} is not the first day of a {row['period']}{'; weeks begin on Thursday' if row['period'] == 'week' else ''}"
    if row["amount"] < 0:
        yield f"amount {row['amount']} must be 0 or more"


_ROW_CHECKS: dict[str, RowCheck] = {
    "index_766_weight": _weight_errors, "indicator_threshold": _threshold_errors, "manual_indicator": _reported_errors,
}  # fmt: skip


def _unknown_errors(name: str, value: str, known: Iterable[str]) -> Iterator[str]:
    if value not in (known := list(known)):
        yield f"{name} {value!r} is not known; known are {', '.join(known)}"


def _kpis(table: str, tables: Tables) -> dict[str, str]:
    """The indicators of a table, with their units."""
    return {r.row["kpi_id"]: r.row["unit"] for r in tables["indicator_definition"] if r.row["table_name"] == table}


def _ratios(table: str, tables: Tables) -> list[str]:
    return sorted(kpi for kpi, unit in _kpis(table, tables).items() if unit == "ratio")


def _versions_by_key(name: str, rows: Iterable[SourceRow]) -> dict[tuple[Any, ...], list[SourceRow]]:
    """The versions of each key (without valid_from), in order of time."""
    columns = [column for column in contract.load(name).key if column != "valid_from"]
    versions = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.row["valid_from"]):
        versions[tuple(row.row[column] for column in columns)].append(row)
    return versions


def _check_no_overlap(name: str, rows: Iterable[SourceRow]) -> None:
    for key, versions in _versions_by_key(name, rows).items():
        for first, second in pairwise(versions):
            if first.row["valid_to"] is None or first.row["valid_to"] > second.row["valid_from"]:
                begins = second.row["valid_from"]
                raise conflict(first, second, f"{' '.join(key)} has two values from {begins}; end the first with valid_to {begins} or before")  # fmt: skip


def _check_classes(tables: Tables) -> None:
    """Raise ContractError unless every value has a class on every day: the map must not have a value without one."""
    since = min(r.row["valid_from"] for r in tables["indicator_definition"] if r.row["kpi_id"] == "institution_map")
    by_key = _versions_by_key("indicator_threshold", tables["indicator_threshold"])
    classes = {name: by_key.get(("institution_class", name), []) for name in CLASSES}
    if missing := [name for name, versions in classes.items() if not versions]:
        raise ContractError(f"indicator_threshold.csv: institution_class lacks {', '.join(missing)}")
    for name, versions in classes.items():
        if (begins := versions[0].row["valid_from"]) > since:
            raise versions[0].error(f"class {name} begins {begins}, but the map begins {since}")
        for first, second in pairwise(versions):
            if (ended := first.row["valid_to"]) < (begins := second.row["valid_from"]):
                raise conflict(first, second, f"class {name} has no value from {ended} until {begins}")
        if ended := versions[-1].row["valid_to"]:
            raise versions[-1].error(f"class {name} has no value from {ended}")
    for day in sorted({row.row["valid_from"] for versions in classes.values() for row in versions}):
        _check_class_order([_on(day, versions) for versions in classes.values()])


def _on(day: date, versions: Sequence[SourceRow]) -> SourceRow:
    """The version in force on a day, or the first one."""
    return next((row for row in reversed(versions) if row.row["valid_from"] <= day), versions[0])


def _check_class_order(classes: Sequence[SourceRow]) -> None:
    for better, worse in pairwise(classes):
        if better.row["value"] <= worse.row["value"]:
            raise conflict(better, worse, f"class {better.row['scope']} must begin above {worse.row['scope']}")
    if (last := classes[-1]).row["value"] != 0:
        raise last.error(f"class {last.row['scope']} must begin at 0, as the lowest class")
