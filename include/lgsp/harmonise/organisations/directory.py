"""Agencies: their durable ids, what kind they are, which territory they serve and who follows them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from lgsp.schema import codelists
from lgsp.vietnam import territories, territory_versions, text

OLD_CODE = re.compile(r"(\d{3})\.(\d{2})\.(\d{2})\.([A-Z]\d{2})")
NEW_CODE = re.compile(r"[A-Z]\d{2}(\.\d{1,3}){0,3}")
# Since 1 July 2025 communes stand directly under the province, with three digits: H47.101, H55.242.
_COMMUNE_CODE = re.compile(r"[A-Z]\d{2}\.\d{3}")

# The first group of an agency code is the province's; the last of these is where its departments belong.
PROVINCE_UNIT = {"H47": "49", "H17": "48", "H55": "19", "H03": "06"}

# Agencies carry no date in any list: their codes are those of QCVN 102:2016.
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
    """The territory an agency serves, during one version of it."""

    organisation_id: str
    unit: territory_versions.Unit

    @property
    def now(self) -> str | None:
        """The code of the same territory today."""
        found = territories.current_unit(self.unit)
        return found.code if found else None


@dataclass(frozen=True)
class Version:
    """What an agency's row says during some days; `heir_code` is the territory that took its own in when it ended."""

    organisation_id: str
    valid_from: date
    valid_to: date | None
    admin_unit_code: str | None
    heir_code: str | None


def identify(code: str | None) -> tuple[str, str | None, str] | None:
    """The durable id of an agency code, with its old and new form; None when it is no agency code.

    Signs that cannot be seen, spaces and small letters do not matter; the code list `agency_code` wins over the
    reversal of the groups.
    """
    seen = re.sub(r"\s", "", text.clean(code) or "").upper()
    match = OLD_CODE.fullmatch(seen)
    told = codelists.meanings("agency_code", "any").get(seen)
    if told is None and not match and not NEW_CODE.fullmatch(seen):
        return None
    new = told or _without_empty_groups(".".join(reversed(match.groups())) if match else seen)
    return new, seen if match else None, new


def _without_empty_groups(code: str) -> str:
    return re.sub(r"(\.0+)+$", "", code)


def kind(key: str) -> str:
    """What kind of agency a name (in canonical form) speaks of."""
    if key.startswith(COMMITTEE):
        return "peoples_committee"
    if key.startswith("ban quản lý"):
        return "project_board"
    if key.startswith("trung tâm"):
        return "service_centre"
    return "department"


def level(organisation_id: str, told: str | None, key: str = "") -> str:
    """The level a source tells, else that of the territory in a committee's name, else the one its code has.

    H47.07 and H47.20 look alike, so by code the province comes first.
    """
    if told:
        return told
    territory_kind, _ = (
        territory_versions.split_kind(key.removeprefix(COMMITTEE)) if key.startswith(COMMITTEE) else (None, "")
    )
    if _COMMUNE_CODE.fullmatch(organisation_id) or territory_kind in ("xã", "phường", "thị trấn", "đặc khu"):
        return "commune"
    if territory_kind in ("huyện", "quận", "thị xã", "thành phố") and "." in organisation_id:
        return "district"
    return ("province", "province", "commune")[min(organisation_id.count("."), 2)]


def directory(rows: Iterable[tuple[str | None, str | None, str | None, str | None, str]]) -> list[Organisation]:
    """The agencies of a list of (code, name, level, parent's code, raw pointer); rows without a usable code are left out."""
    found: dict[str, Organisation] = {}
    for code, name, told_level, parent, pointer in rows:
        identity, cleaned, key = identify(code), text.clean(name), text.key(name)
        if identity is None or cleaned is None or key is None:
            continue
        mother = identify(parent)
        found[identity[0]] = Organisation(
            *identity,
            cleaned,
            key,
            level(identity[0], told_level, key),
            kind(key),
            mother[0] if mother else None,
            pointer,
        )
    return sorted(found.values(), key=lambda organisation: organisation.organisation_id)


def by_name(organisations: Iterable[Organisation]) -> dict[str, str]:
    """Canonical name to id, for the names that only one agency bears."""
    ids: dict[str, set[str]] = defaultdict(set)
    for organisation in organisations:
        ids[organisation.key].add(organisation.organisation_id)
    return {key: next(iter(found)) for key, found in ids.items() if len(found) == 1}


def places(organisations: Iterable[Organisation]) -> list[Place]:
    """The territory of each agency on each day: by its name under its parent's territory, else the province's."""
    organisations = list(organisations)
    found = _Places(organisations)
    return [Place(o.organisation_id, unit) for o in organisations for unit in found.of(o)]


class _Places:
    """The versions of territories that the agencies of a directory serve, in order of time."""

    def __init__(self, organisations: list[Organisation]) -> None:
        self._by_id = {organisation.organisation_id: organisation for organisation in organisations}
        committees = [o for o in organisations if o.kind == "peoples_committee" and o.level != "province"]
        self._named: dict[str, list[territory_versions.Unit]] = {}
        for organisation in sorted(committees, key=lambda o: o.level == "commune"):  # districts first
            self._named[organisation.organisation_id] = self._under_its_name(organisation)
        borne = {(unit.code, unit.since) for units in self._named.values() for unit in units}
        self._named = {id_: _kept_code(units, borne) for id_, units in self._named.items()}

    def of(self, organisation: Organisation) -> list[territory_versions.Unit]:
        """A committee's own territory; everybody else's is that of whom they belong to."""
        if organisation.level == "province":
            return _province(organisation.organisation_id)
        if organisation.kind == "peoples_committee":
            return self._named[organisation.organisation_id]
        mother = self._mother(organisation)
        return self._named[mother.organisation_id] if mother else _province(organisation.organisation_id)

    def _mother(self, organisation: Organisation) -> Organisation | None:
        """The committee of a district or commune that an agency belongs to, however many steps above it."""
        seen = {organisation.organisation_id}
        mother = self._above(organisation)
        while mother and mother.level != "province" and mother.organisation_id not in seen:
            if mother.kind == "peoples_committee":
                return mother
            seen.add(mother.organisation_id)
            mother = self._above(mother)
        return None

    def _above(self, organisation: Organisation) -> Organisation | None:
        return self._by_id.get(organisation.parent_id or organisation.organisation_id.rpartition(".")[0])

    def _under_its_name(self, organisation: Organisation) -> list[territory_versions.Unit]:
        """The territory an agency's name speaks of, among those its mother serves, else in the province."""
        name = organisation.key.removeprefix(COMMITTEE)
        province = _province(organisation.organisation_id)
        mother = self._mother(organisation)
        above = self._named.get(mother.organisation_id, []) if mother else []
        districts = territories.children(province) if organisation.level == "commune" and not mother else []
        for parents in (above, province, districts):
            if found := territories.versions_by_name(name, organisation.level, parents):
                return found
        return []


def _province(organisation_id: str) -> list[territory_versions.Unit]:
    """The province of an agency code, then the one it was merged into."""
    code = PROVINCE_UNIT.get(organisation_id.split(".")[0])
    found = [unit for unit in territory_versions.units() if unit.code == code]
    for unit in found[-1:]:
        heir = territories.current_unit(unit)
        if unit.valid_to is not None and heir is not None:
            found.append(replace(heir, valid_from=unit.valid_to))
    return found


def _kept_code(units: list[territory_versions.Unit], borne: set[tuple[str, date]]) -> list[territory_versions.Unit]:
    """The territory before and after the change of January 2025 under one code and another name.

    Xã Hiệp Hòa took in a neighbour and was called Quế Tân: its committee went on. Whose name another agency
    bears is left to that agency; the communes of July 2025 had new committees, whatever their codes.
    """
    if not units:
        return []
    day = territory_versions.FIRST_CHANGE
    after = territories.successor(units[-1]) if units[-1].valid_to == day else None
    if after and after.code == units[-1].code and (after.code, after.since) not in borne:
        return units + territories.history(after)
    before = territory_versions.unit_at(units[0].code, day - timedelta(days=1)) if units[0].since == day else None
    if before and territories.successor(before) == units[0] and (before.code, before.since) not in borne:
        return territories.history(before) + units
    return units


COLUMNS = (
    "organisation_id varchar, code_old varchar, code_new varchar, name varchar, level varchar, kind varchar, "
    "parent_id varchar, raw_pointer varchar, key varchar, admin_unit_code varchar, versions varchar"
)


def rows(organisations: Iterable[Organisation], places: Iterable[Place]) -> list[dict[str, Any]]:
    """The agencies as rows of `COLUMNS`: with their newest territory, and with what they were when, as JSON."""
    organisations = list(organisations)
    told: dict[str, list[Version]] = defaultdict(list)
    for version in versions(organisations, places):
        told[version.organisation_id].append(version)
    return [
        {
            "organisation_id": o.organisation_id,
            "code_old": o.code_old,
            "code_new": o.code_new,
            "name": o.name,
            "level": o.level,
            "kind": o.kind,
            "parent_id": o.parent_id,
            "raw_pointer": o.raw_pointer,
            "key": o.key,
            "admin_unit_code": told[o.organisation_id][-1].admin_unit_code,
            "versions": json.dumps([_told(version) for version in told[o.organisation_id]]),
        }
        for o in organisations
    ]


def _told(version: Version) -> dict[str, str | None]:
    return {
        "valid_from": version.valid_from.isoformat(),
        "valid_to": version.valid_to.isoformat() if version.valid_to else None,
        "admin_unit_code": version.admin_unit_code,
        "heir_code": version.heir_code,
    }


def versions(organisations: Iterable[Organisation], places: Iterable[Place]) -> list[Version]:
    """What the rows of agencies say on each day: one version for each change of the territory's code, at least one."""
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
