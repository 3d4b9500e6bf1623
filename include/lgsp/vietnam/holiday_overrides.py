"""Reads the overrides of the working calendar: days that differ from the holidays library, and the last announced day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from lgsp.errors import ContractError
from lgsp.schema import csv_file

FILE = Path(__file__).parent / "data" / "working_day_overrides.csv"
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


@cache
def load(path: Path = FILE) -> Overrides:
    """The overrides in a file. Raises ContractError, with the file and the line, when a line is invalid."""
    days: dict[date, Override] = {}
    confirmed: list[date] = []
    for line, cells in csv_file.rows(path, COLUMNS):
        place = f"{path.name} line {line}"
        day_on, answer, name, legal_basis = _cells(cells, place)
        if answer == CONFIRMED:
            confirmed.append(day_on)
        elif day_on in days:
            raise ContractError(f"{place}: {day_on} already has a line; keep the one that is in force")
        else:
            days[day_on] = Override(day_on, BOOLEANS[answer], name, legal_basis)
    if not confirmed:
        raise ContractError(
            f"{path.name}: no line has {CONFIRMED}; add one with the last day whose swaps are announced"
        )
    return Overrides(days, max(confirmed))


def _cells(cells: dict[str, str], place: str) -> tuple[date, str, str, str]:
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
