"""A row of a definition file, with its file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lgsp.errors import ContractError


@dataclass(frozen=True)
class SourceRow:
    """A row of a definition table, and the file and line that it was read from."""

    file: str
    line: int
    row: dict[str, Any]

    def error(self, message: str) -> ContractError:
        """An error about this row, with its file and line."""
        return ContractError(f"{self.file} line {self.line}: {message}")


def conflict(first: SourceRow, second: SourceRow, message: str) -> ContractError:
    """An error about two rows that contradict each other, with their file and lines."""
    return ContractError(f"{first.file} lines {first.line} and {second.line}: {message}")
