"""Reads which agency took over the duties of which: the reorganisations of 2021 to 2026, with their legal basis.

Rows with `verified` = no are assumptions: the successor exists, the pair or the day has no source. They are data, so that
a correction changes no program.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from lgsp import config
from lgsp.errors import ContractError
from lgsp.schema import csv_file
from lgsp.vietnam import territory_files

FILE = "agency_successions"
OWN = f"{FILE}.csv"
COLUMNS = (
    "predecessor_code", "predecessor_name", "successor_code", "successor_name", "effective_on", "kind", "scope", "legal_basis", "source",
    "verified",
)  # fmt: skip
# A row of a province with the same key replaces that of the program.
KEY = ("predecessor_name", "successor_name", "effective_on")
# A split hands over a part of the duties: the agency has no single successor by it.
WHOLE, PARTIAL = ("merged", "renamed"), ("split",)


@dataclass(frozen=True)
class Succession:
    """One agency that another one follows from a day on; `code` where it is known, the full name always."""

    predecessor_code: str | None
    predecessor_name: str
    successor_code: str | None
    successor_name: str
    effective_on: date
    kind: str
    scope: str
    legal_basis: str
    source: str
    is_verified: bool

    @property
    def is_whole(self) -> bool:
        """Whether all duties went to the successor."""
        return self.kind in WHOLE


@config.cached()
def load() -> tuple[Succession, ...]:
    """All successions in order of time, those in `agency_successions.csv` of LGSP_CONFIG included.

    Raises ContractError for a row with an unknown kind, mark or day.
    """
    by_key = {tuple(row[name] for name in KEY): parse(row, OWN) for row in territory_files.shipped_rows(FILE)}
    if own := config.file(OWN):
        for line, row in csv_file.rows(own, COLUMNS):
            by_key[tuple(row[name] for name in KEY)] = parse(row, f"{OWN} line {line}")
    return tuple(sorted(by_key.values(), key=lambda succession: succession.effective_on))


def parse(row: dict[str, str], place: str) -> Succession:
    """The succession of a row. Raises ContractError, which names the place, for an unknown kind, mark or day."""
    if row["kind"] not in (*WHOLE, *PARTIAL):
        raise ContractError(f"{place}: kind {row['kind']!r} must be {', '.join((*WHOLE, *PARTIAL))}")
    if row["verified"] not in ("yes", "no"):
        raise ContractError(f"{place}: verified {row['verified']!r} must be yes or no")
    if not row["predecessor_name"] or not row["successor_name"]:
        raise ContractError(f"{place}: predecessor_name and successor_name must have the full names of both agencies")
    try:
        effective_on = date.fromisoformat(row["effective_on"])
    except ValueError as error:
        raise ContractError(
            f"{place}: effective_on {row['effective_on']!r} is no day; write it as 2026-01-10"
        ) from error
    return Succession(
        row["predecessor_code"] or None, row["predecessor_name"], row["successor_code"] or None, row["successor_name"],
        effective_on, row["kind"], row["scope"], row["legal_basis"], row["source"], row["verified"] == "yes",
    )  # fmt: skip
