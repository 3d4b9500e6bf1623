"""The ratios of services: the SQL terms that compute each from measures, and the texts that explain it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lgsp.errors import ContractError
from lgsp.schema import located_yaml

FILE = Path(__file__).with_name("indicator_definition.yml")
TABLE = "service_kpi"
BASES = ("finished", "received", "open", "progress", "rated", "offering")

_TERM = re.compile(r"[a-z_]+(?: [+-] [a-z_]+)*")


@dataclass(frozen=True)
class Ratio:
    """One ratio: SQL terms over measures, and the texts that explain it."""

    kpi_id: str
    numerator: str
    denominator: str
    excluded: str = "0"
    basis: str = "received"
    counted: str | None = None  # why a unit is in the numerator
    not_counted: str | None = None  # why it is in the denominator only
    outside: str | None = None  # why it is not in the denominator

    @property
    def measures(self) -> set[str]:
        """The measures from which it is computed."""
        return set(re.findall(r"[a-z_]+", f"{self.numerator} {self.denominator} {self.excluded}"))


@cache
def ratios(file: Path = FILE) -> dict[str, Ratio]:
    """The ratios of a definition file by kpi_id, in the order of the file; only indicators with the key `ratio`.

    Raises ContractError for a `ratio` or `explain` that cannot be used.
    """
    return {
        kpi_id: _ratio(file, kpi_id, entry) for kpi_id, entry in located_yaml.parse(file).items() if "ratio" in entry
    }


def check(file: Path) -> None:
    """Raise ContractError when the `ratio` or `explain` of a province's own file differs from that of the program."""
    for kpi_id, ratio in ratios(file).items():
        if ratio != ratios().get(kpi_id):
            raise ContractError(
                f"{file.name}: `ratio` or `explain` of {kpi_id} differs from the program; leave both out"
            )


def _ratio(file: Path, kpi_id: str, entry: dict[str, Any]) -> Ratio:
    try:
        ratio = Ratio(kpi_id, **entry["ratio"], **entry.get("explain", {}))
    except TypeError as error:
        raise ContractError(f"{file.name}: ratio or explain of {kpi_id}: {error}") from None
    for term in (ratio.numerator, ratio.denominator, ratio.excluded):
        if term != "0" and not _TERM.fullmatch(str(term)):
            raise ContractError(f"{file.name}: ratio of {kpi_id}: {term!r} must be measures joined by + or -")
    if ratio.basis not in BASES:
        raise ContractError(f"{file.name}: explain of {kpi_id}: basis {ratio.basis!r}; known are {', '.join(BASES)}")
    return ratio
