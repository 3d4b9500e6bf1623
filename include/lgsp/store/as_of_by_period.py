"""`history.as_of_by_period`: the time up to which the data of each period reached, and whether they cover it, by snapshot.

It is stored once per feed and period, not in every row of an indicator: a row has a new version when its numbers change, not when
the clock of the data moves. A version without an end belongs to the newest snapshot. Views and functions join it to the rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from lgsp.schema.contract import Contract
from lgsp.sql import quoted
from lgsp.store.transaction import Transaction

NAME = "as_of_by_period"
COLUMNS = ("as_of", "is_complete")  # those that are joined to the rows
VERSION = "feed, period, period_start, as_of, is_complete, snapshot_from, snapshot_to"
TABLE = f"history.{NAME}"

DDL = f"""
create table if not exists {TABLE} (
    feed          text not null,
    period        text not null,
    period_start  date not null,
    as_of         timestamptz not null,
    is_complete   boolean not null default false,
    snapshot_from bigint not null,
    snapshot_to   bigint,
    primary key (feed, period, period_start, snapshot_from)
);
alter table {TABLE} add column if not exists is_complete boolean not null default false;
create unique index if not exists as_of_by_period_newest on {TABLE} (feed, period, period_start) where snapshot_to is null;
comment on table {TABLE} is
    'The columns as_of and is_complete of the indicator tables: the time up to which the data of a feed (dossiers, documents) and a period reached, and whether they cover all of it, from one snapshot until another (Thời điểm số liệu tính đến của mỗi kỳ và kỳ đã đủ số liệu hay chưa, theo nguồn và lần công bố)';
comment on column {TABLE}.feed is 'Feed whose time it is: dossiers or documents (Nguồn: hồ sơ hoặc văn bản)';
comment on column {TABLE}.period is 'week, half_month, month, quarter, half_year or year (Kỳ)';
comment on column {TABLE}.period_start is 'First local day of the period (Ngày đầu kỳ)';
comment on column {TABLE}.as_of is 'Time up to which the feed was read, at most the end of the period (Số liệu tính đến)';
comment on column {TABLE}.is_complete is 'Whether the period is over and its feeds were read for all of it (Kỳ đã đủ số liệu)';
comment on column {TABLE}.snapshot_from is 'First snapshot with these values (Từ lần công bố)';
comment on column {TABLE}.snapshot_to is 'Snapshot that replaced them; empty in the newest (Đến lần công bố)';
"""

NEWEST = "{alias}.snapshot_to is null"


def join(table: Contract, row: str, alias: str, version: str = NEWEST) -> str:
    """The left join of a period's version to a row with the alias `row`; `version` is the condition that chooses it."""
    return (
        f"left join {TABLE} {alias} on {alias}.feed = {_feed(table)} and {alias}.period = {_period(table, row)} and {alias}.period_start = {row}.period_start "
        f"and {version.format(alias=alias)}"
    )


def view(table: Contract, names: Iterable[str]) -> str:
    """The statement that creates the view `shared.<table>`, with the columns in this order."""
    listed = ", ".join(f"{'p' if name in COLUMNS else 'r'}.{name}" for name in names)
    return (
        f"create or replace view shared.{table.name} as select {listed} from {table.storage} r {join(table, 'r', 'p')}"
    )


def replace(transaction: Transaction, snapshot_id: int, query: str) -> None:
    """Make the newest versions equal to the rows (feed, period, period_start, as_of, is_complete) of a query, as of a snapshot.

    Leaves the temporary table `as_of_change`: the feeds and periods whose time or completeness changed.
    """
    transaction.do("drop table if exists pg_temp.as_of_change")
    transaction.do(
        "create temporary table as_of_change on commit drop as select feed, period, period_start, n.as_of, n.is_complete "
        f"from (select * from {TABLE} where snapshot_to is null) w full join ({query}) n using (feed, period, period_start) "
        "where (w.as_of, w.is_complete) is distinct from (n.as_of, n.is_complete)"
    )
    transaction.do(
        f"with ended as (delete from {TABLE} v using as_of_change c where v.snapshot_to is null "
        "and (v.feed, v.period, v.period_start) = (c.feed, c.period, c.period_start) returning v.*) "
        f"insert into {TABLE} ({VERSION}) select feed, period, period_start, as_of, is_complete, snapshot_from, $1::bigint from ended where snapshot_from < $1::bigint",
        snapshot_id,
    )
    transaction.do(
        f"insert into {TABLE} ({VERSION}) select feed, period, period_start, as_of, is_complete, $1::bigint, null from as_of_change where as_of is not null",
        snapshot_id,
    )


def changed_parts(transaction: Transaction, table: Contract) -> list[str]:
    """The partitions with rows of periods in `as_of_change`: their files have other values of them now."""
    # one look-up in the index of the table for each changed period: a join may read the whole table
    rows = transaction.rows(
        f"select distinct {table.part_sql('r.')} from as_of_change c cross join lateral ("
        f"select period_start from {table.storage} r where r.period_start = c.period_start and {_period(table)} = c.period limit 1) r "
        f"where c.feed = {_feed(table)}"
    )
    return [part for (part,) in rows]


def newest(table: Contract) -> str:
    """The query that gives the newest version of each period: the columns by which rows join it, then COLUMNS."""
    column = table.period_column
    period = column.period if column else None
    where = f" and feed = {_feed(table)}" + (f" and period = {quoted(period)}" if period else "")
    return f"select {'' if period else 'period, '}period_start, {', '.join(COLUMNS)} from {TABLE} where snapshot_to is null{where}"


def at(snapshot_id: int) -> str:
    """The query that gives the rows (feed, period, period_start, as_of, is_complete) of a snapshot."""
    return (
        f"select feed, period, period_start, as_of, is_complete from {TABLE} "
        f"where snapshot_from <= {snapshot_id} and (snapshot_to is null or snapshot_to > {snapshot_id})"
    )


def sums(transaction: Transaction, snapshot_id: int) -> dict[str, str]:
    """The number of versions of a snapshot and the sum of their hashes, for its signed manifest; also of periods without rows."""
    ((count, total),) = transaction.rows(
        "select count(*)::text, coalesce(sum(('x' || substr(md5(concat_ws('|', feed, period, period_start - date '1970-01-01', "
        f"extract(epoch from as_of), is_complete)), 1, 15))::bit(60)::bigint), 0)::text from ({at(snapshot_id)}) v"
    )
    return {"rows": count, "hash": total}


def fill(tables: Iterable[Contract]) -> str:
    """The statement that takes the versions from rows that store `as_of` themselves, as version 0.1.0 stored them."""
    stored = " union all ".join(
        f"select {_feed(table)} as feed, {_period(table)} as period, period_start, as_of, snapshot_id as first, null::bigint as last from shared.{table.name} r "
        f"union all select {_feed(table)}, {_period(table)}, period_start, as_of, snapshot_from, snapshot_to from history.{table.name} r"
        for table in tables
    )
    return (
        f"insert into {TABLE} (feed, period, period_start, as_of, snapshot_from, snapshot_to) select feed, period, period_start, as_of, lower(snapshots), upper(snapshots) from ("
        f"select feed, period, period_start, as_of, unnest(range_agg(int8range(first, last))) as snapshots from ({stored}) s "
        "group by feed, period, period_start, as_of) v order by as_of desc on conflict do nothing"
    )


def _feed(table: Contract) -> str:
    """The SQL of the feed whose time the rows of a table have."""
    return quoted(table.period_column.feed if table.period_column else "")


def _period(table: Contract, row: str = "r") -> str:
    """The SQL of the period of a row."""
    column = table.period_column
    return quoted(column.period) if column and column.period else f"{row}.period"
