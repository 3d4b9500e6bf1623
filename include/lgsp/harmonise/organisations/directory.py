"""Build the directory of agencies: their permanent ids, kinds, levels, territories and successors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from lgsp import config
from lgsp.schema import codelists
from lgsp.vietnam import territories, territory_versions, text

OLD_CODE = re.compile(r"(\d{3})\.(\d{2})\.(\d{2})\.([A-Z]\d{2})")
NEW_CODE = re.compile(r"[A-Z]\d{2}(\.\d{1,3}){0,3}")
# Since 1 July 2025 communes are directly below the province, with three digits: H47.101, H55.242.
_COMMUNE_CODE = re.compile(r"[A-Z]\d{2}\.\d{3}")

# No list has the start date of an agency; the codes of agencies begin with QCVN 102:2016.
CODES_BEGAN = date(2016, 4, 1)

COMMITTEE = "ủy ban nhân dân "


@dataclass(frozen=True)
class Organisation:
    """One agency of one source's list."""

    organisation_id: str
    code_old: str | None
    code_new: str | None
    name: str
    key: str
    level: str
    kind: str
    parent_id: str | None
    raw_pointer: str


@dataclass(frozen=True)
class Place:
    """The territory that an agency serves, during one version of that territory."""

    organisation_id: str
    unit: territory_versions.Unit

    @property
    def now(self) -> str | None:
        """The code of the same territory today."""
        current = territories.current_unit(self.unit)
        return current.code if current else None


@dataclass(frozen=True)
class Version:
    """The territory of an agency from one day to another; `heir_code` is the territory that its own became part of."""

    organisation_id: str
    valid_from: date
    valid_to: date | None
    admin_unit_code: str | None
    heir_code: str | None


def identify(code: str | None) -> tuple[str, str | None, str] | None:
    """The permanent id of an agency code, with its old and new form; None when the text is not an agency code.

    Invisible characters, spaces and letter case are ignored. The code list `agency_code` has precedence over the reversal
    of the groups.
    """
    cleaned = re.sub(r"\s", "", text.clean(code) or "").upper()
    match = OLD_CODE.fullmatch(cleaned)
    listed = codelists.meanings("agency_code", "any").get(cleaned)
    if listed is None and not match and not NEW_CODE.fullmatch(cleaned):
        return None
    new = listed or _without_empty_groups(".".join(reversed(match.groups())) if match else cleaned)
    return new, cleaned if match else None, new


def _without_empty_groups(code: str) -> str:
    return re.sub(r"(\.0+)+$", "", code)


def kind(key: str) -> str:
    """The kind of agency, from its name in canonical form."""
    if key.startswith(COMMITTEE):
        return "peoples_committee"
    if key.startswith("ban quản lý"):
        return "project_board"
    if key.startswith("trung tâm"):
        return "service_centre"
    return "department"


def level(organisation_id: str, source_level: str | None, key: str = "") -> str:
    """The level of an agency: from the source, else from the territory in a committee's name, else from the code.

    A code such as H47.07 may belong to a department or a district, so by code it is of level `province`.
    """
    if source_level:
        return source_level
    territory_kind, _ = (
        territory_versions.split_kind(key.removeprefix(COMMITTEE)) if key.startswith(COMMITTEE) else (None, "")
    )
    if _COMMUNE_CODE.fullmatch(organisation_id) or territory_kind in ("xã", "phường", "thị trấn", "đặc khu"):
        return "commune"
    if territory_kind in ("huyện", "quận", "thị xã", "thành phố") and "." in organisation_id:
        return "district"
    return ("province", "province", "commune")[min(organisation_id.count("."), 2)]


def directory(rows: Iterable[tuple[str | None, str | None, str | None, str | None, str]]) -> list[Organisation]:
    """The agencies of a list of (code, name, level, parent's code, raw pointer), without rows that have no usable code."""
    agencies: dict[str, Organisation] = {}
    for code, name, source_level, parent_code, pointer in rows:
        identity, cleaned, key = identify(code), text.clean(name), text.key(name)
        if identity is None or cleaned is None or key is None:
            continue
        parent = identify(parent_code)
        agencies[identity[0]] = Organisation(
            *identity,
            cleaned,
            key,
            level(identity[0], source_level, key),
            kind(key),
            parent[0] if parent else None,
            pointer,
        )
    return sorted(agencies.values(), key=lambda organisation: organisation.organisation_id)


def by_name(organisations: Iterable[Organisation]) -> dict[str, str]:
    """Canonical name to id, for the names that only one agency has."""
    ids: dict[str, set[str]] = defaultdict(set)
    for organisation in organisations:
        ids[organisation.key].add(organisation.organisation_id)
    return {key: next(iter(named)) for key, named in ids.items() if len(named) == 1}


def places(organisations: Iterable[Organisation]) -> list[Place]:
    """The territories of each agency: by its name within the territory of its parent, else the province."""
    return list(_places(tuple(replace(organisation, raw_pointer="") for organisation in organisations)))


@config.cached(most=8)  # the lists of one batch after another seldom differ
def _places(organisations: tuple[Organisation, ...]) -> tuple[Place, ...]:
    territories_served = _Places(organisations)
    return tuple(Place(o.organisation_id, unit) for o in organisations for unit in territories_served.units(o))


class _Places:
    """Finds the versions of the territories that the agencies of a directory serve, in order of time."""

    def __init__(self, organisations: Sequence[Organisation]) -> None:
        self._by_id = {organisation.organisation_id: organisation for organisation in organisations}
        committees = [o for o in organisations if o.kind == "peoples_committee" and o.level != "province"]
        self._by_committee: dict[str, list[territory_versions.Unit]] = {}
        for organisation in sorted(committees, key=lambda o: o.level == "commune"):  # districts first
            self._by_committee[organisation.organisation_id] = self._units_by_name(organisation)
        named = {(unit.code, unit.since) for units in self._by_committee.values() for unit in units}
        self._by_committee = {id_: _with_renamed(units, named) for id_, units in self._by_committee.items()}

    def units(self, organisation: Organisation) -> list[territory_versions.Unit]:
        """The territory of a committee; of other agencies, the territory of the committee that they belong to."""
        if organisation.level == "province":
            return _province(organisation.organisation_id)
        if organisation.kind == "peoples_committee":
            return self._by_committee[organisation.organisation_id]
        committee = self._committee_above(organisation)
        return self._by_committee[committee.organisation_id] if committee else _province(organisation.organisation_id)

    def _committee_above(self, organisation: Organisation) -> Organisation | None:
        """The nearest committee of a district or commune above an agency."""
        seen = {organisation.organisation_id}
        parent = self._parent(organisation)
        while parent and parent.level != "province" and parent.organisation_id not in seen:
            if parent.kind == "peoples_committee":
                return parent
            seen.add(parent.organisation_id)
            parent = self._parent(parent)
        return None

    def _parent(self, organisation: Organisation) -> Organisation | None:
        return self._by_id.get(organisation.parent_id or organisation.organisation_id.rpartition(".")[0])

    def _units_by_name(self, organisation: Organisation) -> list[territory_versions.Unit]:
        """The territory in the name of a committee, within that of the committee above it, else in the province."""
        name = organisation.key.removeprefix(COMMITTEE)
        province = _province(organisation.organisation_id)
        committee = self._committee_above(organisation)
        above = self._by_committee.get(committee.organisation_id, []) if committee else []
        districts = territories.children(province) if organisation.level == "commune" and not committee else []
        for parents in (above, province, districts):
            if units := territories.versions_by_name(name, organisation.level, parents):
                return units
        return []


def _province(organisation_id: str) -> list[territory_versions.Unit]:
    """The province of an agency code, then the one it was merged into."""
    return list(_province_units(territory_versions.provinces_by_agency_code().get(organisation_id.split(".")[0])))


@config.cached()
def _province_units(code: str | None) -> tuple[territory_versions.Unit, ...]:
    units = [unit for unit in territory_versions.units() if unit.code == code]
    for unit in units[-1:]:
        heir = territories.current_unit(unit)
        if unit.valid_to is not None and heir is not None:
            units.append(replace(heir, valid_from=unit.valid_to))
    return tuple(units)


def _with_renamed(units: list[territory_versions.Unit], named: set[tuple[str, date]]) -> list[territory_versions.Unit]:
    """The versions of a territory, with those before or after it was renamed in January 2025 under the same code.

    Xã Hiệp Hòa was merged with a neighbour and renamed Quế Tân; its committee continued. A version with the name of
    another agency (`named`) belongs to that agency. The communes of July 2025 have new committees, whatever their codes.
    """
    if not units:
        return []
    day = territory_versions.FIRST_CHANGE
    after = territories.successor(units[-1]) if units[-1].valid_to == day else None
    if after and after.code == units[-1].code and (after.code, after.since) not in named:
        return units + territories.history(after)
    before = territory_versions.unit_at(units[0].code, day - timedelta(days=1)) if units[0].since == day else None
    if before and territories.successor(before) == units[0] and (before.code, before.since) not in named:
        return territories.history(before) + units
    return units


COLUMNS = (
    "organisation_id varchar, code_old varchar, code_new varchar, name varchar, level varchar, kind varchar, "
    "parent_id varchar, raw_pointer varchar, key varchar"
)


def rows(organisations: Iterable[Organisation]) -> list[dict[str, Any]]:
    """The agencies as rows of `COLUMNS`."""
    return [dict(vars(organisation)) for organisation in organisations]


def versions(organisations: Iterable[Organisation], places: Iterable[Place]) -> list[Version]:
    """The versions of the agencies: one for each code of their territory, and at least one for each agency."""
    served: dict[str, list[territory_versions.Unit]] = defaultdict(list)
    for place in places:
        served[place.organisation_id].append(place.unit)
    return [version for o in organisations for version in _versions(o, served[o.organisation_id])]


def _versions(organisation: Organisation, units: list[territory_versions.Unit]) -> Iterator[Version]:
    if not units:
        yield Version(organisation.organisation_id, CODES_BEGAN, None, None, None)
    for code, same in groupby(units, key=lambda unit: unit.code):
        group = list(same)
        first, last = group[0], group[-1]
        heir = territories.successor(last) if last is units[-1] else None
        began = max(first.valid_from, CODES_BEGAN)
        yield Version(organisation.organisation_id, began, last.valid_to, code, heir.code if heir else None)
