"""Territories through time: versions of units, the crosswalk between them, and where each unit is today.

Four provinces (Quảng Nam 49, Đà Nẵng 48, Thái Nguyên 19, Bắc Kạn 06) in three epochs, cut by the changes of
1 January and 1 July 2025, and the changes of name and kind within an epoch that kept the code. Shifts of a border
between two wards that both lived on (Hòa Minh, Thuận Phước and Thọ Quang in Đà Nẵng) are not told apart.
A code is used again for another territory, so no question here is answered from a code without a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from functools import cache
from itertools import pairwise

from lgsp.vietnam.territory_versions import Unit, at, by_code, crosswalk, key, official_spellings, parted, units


def following(unit: Unit) -> Unit | None:
    """The unit that a unit's counts belong to from the day it ended, by the default line; None when there is none."""
    if unit.valid_to is None:
        return None
    if code := _defaults().get((unit.code, unit.valid_to)):
        return at(code, unit.valid_to)
    later = at(unit.code, unit.valid_to)
    return later if later and later.since == unit.since else None


def target(unit: Unit) -> Unit | None:
    """The unit of today that a unit's counts belong to, by the default lines; None for a district that was dissolved."""
    found: Unit | None = unit
    while found is not None and found.valid_to is not None:
        found = following(found)
    return found


def history(unit: Unit) -> list[Unit]:
    """All versions of the territory that a unit is a version of."""
    return [version for version in by_code()[unit.code] if version.since == unit.since]


def children(above: Collection[Unit]) -> list[Unit]:
    """Every version of every unit that lay in one of the units above."""
    return [unit for unit in units() if any(_is_in(unit, other) for other in above)]


def _is_in(unit: Unit, above: Unit) -> bool:
    began = max(unit.valid_from, above.valid_from)
    return unit.parent_code == above.code and all(end is None or began < end for end in (unit.valid_to, above.valid_to))


@cache
def _defaults() -> dict[tuple[str, date], str]:
    return {(line.from_code, line.effective_on): line.to_code for line in crosswalk() if line.is_default}


@cache
def today() -> dict[tuple[str, date], str | None]:
    """For each version (code, valid_from) the code of the territory today; None for a dissolved district."""
    found = {(unit.code, unit.valid_from): target(unit) for unit in units()}
    return {version: None if unit is None else unit.code for version, unit in found.items()}


def find(name: str, level: str, parents: Collection[str], day: date) -> list[Unit]:
    """The units of a day that a name means among the children of `parents`; with or without its kind, in any spelling.

    A name with another kind than the unit's finds it when the unit bore that full name before or after, under the same code
    and as the same territory: "xã Điện Minh" was written long after it had become a ward. Accents and kinds are
    never guessed: several units mean that the name alone does not tell.
    """
    living = [u for u in _by_bare_name().get(_bare(name), ()) if u.level == level]
    there = {(u.code, u.since): at(u.code, day) for u in living}
    wanted = key(name)
    kind, _ = parted(wanted)
    found = []
    for (code, since), unit in there.items():
        if unit is None or unit.since != since or unit.parent_code not in parents:
            continue
        if kind is None or any(wanted in _names(u) for u in by_code()[code] if u.since == since):
            found.append(unit)
    exact = [unit for unit in found if wanted in _names(unit)]
    return exact or found


def named(name: str, level: str, above: Collection[Unit]) -> list[Unit]:
    """Every version, in order of time, of the territory that bore a name in one of the units above.

    Empty when two units bore it at one time. A name with a kind its unit never had finds it all the same.
    """
    there = [u for u in _by_bare_name().get(_bare(name), ()) if u.level == level and any(_is_in(u, a) for a in above)]
    exact = [unit for unit in there if key(name) in _names(unit)]
    found = sorted({version for unit in exact or there for version in history(unit)}, key=lambda unit: unit.valid_from)
    is_one = all(one.valid_to and one.valid_to <= other.valid_from for one, other in pairwise(found))
    return found if is_one else []


def _bare(name: str) -> str:
    return parted(key(name))[1]


def _names(unit: Unit) -> set[str]:
    """A unit's full name in all its spellings, for comparing."""
    others = [
        spelled for (code, spelled), name in official_spellings().items() if (code, name) == (unit.code, unit.name)
    ]
    return {key(unit.name), *others}


@cache
def _by_bare_name() -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = defaultdict(list)
    for unit in units():
        for name in _names(unit):
            found[parted(name)[1]].append(unit)
    return found
