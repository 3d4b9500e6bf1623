"""Check a province's code lists, source settings and corrections."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from lgsp.configure.near_matches import meant
from lgsp.errors import ContractError
from lgsp.harmonise import field_sql
from lgsp.harmonise.organisations.directory import NEW_CODE
from lgsp.harmonise.organisations.matcher import ALIASES
from lgsp.land.http_client import Manners
from lgsp.schema import codelists, located_yaml, sources, yaml_file
from lgsp.schema.corrections import Correction
from lgsp.schema.located_yaml import Leaf
from lgsp.schema.quiet_hours import QuietHours
from lgsp.vietnam import text

EMPTY = "it is empty; delete it, or write what differs from the program"
TESTS, AGENCY_CODES = "test_records", "agency_code"


@dataclasses.dataclass(frozen=True)
class Number:
    """A number within bounds, both included."""

    least: float
    most: float
    is_whole: bool = True

    def mistake(self, value: Any) -> str | None:
        """What a value must be; None when it is that."""
        is_number = isinstance(value, int if self.is_whole else (int, float)) and not isinstance(value, bool)
        if is_number and self.least <= value <= self.most:
            return None
        return f"must be a {'whole ' if self.is_whole else ''}number from {self.least:,} to {self.most:,}"


_MANNERS = {
    "connect_seconds": Number(1, 600, False), "idle_seconds": Number(1, 3600, False), "total_seconds": Number(1, 21_600, False),
    "max_megabytes": Number(1, 1024), "max_records": Number(1, 100_000_000), "max_list_records": Number(1, 10_000_000),
    "json_depth": Number(8, 1000), "attempts": Number(1, 100), "backoff_seconds": Number(0, 600, False),
    "backoff_cap_seconds": Number(0, 3600, False), "retry_after_cap_seconds": Number(0, 86_400, False),
    "requests_per_minute": Number(1, 1_000_000), "parallel": Number(1, 64),
}  # fmt: skip
# What a province may change in the description of a source.
CHANGEABLE: Mapping[str, Number] = {
    "records_per_batch": Number(100, 1_000_000), "days_per_batch": Number(1, 3660), "overlap_minutes": Number(0, 1440),
    "list_loss": Number(0, 1, False), "freshness.hours": Number(1, 8784, False), "volume.most_times": Number(1, 10_000, False),
    "volume.from_count": Number(1, 1_000_000), "sweep.range_days": Number(1, 3660),
    **{f"manners.{field.name}": _MANNERS[field.name] for field in dataclasses.fields(Manners)},
}  # fmt: skip
QUIET, UNKNOWN_FIELD, POLICIES = "quiet_hours", "unknown_field", ("warn", "stop")


def code_list(name: str, path: Path) -> Iterator[str]:
    """The mistakes in a code list: unknown sections and meanings, and entries without a value."""
    content, leaves = located_yaml.parse(path), located_yaml.leaves(path)
    if not leaves:
        yield EMPTY
        return
    if not isinstance(content, located_yaml.LocatedMapping):
        yield "line 1: it must map sources to their codes, as the file of the program does"
        return
    shipped, compared = codelists.load_shipped(name), _compared_sections(name)
    sections = [*shipped, *(source for source in sources.names() if source not in shipped and name != TESTS)]
    for section, codes in content.items():
        line = content.lines[str(section)]
        if section not in sections:
            yield f"line {line}: {section} is no section of {name}; {meant(str(section), sections)}"
        elif type(codes) is not (list if isinstance(shipped.get(section), list) else type(content)):
            yield f"line {line}: {section} must have {'a list' if isinstance(shipped.get(section), list) else 'codes with their meanings'}"
        else:
            for leaf in leaves:
                if leaf.keys[0] == str(section) and (mistake := _entry_mistake(name, leaf, compared)):
                    yield f"line {leaf.line}: {mistake}"


def _entry_mistake(name: str, leaf: Leaf, compared: set[str]) -> str | None:
    section, *keys = leaf.keys
    is_pair = name == ALIASES and section == "same"
    if len(keys) != 1 + is_pair or (not leaf.text and not isinstance(leaf.value, str)):
        return f"{' '.join(keys) or section} must have one text"
    if name == TESTS:
        return _pattern_mistake(leaf.text)
    if name == ALIASES:
        names = [leaf.text] if is_pair else [keys[0], leaf.text]
        empty = next((each for each in names if text.key(each) is None), None)
        return None if empty is None else f"{empty!r} is not a name"
    if name == AGENCY_CODES:
        is_code = NEW_CODE.fullmatch(leaf.text) and keys[0] == re.sub(r"\s", "", keys[0]).upper()
        return (
            None
            if is_code
            else f"{keys[0]}: {leaf.text} must be agency codes in capitals, such as 000.25.20.H47: H47.20.25"
        )
    if section in compared and not keys[0].isdigit() and text.key(keys[0]) not in (None, keys[0]):
        return f"{keys[0]} never matches; write it as it is compared: {text.key(keys[0])}"
    meanings = codelists.all_meanings(name)
    if not meanings or leaf.text in meanings:
        return None
    return f"{keys[0]}: {leaf.text!r} is no meaning of {name}; {meant(leaf.text, meanings)}"


def _compared_sections(name: str) -> set[str]:
    """The sections whose codes are comparison keys, as those of documents are: lower case, one tone style."""
    return {
        section for section, known in codelists.load_shipped(name).items()
        if section in sources.names() and _described(section)["role"] == "documents" and all(text.key(str(code)) == str(code) for code in known)
    }  # fmt: skip


def _described(name: str) -> Mapping[str, Any]:
    """The description of a source as the program has it."""
    described: Mapping[str, Any] = yaml_file.read(sources.FOLDER / name / "source.yml")
    return described


def _pattern_mistake(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r} is not a regular expression: {error}"
    return None


def source(name: str, path: Path) -> Iterator[str]:
    """The mistakes in the settings of a source: unknown keys, values of another type or out of bounds."""
    leaves = located_yaml.leaves(path)
    if not leaves:
        yield EMPTY
    for leaf in leaves:
        if mistake := _setting_mistake(leaf):
            yield f"line {leaf.line}: {mistake}"


def _setting_mistake(leaf: Leaf) -> str | None:
    key = ".".join(leaf.keys)
    if leaf.keys and leaf.keys[0] == QUIET:
        try:
            QuietHours.parse(leaf.text or ())
        except ContractError as error:
            return str(error)
        return (
            None if leaf.text or leaf.value == [] else f"{QUIET} must be spans of the local day such as '22:00-05:00'"
        )
    if key == UNKNOWN_FIELD:
        return None if leaf.value in POLICIES else f"{key} {leaf.text!r} must be {' or '.join(POLICIES)}"
    if key in CHANGEABLE:
        mistake = CHANGEABLE[key].mistake(leaf.value)
        return f"{key} {leaf.text!r} {mistake}" if mistake else None
    known = [*CHANGEABLE, QUIET, UNKNOWN_FIELD]
    fixed = {field.name for field in dataclasses.fields(sources.Source)} - {each.split(".")[0] for each in known}
    if leaf.keys and leaf.keys[0] in fixed:
        return f"{leaf.keys[0]} is a part of the program; a province may change {', '.join(known)}"
    return f"{key or leaf.text} is no setting of a source; {meant(key, known)}"


def corrections(name: str, path: Path) -> Iterator[str]:
    """The mistakes in the corrections of a source."""
    content = located_yaml.parse(path)
    if content is None:
        yield EMPTY
        return
    if not isinstance(content, list):
        yield "line 1: it must be a list of corrections, each with `- list: …`"
        return
    for item in content:
        if not isinstance(item, located_yaml.LocatedMapping):
            yield f"{item!r} is no correction; it must have list, field, says, means, reason, reported_on, status"
        elif mistake := _correction_mistake(name, item):
            yield f"line {mistake[0]}: {mistake[1]}"


def _correction_mistake(name: str, item: located_yaml.LocatedMapping) -> tuple[int, str] | None:
    fields = {field.name: field for field in dataclasses.fields(Correction)}
    required = [key for key in fields if key != "where"]
    if unknown := next((key for key in item if key not in fields), None):
        return item.lines[str(unknown)], f"{unknown} is no part of a correction; {meant(str(unknown), fields)}"
    if missing := [key for key in required if key not in item]:
        return item.line, f"the correction lacks {', '.join(missing)}"
    for key in required:
        if not isinstance(item[key], date if key == "reported_on" else str):
            return item.lines[key], f"{key} {item[key]!r} must be {'a day such as 2026-01-10' if key == 'reported_on' else 'text; write it in quotes'}"  # fmt: skip
    if not isinstance(item.get("where", {}), dict):
        return item.lines["where"], "where must map fields to regular expressions"
    lists = _described(name)["lists"]
    if item["list"] not in lists:
        return item.lines["list"], f"{item['list']} is no list of {name}; {meant(item['list'], lists)}"
    correction = Correction(**{**item, "reported_on": str(item["reported_on"])})
    try:
        field_sql.load_list(correction.list, lists[correction.list], "source.yml", (correction,))
    except ContractError as error:
        return item.lines["field"], str(error).partition(": ")[2]
    return None
