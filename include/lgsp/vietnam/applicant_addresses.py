"""Resolves the unit code and name of an applicant's address to the territory in force on a day.

Codes are reused for other territories, so a code alone is not enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from lgsp import config
from lgsp.vietnam import territories, territory_versions


@dataclass(frozen=True)
class ResolvedAddress:
    """The territory in force on a day; `is_outdated` is true when the address names a territory of another day."""

    unit: territory_versions.Unit
    is_outdated: bool


@config.cached()
def reform_dates() -> tuple[date, ...]:
    """The days on which communes changed, in order. Between two of these days a code means one territory."""
    return tuple(sorted({u.valid_from for u in territory_versions.units() if u.level == "commune"})[1:])


@config.cached()
def resolve(code: str, name: str | None, day: date) -> ResolvedAddress | None:
    """The commune that a code and its name mean on a day; None for a code of another province or an invalid code.

    The name decides between the territories that have used the code. A territory that is not in force on the day
    is followed through the crosswalk to its successor on that day.
    """
    padded = territory_versions.pad_code(code, "commune")
    if padded is None:
        return None
    current = territory_versions.unit_at(padded, day)
    if current and (name is None or _has_name(current, name)):
        return ResolvedAddress(current, False)
    versions = [unit for unit in territory_versions.units() if unit.code == padded and unit.level == "commune"]
    for unit in reversed([unit for unit in versions if name is not None and _has_name(unit, name)]):
        if successor := _successor_on(unit, day):
            return ResolvedAddress(successor, True)
    if current:
        return ResolvedAddress(current, False)
    past = [successor for unit in versions if unit.valid_from <= day and (successor := _successor_on(unit, day))]
    return ResolvedAddress(past[-1], True) if past else None


def _has_name(unit: territory_versions.Unit, name: str) -> bool:
    return (
        territory_versions.split_kind(territory_versions.key(name))[1]
        == territory_versions.split_kind(territory_versions.key(unit.name))[1]
    )


def _successor_on(unit: territory_versions.Unit, day: date) -> territory_versions.Unit | None:
    """The unit that the people of a unit belong to on a later day; None when it is unknown."""
    latest: territory_versions.Unit | None = unit
    while latest is not None and not latest.is_in_force(day):
        latest = territories.successor(latest) if latest.valid_to and latest.valid_to <= day else None
    return latest
