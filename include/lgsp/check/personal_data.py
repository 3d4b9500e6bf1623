"""The last look before anything is shared: no text of an accepted row may hold what belongs to a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lgsp.schema import records
from lgsp.sql import quoted
from lgsp.vietnam import personal_data
from lgsp.vietnam.personal_data import KEYS_SPARED

# Columns that are never shared: hashes, places of bytes, JSON of codes and numbers, what was undone where.
UNSHARED = frozenset(
    {"raw_hash", "content_hash", "raw_pointer", "batch_id", "events", "repairs", "quality_flags", "receipt_key"}
)

# Official lists may name agencies after persons (a school, a ward); a person's numbers have no place there either.
OFFICIAL = frozenset({records.ORGANISATION.name, records.SERVICE.name})
OFFICIAL_NAMES = frozenset({"name"})

# Nothing shorter than a word with a space, an @ or a run of digits can be a name, an address or a number of a person's.
_SUSPICIOUS = r"[@ ]|\d{8}|\d[ .-]\d{3}[ .-]\d{3}"


# A key that a document database made, or a dossier's code: digits they have, but they are nobody's.
_MADE = r"[0-9a-f]{24}|(\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}|[A-Z]\d{2}(\.\d{1,3}){0,3})-\d{6}-\d{4,6}"


@dataclass(frozen=True)
class Finding:
    """A column in which something personal was found, of which kind and in how many values: never the value."""

    kind: str
    column: str
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.column} holds a person's {self.what} in {self.count} values"


def scan(con: duckdb.DuckDBPyConnection, accepted: Path, kinds: Iterable[records.Kind]) -> list[Finding]:
    """What is personal in the accepted rows of some kinds of record: every text column, value by value."""
    findings: Counter[tuple[str, str, str]] = Counter()
    for kind in kinds:
        file = accepted / f"{kind.name}.parquet"
        for column, _, found in personal(con, quoted(str(file)), kind) if file.exists() else ():
            findings.update((kind.name, column, what) for what in found)
    return [Finding(*place, count) for place, count in sorted(findings.items())]


def personal(
    con: duckdb.DuckDBPyConnection, rows: str, kind: records.Kind
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every distinct text of a table (or a file, as a literal) in which something personal is: column, text, what."""
    for column, type_ in kind.columns.items():
        if column in UNSHARED or not type_.startswith("text"):
            continue
        spared = (KEYS_SPARED if column == "source_key" else frozenset()) | (
            OFFICIAL_NAMES if kind.name in OFFICIAL else frozenset()
        )
        for value in _suspicious(con, rows, column, type_):
            if found := tuple(what for what in personal_data.persons_in(value) if what not in spared):
                yield column, value, found


def mark(con: duckdb.DuckDBPyConnection, table: str, kind: records.Kind) -> None:
    """Add `is_personal` to a table of harmonised rows: whether any text of the row that is shared is personal."""
    found = [(column, value) for column, value, _ in personal(con, table, kind)]
    con.execute("create or replace table personal (place varchar, value varchar)")
    if not found:
        con.execute(f"alter table {table} add column is_personal boolean default false")
        return
    con.executemany("insert into personal values (?, ?)", found)
    told = [f"{_is_in(column, kind.columns[column])}" for column in sorted({column for column, _ in found})]
    con.execute(f"create or replace table {table} as select *, {' or '.join(told)} as is_personal from {table}")


def _is_in(column: str, type_: str) -> str:
    held = f"(select list(value) from personal where place = {quoted(column)})"
    return f"coalesce({f'list_has_any({column}, {held})' if type_ == 'text[]' else f'list_contains({held}, {column})'}, false)"


def _suspicious(con: duckdb.DuckDBPyConnection, rows: str, column: str, type_: str) -> list[str]:
    value = f"unnest({column})" if type_ == "text[]" else column
    found = con.execute(
        f"select distinct value from (select {value} as value from {rows}) where regexp_matches(value, {quoted(_SUSPICIOUS)}) "
        f"and not regexp_full_match(value, {quoted(_MADE)})"
    ).fetchall()
    return [str(row[0]) for row in found]
