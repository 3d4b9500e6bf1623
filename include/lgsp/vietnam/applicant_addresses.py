"""Addresses: which territory an applicant's unit code and name mean on a day. A code alone does not tell: codes are reused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from lgsp.vietnam import territories, territory_versions


@dataclass(frozen=True)
class Meant:
    """The territory of a day, and whether the address was written in terms of another day."""

    unit: territory_versions.Unit
    is_outdated: bool


@cache
def reforms() -> tuple[date, ...]:
    """The days on which any commune changed, in order: between two of them a code means one thing."""
    return tuple(sorted({u.valid_from for u in territory_versions.units() if u.level == "commune"})[1:])


@cache
def meant(code: str, name: str | None, day: date) -> Meant | None:
    """The commune that a code and the name beside it mean on a day; None for one of another province, or none at all.

    The name decides which of the code's territories is spoken of; one that was given up since, or was not yet,
    is followed through the crosswalk to the territory of the day.
    """
    padded = territory_versions.padded(code, "commune")
    if padded is None:
        return None
    there = territory_versions.at(padded, day)
    if there and (name is None or _is_named(there, name)):
        return Meant(there, False)
    versions = [unit for unit in territory_versions.units() if unit.code == padded and unit.level == "commune"]
    for unit in reversed([unit for unit in versions if name is not None and _is_named(unit, name)]):
        if heir := _on(unit, day):
            return Meant(heir, True)
    if there:
        return Meant(there, False)
    past = [heir for unit in versions if unit.valid_from <= day and (heir := _on(unit, day))]
    return Meant(past[-1], True) if past else None


def _is_named(unit: territory_versions.Unit, name: str) -> bool:
    return (
        territory_versions.parted(territory_versions.key(name))[1]
        == territory_versions.parted(territory_versions.key(unit.name))[1]
    )


def _on(unit: territory_versions.Unit, day: date) -> territory_versions.Unit | None:
    """The unit that a unit's people belong to on a later day; None when that cannot be told."""
    found: territory_versions.Unit | None = unit
    while found is not None and not found.holds(day):
        found = territories.following(found) if found.valid_to and found.valid_to <= day else None
    return found
