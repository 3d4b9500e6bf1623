"""Reads which agency took over the duties of which: the reorganisations of 2021 to 2026, with their legal basis.

Rows with `verified` = no are assumptions: the successor exists, the pair or the day has no source. They are data, so that
a correction changes no program.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from lgsp.errors import ContractError
from lgsp.vietnam import territory_versions

FILE = "agency_successions"
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


@cache
def load() -> tuple[Succession, ...]:
    """All successions in order of time. Raises ContractError for a row with an unknown kind or mark."""
    rows = sorted(territory_versions.read_rows(FILE), key=lambda row: row["effective_on"])
    return tuple(_succession(row) for row in rows)


def _succession(row: dict[str, str]) -> Succession:
    if row["kind"] not in (*WHOLE, *PARTIAL) or row["verified"] not in ("yes", "no"):
        raise ContractError(
            f"{FILE}.csv: {row['predecessor_name']}: unknown kind or mark {row['kind']}, {row['verified']}"
        )
    return Succession(
        row["predecessor_code"] or None, row["predecessor_name"], row["successor_code"] or None, row["successor_name"],
        date.fromisoformat(row["effective_on"]), row["kind"], row["scope"], row["legal_basis"], row["source"], row["verified"] == "yes",
    )  # fmt: skip
