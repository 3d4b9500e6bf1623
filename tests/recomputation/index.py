"""Recomputes the index of Decision 766 and the institution map, from the computed ratios and in exact fractions.

Where the definitions leave a choice: a component excludes what its indicator excludes; the total, and components without an
indicator, exclude nothing; quarantined records are counted in all of them; weights, classes and the agencies of territories
are those of the last day of the period. An agency that is in force on no day of the period is not ranked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from lgsp.vietnam import territory_versions
from tests.recomputation.definitions import Definitions
from tests.recomputation.facts import Facts
from tests.recomputation.periods import HALF_MONTH, Period, reached
from tests.recomputation.service import ALL

Row = tuple[tuple[Any, ...], dict[str, Any]]
GREY = "#9AA5B1"
WITHOUT_INDEX = (HALF_MONTH, "week")
LEAST_COVERAGE = Fraction(1, 2)
MERGER = date(2025, 7, 1)
_OLD_PROVINCE, _NEW_PROVINCE = "49", "48"  # Quảng Nam, which was merged into Đà Nẵng


@dataclass(frozen=True)
class Ratios:
    """The indicator rows of one agency, or of the province, in one period, by indicator."""

    organisation_id: str
    period: Period
    rows: Mapping[str, dict[str, Any]]
    is_ranked: bool

    @property
    def quarantined_count(self) -> int:
        """The number of quarantined records."""
        return max(int(row["quarantined_count"]) for row in self.rows.values())


def ratios(facts: Facts, service_kpi: list[Row]) -> list[Ratios]:
    """The computed ratios by agency, or ALL at all levels, and period."""
    by_key: dict[tuple[str, str, date], dict[str, dict[str, Any]]] = defaultdict(dict)
    for (kpi_id, organisation_id, level, name, start, _), values in service_kpi:
        if organisation_id != ALL or level == ALL:
            by_key[organisation_id, name, start][kpi_id] = values
    periods = {(p.name, p.start): p for p in reached(facts.first, facts.until) if p.name not in WITHOUT_INDEX}
    agency_by_id = {agency.id: agency for agency in facts.agencies}

    def is_ranked(agency_id: str, period: Period) -> bool:
        agency = agency_by_id.get(agency_id)
        if agency is None:
            return agency_id == ALL
        return agency.valid_from <= period.last_day and (agency.valid_to is None or agency.valid_to > period.start)

    return [
        Ratios(agency_id, periods[name, start], rows, is_ranked(agency_id, periods[name, start]))
        for (agency_id, name, start), rows in by_key.items()
        if (name, start) in periods
    ]


def _ratio(row: Mapping[str, Any]) -> Fraction | None:
    return Fraction(row["numerator"], row["denominator"]) if row["denominator"] else None


def index_766(all_ratios: list[Ratios], definitions: Definitions) -> Iterator[Row]:
    """Every row of the table, by key."""
    for ratios in (each for each in all_ratios if each.is_ranked):
        weights = list(definitions.components(ratios.period.last_day))
        if not weights:
            continue
        total_points, reachable = Fraction(0), Fraction(0)
        for component, kpi_id, maximum, full_at in weights:
            row = ratios.rows.get(
                kpi_id, {"numerator": None, "denominator": None, "excluded_count": 0, "quarantined_count": 0}
            )
            value = _ratio(row)
            points = None if value is None else maximum * min(Fraction(1), value / full_at)
            if points is not None:
                total_points, reachable = total_points + points, reachable + maximum
            counts = {n: row[n] for n in ("numerator", "denominator", "excluded_count")}
            yield _component(ratios, definitions, component), counts | {
                "value": value, "full_at": full_at, "points": points, "maximum": maximum, "coverage": None,
            } | _stamp(ratios, definitions)  # fmt: skip
        whole = sum(maximum for _, _, maximum, _ in weights)
        assert whole == 100, "the weights of the decision add up to 100"
        yield _component(ratios, definitions, "total"), {
            "numerator": None, "denominator": None, "value": total_points / reachable if reachable else None, "full_at": None,
            "points": total_points if reachable else None, "maximum": reachable, "coverage": reachable / whole,
            "excluded_count": 0,
        } | _stamp(ratios, definitions)  # fmt: skip


def _component(ratios: Ratios, definitions: Definitions, component: str) -> tuple[Any, ...]:
    return (ratios.organisation_id, ratios.period.name, ratios.period.start, component)


def _stamp(ratios: Ratios, definitions: Definitions) -> dict[str, Any]:
    version = definitions.version("index_766", ratios.period.last_day)
    return {
        "definition_version": version,
        "as_of": ratios.period.as_of,
        "is_complete": ratios.period.is_covered,
        "quarantined_count": ratios.quarantined_count,
    }


def institution_map(
    facts: Facts, all_ratios: list[Ratios], index: list[Row], definitions: Definitions
) -> Iterator[Row]:
    """Every row of the table, by key."""
    totals = {key[:3]: values for key, values in index if key[3] == "total"}
    by_key = {(ratios.organisation_id, ratios.period.name, ratios.period.start): ratios for ratios in all_ratios}
    for period in (p for p in reached(facts.first, facts.until) if p.name not in WITHOUT_INDEX):
        for unit, agency in _territories(facts, period).items():
            key = (agency, period.name, period.start)
            ratios = by_key.get(key)
            on_time = ratios.rows["on_time"] if ratios else None
            total = totals.get(key)
            if on_time is not None:
                values = (on_time["numerator"], on_time["denominator"], _ratio(on_time))
                yield (
                    (unit, period.name, period.start, "on_time"),
                    _map_row(definitions, period, agency, values, on_time),
                )
            if total is not None:
                values = (total["points"], total["maximum"], total["value"])
                yield (
                    (unit, period.name, period.start, "index_766"),
                    _map_row(definitions, period, agency, values, total),
                )


def _territories(facts: Facts, period: Period) -> dict[str, str]:
    """The agency of each territory on the last day of a period; ALL for the whole province."""
    code = _OLD_PROVINCE if period.last_day < MERGER else _NEW_PROVINCE
    assert territory_versions.unit_at(code, period.last_day) is not None
    agency_by_unit = {code: ALL}
    for agency in sorted(facts.agencies, key=lambda agency: agency.valid_from):
        is_in_force = agency.valid_from <= period.last_day and (
            agency.valid_to is None or period.last_day < agency.valid_to
        )
        if is_in_force and agency.kind == "peoples_committee" and agency.level in ("district", "commune"):
            agency_by_unit[agency.unit] = agency.id
    return agency_by_unit


def _map_row(
    definitions: Definitions,
    period: Period,
    agency: str,
    values: tuple[Any, Any, Fraction | None],
    row: Mapping[str, Any],
) -> dict[str, Any]:
    numerator, denominator, ratio = values
    value = None if ratio is None else 100 * ratio
    name, colour = "no_data", GREY
    coverage = row.get("coverage", Fraction(1))
    if value is not None and coverage >= LEAST_COVERAGE:
        name, colour = next(
            (name, colour) for bound, name, colour in definitions.classes(period.last_day) if value >= bound
        )
    return {
        "organisation_id": agency, "numerator": numerator, "denominator": denominator, "value": value, "class": name,
        "colour": colour, "coverage": coverage, "excluded_count": row["excluded_count"], "quarantined_count": row["quarantined_count"],
        "definition_version": definitions.version("institution_map", period.last_day), "as_of": period.as_of,
    }  # fmt: skip
