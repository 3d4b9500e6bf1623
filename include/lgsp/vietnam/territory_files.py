"""Reads the reference files of territories: those of the program, with the rows that a province adds or replaces.

A province's file has the name and the columns of the program's one and is in the folder `territories` of LGSP_CONFIG. A row
whose key the program's file has too replaces that row.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from lgsp import config
from lgsp.schema import csv_file

FOLDER = Path(__file__).parent / "data"
OWN = "territories"


@dataclass(frozen=True)
class Table:
    """The columns of a reference file, and those that identify a row."""

    columns: tuple[str, ...]
    key: tuple[str, ...]


TABLES = {
    "provinces": Table(
        ("code", "name", "agency_code", "code_since_july_2025", "act_of_january_2025", "act_of_july_2025"), ("code",)
    ),
    "admin_units_2024_to_2025": Table(
        ("a_province", "a_district_code", "a_district", "a_ward_code", "a_ward", "b_district_code", "b_district", "b_ward_code", "b_ward",
         "c_province", "c_ward_code", "c_ward", "a_to_b_evidence"), ("a_district_code", "a_ward_code")
    ),
    "crosswalk_2025": Table(
        ("old_province_code", "old_province", "old_district_code", "old_district", "old_ward_code", "old_ward", "new_province_code",
         "new_province", "new_ward_code", "new_ward"), ("old_district_code", "old_ward_code")
    ),
    "unit_changes": Table(("code", "effective_on", "former_name", "name", "legal_basis"), ("code", "effective_on")),
    "unit_spellings": Table(("code", "name", "spelling"), ("code", "spelling")),
    "unit_lines": Table(("from_code", "to_code", "effective_on", "relation"), ("from_code", "to_code", "effective_on")),
}  # fmt: skip


def shipped_rows(name: str) -> list[dict[str, str]]:
    """The rows of a file of the program, named without its extension."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a file, those of the province included."""
    own = config.file(f"{OWN}/{name}.csv")
    if own is None:
        return shipped_rows(name)
    table = TABLES[name]
    by_key = {tuple(row[column] for column in table.key): row for row in shipped_rows(name)}
    by_key |= {tuple(row[column] for column in table.key): row for _, row in csv_file.rows(own, table.columns)}
    return list(by_key.values())
