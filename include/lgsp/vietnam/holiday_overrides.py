"""Reads the overrides of the working calendar: days that differ from the holidays library, and the last announced day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lgsp import config
from lgsp.errors import ContractError
from lgsp.schema import csv_file

FILE = Path(__file__).parent / "data" / "working_day_overrides.csv"
OWN = "working_days.csv"
COLUMNS = ["day_on", "is_working_day", "name", "legal_basis"]
BOOLEANS = {"true": True, "false": False}
CONFIRMED = "confirmed_until"  # instead of true or false: all swaps up to this day are announced and in the calendar


@dataclass(frozen=True)
class Override:
    """One day that differs from the holidays library."""

    day_on: date
    is_working_day: bool
    name: str
    legal_basis: str


@dataclass(frozen=True)
class Overrides:
    """The days that override the library, and the last day of the newest announced calendar."""

    days: dict[date, Override]
    confirmed_until: date


@config.cached()
def load() -> Overrides:
    """The overrides of the program, with those that a province adds or replaces in `working_days.csv` of LGSP_CONFIG.

    Raises ContractError, with the file and the line, when a line is invalid.
    """
    shipped, own = read(FILE), config.file(OWN)
    if own is None:
        return shipped
    days, confirmed = _read(own)
    return Overrides(shipped.days | days, max([shipped.confirmed_until, *confirmed]))


def read(path: Path) -> Overrides:
    """The overrides in a complete file. Raises ContractError as `load`, and when no line has the last announced day."""
    days, confirmed = _read(path)
    if not confirmed:
        raise ContractError(
            f"{path.name}: no line has {CONFIRMED}; add one with the last day whose swaps are announced"
        )
    return Overrides(days, max(confirmed))


def _read(path: Path) -> tuple[dict[date, Override], list[date]]:
    """The overrides in a file, and its last announced days."""
    days: dict[date, Override] = {}
    confirmed: list[date] = []
    for line, cells in csv_file.rows(path, COLUMNS):
        place = f"{path.name} line {line}"
        day_on, answer, name, legal_basis = parse(cells, place)
        if answer == CONFIRMED:
            confirmed.append(day_on)
        elif day_on in days:
            raise ContractError(f"{place}: {day_on} already has a line; keep the one that is in force")
        else:
            days[day_on] = Override(day_on, BOOLEANS[answer], name, legal_basis)
    return days, confirmed


def parse(cells: dict[str, str], place: str) -> tuple[date, str, str, str]:
    """The cells of a line: day, answer in lower case, name and legal basis. Raises ContractError when one is invalid."""
    day_text, answer, name, legal_basis = (cells[column] for column in COLUMNS)
    answer = answer.lower()  # Excel writes TRUE
    try:
        day_on = date.fromisoformat(day_text)
    except ValueError as error:
        raise ContractError(f"{place}: day_on {day_text!r} is no day; write it as 2026-01-10") from error
    if answer not in (*BOOLEANS, CONFIRMED):
        raise ContractError(f"{place}: is_working_day {cells[COLUMNS[1]]!r} must be true, false or {CONFIRMED}")
    if not name or not legal_basis:
        raise ContractError(f"{place}: {day_on} needs a name and a legal_basis")
    return day_on, answer, name, legal_basis
