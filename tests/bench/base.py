"""A store of many dossiers made in minutes: a small simulated province's accepted records, repeated under other keys and codes.

What is repeated is consistent: a record keeps its codes' partners, agencies and procedures are real, dates spread over the year.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from lgsp import check, harmonise, land, store
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.window import LOCAL, Window
from tests.bench.throughput import YEAR, serving

SEED_DOSSIERS = 12_000
SEED_DOCUMENTS = 2_000
FEEDS = ("one_stop_shop", "online_services")
DAYS_A_BATCH = 7
# Of the province: nothing changes a dossier that was handed in longer ago, but a correction.
LIVELY_DAYS = 66
MARK = "'.' || n"
STEPS = '[{"t": "BIGINT", "s": "VARCHAR", "i": "BOOLEAN", "o": "VARCHAR"}]'
TIMES = (
    "submitted_at",
    "received_at",
    "due_first_at",
    "due_at",
    "finished_at",
    "returned_at",
    "closed_at",
    "source_updated_at",
)


@dataclass(frozen=True)
class Change:
    """A day's records: half of the dossiers new, half newer versions; of the newest weeks, or of the whole year."""

    name: str
    dossiers: int
    is_scattered: bool = False


def seed(folder: Path) -> Path:
    """The accepted records of a small province, by source and batch; made once."""
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        with serving(SEED_DOSSIERS, SEED_DOCUMENTS) as environment:
            settings = Settings.from_env(environment)
            for source in sources.names():
                for batch_id in check.run(settings, harmonise.run(settings, land.run(settings, source, YEAR))):
                    shutil.copytree(settings.staging / batch_id / "accepted", folder / source / batch_id)
        (folder / "whole").touch()
    return folder


@dataclass(frozen=True)
class Press:
    """Prints batches of the seed's records into the staging of a store, as if they had been fetched, harmonised and checked."""

    settings: Settings
    seed: Path
    events: int

    def base(self) -> int:
        """The batches of a year: about `events` steps of dossiers; how many records."""
        printed = 0
        with self._opened() as con:
            con.execute(
                f"create table many as {_again(MARK, f'select seed.*, n from seed, range({self._copies(con)}) r(n)')}"
            )
            for source in FEEDS:
                lists = sorted(self.seed.glob(f"{source}/*/[!d]*.parquet"))
                for window in YEAR.split(DAYS_A_BATCH):
                    con.execute(
                        f"create or replace temp view page as from many where source = '{source}' "
                        f"and source_updated_at >= '{window.start}' and source_updated_at < '{window.end}'"
                    )
                    printed += self._print(con, source, window, lists)
                    lists = []
            for folder in sorted(self.seed.glob("documents/*")):
                printed += self._documents(con, folder)
        return printed

    def change(self, change: Change, number: int) -> int:
        """The batches of the `number`th day after the year, from 1; how many records."""
        start = YEAR.end + timedelta(days=number - 1)
        window, printed = Window(start, start + timedelta(days=1)), 0
        with self._opened() as con:
            con.execute(_chosen(change, number, self._copies(con)))
            con.execute(_new(window, number))
            con.execute(_newer(window))
            for source in FEEDS:
                lists = sorted(self.seed.glob(f"{source}/*/[!d]*.parquet"))
                con.execute(
                    f"create or replace temp view page as select * from (from brought union all by name from renewed) where source = '{source}'"
                )
                printed += self._print(con, source, window, lists)
        return printed

    def _copies(self, con: duckdb.DuckDBPyConnection) -> int:
        row = con.execute(
            f"select sum(len(from_json(events, '{STEPS}'))) from seed join lead using (source, source_key)"
        )
        told = row.fetchone()
        assert told is not None
        return max(1, round(self.events / int(told[0])))

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'Asia/Ho_Chi_Minh'; set threads = 2")
            con.execute(
                f"create table seed as select *, (coalesce(received_at, submitted_at, source_updated_at))::date as opened_on "
                f"from read_parquet('{self.seed}/*/*/dossier.parquet', union_by_name = true)"
            )
            con.execute(
                "create table lead as select min_by(source, source) as source, min_by(source_key, source) as source_key from seed group by source_code"
            )
            yield con

    def _print(self, con: duckdb.DuckDBPyConnection, source: str, window: Window, lists: list[Path]) -> int:
        with store.connect(self.settings) as connection:
            batch_id = ledger.open_batch(connection, source, window).batch_id
        folder = self.settings.staging / batch_id / "accepted"
        folder.mkdir(parents=True)
        for path in lists:
            con.execute(
                f"copy (select * replace ('{batch_id}' as batch_id) from '{path}') to '{folder / path.name}' (format parquet)"
            )
        row = con.execute(
            f"copy (select * exclude (opened_on) replace ('{batch_id}' as batch_id) from page) to '{folder}/dossier.parquet' (format parquet, compression zstd)"
        ).fetchone()
        assert row is not None
        self._check(batch_id, row[0])
        return int(row[0])

    def _documents(self, con: duckdb.DuckDBPyConnection, seeded: Path) -> int:
        days = seeded.name.split(".")[1].split("_")
        window = Window.of(days[0], days[1])
        with store.connect(self.settings) as connection:
            batch_id = ledger.open_batch(connection, "documents", window).batch_id
        folder, count = self.settings.staging / batch_id / "accepted", 0
        folder.mkdir(parents=True)
        for path in sorted(seeded.glob("*.parquet")):
            told = f"select * replace ('{batch_id}' as batch_id) from '{path}'"
            row = con.execute(f"copy ({told}) to '{folder / path.name}' (format parquet)").fetchone()
            assert row is not None
            count += row[0] if path.stem in ("document", "document_status", "work_file") else 0
        self._check(batch_id, count)
        return count

    def _check(self, batch_id: str, records: int) -> None:
        with store.connect(self.settings) as connection:
            ledger.advance(
                connection, batch_id, "checked",
                declared_count=records, fetched_count=records, accepted_count=records,
            )  # fmt: skip


def _again(mark: str, rows: str) -> str:
    """Records under other keys and codes, each dossier a little earlier; all records of a dossier meet again under the same mark."""
    earlier = "(hash(source_code, n) % 3600)::bigint"
    moved = ", ".join(f"{name} - to_seconds({earlier}) as {name}" for name in TIMES)
    return (
        f"select * exclude (n) replace (left(md5(source_key || {mark}), 24) as source_key, md5(raw_hash || {mark}) as raw_hash, "
        f"md5(content_hash || {mark}) as content_hash, source_code || {mark} as source_code, other_code || {mark} as other_code, "
        f"md5(receipt_key || {mark}) as receipt_key, {moved}, {_moved_steps(f'- 1000000 * {earlier}')} as events) from ({rows})"
    )


def _moved_steps(by: str) -> str:
    moved = f"lambda e: {{'t': e.t {by}, 's': e.s, 'i': e.i, 'o': e.o}}"
    return f"to_json(list_transform(from_json(events, '{STEPS}'), {moved}))::varchar"


def _chosen(change: Change, number: int, copies: int) -> str:
    """`fresh` and `known`: the dossiers of a day, as (source_code, n); the more recent, the likelier to change."""
    lot = f"(hash(source_code, n, {number}) / 18446744073709551616)"
    age = (
        "1"
        if change.is_scattered
        else f"(date_diff('day', opened_on, date '{YEAR.end.astimezone(LOCAL).date()}') ** 2)"
    )
    lively = (
        "true" if change.is_scattered else f"opened_on > date '{YEAR.end.astimezone(LOCAL).date()}' - {LIVELY_DAYS}"
    )
    quick = "max(source_updated_at)::date - min(opened_on) <= 1"
    half = change.dossiers // 2
    return f"""
        create or replace table fresh as
            select source_code, n from (select source_code from seed group by 1 having {quick}), range({half}) r(n)
            order by hash(source_code, n, {number}) limit {half};
        create or replace table known as
            select source_code, n from (select source_code, min(opened_on) as opened_on from seed where not is_deleted group by 1) s,
                range({copies}) r(n) where {lively} order by -ln({lot}) * {age} limit {half}
        """


def _new(window: Window, number: int) -> str:
    """`brought`: dossiers that were never seen, moved to the day."""
    days = f"(date '{window.start.astimezone(LOCAL).date()}' - source_updated_at::date)"
    moved = ", ".join(f"{name} + to_days({days}::integer) as {name}" for name in TIMES)
    rows = f"select seed.* replace ({moved}, {_moved_steps(f'+ 86400000000 * {days}')} as events), n from seed join fresh using (source_code)"
    renamed = f"'.{number}.' || n"
    return f"create or replace table brought as {_again(renamed, rows)}"


def _newer(window: Window) -> str:
    """`renewed`: newer versions of dossiers that are known: finished that day or, if they were, returned."""
    now = f"(timestamptz '{window.start}' + to_seconds(28800 + (hash(source_key, n) % 36000)::bigint))"
    step = f"{{'t': epoch_us({now}), 's': case when finished_at is null then 'finished' else 'returned' end, 'i': false, 'o': receiving_organisation_id}}"
    rows = f"""
        select seed.* replace (
            {now} as source_updated_at, raw_hash || 'newer' as raw_hash, content_hash || 'newer' as content_hash,
            coalesce(finished_at, {now}) as finished_at, case when finished_at is null then returned_at else {now} end as returned_at,
            case when finished_at is null then 'finished' else 'returned' end as status,
            to_json(list_append(from_json(events, '{STEPS}'), {step}))::varchar as events
        ), n from seed join known using (source_code)
        """
    return f"create or replace table renewed as {_again(MARK, rows)}"


def steps(seeded: Path, rows: int) -> pa.Table:
    """So many rows of `dossier_event`, without the number of their snapshot: the seed's dossiers, repeated."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'Asia/Ho_Chi_Minh'; set threads = 2")
        return con.sql(f"""
            with dossier as (
                select source_code, source, source_updated_at, batch_id, from_json(events, '{STEPS}') as steps
                from read_parquet('{seeded}/one_stop_shop/*/dossier.parquet')
            ), told as (
                select source_code || '.' || n as dossier_id, source, source_updated_at, batch_id, unnest(steps) as step, generate_subscripts(steps, 1) as event_seq
                from dossier, range({rows // SEED_DOSSIERS}) r(n)
            )
            select dossier_id, event_seq::integer as event_seq, step.s as status, make_timestamp(step.t) at time zone 'UTC' as occurred_at,
                step.o as organisation_id, source, step.i as is_inferred, source_updated_at, batch_id
            from told order by dossier_id, event_seq limit {rows}
            """).to_arrow_table()
