"""Opening: the pages of a landed list become a table of typed, treated fields, and what is new in them is told."""

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
from lgsp.harmonise.field_sql import Described
from lgsp.land import json_sanitiser
from lgsp.land.archive import Batch, LandedAnswer
from lgsp.land.record_subset import Selection
from lgsp.sql import quoted
from lgsp.vietnam import text

# Bodies are handed to DuckDB in chunks of about this many bytes, so a batch is never in memory twice.
CHUNK_BYTES = 16 * 1024 * 1024

# A source whose keys are values (an object by person, say) must not fill the ledger with them.
MOST_TOLD = 50
_NAME = re.compile(r"[A-Za-z_][\w-]{0,60}", re.ASCII)


@dataclass
class Drift:
    """How a list's fields differ from what the source's description says."""

    of: str
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    respelled: list[str] = field(default_factory=list)
    retyped: list[str] = field(default_factory=list)  # fields in a JSON type that they never had before
    unknown: list[str] = field(default_factory=list)  # codes that no code list has, with where to add them

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.respelled or self.retyped or self.unknown)

    def __str__(self) -> str:
        renamed = [f"{gone} seems to be {close[0]} now" for gone in self.gone
                   if (close := difflib.get_close_matches(gone, self.new, 1, 0.8))]  # fmt: skip
        some = [f"{len(self.respelled)} fields, such as {self.respelled[0]}"] if self.respelled else []
        told = [
            ("new", self.new),
            ("gone", self.gone),
            ("renamed?", renamed),
            ("in another case", some),
            ("retyped", self.retyped),
            ("unknown codes", self.unknown),
        ]
        return f"{self.of}: " + "; ".join(f"{what}: {', '.join(names)}" for what, names in told if names)


def read(
    con: duckdb.DuckDBPyConnection, batch: Batch, batch_id: str, listed: Described
) -> tuple[Drift, list[profile.Field]]:
    """Make the table of a list: a column for each described field, with `raw_pointer` and `raw_hash`, `repairs`
    (what was undone, as `field:treatment`) and `unknown_codes`; how its fields differ from their description, and
    what each looks like.
    """
    name = listed.name
    con.execute(
        f"create table raw_{name} (call integer, ordinal bigint, record json, raw_hash varchar, is_respelled boolean)"
    )
    for bodies in _chunks(batch, name):
        _explode(con, name, listed.records, bodies)
    if isinstance(batch, Selection):
        _pick(con, name, batch)
    drift = _audit(con, listed)
    if drift.respelled:
        _respell(con, listed, drift)
    con.execute(
        f"create table sent_{name} as select call, ordinal, raw_hash, is_respelled, "
        f"unnest(json_transform(record, {quoted(listed.structure())})) from raw_{name}"
    )
    types = profile.json_types(con, listed)
    con.execute(f"drop table raw_{name}")
    _read_words(con, listed)
    con.execute(
        "set disabled_optimizers = 'expression_rewriter'"
    )  # it takes longer over so many small expressions than it saves
    con.execute(
        f"create table {name} as select {quoted(batch_id + '#')} || call || ':' || ordinal as raw_pointer, raw_hash,\n"
        f"{listed.columns()}\nfrom sent_{name} s\n{listed.joins()}"
    )
    con.execute("reset disabled_optimizers")
    con.execute(f"drop table sent_{name}")
    rows = con.execute(
        f"select distinct unknown_codes from {name} where unknown_codes is not null order by 1 limit {MOST_TOLD}"
    )
    drift.unknown += [str(row[0]) for row in rows.fetchall()]
    return drift, profile.opened(con, listed, types)


def repairs(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str, str, int]]:
    """What was undone in an opened list: (list, field, treatment, records)."""
    rows = con.execute(
        f"select string_split(said, ':') as said, count(*) from (select unnest(string_split(repairs, ',')) as said from {name}) group by 1 order by 1"
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


def _explode(con: duckdb.DuckDBPyConnection, name: str, place: str, bodies: list[tuple[LandedAnswer, bytes]]) -> None:
    """One row for each record of some pages."""
    harmless = [json_sanitiser.sanitise(body) for _, body in bodies]
    # a list may come bare where another build of the product wraps it
    wrapped = [
        body if not body.lstrip().startswith(b"[") else b'{"%s":%s}' % (place.encode(), body) for body in harmless
    ]
    page = pa.table({
        "call": pa.array([call.number for call, _ in bodies], pa.int32()),
        "body": pa.array(wrapped, pa.binary()).view(pa.string()),
    })  # fmt: skip
    con.register("page", page)
    shape = quoted(orjson.dumps({place: ["JSON"]}).decode())
    con.execute(
        f"insert into raw_{name} select call, ordinal, record, md5(record::varchar), false from ("
        f"select call, generate_subscripts(items, 1) - 1 as ordinal, coalesce(unnest(items), json 'null') as record "
        f'from (select call, json_transform(body, {shape})."{place}" as items from page))'
    )
    con.unregister("page")


def _pick(con: duckdb.DuckDBPyConnection, name: str, selection: Selection) -> None:
    """Leave only the picked records of a list, where some were picked of it."""
    if places := selection.positions(name):
        con.register("picked", pa.table({
            "call": pa.array([call for call, _ in places], pa.int32()),
            "ordinal": pa.array([ordinal for _, ordinal in places], pa.int64()),
        }))  # fmt: skip
        con.execute(f"delete from raw_{name} where (call, ordinal) not in (select call, ordinal from picked)")
        con.unregister("picked")


def _audit(con: duckdb.DuckDBPyConnection, listed: Described) -> Drift:
    """Compare the keys that came with the keys that are described: nothing unknown passes in silence."""
    drift = Drift(listed.name)
    objects = dict(listed.objects())
    plain = [path for path in objects if "[*]" not in path]
    seen: dict[str, set[str]] = {path: set() for path in objects}
    # by hash: telling lists of lists of text apart takes as long as reading them
    shapes = con.execute(
        f"select any_value(keys) from (select json_keys(record, {plain}) as keys from raw_{listed.name}) group by hash(keys)"
    ).fetchall()
    for (keys,) in shapes:
        for path, found in zip(plain, keys, strict=True):
            seen[path].update(found or ())
    for path in objects.keys() - set(plain):
        rows = con.execute(
            f"select distinct unnest(json_keys(record, {quoted(path)})) from raw_{listed.name}"
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
    drift.new += [(prefix + key).lstrip(".") for key in named[:MOST_TOLD]]
    if untold := len(new) - len(named[:MOST_TOLD]):
        drift.new.append(f"{prefix}({untold} more)".lstrip("."))
    there = {key.lower() for key in seen}
    if seen:
        drift.gone += [
            (prefix + key).lstrip(".") for key, told in known.items() if key.lower() not in there and told != "ignored"
        ]


def _respell(con: duckdb.DuckDBPyConnection, listed: Described, drift: Drift) -> None:
    """Give records that write their keys in another case the keys of the description."""
    keys = {re.escape(path.split(".")[-1]) for path in drift.respelled}
    pattern = quoted(f'"({"|".join(sorted(keys))})"\\s*:')
    rows = con.execute(
        f"select call, ordinal, record::varchar from raw_{listed.name} where regexp_matches(record::varchar, {pattern})"
    ).fetchall()
    mended = pa.table({
        "call": pa.array([row[0] for row in rows], pa.int32()),
        "ordinal": pa.array([row[1] for row in rows], pa.int64()),
        "record": [orjson.dumps(_renamed(json_sanitiser.loads(row[2].encode()), listed.fields)).decode() for row in rows],
    })  # fmt: skip
    con.register("mended", mended)
    con.execute(
        f"update raw_{listed.name} r set record = m.record, is_respelled = true "
        f"from mended m where m.call = r.call and m.ordinal = r.ordinal"
    )
    con.unregister("mended")


def _renamed(value: Any, fields: Any) -> Any:
    if isinstance(value, list):
        inner = fields[0] if isinstance(fields, list) else None
        return [_renamed(item, inner) for item in value]
    if not isinstance(value, dict) or not isinstance(fields, Mapping):
        return value
    names = {name.lower(): name for name in fields}
    # a field that is there in its own case wins over one in another
    ordered = sorted(value.items(), key=lambda item: item[0] in fields)
    return {name: _renamed(item, fields.get(name)) for key, item in ordered for name in [names.get(key.lower(), key)]}


def _read_words(con: duckdb.DuckDBPyConnection, listed: Described) -> None:
    """Add what the list's Vietnamese texts say to `words`: treated once for each distinct text, by Python."""
    for path, treatment in listed.words():
        value = "name_vi(sent::json)" if treatment == "label" else "sent"
        rows = con.execute(
            f"select sent, {value} from (select distinct {path}::varchar as sent "
            f"from sent_{listed.name} s) where sent is not null and sent not in (select sent from words)"
        ).fetchall()
        if not rows:
            continue
        read = [text.repair(said) if said else None for _, said in rows]
        con.register("treated", pa.table({
            "sent": pa.array([sent for sent, _ in rows], pa.string()),
            "text": pa.array([item.text if item else None for item in read], pa.string()),
            "odd": pa.array([_odd(item) if item else None for item in read], pa.string()),
        }))  # fmt: skip
        con.execute("insert into words select * from treated")
        con.unregister("treated")


def _odd(repaired: text.Repaired) -> str | None:
    treatments = [*repaired.repairs, *(["garbled"] if text.is_garbled(repaired.text or "") else [])]
    return "+".join(treatments) or None
