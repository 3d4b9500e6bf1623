"""Parse the pages of a landed list into a table of typed fields, and find the differences from its description."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from lgsp.harmonise import profile
from lgsp.harmonise.field_sql import IGNORED, SourceList
from lgsp.land import json_sanitiser
from lgsp.land.archive import Batch, LandedAnswer, by_key
from lgsp.land.record_subset import Selection
from lgsp.sql import quoted
from lgsp.vietnam import text

# Bodies are passed to DuckDB in chunks of about this many bytes, so that a batch is never in memory twice.
CHUNK_BYTES = 16 * 1024 * 1024

# The most new fields and unknown codes that are reported: a source with values as keys must not fill the ledger.
MOST_REPORTED = 50
_NAME = re.compile(r"[A-Za-z_][\w-]{0,60}", re.ASCII)


@dataclass
class Drift:
    """How the fields of a list differ from their description."""

    list_name: str
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    respelled: list[str] = field(default_factory=list)
    retyped: list[str] = field(default_factory=list)  # fields in a JSON type that they never had before
    unknown: list[str] = field(default_factory=list)  # codes that no code list has, with the file to add them to

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.respelled or self.retyped or self.unknown)

    def __str__(self) -> str:
        renamed = [f"{gone} seems to be {close[0]} now" for gone in self.gone
                   if (close := difflib.get_close_matches(gone, self.new, 1, 0.8))]  # fmt: skip
        respelled = [f"{len(self.respelled)} fields, such as {self.respelled[0]}"] if self.respelled else []
        changes = [
            ("new", self.new),
            ("gone", self.gone),
            ("renamed?", renamed),
            ("in another case", respelled),
            ("retyped", self.retyped),
            ("unknown codes", self.unknown),
        ]
        return f"{self.list_name}: " + "; ".join(f"{change}: {', '.join(names)}" for change, names in changes if names)

    def as_json(self) -> dict[str, Any]:
        """The drift as the ledger stores it."""
        return {"of": self.list_name, "new": self.new, "gone": self.gone, "respelled": self.respelled,
                "retyped": self.retyped, "unknown": self.unknown}  # fmt: skip


def read(
    con: duckdb.DuckDBPyConnection, batch: Batch, batch_id: str, source_list: SourceList, max_depth: int
) -> tuple[Drift, list[profile.Field]]:
    """Create the table of a list; returns how its fields differ from their description, and the profile of each field.

    The table has a column for each described field, and `raw_pointer`, `raw_hash`, `repairs` (as `field:treatment`) and
    `unknown_codes`. The raw pointers of damaged records are added to the table `damaged_record`.
    """
    name = source_list.name
    con.execute(
        f"create table raw_{name} (call integer, ordinal bigint, record json, raw_hash varchar, is_respelled boolean, is_damaged boolean)"
    )
    for bodies in _chunks(batch, name):
        _insert_records(con, source_list, bodies, max_depth)
    for bodies in _chunks(batch, by_key(name)):
        _insert_records(con, source_list, [each for each in bodies if each[0].records], max_depth, is_single=True)
    if isinstance(batch, Selection):
        _delete_others(con, name, batch)
    con.execute(
        f"insert into damaged_record select {quoted(batch_id + '#')} || call || ':' || ordinal from raw_{name} where is_damaged"
    )
    drift = _find_drift(con, source_list)
    if drift.respelled:
        _respell(con, source_list, drift)
    con.execute(
        f"create table sent_{name} as select call, ordinal, raw_hash, is_respelled, "
        f"unnest(json_transform(record, {quoted(source_list.structure())})) from raw_{name}"
    )
    types = profile.json_types(con, source_list)
    con.execute(f"drop table raw_{name}")
    _repair_texts(con, source_list)
    # with so many small expressions the rewriter takes longer than it saves
    con.execute("set disabled_optimizers = 'expression_rewriter'")
    con.execute(
        f"create table {name} as select {quoted(batch_id + '#')} || call || ':' || ordinal as raw_pointer, raw_hash,\n"
        f"{source_list.columns()}\nfrom sent_{name} s\n{source_list.joins()}"
    )
    con.execute("reset disabled_optimizers")
    con.execute(f"drop table sent_{name}")
    rows = con.execute(
        f"select distinct unknown_codes from {name} where unknown_codes is not null order by 1 limit {MOST_REPORTED}"
    )
    drift.unknown += [str(row[0]) for row in rows.fetchall()]
    return drift, profile.profile_list(con, source_list, types)


def repairs(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str, str, int]]:
    """The repairs in the table of a list: (list, field, treatment, records)."""
    rows = con.execute(
        f"select string_split(repair, ':') as repair, count(*) from (select unnest(string_split(repairs, ',')) as repair from {name}) group by 1 order by 1"
    ).fetchall()
    return [(name, field_name, treatment, count) for (field_name, treatment), count in rows]


def _chunks(batch: Batch, name: str) -> Iterator[list[tuple[LandedAnswer, bytes]]]:
    chunk: list[tuple[LandedAnswer, bytes]] = []
    size = 0
    for call, body in batch.bodies(batch.calls(name)):
        chunk.append((call, body))
        size += len(body)
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _insert_records(
    con: duckdb.DuckDBPyConnection,
    source_list: SourceList,
    bodies: list[tuple[LandedAnswer, bytes]],
    max_depth: int,
    *,
    is_single: bool = False,
) -> None:
    """Insert one row for each record of some pages into `raw_<list>`, with MARK in the place of damaged characters.

    With `is_single` each body is the answer to a request for one record by its key.
    """
    sanitised = [json_sanitiser.sanitise(body, max_depth) for _, body in bodies]
    try:
        _insert_json(con, source_list, bodies, sanitised, is_single)
    except (duckdb.InvalidInputException, pa.ArrowInvalid):  # only damaged pages pay for the repair
        repaired = [json_sanitiser.repair(body, max_depth) for _, body in bodies]
        _insert_json(con, source_list, bodies, repaired, is_single)


def _insert_json(
    con: duckdb.DuckDBPyConnection,
    source_list: SourceList,
    sent: list[tuple[LandedAnswer, bytes]],
    bodies: list[bytes],
    is_single: bool,
) -> None:
    # a page that was not changed has no mark of ours: most pages are not searched for it
    marked = [
        str(call.number)
        for (call, original), body in zip(sent, bodies, strict=True)
        if body is not original and json_sanitiser.MARK_BYTES in body
    ]
    key = source_list.records
    if is_single:
        items = f"[body::json->{quoted(source_list.record)}]" if source_list.record else "[body::json]"
    else:
        items = f'json_transform(body, {quoted(orjson.dumps({key: ["JSON"]}).decode())})."{key}"'
        # some builds of the products send a plain list instead of an object with the list
        bodies = [
            body if not body.lstrip().startswith(b"[") else b'{"%s":%s}' % (key.encode(), body) for body in bodies
        ]
    page = pa.table({
        "call": pa.array([call.number for call, _ in sent], pa.int32()),
        "body": pa.array(bodies, pa.binary()).cast(pa.string()),  # raises ArrowInvalid for bytes that are not UTF-8
    })  # fmt: skip
    con.register("page", page)
    has_mark = f"call in ({', '.join(marked)}) and contains(record::varchar, '{json_sanitiser.MARK}')"
    damaged = has_mark if marked else "false"
    con.execute(
        f"insert into raw_{source_list.name} select call, ordinal, record, md5(record::varchar), false, {damaged} from ("
        f"select call, generate_subscripts(items, 1) - 1 as ordinal, coalesce(unnest(items), json 'null') as record "
        f"from (select call, {items} as items from page))"
    )
    con.unregister("page")


def _delete_others(con: duckdb.DuckDBPyConnection, name: str, selection: Selection) -> None:
    """Delete the records that are not selected; a list without a selected record stays complete."""
    if positions := selection.positions(name):
        con.register("selected", pa.table({
            "call": pa.array([call for call, _ in positions], pa.int32()),
            "ordinal": pa.array([ordinal for _, ordinal in positions], pa.int64()),
        }))  # fmt: skip
        con.execute(f"delete from raw_{name} where (call, ordinal) not in (select call, ordinal from selected)")
        con.unregister("selected")


def _find_drift(con: duckdb.DuckDBPyConnection, source_list: SourceList) -> Drift:
    """Compare the keys of the records with the described keys: every unknown key is reported."""
    drift = Drift(source_list.name)
    objects = dict(source_list.objects())
    plain = [path for path in objects if "[*]" not in path]
    seen: dict[str, set[str]] = {path: set() for path in objects}
    # grouped by hash: comparing lists of lists of text takes as long as reading them
    shapes = con.execute(
        f"select any_value(keys) from (select json_keys(record, {plain}) as keys from raw_{source_list.name}) group by hash(keys)"
    ).fetchall()
    for (keys,) in shapes:
        for path, object_keys in zip(plain, keys, strict=True):
            seen[path].update(object_keys or ())
    for path in objects.keys() - set(plain):
        rows = con.execute(
            f"select distinct unnest(json_keys(record, {quoted(path)})) from raw_{source_list.name}"
        ).fetchall()
        seen[path].update(key for (keys,) in rows for key in keys or ())
    for path, known in objects.items():
        _compare(drift, path, known, seen[path])
    return drift


def _compare(drift: Drift, path: str, known: Mapping[str, Any], seen: set[str]) -> None:
    prefix = path.removeprefix("$").removeprefix(".") + "."
    lower = {name.lower() for name in known}
    strange = sorted(seen - known.keys())
    drift.respelled += [(prefix + key).lstrip(".") for key in strange if key.lower() in lower]
    new = [key for key in strange if key.lower() not in lower]
    named = [key for key in new if _NAME.fullmatch(key)]
    drift.new += [(prefix + key).lstrip(".") for key in named[:MOST_REPORTED]]
    if unreported := len(new) - len(named[:MOST_REPORTED]):
        drift.new.append(f"{prefix}({unreported} more)".lstrip("."))
    seen_lower = {key.lower() for key in seen}
    if seen:
        drift.gone += [
            (prefix + key).lstrip(".")
            for key, treatment in known.items()
            if key.lower() not in seen_lower and treatment != IGNORED
        ]


def _respell(con: duckdb.DuckDBPyConnection, source_list: SourceList, drift: Drift) -> None:
    """Rename the keys of records that differ from the description only in case."""
    keys = {re.escape(path.split(".")[-1]) for path in drift.respelled}
    pattern = quoted(f'"({"|".join(sorted(keys))})"\\s*:')
    rows = con.execute(
        f"select call, ordinal, record::varchar from raw_{source_list.name} where regexp_matches(record::varchar, {pattern})"
    ).fetchall()
    respelled = pa.table({
        "call": pa.array([row[0] for row in rows], pa.int32()),
        "ordinal": pa.array([row[1] for row in rows], pa.int64()),
        "record": [orjson.dumps(_renamed(json_sanitiser.loads(row[2].encode()), source_list.fields)).decode() for row in rows],
    })  # fmt: skip
    con.register("respelled", respelled)
    con.execute(
        f"update raw_{source_list.name} r set record = m.record, is_respelled = true "
        f"from respelled m where m.call = r.call and m.ordinal = r.ordinal"
    )
    con.unregister("respelled")


def _renamed(value: Any, fields: Any) -> Any:
    if isinstance(value, list):
        inner = fields[0] if isinstance(fields, list) else None
        return [_renamed(item, inner) for item in value]
    if not isinstance(value, dict) or not isinstance(fields, Mapping):
        return value
    names = {name.lower(): name for name in fields}
    # a key in the case of the description wins over one in another case
    ordered = sorted(value.items(), key=lambda item: item[0] in fields)
    return {name: _renamed(item, fields.get(name)) for key, item in ordered for name in [names.get(key.lower(), key)]}


def _repair_texts(con: duckdb.DuckDBPyConnection, source_list: SourceList) -> None:
    """Add the repaired Vietnamese texts of a list to `text_value`, each distinct text once."""
    for path, treatment in source_list.text_fields():
        value = "name_vi(sent::json)" if treatment == "label" else "sent"
        rows = con.execute(
            f"select sent, {value} from (select distinct {path}::varchar as sent "
            f"from sent_{source_list.name} s) where sent is not null and sent not in (select sent from text_value)"
        ).fetchall()
        if not rows:
            continue
        repaired = [text.repair(value) if value else None for _, value in rows]
        con.register("repaired_text", pa.table({
            "sent": pa.array([sent for sent, _ in rows], pa.string()),
            "text": pa.array([item.text if item else None for item in repaired], pa.string()),
            "repairs": pa.array(["+".join(item.treatments) or None if item else None for item in repaired], pa.string()),
        }))  # fmt: skip
        con.execute("insert into text_value select * from repaired_text")
        con.unregister("repaired_text")
