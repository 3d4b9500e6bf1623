"""Check a province's calendar, successions of agencies, and territories."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from lgsp.errors import ContractError
from lgsp.schema import csv_file
from lgsp.vietnam import holiday_overrides, successions, territory_files, territory_versions, text

Row = Mapping[str, str]
_AGENCY_CODE = re.compile(r"[A-Z]\d{2}")
_RELATIONS = ("merged", "split")


def _each(path: Path, columns: Sequence[str], check: Callable[[int, Row], Iterator[str]]) -> Iterator[str]:
    """The mistakes of each line; a line with a wrong number of cells ends the check."""
    for line, row in csv_file.rows(path, columns):
        try:
            for mistake in check(line, row):
                yield f"line {line}: {mistake}"
        except ContractError as error:
            yield str(error).strip()


def working_days(_: str, path: Path) -> Iterator[str]:
    """The mistakes in a calendar: invalid days and answers, and days with two lines."""
    seen: dict[tuple[date, bool], int] = {}

    def check(line: int, row: Row) -> Iterator[str]:
        day_on, answer, _, _ = holiday_overrides.parse(dict(row), f"line {line}")
        is_end = answer == holiday_overrides.CONFIRMED
        if not is_end and (day_on, is_end) in seen:
            yield f"{day_on} already has line {seen[day_on, is_end]}; keep the one that is in force"
        seen[day_on, is_end] = line

    yield from _each(path, holiday_overrides.COLUMNS, check)


def successions_of(_: str, path: Path) -> Iterator[str]:
    """The mistakes in successions: invalid kinds, marks and days, and agencies that follow each other in a circle."""
    own: dict[int, successions.Succession] = {}

    def check(line: int, row: Row) -> Iterator[str]:
        own[line] = successions.parse(dict(row), f"line {line}")
        return iter(())

    yield from _each(path, successions.COLUMNS, check)
    after: dict[str | None, set[str | None]] = defaultdict(set)
    for row in (*_shipped_successions(), *own.values()):
        if row.is_whole and text.key(row.predecessor_name) != text.key(row.successor_name):
            after[text.key(row.predecessor_name)].add(text.key(row.successor_name))
    for line, row in own.items():
        if row.is_whole and text.key(row.predecessor_name) in _reachable(after, text.key(row.successor_name)):
            if text.key(row.predecessor_name) != text.key(row.successor_name):
                yield f"line {line}: {row.predecessor_name} follows {row.successor_name} in another line: a circle; delete one of them"


def _shipped_successions() -> list[successions.Succession]:
    return [successions.parse(row, successions.OWN) for row in territory_files.shipped_rows(successions.FILE)]


def _reachable(after: Mapping[str | None, set[str | None]], start: str | None) -> set[str | None]:
    """Everything that follows something, directly or not."""
    found: set[str | None] = set()
    waiting = [start]
    while waiting:
        if (current := waiting.pop()) not in found:
            found.add(current)
            waiting += after.get(current, ())
    return found


def territories(name: str, path: Path) -> Iterator[str]:
    """The mistakes in a file of territories: invalid codes, names and days, and parents that no file has."""
    yield from _each(path, territory_files.TABLES[name].columns, _TERRITORY_CHECKS[name])


def _codes(row: Row, level: str, *columns: str) -> Iterator[str]:
    width = territory_versions.WIDTHS[level]
    for column in columns:
        if not re.fullmatch(rf"[0-9]{{{width}}}", row[column]):
            yield f"{column} {row[column]!r} must have {width} digits; a spreadsheet removes leading zeros from numbers"


def _names(row: Row, *columns: str) -> Iterator[str]:
    for column in columns:
        if territory_versions.split_kind(row[column])[0] is None:
            yield f"{column} {row[column]!r} must begin with {', '.join(territory_versions.KINDS)}"


def _parents(row: Row, *columns: str) -> Iterator[str]:
    try:
        known = territory_versions.provinces()
    except ContractError:  # reported for that file
        return
    for column in columns:
        if row[column] not in known:
            yield f"{column} {row[column]!r} is no province; add its line to {territory_files.OWN}/provinces.csv"


def _day(row: Row, column: str) -> Iterator[str]:
    try:
        date.fromisoformat(row[column])
    except ValueError:
        yield f"{column} {row[column]!r} is no day; write it as 2026-01-10"


def _province(_: int, row: Row) -> Iterator[str]:
    yield from _codes(row, "province", "code", "code_since_july_2025")
    yield from _names(row, "name")
    yield from _parents(row, "code_since_july_2025")
    if row["agency_code"] and not _AGENCY_CODE.fullmatch(row["agency_code"]):
        yield f"agency_code {row['agency_code']!r} must be the first group of its agencies' codes, such as H47"


def _change(_: int, row: Row) -> Iterator[str]:
    yield from _parents(row, "a_province")
    yield from _codes(row, "district", "a_district_code")
    yield from _codes(row, "commune", "a_ward_code", *(["b_ward_code"] if row["b_ward_code"] else []))
    yield from _names(row, "a_district", "a_ward", *(["b_ward"] if row["b_ward_code"] else []))


def _crosswalk(_: int, row: Row) -> Iterator[str]:
    yield from _parents(row, "old_province_code", "new_province_code")
    yield from _codes(row, "district", "old_district_code")
    yield from _codes(row, "commune", "new_ward_code", *(["old_ward_code"] if row["old_ward_code"] else []))
    yield from _names(row, "old_district", "new_ward", *(["old_ward"] if row["old_ward_code"] else []))


def _unit_change(_: int, row: Row) -> Iterator[str]:
    yield from _day(row, "effective_on")
    yield from _names(row, "former_name", "name")


def _spelling(_: int, row: Row) -> Iterator[str]:
    yield from _names(row, "name", "spelling")


def _line(_: int, row: Row) -> Iterator[str]:
    yield from _day(row, "effective_on")
    if row["relation"] not in _RELATIONS:
        yield f"relation {row['relation']!r} must be {' or '.join(_RELATIONS)}"


_TERRITORY_CHECKS: Mapping[str, Callable[[int, Row], Iterator[str]]] = {
    "provinces": _province, "admin_units_2024_to_2025": _change, "crosswalk_2025": _crosswalk, "unit_changes": _unit_change,
    "unit_spellings": _spelling, "unit_lines": _line,
}  # fmt: skip
