"""Which parts (months) of which tables a publication changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Changes:
    """By table: the parts (months as YYYY-MM, or `all`) that a publication changed, and the number of changed rows."""

    parts: dict[str, set[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, parts: Iterable[str], rows: int) -> None:
        """Add changed parts and a number of changed rows of a table."""
        self.parts.setdefault(table, set()).update(parts)
        self.rows[table] = self.rows.get(table, 0) + rows
