"""The last look before anything is shared: no text of an accepted row may hold what belongs to a person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from lgsp import records, text
from lgsp.contract import quoted

# Columns that are never shared: hashes, places of bytes, JSON of codes and numbers, what was undone where.
UNSHARED = frozenset({"raw_hash", "content_hash", "raw_pointer", "batch_id", "events", "repairs", "receipt_key"})

# Official lists may name agencies after persons (a school, a ward); a person's numbers have no place there either.
OFFICIAL = frozenset({records.ORGANISATION.name, records.SERVICE.name})

# Nothing shorter than a word with a space, an @ or a run of digits can be a name, an address or a number of a person's.
_SUSPICIOUS = r"[@ ]|\d{8}|\d[ .-]\d{3}[ .-]\d{3}"


@dataclass(frozen=True)
class Finding:
    """A column in which something personal was found, of which kind and in how many values: never the value."""

    kind: str
    column: str
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.column} holds a person's {self.what} in {self.count} values"


def scan(con: duckdb.DuckDBPyConnection, accepted: Path) -> list[Finding]:
    """What is personal in the accepted rows of a batch: every text column of every kind of record, value by value."""
    findings: dict[tuple[str, str, str], int] = {}
    for kind in records.KINDS.values():
        file = accepted / f"{kind.name}.parquet"
        if not file.exists():
            continue
        for column, type_ in kind.columns.items():
            if column in UNSHARED or not type_.startswith("text"):
                continue
            for value in _suspicious(con, file, column, type_):
                for what in text.persons_in(value):
                    if what == "name" and kind.name in OFFICIAL:
                        continue
                    findings[kind.name, column, what] = findings.get((kind.name, column, what), 0) + 1
    return [Finding(*place, count) for place, count in sorted(findings.items())]


def _suspicious(con: duckdb.DuckDBPyConnection, file: Path, column: str, type_: str) -> list[str]:
    value = f"unnest({column})" if type_ == "text[]" else column
    rows = con.execute(
        f"select distinct value from (select {value} as value from {quoted(str(file))}) where regexp_matches(value, {quoted(_SUSPICIOUS)})"
    ).fetchall()
    return [str(row[0]) for row in rows]
