"""Agencies: their durable ids, what kind they are, and which territory they serve."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from lgsp import territory, text

OLD_CODE = re.compile(r"(\d{3})\.(\d{2})\.(\d{2})\.([A-Z]\d{2})")
NEW_CODE = re.compile(r"[A-Z]\d{2}(\.\d{1,3}){0,3}")

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
    unit: territory.Unit

    @property
    def now(self) -> str | None:
        """The code of the same territory today."""
        return territory.today()[(self.unit.code, self.unit.valid_from)]


def identify(code: str | None) -> tuple[str, str | None, str] | None:
    """The durable id of an agency code, with its old and new form; None when it is no agency code."""
    code = (code or "").strip()
    if match := OLD_CODE.fullmatch(code):
        new = re.sub(r"(\.0+)+$", "", ".".join(reversed(match.groups())))
        return new, code, new
    if NEW_CODE.fullmatch(code):
        return code, None, code
    return None


def kind(key: str) -> str:
    """What kind of agency a name (in canonical form) speaks of."""
    if key.startswith(COMMITTEE):
        return "peoples_committee"
    if key.startswith("ban quản lý"):
        return "project_board"
    if key.startswith("trung tâm"):
        return "service_centre"
    return "department"


def level(organisation_id: str, told: str | None) -> str:
    """The level a source tells, else the one its code has: H47.07 and H47.20 look alike, so province comes first."""
    if told:
        return told
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
            *identity, cleaned, key, level(identity[0], told_level), kind(key), mother[0] if mother else None, pointer
        )
    return sorted(found.values(), key=lambda organisation: organisation.organisation_id)


def by_name(organisations: Iterable[Organisation]) -> dict[str, str]:
    """Canonical name to id, for the names that only one agency bears."""
    ids: dict[str, set[str]] = defaultdict(set)
    for organisation in organisations:
        ids[organisation.key].add(organisation.organisation_id)
    return {key: next(iter(found)) for key, found in ids.items() if len(found) == 1}


def places(organisations: Iterable[Organisation]) -> list[Place]:
    """The territory of each agency: by its name under its parent's territory, else the province's."""
    organisations = list(organisations)
    by_id = {organisation.organisation_id: organisation for organisation in organisations}
    known: dict[str, list[territory.Unit]] = {}

    def units_of(organisation: Organisation) -> list[territory.Unit]:
        if organisation.organisation_id not in known:
            known[organisation.organisation_id] = []  # a parent that is its own ancestor ends here
            known[organisation.organisation_id] = _units(organisation)
        return known[organisation.organisation_id]

    def _units(organisation: Organisation) -> list[territory.Unit]:
        province = _province(organisation.organisation_id)
        if organisation.level == "province" or organisation.kind != "peoples_committee":
            mother = by_id.get(organisation.parent_id or "")
            if organisation.level != "province" and mother and mother.level != "province":
                return units_of(mother)
            return province
        mother = by_id.get(organisation.parent_id or "")
        above = units_of(mother) if mother else province
        return _named(organisation, {unit.code for unit in above}) or _named(organisation, {u.code for u in province})

    return [Place(o.organisation_id, unit) for o in organisations for unit in units_of(o)]


def _province(organisation_id: str) -> list[territory.Unit]:
    code = PROVINCE_UNIT.get(organisation_id.split(".")[0])
    return [unit for unit in territory.units() if unit.code == code]


def _named(organisation: Organisation, parents: set[str]) -> list[territory.Unit]:
    """The versions of the unit an agency's name speaks of, among the children of `parents`.

    A unit that changed its kind (xã to phường) is found by its bare name, when only one unit bears it.
    """
    wanted = organisation.key.removeprefix(COMMITTEE)
    children = [u for u in _index() if u.parent_code in parents and u.level == organisation.level]
    exact = {unit.code for unit in children if _index()[unit][0] == wanted}
    bare = {unit.code for unit in children if _index()[unit][1] == _bare(wanted)}
    codes = exact or (bare if len(bare) == 1 else set())
    return [unit for unit in children if unit.code in codes and _index()[unit][1] == _bare(wanted)]


def _bare(key: str) -> str:
    return re.sub(r"^(xã|phường|thị trấn|thị xã|thành phố|huyện|quận|đặc khu|tỉnh) ", "", key)


def _index() -> dict[territory.Unit, tuple[str, str]]:
    if not _KEYS:
        for unit in territory.units():
            name = text.key(unit.name) or ""
            _KEYS[unit] = (name, _bare(name))
    return _KEYS


_KEYS: dict[territory.Unit, tuple[str, str]] = {}
