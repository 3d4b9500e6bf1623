"""Finds territories by name and day, and follows each one through the mergers to the territory of today.

Covers four provinces (Quảng Nam 49, Đà Nẵng 48, Thái Nguyên 19, Bắc Kạn 06), and those that LGSP_CONFIG describes, in
three epochs, separated by the changes of
1 January and 1 July 2025, with the changes of name and kind within an epoch that kept the code. Border changes between
two wards that both continued (Hòa Minh, Thuận Phước and Thọ Quang in Đà Nẵng) are not recorded.
Codes are reused for other territories, so every lookup by code needs a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from itertools import pairwise

from lgsp import config
from lgsp.vietnam.territory_versions import (
    Unit,
    by_code,
    crosswalk,
    key,
    official_spellings,
    split_kind,
    unit_at,
    units,
)


def successor(unit: Unit) -> Unit | None:
    """The unit that a unit's counts belong to from the day it ended, by its default line; None when there is none."""
    if unit.valid_to is None:
        return None
    if code := _default_codes().get((unit.code, unit.valid_to)):
        return unit_at(code, unit.valid_to)
    later = unit_at(unit.code, unit.valid_to)
    return later if later and later.since == unit.since else None


def current_unit(unit: Unit) -> Unit | None:
    """The unit of today that a unit's counts belong to, by the default lines; None for a district that was dissolved."""
    latest: Unit | None = unit
    while latest is not None and latest.valid_to is not None:
        latest = successor(latest)
    return latest


def history(unit: Unit) -> list[Unit]:
    """All versions of the territory that a unit is a version of."""
    return [version for version in by_code()[unit.code] if version.since == unit.since]


def children(parents: Collection[Unit]) -> list[Unit]:
    """Every version of every unit that was part of one of the parent units."""
    found = {place: unit for parent in parents for place, unit in _by_parent()[parent.code] if _overlap(unit, parent)}
    return [found[place] for place in sorted(found)]


def _is_in(unit: Unit, parent: Unit) -> bool:
    return unit.parent_code == parent.code and _overlap(unit, parent)


@config.cached()
def _by_parent() -> dict[str, list[tuple[int, Unit]]]:
    """The units with this parent code, each with its place in `units()`."""
    children: dict[str, list[tuple[int, Unit]]] = defaultdict(list)
    for place, unit in enumerate(units()):
        if unit.parent_code is not None:
            children[unit.parent_code].append((place, unit))
    return children


def _overlap(unit: Unit, parent: Unit) -> bool:
    start = max(unit.valid_from, parent.valid_from)
    return all(end is None or start < end for end in (unit.valid_to, parent.valid_to))


@config.cached()
def _default_codes() -> dict[tuple[str, date], str]:
    return {(line.from_code, line.effective_on): line.to_code for line in crosswalk() if line.is_default}


@config.cached()
def current_codes() -> dict[tuple[str, date], str | None]:
    """For each version (code, valid_from) the code of its territory today; None for a dissolved district."""
    current = {(unit.code, unit.valid_from): current_unit(unit) for unit in units()}
    return {version: None if unit is None else unit.code for version, unit in current.items()}


def find(name: str, level: str, parents: Collection[str], day: date) -> list[Unit]:
    """The units of a level that a name means on a day, among the units whose parent code is in `parents`.

    The name may be in any spelling, with or without its kind. A name with another kind than the unit's matches when
    the unit had that full name at another time, under the same code and as the same territory: "xã Điện Minh" was
    still written long after it had become a ward. Accents and kinds are never guessed. Several units in the result
    mean that the name alone is ambiguous.
    """
    same_name = [u for u in _by_bare_name().get(_bare(name), ()) if u.level == level]
    units_of_day = {(u.code, u.since): unit_at(u.code, day) for u in same_name}
    wanted = key(name)
    kind, _ = split_kind(wanted)
    found = []
    for (code, since), unit in units_of_day.items():
        if unit is None or unit.since != since or unit.parent_code not in parents:
            continue
        if kind is None or any(wanted in _names(u) for u in by_code()[code] if u.since == since):
            found.append(unit)
    exact = [unit for unit in found if wanted in _names(unit)]
    return exact or found


def versions_by_name(name: str, level: str, parents: Collection[Unit]) -> list[Unit]:
    """Every version, in order of time, of the territory that had a name within one of the parent units.

    Empty when two units had the name at the same time. The name matches also with a kind that its unit never had.
    """
    same_name = [
        u for u in _by_bare_name().get(_bare(name), ()) if u.level == level and any(_is_in(u, p) for p in parents)
    ]
    exact = [unit for unit in same_name if key(name) in _names(unit)]
    versions = sorted({v for unit in exact or same_name for v in history(unit)}, key=lambda unit: unit.valid_from)
    is_unique = all(before.valid_to and before.valid_to <= after.valid_from for before, after in pairwise(versions))
    return versions if is_unique else []


def _bare(name: str) -> str:
    return split_kind(key(name))[1]


def _names(unit: Unit) -> set[str]:
    """The comparison keys of a unit's full name in all its spellings."""
    others = [
        spelled for (code, spelled), name in official_spellings().items() if (code, name) == (unit.code, unit.name)
    ]
    return {key(unit.name), *others}


@config.cached()
def _by_bare_name() -> dict[str, list[Unit]]:
    index: dict[str, list[Unit]] = defaultdict(list)
    for unit in units():
        for name in _names(unit):
            index[split_kind(name)[1]].append(unit)
    return index
