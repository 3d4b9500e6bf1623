"""Territories through time: versions of units, the crosswalk between them, and where each unit is today."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "reference"

CODES_BEGAN = date(2004, 7, 8)  # Decision 124/2004/QĐ-TTg: the code scheme
FIRST_CHANGE = date(2025, 1, 1)  # Resolution 1241/NQ-UBTVQH15 and the like for the other provinces
MERGER = date(2025, 7, 1)  # Resolutions 202/2025/QH15, 1659 and 1683/NQ-UBTVQH15

BASIS = {
    CODES_BEGAN: "QĐ 124/2004/QĐ-TTg",
    FIRST_CHANGE: "NQ 1241/NQ-UBTVQH15",
    MERGER: "NQ 202/2025/QH15, NQ 1659/NQ-UBTVQH15, NQ 1683/NQ-UBTVQH15",
}
PROVINCES = {"49": "Tỉnh Quảng Nam", "48": "Thành phố Đà Nẵng", "19": "Tỉnh Thái Nguyên", "06": "Tỉnh Bắc Kạn"}
TODAY = {"49": "48", "48": "48", "19": "19", "06": "19"}

# Units that were cut in two on 1 July 2025; the default line is in the crosswalk file.
SPLIT = (("20296", "20194"), ("05461", "05467"), ("05467", "05500"), ("05932", "05908"))


@dataclass(frozen=True)
class Unit:
    """One version of a territory."""

    code: str
    valid_from: date
    valid_to: date | None
    name: str
    level: str
    parent_code: str | None

    @property
    def kind(self) -> str:
        """The word its name begins with: xã, phường, thị trấn, …"""
        lower = self.name.lower()
        for kind in ("đặc khu", "thị trấn", "thị xã", "thành phố", "phường", "quận", "huyện", "tỉnh", "xã"):
            if lower.startswith(kind):
                return kind
        raise ValueError(f"reference: the unit {self.code} {self.name!r} begins with no kind of unit")


@dataclass(frozen=True)
class Line:
    """One line of the crosswalk."""

    from_code: str
    to_code: str
    effective_on: date
    relation: str
    is_default: bool


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _seen() -> Iterator[Unit]:
    """Every unit as one epoch shows it, each epoch by itself."""
    for code, name in PROVINCES.items():
        end = None if TODAY[code] == code else MERGER
        yield Unit(code, CODES_BEGAN, end, name, "province", None)
    for row in _rows("admin_units_2024_to_2025.csv"):
        yield Unit(row["a_district_code"], CODES_BEGAN, FIRST_CHANGE, row["a_district"], "district", row["a_province"])
        yield Unit(row["a_ward_code"], CODES_BEGAN, FIRST_CHANGE, row["a_ward"], "commune", row["a_district_code"])
        if row["b_ward_code"]:
            yield Unit(row["b_district_code"], FIRST_CHANGE, MERGER, row["b_district"], "district", row["a_province"])
            yield Unit(row["b_ward_code"], FIRST_CHANGE, MERGER, row["b_ward"], "commune", row["b_district_code"])
    for row in _rows("crosswalk_2025.csv"):
        if row["old_province_code"] == "48":
            yield Unit(row["old_district_code"], FIRST_CHANGE, MERGER, row["old_district"], "district", "48")
            if row["old_ward_code"]:
                yield Unit(
                    row["old_ward_code"], FIRST_CHANGE, MERGER, row["old_ward"], "commune", row["old_district_code"]
                )
        yield Unit(row["new_ward_code"], MERGER, None, row["new_ward"], "commune", row["new_province_code"])


@cache
def units() -> tuple[Unit, ...]:
    """Every version of every territory; neighbouring epochs that say the same are one version."""
    by_code: dict[str, set[Unit]] = defaultdict(set)
    for unit in _seen():
        by_code[unit.code].add(unit)
    versions: list[Unit] = []
    for code in sorted(by_code):
        for unit in sorted(by_code[code], key=lambda u: (u.valid_from, u.name)):
            last = versions[-1] if versions else None
            if last and last.code == code and last.valid_to == unit.valid_from and _same(last, unit):
                versions[-1] = Unit(code, last.valid_from, unit.valid_to, unit.name, unit.level, unit.parent_code)
            elif last and (last.code, last.valid_from) == (code, unit.valid_from):
                continue  # the same version in another spelling
            else:
                versions.append(unit)
    return tuple(versions)


def _same(one: Unit, other: Unit) -> bool:
    return (one.name, one.level, one.parent_code) == (other.name, other.level, other.parent_code)


@cache
def crosswalk() -> tuple[Line, ...]:
    """From each old unit to its new ones, at both changes of 2025."""
    names = {(unit.code, day): unit.name for unit in units() for day in BASIS if _holds(unit, day)}
    lines: list[Line] = []
    first = [(r["a_ward_code"], r["b_ward_code"]) for r in _rows("admin_units_2024_to_2025.csv") if r["b_ward_code"]]
    second = [(r["old_ward_code"], r["new_ward_code"]) for r in _rows("crosswalk_2025.csv") if r["old_ward_code"]]
    for day, before, pairs in ((FIRST_CHANGE, CODES_BEGAN, first), (MERGER, FIRST_CHANGE, second)):
        splits = SPLIT if day == MERGER else ()
        default = {old: new for old, new in pairs}
        all_pairs = [*pairs, *(pair for pair in splits if default.get(pair[0]) not in (None, pair[1]))]
        sources: dict[str, set[str]] = defaultdict(set)
        targets: dict[str, set[str]] = defaultdict(set)
        for old, new in all_pairs:
            sources[new].add(old)
            targets[old].add(new)
        for old, new in sorted(set(all_pairs)):
            if len(targets[old]) > 1:
                relation = "split"
            elif len(sources[new]) > 1:
                keeps_name = names.get((new, before)) == names.get((new, day))
                relation = "absorbed" if keeps_name and old != new else "merged"
            else:
                relation = "unchanged" if names.get((old, before)) == names.get((new, day)) else "renamed"
            lines.append(Line(old, new, day, relation, default[old] == new))
    lines += [Line(old, new, MERGER, "unchanged" if old == new else "merged", True) for old, new in TODAY.items()]
    return tuple(lines)


def _holds(unit: Unit, day: date) -> bool:
    return unit.valid_from <= day and (unit.valid_to is None or day < unit.valid_to)


@cache
def today() -> dict[tuple[str, date], str | None]:
    """For each version (code, valid_from) the code of the territory today; None for a dissolved district."""
    steps: dict[date, dict[str, str]] = {FIRST_CHANGE: {}, MERGER: {}}
    for line in crosswalk():
        if line.is_default:
            steps[line.effective_on][line.from_code] = line.to_code
    result: dict[tuple[str, date], str | None] = {}
    for unit in units():
        code: str | None = unit.code
        if unit.valid_to is not None:
            between = steps[FIRST_CHANGE].get(unit.code, unit.code) if unit.valid_from < FIRST_CHANGE else unit.code
            code = steps[MERGER].get(between)
        result[(unit.code, unit.valid_from)] = code
    return result
