"""The index of Decision 766 and the institution map, from our own ratios and in exact fractions.

How the definitions are read where they leave a choice: a component leaves out what its indicator does, the total and
components that no indicator tells leave out nothing, and all of them miss what is in quarantine; weights, classes and the
agencies of territories are those of the period's last day. An agency that was there on no day of a period is not ranked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from lgsp.vietnam import territory_versions
from tests.recomputation.facts import Facts
from tests.recomputation.periods import HALF_MONTH, Period, reached
from tests.recomputation.service import ALL
from tests.recomputation.told import Definitions

Row = tuple[tuple[Any, ...], dict[str, Any]]
GREY = "#9AA5B1"
MERGER = date(2025, 7, 1)
_OLD_PROVINCE, _NEW_PROVINCE = "49", "48"  # Quảng Nam, and Đà Nẵng that it became part of


@dataclass(frozen=True)
class Ratios:
    """The ratios of one agency, or the province, in one period."""

    organisation_id: str
    period: Period
    rows: Mapping[str, dict[str, Any]]
    is_ranked: bool

    @property
    def held(self) -> int:
        """What is in quarantine."""
        return max(int(row["quarantined_count"]) for row in self.rows.values())


def ratios(facts: Facts, service_kpi: list[Row]) -> list[Ratios]:
    """Our ratios by agency, or ALL at all levels, and period."""
    found: dict[tuple[str, str, date], dict[str, dict[str, Any]]] = defaultdict(dict)
    for (kpi_id, organisation_id, level, name, start, _), values in service_kpi:
        if organisation_id != ALL or level == ALL:
            found[organisation_id, name, start][kpi_id] = values
    periods = {(p.name, p.start): p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH}
    known = {agency.id: agency for agency in facts.agencies}

    def is_there(who: str, period: Period) -> bool:
        agency = known.get(who)
        if agency is None:
            return who == ALL
        return agency.valid_from <= period.last_day and (agency.valid_to is None or agency.valid_to > period.start)

    return [
        Ratios(who, periods[name, start], rows, is_there(who, periods[name, start]))
        for (who, name, start), rows in found.items()
    ]


def _ratio(row: Mapping[str, Any]) -> Fraction | None:
    return Fraction(row["numerator"], row["denominator"]) if row["denominator"] else None


def index_766(every: list[Ratios], told: Definitions) -> Iterator[Row]:
    """Every row of the table, by key."""
    for ours in (each for each in every if each.is_ranked):
        weights = list(told.components(ours.period.last_day))
        if not weights:
            continue
        points, reachable = Fraction(0), Fraction(0)
        for component, kpi_id, maximum, full_at in weights:
            row = ours.rows.get(
                kpi_id, {"numerator": None, "denominator": None, "excluded_count": 0, "quarantined_count": 0}
            )
            value = _ratio(row)
            got = None if value is None else maximum * min(Fraction(1), value / full_at)
            if got is not None:
                points, reachable = points + got, reachable + maximum
            said = {n: row[n] for n in ("numerator", "denominator", "excluded_count")}
            yield _component(ours, told, component), said | {
                "value": value, "full_at": full_at, "points": got, "maximum": maximum, "coverage": None,
            } | _stamp(ours, told)  # fmt: skip
        whole = sum(maximum for _, _, maximum, _ in weights)
        assert whole == 100, "the weights of the decision make a hundred"
        yield _component(ours, told, "total"), {
            "numerator": None, "denominator": None, "value": points / reachable if reachable else None, "full_at": None,
            "points": points if reachable else None, "maximum": reachable, "coverage": reachable / whole,
            "excluded_count": 0,
        } | _stamp(ours, told)  # fmt: skip


def _component(ours: Ratios, told: Definitions, component: str) -> tuple[Any, ...]:
    return (ours.organisation_id, ours.period.name, ours.period.start, component)


def _stamp(ours: Ratios, told: Definitions) -> dict[str, Any]:
    version = told.version("index_766", ours.period.last_day)
    return {"definition_version": version, "as_of": ours.period.as_of, "quarantined_count": ours.held}


def institution_map(facts: Facts, every: list[Ratios], index: list[Row], told: Definitions) -> Iterator[Row]:
    """Every row of the table, by key."""
    totals = {key[:3]: values for key, values in index if key[3] == "total"}
    by_key = {(ours.organisation_id, ours.period.name, ours.period.start): ours for ours in every}
    for period in (p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH):
        for unit, agency in _territories(facts, period).items():
            key = (agency, period.name, period.start)
            ours = by_key.get(key)
            on_time = ours.rows["on_time"] if ours else None
            total = totals.get(key)
            if on_time is not None:
                said = (on_time["numerator"], on_time["denominator"], _ratio(on_time))
                yield (unit, period.name, period.start, "on_time"), _shown(told, period, agency, said, on_time)
            if total is not None:
                said = (total["points"], total["maximum"], total["value"])
                yield (unit, period.name, period.start, "index_766"), _shown(told, period, agency, said, total)


def _territories(facts: Facts, period: Period) -> dict[str, str]:
    """Who answers for each territory on the last day of a period; for the whole province nobody but ALL."""
    code = _OLD_PROVINCE if period.last_day < MERGER else _NEW_PROVINCE
    assert territory_versions.at(code, period.last_day) is not None
    found = {code: ALL}
    for agency in sorted(facts.agencies, key=lambda agency: agency.valid_from):
        is_there = agency.valid_from <= period.last_day and (
            agency.valid_to is None or period.last_day < agency.valid_to
        )
        if is_there and agency.kind == "peoples_committee" and agency.level in ("district", "commune"):
            found[agency.unit] = agency.id
    return found


def _shown(
    told: Definitions, period: Period, agency: str, said: tuple[Any, Any, Fraction | None], row: Mapping[str, Any]
) -> dict[str, Any]:
    numerator, denominator, ratio = said
    value = None if ratio is None else 100 * ratio
    name, colour = "no_data", GREY
    if value is not None:
        name, colour = next((name, colour) for bound, name, colour in told.classes(period.last_day) if value >= bound)
    return {
        "organisation_id": agency, "numerator": numerator, "denominator": denominator, "value": value, "class": name,
        "colour": colour, "excluded_count": row["excluded_count"], "quarantined_count": row["quarantined_count"],
        "definition_version": told.version("institution_map", period.last_day), "as_of": period.as_of,
    }  # fmt: skip
