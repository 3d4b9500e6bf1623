"""Whether the definitions make sense: alone, one after another, and together with the statements that read them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from lgsp.errors import ContractError
from lgsp.indicators.definitions import ratios
from lgsp.indicators.definitions.source_row import SourceRow, clash
from lgsp.indicators.periods import MONTHS, is_start
from lgsp.schema import contract

Rows = Mapping[str, Sequence[SourceRow]]
Says = Callable[[Mapping[str, Any], Rows], Iterator[str]]

LEVELS = ("province", "district", "commune")
CLASSES = ("excellent", "good", "fair", "average", "weak")
GROUPS = ("transparency", "progress", "online", "payment", "digitisation", "satisfaction")
UNITS = {"hours_saved": "hours", "vnd_saved": "vnd"}
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
# the statements count dossiers and offerings by level before this version's first day, and by mode from it
BOUNDARY = ("online_share", "2.0")


def check(told: Rows, shipped: Rows) -> None:
    """Raises ContractError for the first thing that is wrong, with its place."""
    for name, rows in told.items():
        _unique(name, rows)
    _indicators(told["indicator_definition"], shipped["indicator_definition"])
    for name, says in _SAYS.items():
        for row in told[name]:
            for why in says(row.row, told):
                raise row.refused(why)
    for name in ("indicator_threshold", "index_766_weight"):
        _apart(name, told[name])
    _classified(told)
    if not told["index_766_weight"]:
        raise ContractError("index_766_weight.csv: there is no component, of which the index could be made")


def _unique(name: str, rows: Iterable[SourceRow]) -> None:
    key = contract.load(name).key
    seen: dict[tuple[Any, ...], SourceRow] = {}
    for row in rows:
        told = tuple(row.row[column] for column in key)
        if told in seen:
            raise clash(seen[told], row, f"{' '.join(map(str, told))} is there twice; keep the one in force")
        seen[told] = row


def _indicators(rows: Sequence[SourceRow], shipped: Sequence[SourceRow]) -> None:
    computed = {row.row["kpi_id"]: row.row for row in shipped}
    for row in rows:
        if (indicator := computed.get(row.row["kpi_id"])) is None:
            raise row.refused(f"nothing computes an indicator {row.row['kpi_id']!r}; known are {', '.join(computed)}")
        for column in ("table_name", "unit"):
            if row.row[column] != indicator[column]:
                raise row.refused(f"{row.row['kpi_id']} {column.removesuffix('_name')} must be {indicator[column]}")
    if missing := set(_ratios(ratios.TABLE, {"indicator_definition": rows})) - ratios.ratios().keys():
        raise ContractError(
            f"{rows[0].file}: {', '.join(sorted(missing))}: a ratio of {ratios.TABLE} needs the key `ratio`"
        )
    if missing := computed.keys() - {row.row["kpi_id"] for row in rows}:
        raise ContractError(f"{rows[0].file} lacks {', '.join(sorted(missing))}: nothing would be published of it")
    _changed_over(rows, [row.row["kpi_id"] for row in shipped if row.row["definition_version"] == BOUNDARY[1]])


def _changed_over(rows: Sequence[SourceRow], kpis: Iterable[str]) -> None:
    boundary, version = BOUNDARY
    found = {row.row["kpi_id"]: row for row in rows if row.row["definition_version"] == version}
    for kpi_id in (boundary, *kpis):
        if kpi_id not in found:
            first = next(row for row in rows if row.row["kpi_id"] == kpi_id)
            raise first.refused(f'{kpi_id} has no version "{version}": levels of services count before its first day, modes from it')  # fmt: skip
    for kpi_id in kpis:
        if (begins := found[kpi_id].row["valid_from"]) != (day := found[boundary].row["valid_from"]):
            raise clash(found[boundary], found[kpi_id], f'{boundary} "{version}" begins {day}, {kpi_id} {begins}: modes count from one day on')  # fmt: skip


def _in_force(row: Mapping[str, Any], told: Rows) -> Iterator[str]:
    if row["valid_to"] and row["valid_to"] <= row["valid_from"]:
        yield f"valid_to {row['valid_to']} must be after valid_from {row['valid_from']}"


def _weight(row: Mapping[str, Any], told: Rows) -> Iterator[str]:
    yield from _in_force(row, told)
    if row["kpi_id"]:
        yield from _known("kpi_id", row["kpi_id"], _ratios("service_kpi", told))
    yield from _known("group_code", row["group_code"], GROUPS)
    if not 0 < row["full_at"] <= 1:
        yield f"full_at {row['full_at']:g} must be a ratio above 0, 1 at most"
    if row["maximum"] <= 0:
        yield f"maximum {row['maximum']:g} must be more than 0"


def _threshold(row: Mapping[str, Any], told: Rows) -> Iterator[str]:
    yield from _in_force(row, told)
    scopes = _scopes(told)
    yield from _known("threshold_id", row["threshold_id"], scopes)
    yield from _known(f"scope of {row['threshold_id']}", row["scope"], scopes[row["threshold_id"]])
    if row["colour"] and not COLOUR.fullmatch(row["colour"]):
        yield f"colour {row['colour']!r} must be written #rrggbb"
    if row["threshold_id"] == "institution_class":
        yield from (f"{name} of a class is missing" for name in ("label_vi", "label_en", "colour") if not row[name])
    most = {"institution_class": 100, "target": 1}.get(row["threshold_id"], float("inf"))
    if not 0 <= row["value"] <= most:
        yield f"value {row['value']:g} must be 0 or more{f', {most} at most' if most < float('inf') else ''}"
    if row["threshold_id"] == "low_activity" and row["value"] % 1:
        yield f"value {row['value']:g} must be a whole number of dossiers"


def _scopes(told: Rows) -> dict[str, Sequence[str]]:
    return {
        "low_activity": [f"{level}/{period}" for level in LEVELS for period in ("week", "half_month", *MONTHS)],
        "institution_class": CLASSES,
        "target": [f"{kpi_id}/{level}" for kpi_id in _ratios("document_kpi", told) for level in (*LEVELS, "ALL")],
        "implausible_above": sorted(_kpis("document_kpi", told)),
    }


def _reported(row: Mapping[str, Any], told: Rows) -> Iterator[str]:
    yield from _known("indicator_id", row["indicator_id"], UNITS)
    yield from _known(f"unit of {row['indicator_id']}", row["unit"], [UNITS[row["indicator_id"]]])
    yield from _known("period", row["period"], ("week", *MONTHS))
    if not is_start(row["period"], row["period_start"]):
        yield f"period_start {row['period_start']} begins no {row['period']}{'; weeks begin on Thursday' if row['period'] == 'week' else ''}"
    if row["amount"] < 0:
        yield f"amount {row['amount']} must be 0 or more"


_SAYS: dict[str, Says] = {
    "index_766_weight": _weight, "indicator_threshold": _threshold, "manual_indicator": _reported,
}  # fmt: skip


def _known(what: str, told: str, known: Iterable[str]) -> Iterator[str]:
    if told not in (known := list(known)):
        yield f"{what} {told!r} is not known; known are {', '.join(known)}"


def _kpis(table: str, told: Rows) -> dict[str, str]:
    return {r.row["kpi_id"]: r.row["unit"] for r in told["indicator_definition"] if r.row["table_name"] == table}


def _ratios(table: str, told: Rows) -> list[str]:
    return sorted(kpi for kpi, unit in _kpis(table, told).items() if unit == "ratio")


def _lives(name: str, rows: Iterable[SourceRow]) -> dict[tuple[Any, ...], list[SourceRow]]:
    key = [column for column in contract.load(name).key if column != "valid_from"]
    lives = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.row["valid_from"]):
        lives[tuple(row.row[column] for column in key)].append(row)
    return lives


def _apart(name: str, rows: Iterable[SourceRow]) -> None:
    for key, life in _lives(name, rows).items():
        for first, second in pairwise(life):
            if first.row["valid_to"] is None or first.row["valid_to"] > second.row["valid_from"]:
                begins = second.row["valid_from"]
                raise clash(first, second, f"{' '.join(key)} holds twice from {begins}; end the first with valid_to {begins} or before")  # fmt: skip


def _classified(told: Rows) -> None:
    # a value of no class breaks a rule of the map, and stops the publication
    since = min(r.row["valid_from"] for r in told["indicator_definition"] if r.row["kpi_id"] == "institution_map")
    lives = _lives("indicator_threshold", told["indicator_threshold"])
    classes = {name: lives.get(("institution_class", name), []) for name in CLASSES}
    if missing := [name for name, life in classes.items() if not life]:
        raise ContractError(f"indicator_threshold.csv: institution_class lacks {', '.join(missing)}")
    for name, life in classes.items():
        if (begins := life[0].row["valid_from"]) > since:
            raise life[0].refused(f"class {name} holds from {begins}, but the map begins {since}")
        for first, second in pairwise(life):
            if (ended := first.row["valid_to"]) < (begins := second.row["valid_from"]):
                raise clash(first, second, f"nothing is class {name} from {ended} until {begins}")
        if ended := life[-1].row["valid_to"]:
            raise life[-1].refused(f"nothing is class {name} from {ended}")
    for day in sorted({row.row["valid_from"] for life in classes.values() for row in life}):
        _ordered([_on(day, life) for life in classes.values()])


def _on(day: date, life: Sequence[SourceRow]) -> SourceRow:
    return next((row for row in reversed(life) if row.row["valid_from"] <= day), life[0])


def _ordered(classes: Sequence[SourceRow]) -> None:
    for better, worse in pairwise(classes):
        if better.row["value"] <= worse.row["value"]:
            raise clash(better, worse, f"class {better.row['scope']} must begin above {worse.row['scope']}")
    if (last := classes[-1]).row["value"] != 0:
        raise last.refused(f"class {last.row['scope']} must begin at 0: nothing else holds what is lower")
