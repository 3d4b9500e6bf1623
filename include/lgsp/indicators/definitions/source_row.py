"""A row of a definition file, and where it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lgsp.errors import ContractError


@dataclass(frozen=True)
class SourceRow:
    """What a line of a definition file says, as a row of its table."""

    file: str
    line: int
    row: dict[str, Any]

    def refused(self, why: str) -> ContractError:
        """The refusal of this row, with its place."""
        return ContractError(f"{self.file} line {self.line}: {why}")


def clash(first: SourceRow, second: SourceRow, why: str) -> ContractError:
    """The refusal of two rows that cannot both hold."""
    return ContractError(f"{first.file} lines {first.line} and {second.line}: {why}")
