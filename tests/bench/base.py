"""Create a store of many dossiers in minutes: accepted records of a small simulated province, repeated with other keys.

The copies are consistent: records of one dossier keep a common code, agencies and procedures are real, and the dates are
spread over the year.
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
# In the simulated province a dossier changes for at most so many days after its submission, except by a correction.
ACTIVE_DAYS = 66
SUFFIX = "'.' || n"
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
    """The dossiers of one day: half of them new, half newer versions; of recent dossiers, or `is_scattered` over the year."""

    name: str
    dossiers: int
    is_scattered: bool = False


def seed(folder: Path) -> Path:
    """The folder with the accepted records of a small province, by source and batch; created at first use."""
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        with serving(SEED_DOSSIERS, SEED_DOCUMENTS) as environment:
            settings = Settings.from_env(environment)
            for source in sources.names():
                for batch_id in check.run(settings, harmonise.run(settings, land.run(settings, source, YEAR))):
                    shutil.copytree(settings.staging / batch_id / "accepted", folder / source / batch_id)
        (folder / "complete").touch()
    return folder


@dataclass(frozen=True)
class BatchGenerator:
    """Writes checked batches of repeated seed records into the staging of a store, as if fetched and harmonised."""

    settings: Settings
    seed: Path
    events: int

    def write_year(self) -> int:
        """Write the batches of a year with about `events` dossier events; the number of records."""
        written = 0
        with self._opened() as con:
            con.execute(
                f"create table many as {_copies_of(SUFFIX, f'select seed.*, n from seed, range({self._copies(con)}) r(n)')}"
            )
            for source in FEEDS:
                lists = sorted(self.seed.glob(f"{source}/*/[!d]*.parquet"))
                for window in YEAR.split(DAYS_A_BATCH):
                    con.execute(
                        f"create or replace temp view page as from many where source = '{source}' "
                        f"and source_updated_at >= '{window.start}' and source_updated_at < '{window.end}'"
                    )
                    written += self._write(con, source, window, lists)
                    lists = []
            for folder in sorted(self.seed.glob("documents/*")):
                written += self._write_documents(con, folder)
        return written

    def write_day(self, change: Change, number: int) -> int:
        """Write the batches of the `number`th day after the year, counted from 1; the number of records."""
        start = YEAR.end + timedelta(days=number - 1)
        window, written = Window(start, start + timedelta(days=1)), 0
        with self._opened() as con:
            con.execute(_chosen(change, number, self._copies(con)))
            con.execute(_new(window, number))
            con.execute(_newer(window))
            for source in FEEDS:
                lists = sorted(self.seed.glob(f"{source}/*/[!d]*.parquet"))
                con.execute(
                    f"create or replace temp view page as select * from (from new_dossiers union all by name from new_versions) where source = '{source}'"
                )
                written += self._write(con, source, window, lists)
        return written

    def _copies(self, con: duckdb.DuckDBPyConnection) -> int:
        row = con.execute(
            f"select sum(len(from_json(events, '{STEPS}'))) from seed join chosen_record using (source, source_key)"
        )
        events = row.fetchone()
        assert events is not None
        return max(1, round(self.events / int(events[0])))

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'Asia/Ho_Chi_Minh'; set threads = 2")
            con.execute(
                f"create table seed as select *, (coalesce(received_at, submitted_at, source_updated_at))::date as opened_on "
                f"from read_parquet('{self.seed}/*/*/dossier.parquet', union_by_name = true)"
            )
            con.execute(
                "create table chosen_record as select min_by(source, source) as source, min_by(source_key, source) as source_key from seed group by source_code"
            )
            yield con

    def _write(self, con: duckdb.DuckDBPyConnection, source: str, window: Window, lists: list[Path]) -> int:
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

    def _write_documents(self, con: duckdb.DuckDBPyConnection, seed_folder: Path) -> int:
        days = seed_folder.name.split(".")[1].split("_")
        window = Window.of(days[0], days[1])
        with store.connect(self.settings) as connection:
            batch_id = ledger.open_batch(connection, "documents", window).batch_id
        folder, count = self.settings.staging / batch_id / "accepted", 0
        folder.mkdir(parents=True)
        for path in sorted(seed_folder.glob("*.parquet")):
            rows = f"select * replace ('{batch_id}' as batch_id) from '{path}'"
            row = con.execute(f"copy ({rows}) to '{folder / path.name}' (format parquet)").fetchone()
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


def _copies_of(suffix: str, rows: str) -> str:
    """Records with a suffix on their keys and codes, up to an hour earlier; all records of a dossier get the same suffix."""
    earlier = "(hash(source_code, n) % 3600)::bigint"
    moved = ", ".join(f"{name} - to_seconds({earlier}) as {name}" for name in TIMES)
    return (
        f"select * exclude (n) replace (left(md5(source_key || {suffix}), 24) as source_key, md5(raw_hash || {suffix}) as raw_hash, "
        f"md5(content_hash || {suffix}) as content_hash, source_code || {suffix} as source_code, other_code || {suffix} as other_code, "
        f"md5(receipt_key || {suffix}) as receipt_key, {moved}, {_moved_steps(f'- 1000000 * {earlier}')} as events) from ({rows})"
    )


def _moved_steps(by: str) -> str:
    moved = f"lambda e: {{'t': e.t {by}, 's': e.s, 'i': e.i, 'o': e.o}}"
    return f"to_json(list_transform(from_json(events, '{STEPS}'), {moved}))::varchar"


def _chosen(change: Change, number: int, copies: int) -> str:
    """Tables `fresh` and `known`: the new and changed dossiers of a day by (source_code, n); recent ones change more often."""
    random = f"(hash(source_code, n, {number}) / 18446744073709551616)"
    age = (
        "1"
        if change.is_scattered
        else f"(date_diff('day', opened_on, date '{YEAR.end.astimezone(LOCAL).date()}') ** 2)"
    )
    active = (
        "true" if change.is_scattered else f"opened_on > date '{YEAR.end.astimezone(LOCAL).date()}' - {ACTIVE_DAYS}"
    )
    finished_within_a_day = "max(source_updated_at)::date - min(opened_on) <= 1"
    half = change.dossiers // 2
    return f"""
        create or replace table fresh as
            select source_code, n from (select source_code from seed group by 1 having {finished_within_a_day}), range({half}) r(n)
            order by hash(source_code, n, {number}) limit {half};
        create or replace table known as
            select source_code, n from (select source_code, min(opened_on) as opened_on from seed where not is_deleted group by 1) s,
                range({copies}) r(n) where {active} order by -ln({random}) * {age} limit {half}
        """


def _new(window: Window, number: int) -> str:
    """Table `new_dossiers`: dossiers with new codes, moved to the day."""
    days = f"(date '{window.start.astimezone(LOCAL).date()}' - source_updated_at::date)"
    moved = ", ".join(f"{name} + to_days({days}::integer) as {name}" for name in TIMES)
    rows = f"select seed.* replace ({moved}, {_moved_steps(f'+ 86400000000 * {days}')} as events), n from seed join fresh using (source_code)"
    renamed = f"'.{number}.' || n"
    return f"create or replace table new_dossiers as {_copies_of(renamed, rows)}"


def _newer(window: Window) -> str:
    """Table `new_versions`: newer versions of known dossiers, finished on that day or, if finished already, returned."""
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
    return f"create or replace table new_versions as {_copies_of(SUFFIX, rows)}"


def events(seed_folder: Path, rows: int) -> pa.Table:
    """A number of rows of `dossier_event`, without `snapshot_id`: the seed's dossiers, repeated."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'Asia/Ho_Chi_Minh'; set threads = 2")
        return con.sql(f"""
            with dossier as (
                select source_code, source, source_updated_at, batch_id, from_json(events, '{STEPS}') as steps
                from read_parquet('{seed_folder}/one_stop_shop/*/dossier.parquet')
            ), repeated as (
                select source_code || '.' || n as dossier_id, source, source_updated_at, batch_id, unnest(steps) as step, generate_subscripts(steps, 1) as event_seq
                from dossier, range({rows // SEED_DOSSIERS}) r(n)
            )
            select dossier_id, event_seq::integer as event_seq, step.s as status, make_timestamp(step.t) at time zone 'UTC' as occurred_at,
                step.o as organisation_id, source, step.i as is_inferred, source_updated_at, batch_id
            from repeated order by dossier_id, event_seq limit {rows}
            """).to_arrow_table()
