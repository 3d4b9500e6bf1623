"""The profile of a batch: how often each field is empty, in which JSON types it came, how many records each day has.

What is unlike the batches before it is told from here: new, gone, respelled and retyped fields, unknown codes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from lgsp.harmonise.field_sql import IGNORED, Described
from lgsp.schema import records
from lgsp.sql import one_row, quoted
from lgsp.store import ledger

# One record in twenty says in which types a field comes: to look into all would cost as much as reading them.
SAMPLED, FEWEST_SAMPLED, MOST_SAMPLED = 1 / 20, 500, 2000

# What came as XML has no JSON types: its fields are profiled as they were staged.
XML = (records.DOCUMENT, records.DOCUMENT_STATUS)

BATCHES_OF_HISTORY = 28

NUMBER = "number"
_TYPES = {"VARCHAR": "string", "BOOLEAN": "boolean", "OBJECT": "object", "ARRAY": "array"}


@dataclass(frozen=True)
class Field:
    """One described field of a list in one batch; a field within a list is counted once for each of its elements."""

    list: str
    field: str
    records: int
    nulls: int
    json_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a described field is: its name, its JSON path, and how to count where it is and where it says something."""

    name: str
    json_path: str
    records: str
    filled: str


def json_types(con: duckdb.DuckDBPyConnection, listed: Described) -> dict[str, tuple[str, ...]]:
    """In which JSON types each described field came, over a sample of the list's records; null is none."""
    count = _count(con, f"raw_{listed.name}")
    # by hash: the same records whenever the batch is harmonised
    wanted = min(max(int(count * SAMPLED), FEWEST_SAMPLED), MOST_SAMPLED)
    some = f"where raw_hash < '{wanted * 16**8 // count:08x}'" if count > wanted else ""
    sample = f"(select record from raw_{listed.name} {some} limit {MOST_SAMPLED})"
    places = list(_places(listed.fields))
    plain = [place for place in places if "[*]" not in place.name]
    names, paths = (f"[{', '.join(map(quoted, of))}]" for of in ([p.name for p in plain], [p.json_path for p in plain]))
    queries = [f"select unnest({names}) as name, unnest(json_type(record, {paths})) as type from {sample}"]
    queries += [
        f"select {quoted(place.name)} as name, unnest(json_type(record, {quoted(place.json_path)})) as type from {sample}"
        for place in places
        if place not in plain
    ]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, type_ in con.execute(f"select distinct name, type from ({' union all '.join(queries)})").fetchall():
        if type_ not in (None, "NULL"):
            found[name].add(_TYPES.get(type_, NUMBER))
    return {name: tuple(sorted(types)) for name, types in found.items()}


def opened(con: duckdb.DuckDBPyConnection, listed: Described, types: Mapping[str, tuple[str, ...]]) -> list[Field]:
    """The profile of an opened list: how often each described field says something, and its types."""
    places = list(_places(listed.fields))
    counts = ", ".join(f"{place.records}, {place.filled}" for place in places)
    row = one_row(con.execute(f"select {counts} from {listed.name}"))
    return [
        Field(listed.name, place.name, count or 0, (count or 0) - (filled or 0), types.get(place.name, ()))
        for place, count, filled in zip(places, row[::2], row[1::2], strict=True)
    ]


def _places(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[Place]:
    for key, told in fields.items():
        if told == IGNORED:
            continue
        path = (*above, key)
        name, sql = ".".join(path), ".".join(f'"{part}"' for part in path)
        if isinstance(told, Mapping):
            inner = list(_places(told, path))
            said = [_quoted(place.name) for place in inner if "[*]" not in place.name]
            if said:
                yield Place(name, f"$.{sql}", "count(*)", f"count(*) filter (where {_any(said)})")
            yield from inner
        elif isinstance(told, list):
            yield Place(name, f"$.{sql}", "count(*)", f"count(*) filter (where len({sql}) > 0)")
            for leaf in _places(told[0]):
                yield Place(f"{name}[*].{leaf.name}", f"$.{sql}[*].{_quoted(leaf.name)}", f"sum(len({sql}))",
                            f"sum(len(list_filter({sql}, lambda x: x.{_quoted(leaf.name)} is not null)))")  # fmt: skip
        else:
            yield Place(name, f"$.{sql}", "count(*)", f"count({sql})")


def _quoted(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))


def _any(expressions: Sequence[str]) -> str:
    return " or ".join(f"{sql} is not null" for sql in expressions)


def staged(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[list[Field], list[tuple[str, date, int]]]:
    """Of the records a batch staged: the fields of those that came as XML, and how many of each kind each day has."""
    fields, days = [], []
    for kind in records.FACTS:
        path = folder / f"{kind.name}.parquet"
        if not path.exists():
            continue
        days += [
            (kind.name, day, count)
            for day, count in con.execute(
                f"select local_day(source_updated_at), count(distinct raw_hash) from '{path}' where source_updated_at is not null group by 1 order by 1"
            ).fetchall()
        ]
        if kind in XML:
            names = [name for name in kind.columns if name not in (*records.IDENTITY, *records.ABOUT)]
            row = one_row(
                con.execute(f"select count(*), {', '.join(f'count({name})' for name in names)} from '{path}'")
            )
            fields += [Field(kind.name, name, row[0], row[0] - n) for name, n in zip(names, row[1:], strict=True)]
    return fields, days


def record(
    connection: ledger.Connection, batch_id: str, fields: Sequence[Field], days: Sequence[tuple[str, date, int]]
) -> None:
    """Keep the profile of a batch in place of what was kept of it before."""
    for table in ("field_profile", "batch_day"):
        connection.execute(f"delete from ledger.{table} where batch_id = %s", [batch_id])
    with connection.cursor() as cursor:
        with cursor.copy(
            "copy ledger.field_profile (batch_id, list, field, record_count, null_count, json_types) from stdin"
        ) as copy:
            for one in fields:
                copy.write_row([batch_id, one.list, one.field, one.records, one.nulls, list(one.json_types)])
        with cursor.copy("copy ledger.batch_day (batch_id, kind, day_on, record_count) from stdin") as copy:
            for day in days:
                copy.write_row([batch_id, *day])


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = one_row(con.execute(f"select count(*) from {table}"))
    return int(row[0])


def retyped(connection: ledger.Connection, batch: ledger.Batch, fields: Sequence[Field]) -> dict[str, list[str]]:
    """By list, the fields that came in a JSON type they had in none of the source's last published batches.

    A field that never said anything before is none of them, nor is any of a source without history.
    """
    rows = connection.execute(
        "select list, field, array_agg(distinct type) as types from ledger.field_profile, unnest(json_types) type "
        "where batch_id in (select batch_id from ledger.batch where source = %s and state = 'published' and purpose = 'window' "
        "and batch_id <> %s order by window_to desc, batch_id desc limit %s) group by list, field",
        [batch.source, batch.batch_id, BATCHES_OF_HISTORY],
    ).fetchall()
    before = {(row["list"], row["field"]): set(row["types"]) for row in rows}
    found: dict[str, list[str]] = {}
    for one in fields:
        was = before.get((one.list, one.field), set(one.json_types))
        if came := sorted(set(one.json_types) - was):
            found.setdefault(one.list, []).append(f"{one.field} ({' and '.join(came)}, was {' or '.join(sorted(was))})")
    return found
