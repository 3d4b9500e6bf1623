"""Harmonise one landed batch in DuckDB: read its lists as typed tables, match agencies, and stage records.

A source's `rows.py` calls the methods of HarmoniseContext; the queries are the SQL files of the source.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.errors import ContractError
from lgsp.harmonise import dossier_columns, duckdb_functions, field_sql, parse_pages, profile
from lgsp.harmonise.organisations import directory, review_queue
from lgsp.harmonise.organisations.directory import Organisation, Place
from lgsp.harmonise.organisations.known import KnownLists
from lgsp.harmonise.organisations.matcher import matcher_of
from lgsp.land import json_sanitiser
from lgsp.land.archive import Batch
from lgsp.land.record_subset import Selection
from lgsp.schema import records
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.sql import file_literal, quoted
from lgsp.vietnam import applicant_addresses, personal_data, text
from lgsp.window import Window

log = logging.getLogger(__name__)

MEMORY = "1500MB"


@contextmanager
def duck(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB connection with a memory limit; it spills to the staging area."""
    spill = settings.staging / "spill"
    spill.mkdir(parents=True, exist_ok=True, mode=0o700)  # it may contain personal data
    connection = duckdb.connect()
    try:
        connection.execute(
            f"set threads = 2; set memory_limit = '{MEMORY}'; set temp_directory = {file_literal(spill)};"
            "set TimeZone = 'UTC'; set enable_progress_bar = false; set preserve_insertion_order = false"
        )
        yield connection
    finally:
        connection.close()


@dataclass
class HarmoniseContext:
    """A batch that is being harmonised, and what was found in it."""

    con: duckdb.DuckDBPyConnection
    source: Source
    batch: Batch
    batch_id: str
    window: Window
    folder: Path
    token_key: bytes = field(repr=False)
    drift: list[parse_pages.Drift] = field(default_factory=list)
    profile: list[profile.Field] = field(default_factory=list)
    repairs: list[tuple[str, str, str, int]] = field(default_factory=list)  # list, field, treatment, number of records
    repeated: int = 0  # listed more than once, but fetched once
    accepted: Mapping[str, str] = field(default_factory=dict)  # decisions of reviewers: spelling to agency
    known: KnownLists = field(default_factory=KnownLists)  # of lists that were published before
    directory: list[Organisation] = field(default_factory=list)  # of the batch's list, and the known ones
    places: list[Place] = field(default_factory=list)
    is_matched: bool = False
    unmatched: list[review_queue.Unmatched] = field(default_factory=list)

    def __post_init__(self) -> None:
        duckdb_functions.load(self.con, self.source.name, self.token_key)
        self.con.execute("create table agency_spelling (alias varchar, code varchar, seen_on date, records bigint)")
        self.con.execute("create table text_value (sent varchar, text varchar, repairs varchar)")
        self.con.execute("create table damaged_record (raw_pointer varchar)")

    def read(self, *lists: str) -> None:
        """Create a table of each landed list, its fields typed and converted as the source description declares.

        New, gone and respelled fields are recorded. Raises ContractError for a new field when the source's policy is `stop`.
        """
        for name in lists:
            source_list = field_sql.load_list(
                name, self.source.lists[name], str(self.source.path.name), self.source.corrections
            )
            drift, fields = parse_pages.read(self.con, self.batch, self.batch_id, source_list, self.json_depth)
            self.profile += fields
            self.repairs += parse_pages.repairs(self.con, name)
            if not drift:
                continue
            self.drift.append(drift)
            message = f"{self.source.name} {drift}; describe the fields as they are now in sources/{self.source.name}/{self.source.path.name}"
            if self.source.unknown_field == "stop" and drift.new:
                raise ContractError(message)
            log.warning(message)

    def add_retyped(self, retyped: Mapping[str, list[str]]) -> None:
        """Add the fields with a new JSON type, by list, to the drift of the batch."""
        for name, changed in retyped.items():
            drift = next((item for item in self.drift if item.list_name == name), None)
            if drift is None:
                self.drift.append(drift := parse_pages.Drift(name))
            drift.retyped += changed
            log.warning("%s %s", self.source.name, parse_pages.Drift(name, retyped=changed))

    @property
    def json_depth(self) -> int:
        """What is nested deeper in a landed answer is read as null."""
        return int(self.source.manners.get("json_depth", json_sanitiser.MAX_DEPTH))

    def value(self, query: str) -> Any:
        """The value of a query that gives one row with one column."""
        ((value,),) = self.con.execute(query).fetchall()
        return value

    def stage_organisations(self) -> None:
        """Stage the agencies of `organisations.sql` (code, name, level, parent_code, raw_pointer).

        Together with the known ones they are the directory.
        """
        query = self.source.sql("organisations")
        rows = self.con.execute(f"select * from ({query}) order by raw_pointer").fetchall()
        listed = directory.directory(rows)
        ids = {o.organisation_id for o in listed}
        self.directory = listed + [o for o in self.known.agencies if o.organisation_id not in ids]
        self.places = directory.places(self.directory)
        self.table("organisation", directory.rows(self.directory), directory.COLUMNS)
        self.table("organisation_key", [
            {"key": key, "organisation_id": id_} for key, id_ in directory.by_name(self.directory).items()
        ], "key varchar, organisation_id varchar")  # fmt: skip
        self.table("organisation_place", [
            {"organisation_id": p.organisation_id, "admin_unit_code": p.unit.code, "admin_unit_code_now": p.now,
             # before its first version an agency served the territory of that version
             "valid_from": date.min if p.organisation_id != before else p.unit.valid_from, "valid_to": p.unit.valid_to}
            for before, p in zip([None, *(place.organisation_id for place in self.places)], self.places, strict=False)
        ], "organisation_id varchar, admin_unit_code varchar, admin_unit_code_now varchar, valid_from date, valid_to date")  # fmt: skip
        self.con.execute(
            f"insert into agency_spelling select name, code, null, 0 from ({query}) where {_is_spelling('name')}"
        )
        listed_only = "select *, organisation_id as source_key from organisation where raw_pointer <> ''"
        self.stage(records.ORGANISATION, listed_only)

    def stage_services(self) -> None:
        """Stage the procedures of `services.sql`: the batch's catalogue."""
        query = self.source.sql("services")
        self.con.execute(f"create table service as select * from ({query}) where service_code is not null")
        self.con.execute("create table known_service as select distinct service_code from service")
        before = [{"service_code": code} for code in sorted(self.known.procedures)]
        self.table("service_before", before, "service_code varchar")
        self.con.execute("insert into known_service from service_before except from known_service")
        self.stage(
            records.SERVICE,
            "select *, service_code as source_key from service qualify row_number() over (partition by service_code order by raw_pointer) = 1",
        )

    def stage_offerings(self) -> None:
        """Stage the offerings of `offerings.sql`: procedures at agencies, also at those that no list names yet."""
        query = self.source.sql("offerings")
        self.stage(records.SERVICE_OFFERING, f"""
            select o.* exclude (organisation_source), organisation_code(o.organisation_source) as organisation_id,
                concat_ws('|', o.service_code, organisation_code(o.organisation_source), o.valid_from) as source_key
            from ({query}) o where o.service_code is not null and organisation_code(o.organisation_source) is not null
            qualify row_number() over (partition by o.service_code, organisation_code(o.organisation_source), o.valid_from order by o.raw_pointer) = 1
            """)  # fmt: skip

    def add_spellings(self, query: str) -> None:
        """Add the spellings of agencies that a query gives as (name, code, local day), without those too long for a key."""
        self.con.execute(
            "insert into agency_spelling select c0, c1, min(c2), count(*) "
            f"from ({query}) as s(c0, c1, c2) where {_is_spelling('c0')} group by 1, 2"
        )

    def stage_dossiers(self) -> None:
        """Stage the dossiers of `dossiers.sql`, and the agency spellings that they use."""
        self._match()
        self.con.execute(f"create table source_dossier as {dossier_columns.read_query(self.source)}")
        self.con.execute("""
            create table agency_code_match as select sent, organisation_code(sent) as code, o.organisation_id
            from (select distinct unnest([organisation_source, competent_source]) as sent from source_dossier)
            left join organisation o on o.organisation_id = organisation_code(sent) where sent is not null
            """)
        self._applicant_places()
        self.stage(records.DOSSIER, dossier_columns.record_query(self.batch.manifest.get("latest")))
        self.stage_aliases()

    def _match(self) -> None:
        """Create `spelling_match`, the agency and days that each spelling means, and collect the unmatched spellings."""
        if self.is_matched:
            return
        self.is_matched = True
        names = [
            name
            for (name,) in self.con.execute(
                "select distinct alias from agency_spelling where alias is not null"
            ).fetchall()
        ]
        matcher = matcher_of(
            self.directory, self.accepted, self.source.name, directory.versions(self.directory, self.places)
        )
        meanings = {name: matcher.meanings(name) for name in names}
        self.table("spelling_match", [
            {"alias": name, "organisation_id": meaning.match.organisation_id, "matched_by": meaning.match.matched_by,
             "valid_from": meaning.valid_from, "valid_to": meaning.valid_to}
            for name, possible in meanings.items() for meaning in possible
        ], "alias varchar, organisation_id varchar, matched_by varchar, valid_from date, valid_to date")  # fmt: skip
        # a name that no agency has and that has a person's name in it is not stored with the dossier
        self.table("spelling_key", [
            {"alias": name, "key": text.key(name), "stored_key": text.key(name) if possible or is_impersonal(name) else None}
            for name, possible in meanings.items()
        ], "alias varchar, key varchar, stored_key varchar")  # fmt: skip
        rows = self.con.execute("""
            select s.alias, any_value(k.key), min(s.seen_on), sum(s.records)::bigint from agency_spelling s join spelling_key k using (alias)
            left join organisation o on o.organisation_id = organisation_code(s.code)
            where o.organisation_id is null and k.key is not null and s.records > 0
                and not exists (select 1 from spelling_match g where g.alias = s.alias and g.matched_by <> 'review')
            group by s.alias order by s.alias
            """).fetchall()  # fmt: skip
        self.unmatched = [review_queue.Unmatched(*row) for row in rows]

    def _applicant_places(self) -> None:
        """Create `applicant_place`: the territory of an applicant's code and name in each time between two reforms."""
        self.con.execute(
            f"create macro reform(day) as {' + '.join(f'(day >= date {quoted(str(d))})::integer' for d in applicant_addresses.reform_dates())}"
        )
        rows = self.con.execute(
            "select distinct applicant_unit, applicant_unit_name, reform(on_day), arg_max(on_day, on_day) from (select applicant_unit, applicant_unit_name, "
            "coalesce(local_day(received_at), local_day(submitted_at), local_day(source_updated_at)) as on_day from source_dossier) "
            "where applicant_unit is not null and on_day is not null group by 1, 2, 3"
        ).fetchall()
        resolved = [(code, name, span, applicant_addresses.resolve(code, name, day)) for code, name, span, day in rows]
        self.table("applicant_place", [
            {"code": code, "name": name, "span": span, "admin_unit_code": place.unit.code, "is_outdated": place.is_outdated}
            for code, name, span, place in resolved if place
        ], "code varchar, name varchar, span integer, admin_unit_code varchar, is_outdated boolean")  # fmt: skip

    def stage_aliases(self) -> None:
        """Stage the agency spellings, each with the agency that it was matched to."""
        self._match()
        self.stage(
            records.ORGANISATION_ALIAS,
            """
            select concat_ws('|', key, organisation_id) as source_key, key as alias_key, min(clean(alias)) as alias, organisation_id,
                ['code', 'exact', 'alias', 'review'][min(list_position(['code', 'exact', 'alias', 'review'], matched_by))] as matched_by,
                min(seen_on) as first_seen_on, min(organisation_code(code)) as code, null::varchar as raw_pointer
            from (
                select k.key, s.alias, s.code, s.seen_on, coalesce(by_code.organisation_id, spelling_match.organisation_id) as organisation_id,
                    case when by_code.organisation_id is not null then 'code' else spelling_match.matched_by end as matched_by
                from agency_spelling s join spelling_key k using (alias)
                left join organisation by_code on by_code.organisation_id = organisation_code(s.code)
                left join spelling_match on spelling_match.alias = s.alias and by_code.organisation_id is null
                    and (spelling_match.valid_from is null or s.seen_on >= spelling_match.valid_from)
                    and (spelling_match.valid_to is null or s.seen_on < spelling_match.valid_to)
                -- a spelling with a person's name in it does not become an alias
                where k.key is not null and without_persons(s.alias) = clean(s.alias)
            )
            group by key, organisation_id
            """,
        )

    def stage(self, kind: records.Kind, query: str) -> None:
        """Write the records of a kind to the staging area, each with a content hash.

        Two versions with the same change time are ordered by the hash of the sent bytes. Rows of lists have no such hash:
        the later batch wins. Raises ContractError when the query lacks a column of the kind.
        """
        changed_at = (
            "source_updated_at" if kind in records.FACTS else f"timestamptz {quoted(self.window.end.isoformat())}"
        )
        excluded = {*records.IDENTITY, *records.ABOUT, *(records.RESOLVED if kind is records.DOSSIER else ())}
        content = [name for name in kind.columns if name not in excluded]
        hashed = ", ".join(f"coalesce(q.{name}::varchar, '\\N')" for name in content)
        extra = "epoch_us(q.source_updated_at)::varchar, " if kind in records.FACTS else ""
        exclude = "exclude (source_updated_at)" if kind in records.FACTS else ""
        raw = "" if kind in records.FACTS else "'' as raw_hash, "
        selected = ""
        if isinstance(self.batch, Selection) and kind in records.FACTS:
            selected = f" where q.raw_pointer in ({', '.join(map(quoted, self.batch.pointers(self.batch_id)))})"
        file = self.folder / f"{kind.name}.parquet"
        statement = (
            f"copy (select q.* {exclude}, {quoted(self.source.name)} as source, {quoted(self.batch_id)} as batch_id, "
            f"{changed_at} as source_updated_at, {raw}md5(concat_ws(chr(31), {extra}{hashed})) as content_hash, "
            f"{_too_long(kind)} as too_long, q.raw_pointer in (select raw_pointer from damaged_record) as is_damaged "
            f"from ({query}) q{selected}) to {file_literal(file)} (format parquet, compression zstd)"
        )
        try:
            self.con.execute(statement)
        except duckdb.BinderException:
            self._check_columns(kind, [name for (name, *_) in self.con.execute(f"describe {query}").fetchall()])
            raise
        self._check_columns(kind, pq.read_schema(file).names)

    def _check_columns(self, kind: records.Kind, provided: Collection[str]) -> None:
        needed = [name for name in kind.columns if name not in (*records.IDENTITY, *records.ABOUT)]
        if missing := [name for name in needed if name not in provided]:
            raise ContractError(
                f"contracts/{kind.shared or kind.name}.yml: sources/{self.source.name} does not provide {', '.join(missing)}; "
                "add it to the SQL of that source, or change its `origin` in the contract"
            )

    def table(self, name: str, rows: list[dict[str, Any]], columns: str) -> None:
        """Create a table from Python rows; `columns` as in CREATE TABLE, without commas inside a type."""
        self.con.execute(f"create table {name} ({columns})")
        if rows:
            names = [column.split()[0] for column in columns.split(",")]
            self.con.register("python_rows", pa.table({column: [row.get(column) for row in rows] for column in names}))
            self.con.execute(f"insert into {name} by name select * from python_rows")
            self.con.unregister("python_rows")


def _is_spelling(column: str) -> str:
    """DuckDB SQL: whether a name can become a spelling of an agency: not too long for a key, and without damage."""
    return f"strlen({column}) <= {records.KEY_BYTES} and not contains({column}, '{json_sanitiser.MARK}')"


def is_impersonal(name: str) -> bool:
    """Whether no part of a name looks like the name of a person."""
    return personal_data.without_persons(name) == text.clean(name)


def _too_long(kind: records.Kind) -> str:
    """DuckDB SQL: the columns of a row with a text that the store does not accept, as one text; null without any."""
    longest = [
        (name, f"list_max(list_transform(q.{name}, lambda text: strlen(text)))" if type_ == "text[]" else f"strlen(q.{name})")
        for name, type_ in kind.columns.items()
        if type_.startswith("text") and (name == "source_key" or name not in (*records.IDENTITY, *records.ABOUT))
    ]  # fmt: skip
    names = [f"case when {length} > {kind.max_bytes(name)} then {quoted(name)} end" for name, length in longest]
    return f"nullif(concat_ws(', ', {', '.join(names)}), '')"
