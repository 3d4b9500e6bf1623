"""Profile a batch: how often each field is empty, its JSON types, and the number of records of each day.

The profile shows how a batch differs from earlier ones: in its JSON types, its share of empty values and its days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from lgsp.harmonise.field_sql import IGNORED, SourceList
from lgsp.schema import records
from lgsp.sql import one_row, parquet, quoted
from lgsp.store import ledger

# JSON types are taken from one record in twenty: examining all records takes as long as reading them.
SAMPLED, FEWEST_SAMPLED, MOST_SAMPLED = 1 / 20, 500, 2000

# The kinds of record that come as XML, without JSON types: their staged fields are profiled.
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
class FieldPath:
    """A described field: its name and JSON path, and the SQL that counts its occurrences (`records`) and values (`filled`)."""

    name: str
    json_path: str
    records: str
    filled: str


def json_types(con: duckdb.DuckDBPyConnection, source_list: SourceList) -> dict[str, tuple[str, ...]]:
    """The JSON types of each described field in a sample of the records of a list; null does not count as a type."""
    count = _count(con, f"raw_{source_list.name}")
    # sampled by hash: the same records whenever the batch is harmonised
    wanted = min(max(int(count * SAMPLED), FEWEST_SAMPLED), MOST_SAMPLED)
    where = f"where raw_hash < '{wanted * 16**8 // count:08x}'" if count > wanted else ""
    sample = f"(select record from raw_{source_list.name} {where} limit {MOST_SAMPLED})"
    fields = list(_field_paths(source_list.fields))
    outside_lists = [field for field in fields if "[*]" not in field.name]
    names, paths = (
        f"[{', '.join(map(quoted, texts))}]"
        for texts in ([f.name for f in outside_lists], [f.json_path for f in outside_lists])
    )
    queries = [f"select unnest({names}) as name, unnest(json_type(record, {paths})) as type from {sample}"]
    queries += [
        f"select {quoted(field.name)} as name, unnest(json_type(record, {quoted(field.json_path)})) as type from {sample}"
        for field in fields
        if field not in outside_lists
    ]
    types_by_name: defaultdict[str, set[str]] = defaultdict(set)
    for name, type_ in con.execute(f"select distinct name, type from ({' union all '.join(queries)})").fetchall():
        if type_ not in (None, "NULL"):
            types_by_name[name].add(_TYPES.get(type_, NUMBER))
    return {name: tuple(sorted(types)) for name, types in types_by_name.items()}


def profile_list(
    con: duckdb.DuckDBPyConnection, source_list: SourceList, types: Mapping[str, tuple[str, ...]]
) -> list[Field]:
    """The profile of the table of a list: of each described field the number of records and nulls, and the JSON types."""
    fields = list(_field_paths(source_list.fields))
    counts = ", ".join(f"{field.records}, {field.filled}" for field in fields)
    row = one_row(con.execute(f"select {counts} from {source_list.name}"))
    return [
        Field(source_list.name, field.name, count or 0, (count or 0) - (filled or 0), types.get(field.name, ()))
        for field, count, filled in zip(fields, row[::2], row[1::2], strict=True)
    ]


def _field_paths(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[FieldPath]:
    for key, declared in fields.items():
        if declared == IGNORED:
            continue
        path = (*above, key)
        name, sql = ".".join(path), ".".join(f'"{part}"' for part in path)
        if isinstance(declared, Mapping):
            inner = list(_field_paths(declared, path))
            columns = [_quoted(field.name) for field in inner if "[*]" not in field.name]
            if columns:
                yield FieldPath(name, f"$.{sql}", "count(*)", f"count(*) filter (where {_any_filled(columns)})")
            yield from inner
        elif isinstance(declared, list):
            yield FieldPath(name, f"$.{sql}", "count(*)", f"count(*) filter (where len({sql}) > 0)")
            for leaf in _field_paths(declared[0]):
                yield FieldPath(f"{name}[*].{leaf.name}", f"$.{sql}[*].{_quoted(leaf.name)}", f"sum(len({sql}))",
                            f"sum(len(list_filter({sql}, lambda x: x.{_quoted(leaf.name)} is not null)))")  # fmt: skip
        else:
            yield FieldPath(name, f"$.{sql}", "count(*)", f"count({sql})")


def _quoted(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))


def _any_filled(expressions: Sequence[str]) -> str:
    return " or ".join(f"{sql} is not null" for sql in expressions)


def profile_staged(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[list[Field], list[tuple[str, date, int]]]:
    """The profile of the staged fields of records that came as XML, and the number of records by kind and day."""
    fields, days = [], []
    for kind in records.FACTS:
        path = folder / f"{kind.name}.parquet"
        if not path.exists():
            continue
        days += [
            (kind.name, day, count)
            for day, count in con.execute(
                f"select local_day(source_updated_at), count(distinct raw_hash) from {parquet(path)} where source_updated_at is not null group by 1 order by 1"
            ).fetchall()
        ]
        if kind in XML:
            names = [name for name in kind.columns if name not in (*records.IDENTITY, *records.ABOUT)]
            row = one_row(
                con.execute(f"select count(*), {', '.join(f'count({name})' for name in names)} from {parquet(path)}")
            )
            fields += [Field(kind.name, name, row[0], row[0] - n) for name, n in zip(names, row[1:], strict=True)]
    return fields, days


def record(
    connection: ledger.Connection, batch_id: str, fields: Sequence[Field], days: Sequence[tuple[str, date, int]]
) -> None:
    """Record the profile of a batch in the ledger, in place of an earlier one of the same batch."""
    for table in ("field_profile", "batch_day"):
        connection.execute(f"delete from ledger.{table} where batch_id = %s", [batch_id])
    with connection.cursor() as cursor:
        with cursor.copy(
            "copy ledger.field_profile (batch_id, list, field, record_count, null_count, json_types) from stdin"
        ) as copy:
            for field in fields:
                copy.write_row([batch_id, field.list, field.field, field.records, field.nulls, list(field.json_types)])
        with cursor.copy("copy ledger.batch_day (batch_id, kind, day_on, record_count) from stdin") as copy:
            for day in days:
                copy.write_row([batch_id, *day])


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = one_row(con.execute(f"select count(*) from {table}"))
    return int(row[0])


def retyped(connection: ledger.Connection, batch: ledger.Batch, fields: Sequence[Field]) -> dict[str, list[str]]:
    """By list, the fields with a JSON type that they had in none of the source's last published batches.

    A field that was always empty before is not among them, nor is any field of a source without history.
    """
    rows = connection.execute(
        "select list, field, array_agg(distinct type) as types from ledger.field_profile, unnest(json_types) type "
        "where batch_id in (select batch_id from ledger.batch where source = %s and state = 'published' and purpose = 'window' "
        "and batch_id <> %s order by window_to desc, batch_id desc limit %s) group by list, field",
        [batch.source, batch.batch_id, BATCHES_OF_HISTORY],
    ).fetchall()
    before = {(row["list"], row["field"]): set(row["types"]) for row in rows}
    retyped_fields: dict[str, list[str]] = {}
    for field in fields:
        known = before.get((field.list, field.field), set(field.json_types))
        if new := sorted(set(field.json_types) - known):
            retyped_fields.setdefault(field.list, []).append(
                f"{field.field} ({' and '.join(new)}, was {' or '.join(sorted(known))})"
            )
    return retyped_fields
