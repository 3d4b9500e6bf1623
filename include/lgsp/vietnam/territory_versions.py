"""Reads the reference files: every version of every territory, and the crosswalk between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from lgsp import config
from lgsp.vietnam import territory_files, text

CODES_BEGAN = date(2004, 7, 8)  # Quyết định số 124/2004/QĐ-TTg introduced the code scheme
FIRST_CHANGE = date(2025, 1, 1)
MERGER = date(2025, 7, 1)

SCHEME = "QĐ 124/2004/QĐ-TTg"
PROVINCE_MERGERS = "NQ 202/2025/QH15"

# Na Mao and Tân Lợi (Thái Nguyên) ended on 1 January 2025; our sources do not say which communes they became part of.
WITHOUT_LINE = frozenset({"05782", "05704"})

WIDTHS = {"province": 2, "district": 3, "commune": 5}
KINDS = ("đặc khu", "thị trấn", "thị xã", "thành phố", "phường", "quận", "huyện", "tỉnh", "xã")


@dataclass(frozen=True)
class Unit:
    """One version of a territory; `since` is the day from which its code means this territory."""

    code: str
    valid_from: date
    valid_to: date | None
    name: str
    level: str
    parent_code: str | None
    legal_basis: str | None
    since: date

    @property
    def kind(self) -> str:
        """The word that its name begins with: xã, phường, thị trấn, … Raises ValueError when there is none."""
        kind, _ = split_kind(self.name)
        if kind is None:
            raise ValueError(f"reference: the unit {self.code} {self.name!r} does not begin with a kind of unit")
        return kind

    def is_in_force(self, day: date) -> bool:
        """Whether this version is in force on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True)
class CrosswalkLine:
    """One line of the crosswalk: an old unit, one of its new units, and their relation."""

    from_code: str
    to_code: str
    effective_on: date
    relation: str
    is_default: bool
    legal_basis: str | None

    @property
    def weight(self) -> float | None:
        """The share of the old unit that became part of the new one: 1, or None for a split, where it is unknown."""
        return None if self.relation == "split" else 1.0


def split_kind(name: str) -> tuple[str | None, str]:
    """The kind that a unit's name begins with (None when it has none) and the rest of the name, both in lower case."""
    lower = name.lower()
    kind = next((kind for kind in KINDS if lower.startswith(f"{kind} ")), None)
    return kind, lower[len(kind) + 1 :] if kind else lower


def pad_code(code: str | None, level: str) -> str | None:
    """A code with its leading zeros, which spreadsheets remove; None when it is not a code of that level."""
    digits = (code or "").strip().removesuffix(".0")
    width = WIDTHS[level]
    return digits.zfill(width) if digits.isascii() and digits.isdecimal() and len(digits) <= width else None


@dataclass(frozen=True)
class Province:
    """A province of the time before 1 July 2025: its code, the first group of its agencies' codes, and what it became."""

    code: str
    name: str
    agency_code: str
    code_today: str
    acts: dict[date, str]


@config.cached()
def provinces() -> dict[str, Province]:
    """The provinces whose territories are known, by code."""
    return {
        row["code"]: Province(
            row["code"], row["name"], row["agency_code"], row["code_since_july_2025"],
            {day: act for day, act in ((FIRST_CHANGE, row["act_of_january_2025"]), (MERGER, row["act_of_july_2025"])) if act},
        )
        for row in territory_files.rows("provinces")
    }  # fmt: skip


@config.cached()
def provinces_by_agency_code() -> dict[str, str]:
    """The code of the province by the first group of its agencies' codes: H47 is 49."""
    return {province.agency_code: province.code for province in provinces().values() if province.agency_code}


@dataclass(frozen=True)
class _Epoch:
    """The units of one epoch: code to (name, level, code of the parent unit, code of the province)."""

    start: date
    end: date | None
    units: dict[str, tuple[str, str, str, str]]

    def add(self, province: str, district: tuple[str, str], commune: tuple[str, str] = ("", "")) -> None:
        """Add a district and one of its communes, each as (code, name)."""
        self.units[district[0]] = (_official_name(*district), "district", province, province)
        if commune[0]:
            self.units[commune[0]] = (_official_name(*commune), "commune", district[0], province)


@config.cached()
def _epochs() -> tuple[_Epoch, _Epoch, _Epoch]:
    before = _Epoch(CODES_BEGAN, FIRST_CHANGE, {})
    between = _Epoch(FIRST_CHANGE, MERGER, {})
    after = _Epoch(MERGER, None, {})
    changes = territory_files.rows("admin_units_2024_to_2025")
    for row in changes:
        province = row["a_province"]
        before.add(province, (row["a_district_code"], row["a_district"]), (row["a_ward_code"], row["a_ward"]))
        if row["b_ward_code"]:
            between.add(province, (row["b_district_code"], row["b_district"]), (row["b_ward_code"], row["b_ward"]))
    changed = {row["a_province"] for row in changes}
    for row in territory_files.rows("crosswalk_2025"):
        old, district = row["old_province_code"], (row["old_district_code"], row["old_district"])
        # an island district has no communes; a province without rows in the other file did not change in January
        if not row["old_ward_code"] or old not in changed:
            for epoch in (before, between):
                epoch.add(old, district, (row["old_ward_code"], row["old_ward"]))
        code, province = row["new_ward_code"], row["new_province_code"]
        after.units[code] = (_official_name(code, row["new_ward"]), "commune", province, province)
    return before, between, after


def _official_name(code: str, name: str) -> str:
    """A unit's name in its official spelling, from the spelling in the file."""
    kind, bare = split_kind(name)
    name = f"{kind.capitalize()} {name[-len(bare) :]}" if kind else name
    return official_spellings().get((code, key(name)), name)


def key(name: str) -> str:
    """A key for comparing names: accents, kind and numbers count, spelling variants do not."""
    return text.key(name) or ""


@config.cached()
def official_spellings() -> dict[tuple[str, str], str]:
    """The official name for each (code, key of a spelling)."""
    return {(row["code"], key(row["spelling"])): row["name"] for row in territory_files.rows("unit_spellings")}


@config.cached()
def _changes() -> dict[str, list[dict[str, str]]]:
    """The changes that kept the code, by code and in order of time."""
    changes: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(territory_files.rows("unit_changes"), key=lambda row: row["effective_on"]):
        changes[row["code"]].append(row)
    return changes


@config.cached()
def units() -> tuple[Unit, ...]:
    """Every version of every territory, by code and day; a unit that two epochs describe alike has one version."""
    every = [
        Unit(
            p.code,
            CODES_BEGAN,
            None if p.code_today == p.code else MERGER,
            p.name,
            "province",
            None,
            SCHEME,
            CODES_BEGAN,
        )
        for p in provinces().values()
    ]
    for code in {code for epoch in _epochs() for code in epoch.units}:
        versions: list[Unit] = []
        for epoch in _epochs():
            for unit in _versions_in_epoch(epoch, code):
                _append_version(versions, unit, epoch.start)
        every += versions
    return tuple(sorted(every, key=lambda unit: (unit.code, unit.valid_from)))


def _versions_in_epoch(epoch: _Epoch, code: str) -> Iterator[Unit]:
    """A unit's versions within one epoch: its names before and after each change that kept the code."""
    if code not in epoch.units:
        return
    name, level, parent, province = epoch.units[code]
    act = provinces()[province].acts.get(epoch.start, SCHEME)
    unit = Unit(code, epoch.start, epoch.end, name, level, parent, act, epoch.start)
    for change in _changes().get(code, ()):
        day = date.fromisoformat(change["effective_on"])
        if unit.is_in_force(day):
            yield replace(unit, valid_to=day, name=change["former_name"])
            unit = replace(unit, valid_from=day, name=change["name"], legal_basis=change["legal_basis"])
    yield unit


def _append_version(versions: list[Unit], unit: Unit, epoch_start: date) -> None:
    """Add a version of a code: extend the last one, or add a version of the same territory, or of a new territory."""
    last = versions[-1] if versions else None
    if last is None or last.valid_to != unit.valid_from:
        versions.append(unit)
    elif unit.valid_from != epoch_start:
        versions.append(replace(unit, since=last.since))
    elif key(last.name) != key(unit.name) or epoch_start == MERGER:
        versions.append(unit)
    elif last.parent_code != unit.parent_code:
        versions.append(replace(unit, since=last.since))
    else:
        versions[-1] = replace(last, valid_to=unit.valid_to, name=unit.name)


@config.cached()
def by_code() -> dict[str, list[Unit]]:
    """The versions that each code has had, in order of time."""
    versions: dict[str, list[Unit]] = defaultdict(list)
    for unit in units():
        versions[unit.code].append(unit)
    return versions


def unit_at(code: str, day: date) -> Unit | None:
    """The unit that a code means on a day; None when the code is not in use on that day."""
    return next((unit for unit in by_code().get(code, ()) if unit.is_in_force(day)), None)


@config.cached()
def crosswalk() -> tuple[CrosswalkLine, ...]:
    """The lines from each old unit to its new units, by day of change; each unit and day has one default line."""
    old, new = (territory_files.rows(name) for name in ("admin_units_2024_to_2025", "crosswalk_2025"))
    first = [(row["a_ward_code"], row["b_ward_code"]) for row in old if row["b_ward_code"]]
    second = [(row["old_ward_code"] or row["old_district_code"], row["new_ward_code"]) for row in new]
    second += [(province.code, province.code_today) for province in provinces().values()]
    code_kept = [
        CrosswalkLine(code, code, date.fromisoformat(change["effective_on"]), "renamed", True, change["legal_basis"])
        for code, changes in _changes().items()
        for change in changes
    ]
    return (*code_kept, *_lines(FIRST_CHANGE, first), *_lines(MERGER, second))


def _lines(day: date, changes: list[tuple[str, str]]) -> Iterator[CrosswalkLine]:
    """The lines of one change; the relation depends on the other units that became part of the new one.

    `unit_lines` has the lines that no other file has: of districts, and to the second unit of one that was split in two.
    """
    more = [row for row in territory_files.rows("unit_lines") if row["effective_on"] == day.isoformat()]
    pairs = changes + [(row["from_code"], row["to_code"]) for row in more if row["relation"] != "split"]
    splits = [(row["from_code"], row["to_code"]) for row in more if row["relation"] == "split"]
    default, split_codes = dict(pairs), {old for old, _ in splits}
    sources: dict[str, set[str]] = defaultdict(set)
    for old, new in (*pairs, *splits):
        sources[new].add(old)
    for old, new in sorted({*pairs, *splits}):
        relation = "split" if old in split_codes else _relation(old, new, day, len(sources[new]) == 1)
        yield CrosswalkLine(old, new, day, relation, default[old] == new, _act(old, day))


def _relation(old: str, new: str, day: date, is_only_source: bool) -> str:
    eve = day - timedelta(days=1)
    before, same_code, after = unit_at(old, eve), unit_at(new, eve), unit_at(new, day)
    if before is None or after is None:
        raise ValueError(
            f"reference: the crosswalk of {day} has a line from {old} to {new}, but one of them is not a unit on that day"
        )
    if is_only_source:
        return "unchanged" if key(before.name) == key(after.name) else "renamed"
    if same_code is None or key(same_code.name) != key(after.name):
        return "merged"
    return "unchanged" if old == new else "absorbed"


def _act(code: str, day: date) -> str | None:
    """The act that changed a unit on a day; None when no act of that day concerns its province."""
    if code in provinces():
        return PROVINCE_MERGERS
    unit = unit_at(code, day - timedelta(days=1))
    while unit is not None and unit.parent_code is not None and unit.parent_code not in provinces():
        unit = unit_at(unit.parent_code, day - timedelta(days=1))
    return None if unit is None or unit.parent_code is None else provinces()[unit.parent_code].acts.get(day)
