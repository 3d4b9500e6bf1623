"""Which months of which tables a publication changed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Touched:
    """Which parts (months) of which tables a publication changed, and how many rows."""

    parts: dict[str, set[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, parts: list[str], rows: int) -> None:
        """Remember the parts a change touched."""
        self.parts.setdefault(table, set()).update(parts)
        self.rows[table] = self.rows.get(table, 0) + rows
