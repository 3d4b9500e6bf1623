"""Territories and their versions in time, and the crosswalk between them, from the reference files."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from lgsp.vietnam import text

FOLDER = Path(__file__).parent / "data"


CODES_BEGAN = date(2004, 7, 8)  # Decision 124/2004/QĐ-TTg: the code scheme


FIRST_CHANGE = date(2025, 1, 1)


MERGER = date(2025, 7, 1)


PROVINCES = {"49": "Tỉnh Quảng Nam", "48": "Thành phố Đà Nẵng", "19": "Tỉnh Thái Nguyên", "06": "Tỉnh Bắc Kạn"}


TODAY = {"49": "48", "48": "48", "19": "19", "06": "19"}


SCHEME = "QĐ 124/2004/QĐ-TTg"


_ACTS = {
    (None, MERGER): "NQ 202/2025/QH15",
    ("49", FIRST_CHANGE): "NQ 1241/NQ-UBTVQH15",
    ("19", FIRST_CHANGE): "NQ 1240/NQ-UBTVQH15",
    ("48", FIRST_CHANGE): "Nghị quyết của UBTVQH về sắp xếp đơn vị hành chính của Đà Nẵng giai đoạn 2023-2025",
    ("49", MERGER): "NQ 1659/NQ-UBTVQH15",
    ("48", MERGER): "NQ 1659/NQ-UBTVQH15",
    ("19", MERGER): "NQ 1683/NQ-UBTVQH15",
    ("06", MERGER): "NQ 1683/NQ-UBTVQH15",
}


# Units that were cut in two on 1 July 2025; the default line is in the crosswalk file.
SPLIT = (("20296", "20194"), ("05461", "05467"), ("05467", "05500"), ("05932", "05908"))


# The island district has no communes; itself became the special zone.
_HOANG_SA = "498"


# A district that went into another one while there still were districts.
_DISTRICTS = (("509", "509"), ("519", "509"))


# Na Mao and Tân Lợi (Thái Nguyên) ended on 1 January 2025; into which commune they went is not in our sources.
WITHOUT_LINE = frozenset({"05782", "05704"})


WIDTHS = {"province": 2, "district": 3, "commune": 5}


KINDS = ("đặc khu", "thị trấn", "thị xã", "thành phố", "phường", "quận", "huyện", "tỉnh", "xã")


@dataclass(frozen=True)
class Unit:
    """One version of a territory; `since` is the day from which its code has meant this territory."""

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
        """The word its name begins with: xã, phường, thị trấn, …"""
        kind, _ = parted(self.name)
        if kind is None:
            raise ValueError(f"reference: the unit {self.code} {self.name!r} begins with no kind of unit")
        return kind

    def holds(self, day: date) -> bool:
        """Whether this version is in force on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True)
class Line:
    """One line of the crosswalk; the weight is the share of the old unit, None where it is not known."""

    from_code: str
    to_code: str
    effective_on: date
    relation: str
    is_default: bool
    legal_basis: str | None

    @property
    def weight(self) -> float | None:
        """All of the old unit, unless it was split: how its people were shared out is not known."""
        return None if self.relation == "split" else 1.0


def parted(name: str) -> tuple[str | None, str]:
    """The kind a unit's name begins with, None when it has none, and the bare name; both in lower case."""
    lower = name.lower()
    kind = next((kind for kind in KINDS if lower.startswith(f"{kind} ")), None)
    return kind, lower[len(kind) + 1 :] if kind else lower


def padded(code: str | None, level: str) -> str | None:
    """A code with the leading zeros that spreadsheets and numbers lose; None when it is no code of that level."""
    digits = (code or "").strip().removesuffix(".0")
    width = WIDTHS[level]
    return digits.zfill(width) if digits.isascii() and digits.isdecimal() and len(digits) <= width else None


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a reference file."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class _Epoch:
    """The units of one epoch: code to name, level, code of the unit above, code of the province."""

    begin: date
    end: date | None
    units: dict[str, tuple[str, str, str, str]]

    def note(self, province: str, district: tuple[str, str], commune: tuple[str, str] = ("", "")) -> None:
        """Take down a district and one of its communes, each as (code, name)."""
        self.units[district[0]] = (_proper(*district), "district", province, province)
        if commune[0]:
            self.units[commune[0]] = (_proper(*commune), "commune", district[0], province)


@cache
def _epochs() -> tuple[_Epoch, _Epoch, _Epoch]:
    before = _Epoch(CODES_BEGAN, FIRST_CHANGE, {})
    between = _Epoch(FIRST_CHANGE, MERGER, {})
    after = _Epoch(MERGER, None, {})
    for row in rows("admin_units_2024_to_2025"):
        province = row["a_province"]
        before.note(province, (row["a_district_code"], row["a_district"]), (row["a_ward_code"], row["a_ward"]))
        if row["b_ward_code"]:
            between.note(province, (row["b_district_code"], row["b_district"]), (row["b_ward_code"], row["b_ward"]))
    districts = {}
    for row in rows("crosswalk_2025"):
        if row["old_province_code"] == "48":
            district = districts[row["old_district_code"]] = (row["old_district_code"], row["old_district"])
            between.note("48", district, (row["old_ward_code"], row["old_ward"]))
        code, province = row["new_ward_code"], row["new_province_code"]
        after.units[code] = (_proper(code, row["new_ward"]), "commune", province, province)
    before.note("48", districts[_HOANG_SA])
    for row in rows("da_nang_2024"):
        before.note("48", districts[row["district_code"]], (row["code"], row["name"]))
    return before, between, after


def _proper(code: str, name: str) -> str:
    """A unit's name in its official spelling, whatever the file makes of it."""
    kind, bare = parted(name)
    name = f"{kind.capitalize()} {name[-len(bare) :]}" if kind else name
    return official_spellings().get((code, key(name)), name)


def key(name: str) -> str:
    """A name for comparing: accents, kind and numbers count, spelling does not."""
    return text.key(name) or ""


@cache
def official_spellings() -> dict[tuple[str, str], str]:
    """Code and spelling to the official name."""
    return {(row["code"], key(row["spelling"])): row["name"] for row in rows("unit_spellings")}


@cache
def _changes() -> dict[str, list[dict[str, str]]]:
    """The changes that kept the code, by code and in order of time."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(rows("unit_changes"), key=lambda row: row["effective_on"]):
        found[row["code"]].append(row)
    return found


@cache
def units() -> tuple[Unit, ...]:
    """Every version of every territory, by code and day; neighbouring epochs that say the same are one version."""
    found = [
        Unit(code, CODES_BEGAN, None if TODAY[code] == code else MERGER, name, "province", None, SCHEME, CODES_BEGAN)
        for code, name in PROVINCES.items()
    ]
    for code in {code for epoch in _epochs() for code in epoch.units}:
        versions: list[Unit] = []
        for epoch in _epochs():
            for unit in _within(epoch, code):
                _continue(versions, unit, epoch.begin)
        found += versions
    return tuple(sorted(found, key=lambda unit: (unit.code, unit.valid_from)))


def _within(epoch: _Epoch, code: str) -> Iterator[Unit]:
    """A unit's versions within one epoch: its names before and after each change that kept the code."""
    if code not in epoch.units:
        return
    name, level, parent, province = epoch.units[code]
    unit = Unit(
        code, epoch.begin, epoch.end, name, level, parent, _ACTS.get((province, epoch.begin), SCHEME), epoch.begin
    )
    for change in _changes().get(code, ()):
        day = date.fromisoformat(change["effective_on"])
        if unit.holds(day):
            yield replace(unit, valid_to=day, name=change["former_name"])
            unit = replace(unit, valid_from=day, name=change["name"], legal_basis=change["legal_basis"])
    yield unit


def _continue(versions: list[Unit], unit: Unit, begin: date) -> None:
    """Add a version to those of its code: the same for longer, another one of the territory, or a new territory."""
    last = versions[-1] if versions else None
    if last is None or last.valid_to != unit.valid_from:
        versions.append(unit)
    elif unit.valid_from != begin:
        versions.append(replace(unit, since=last.since))
    elif key(last.name) != key(unit.name) or begin == MERGER:
        versions.append(unit)
    elif last.parent_code != unit.parent_code:
        versions.append(replace(unit, since=last.since))
    else:
        versions[-1] = replace(last, valid_to=unit.valid_to, name=unit.name)


@cache
def by_code() -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = defaultdict(list)
    for unit in units():
        found[unit.code].append(unit)
    return found


def at(code: str, day: date) -> Unit | None:
    """The unit that a code means on a day; None when it means none."""
    return next((unit for unit in by_code().get(code, ()) if unit.holds(day)), None)


@cache
def crosswalk() -> tuple[Line, ...]:
    """From each old unit to its new ones on the day of each change; one line of each unit and day is the default."""
    old = rows("admin_units_2024_to_2025")
    first = [(r["a_ward_code"], r["b_ward_code"]) for r in old if r["b_ward_code"]]
    first += [(r["code"], r["code_2025"]) for r in rows("da_nang_2024")] + list(_DISTRICTS)
    second = [(r["old_ward_code"] or r["old_district_code"], r["new_ward_code"]) for r in rows("crosswalk_2025")]
    kept = [
        Line(code, code, date.fromisoformat(change["effective_on"]), "renamed", True, change["legal_basis"])
        for code, changes in _changes().items()
        for change in changes
    ]
    return (*kept, *_lines(FIRST_CHANGE, first, ()), *_lines(MERGER, [*second, *TODAY.items()], SPLIT))


def _lines(day: date, pairs: list[tuple[str, str]], splits: tuple[tuple[str, str], ...]) -> Iterator[Line]:
    """The lines of one change, by what became of the old unit and what else went into the new one."""
    default, divided = dict(pairs), {old for old, _ in splits}
    sources: dict[str, set[str]] = defaultdict(set)
    for old, new in (*pairs, *splits):
        sources[new].add(old)
    for old, new in sorted({*pairs, *splits}):
        relation = "split" if old in divided else _relation(old, new, day, len(sources[new]) == 1)
        yield Line(old, new, day, relation, default[old] == new, _act(old, day))


def _relation(old: str, new: str, day: date, is_alone: bool) -> str:
    eve = day - timedelta(days=1)
    before, same_code, after = at(old, eve), at(new, eve), at(new, day)
    if before is None or after is None:
        raise ValueError(f"reference: the crosswalk of {day} tells of {old} to {new}, but there is no such unit")
    if is_alone:
        return "unchanged" if key(before.name) == key(after.name) else "renamed"
    if same_code is None or key(same_code.name) != key(after.name):
        return "merged"
    return "unchanged" if old == new else "absorbed"


def _act(code: str, day: date) -> str | None:
    """The act that changed a unit on a day; None where its province had none and the unit stayed as it was."""
    if code in PROVINCES:
        return _ACTS[None, day]
    unit = at(code, day - timedelta(days=1))
    while unit is not None and unit.parent_code is not None and unit.parent_code not in PROVINCES:
        unit = at(unit.parent_code, day - timedelta(days=1))
    return None if unit is None else _ACTS.get((unit.parent_code, day))
