"""The workbench on which one landed batch becomes typed rows: DuckDB with the shared vocabulary loaded.

A source's `rows.py` opens its lists here, names its agencies and services, and stages its records.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from lgsp import organisations, records, vocabulary
from lgsp.contract import quoted
from lgsp.errors import ContractError
from lgsp.settings import Settings
from lgsp.sources import Source
from lgsp.storage import Batch, Landed
from lgsp.window import Window

log = logging.getLogger(__name__)

MEMORY = "1500MB"
# Bodies are handed to DuckDB in chunks of about this many bytes, so a batch is never in memory twice.
CHUNK_BYTES = 16 * 1024 * 1024


@contextmanager
def duck(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB, bounded in memory, spilling into the staging area."""
    spill = settings.staging / "spill"
    spill.mkdir(parents=True, exist_ok=True, mode=0o700)  # what spills may be personal
    connection = duckdb.connect()
    try:
        connection.execute(
            f"set threads = 2; set memory_limit = '{MEMORY}'; set temp_directory = '{spill}';"
            "set TimeZone = 'UTC'; set enable_progress_bar = false; set preserve_insertion_order = false"
        )
        yield connection
    finally:
        connection.close()


@dataclass
class Drift:
    """How a list's fields differ from what the source's description says."""

    of: str
    new: list[str]
    gone: list[str]


@dataclass
class Workbench:
    """One batch being harmonised."""

    con: duckdb.DuckDBPyConnection
    source: Source
    batch: Batch
    batch_id: str
    window: Window
    folder: Path
    token_key: bytes = field(repr=False)
    drift: list[Drift] = field(default_factory=list)
    repeated: int = 0  # records that were listed again and are fetched once
    directory: list[organisations.Organisation] = field(default_factory=list)

    def __post_init__(self) -> None:
        vocabulary.load(self.con, self.source.name, self.token_key)
        self.con.execute("create table spelled (alias varchar, code varchar, seen_on date)")

    def open(self, *lists: str) -> None:
        """Make a table of each landed list, with one typed column for each field of its description."""
        for name in lists:
            self.con.execute(f"create table raw_{name} (call integer, ordinal bigint, record json)")
            for bodies in self._chunks(name):
                self._explode(name, bodies)
            fields = self.source.lists[name]["fields"]
            self.con.execute(
                f"create table {name} as select {quoted(self.batch_id + '#')} || call || ':' || ordinal as raw_pointer, md5(record::varchar) as raw_hash, "
                f"unnest(json_transform(record, {quoted(_structure(fields))})) from raw_{name}"
            )
            self._audit(name, fields)
            self.con.execute(f"drop table raw_{name}")

    def _chunks(self, name: str) -> Iterator[list[tuple[Landed, bytes]]]:
        chunk: list[tuple[Landed, bytes]] = []
        size = 0
        for call, body in self.batch.bodies(self.batch.calls(name)):
            chunk.append((call, body))
            size += len(body)
            if size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _explode(self, name: str, bodies: list[tuple[Landed, bytes]]) -> None:
        place = self.source.lists[name]["records"]
        # a list may come bare where another build of the product wraps it
        wrapped = [
            body if not body.lstrip().startswith(b"[") else b'{"%s":%s}' % (place.encode(), body) for _, body in bodies
        ]
        page = pa.table(
            {
                "call": pa.array([call.number for call, _ in bodies], pa.int32()),
                "body": pa.array(wrapped, pa.binary()).cast(pa.string()),
            }
        )
        self.con.register("page", page)
        shape = quoted(orjson.dumps({place: ["JSON"]}).decode())
        self.con.execute(
            f"insert into raw_{name} select call, generate_subscripts(items, 1) - 1, unnest(items) "
            f'from (select call, json_transform(body, {shape})."{place}" as items from page)'
        )
        self.con.unregister("page")

    def _audit(self, name: str, fields: dict[str, Any]) -> None:
        """Compare the keys that came with the keys that are described: nothing unknown passes in silence."""
        new: list[str] = []
        gone: list[str] = []
        if not self.one(f"select count(*) from raw_{name}"):
            return
        for path, known in _objects(fields, "$"):
            rows = self.con.execute(
                f"select distinct unnest(json_keys(record, {quoted(path)})) from raw_{name}"
            ).fetchall()
            seen = {row[0] for row in rows}
            prefix = path.removeprefix("$").removeprefix(".")
            new += [f"{prefix}.{key}".lstrip(".") for key in sorted(seen - known.keys())]
            if seen:
                gone += [
                    f"{prefix}.{key}".lstrip(".") for key in sorted(known.keys() - seen) if known[key] != "ignored"
                ]
        if not new and not gone:
            return
        self.drift.append(Drift(name, new, gone))
        message = f"{self.source.name} {name}: new fields {new or 'none'}, gone fields {gone or 'none'}; describe them in {self.source.path.name}"
        if self.source.unknown_field == "stop" and new:
            raise ContractError(message)
        log.warning(message)

    def one(self, query: str) -> Any:
        """The single value a query gives."""
        row = self.con.execute(query).fetchone()
        return row[0] if row else None

    def organisations(self, query: str) -> None:
        """Take the agencies a query gives as (code, name, level, parent_code, raw_pointer): the batch's own directory."""
        rows = self.con.execute(query).fetchall()
        self.directory = organisations.directory(rows)
        places = organisations.places(self.directory)
        latest = {place.organisation_id: place.unit.code for place in places}
        self.table("organisation", [
            {"organisation_id": o.organisation_id, "code_old": o.code_old, "code_new": o.code_new, "name": o.name,
             "level": o.level, "kind": o.kind, "parent_id": o.parent_id, "raw_pointer": o.raw_pointer,
             "admin_unit_code": latest.get(o.organisation_id)}
            for o in self.directory
        ], "organisation_id varchar, code_old varchar, code_new varchar, name varchar, level varchar, kind varchar, "
           "parent_id varchar, raw_pointer varchar, admin_unit_code varchar")  # fmt: skip
        self.table("organisation_key", [
            {"key": key, "organisation_id": id_} for key, id_ in organisations.by_name(self.directory).items()
        ], "key varchar, organisation_id varchar")  # fmt: skip
        self.table("organisation_place", [
            {"organisation_id": p.organisation_id, "admin_unit_code": p.unit.code, "admin_unit_code_now": p.now,
             "valid_from": p.unit.valid_from, "valid_to": p.unit.valid_to} for p in places
        ], "organisation_id varchar, admin_unit_code varchar, admin_unit_code_now varchar, valid_from date, valid_to date")  # fmt: skip
        self.con.executemany(
            "insert into spelled values (?, ?, null)", [[row[1], row[0]] for row in rows if row[1]] or [[None, None]]
        )
        self.stage(records.ORGANISATION, "select *, organisation_id as source_key from organisation")

    def services(self, query: str) -> None:
        """Take the procedures a query gives: the batch's own catalogue."""
        self.con.execute(f"create table service as select * from ({query}) where service_code is not null")
        self.con.execute("create table known_service as select distinct service_code from service")
        self.stage(
            records.SERVICE,
            "select *, service_code as source_key from service qualify row_number() over (partition by service_code order by raw_pointer) = 1",
        )

    def offerings(self, query: str) -> None:
        """Take the offers a query gives as procedure at an agency."""
        self.stage(records.SERVICE_OFFERING, f"""
            select o.* exclude (organisation_source), organisation.organisation_id,
                concat_ws('|', o.service_code, organisation.organisation_id, o.valid_from) as source_key
            from ({query}) o join organisation on organisation.organisation_id = organisation_code(o.organisation_source)
            where o.service_code is not null
            qualify row_number() over (partition by o.service_code, organisation.organisation_id, o.valid_from order by o.raw_pointer) = 1
            """)  # fmt: skip

    def spell(self, query: str) -> None:
        """Take the spellings a query gives as (name, code, local day)."""
        self.con.execute(
            f"insert into spelled select c0, c1, min(c2) from ({query}) as s(c0, c1, c2) where c0 is not null group by 1, 2"
        )

    def dossiers(self) -> None:
        """Stage the dossiers of the source's `dossiers.sql`, and the spellings of agencies they use."""
        self.con.execute(
            "create table spelling as select distinct alias, text_key(alias) as key from spelled where alias is not null"
        )
        self.con.execute(f"create table dossier_read as {self.source.sql('dossiers')}")
        self.stage(records.DOSSIER, vocabulary.shared_sql("dossier"))
        self.aliases()

    def aliases(self) -> None:
        """Stage how agencies were spelled, and what each spelling was taken to mean."""
        self.con.execute(
            "create table if not exists spelling as select distinct alias, text_key(alias) as key from spelled where alias is not null"
        )
        self.stage(
            records.ORGANISATION_ALIAS,
            """
            select concat_ws('|', spelling.key, coalesce(by_code.organisation_id, by_name.organisation_id)) as source_key,
                spelling.key as alias_key, min(clean(s.alias)) as alias,
                coalesce(by_code.organisation_id, by_name.organisation_id) as organisation_id,
                case when by_code.organisation_id is not null then 'code' when by_name.organisation_id is not null then 'exact' end as matched_by,
                min(s.seen_on) as first_seen_on, null::varchar as raw_pointer
            from spelled s join spelling using (alias)
            left join organisation by_code on by_code.organisation_id = organisation_code(s.code)
            left join organisation_key by_name on by_name.key = spelling.key
            -- whoever writes persons into the name of an agency gets no alias from it
            where spelling.key is not null and without_persons(s.alias) = clean(s.alias)
            group by spelling.key, by_code.organisation_id, by_name.organisation_id
            qualify row_number() over (partition by source_key order by matched_by) = 1
            """,
        )

    def stage(self, kind: records.Kind, query: str) -> None:
        """Write one kind of record to the staging area, with its content hash.

        Two versions of one time are told apart by the hash of what the source sent; lists have none, the
        later batch says what is so now.
        """
        changed = "source_updated_at" if kind in records.FACTS else f"timestamptz {quoted(self.window.end.isoformat())}"
        said = [n for n in kind.columns if n not in records.IDENTITY and n != "quality_flags"]
        hashed = ", ".join(f"coalesce(q.{name}::varchar, '\\N')" for name in said)
        extra = "epoch_us(q.source_updated_at)::varchar, " if kind in records.FACTS else ""
        exclude = "exclude (source_updated_at)" if kind in records.FACTS else ""
        raw = "" if kind in records.FACTS else "'' as raw_hash, "
        self.con.execute(
            f"copy (select q.* {exclude}, {quoted(self.source.name)} as source, {quoted(self.batch_id)} as batch_id, "
            f"{changed} as source_updated_at, {raw}md5(concat_ws(chr(31), {extra}{hashed})) as content_hash "
            f"from ({query}) q) to '{self.folder / kind.name}.parquet' (format parquet, compression zstd)"
        )

    def table(self, name: str, rows: list[dict[str, Any]], columns: str) -> None:
        """A table of Python rows; `columns` as in CREATE TABLE, without commas inside a type."""
        self.con.execute(f"create table {name} ({columns})")
        if rows:
            names = [column.split()[0] for column in columns.split(",")]
            self.con.register("given", pa.table({column: [row.get(column) for row in rows] for column in names}))
            self.con.execute(f"insert into {name} by name select * from given")
            self.con.unregister("given")


def _structure(fields: dict[str, Any]) -> str:
    """The DuckDB structure of a description's fields; ignored ones are left out."""

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            inner = {name: shape(item) for name, item in value.items() if item != "ignored"}
            return inner or "JSON"
        if isinstance(value, list):
            return [shape(value[0])]
        return {"text": "VARCHAR", "json": "JSON"}[value]

    return orjson.dumps(shape(fields)).decode()


def _objects(fields: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a description with its JSON path."""
    yield path, fields
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _objects(value, f"{path}.{name}")
