"""Generate the functions of schema `history`: each table as of a snapshot, and its changes between two snapshots.

Their bodies are bound when they are created, so a caller's search_path has no effect on them. PostgreSQL still inlines
them like views, so a condition on `history.<table>_as_of(…)` uses an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from lgsp.schema import contract
from lgsp.schema.contract import Contract
from lgsp.sql import quoted
from lgsp.store import as_of_by_period

# Stands for the newest snapshot where a change feed has no end: larger than any snapshot id.
OPEN_END = 2**63 - 1

SIGNATURE = """
select 1 from pg_proc where oid = to_regprocedure(%s)
    and (proargnames, proallargtypes::regtype[]::text[]) is distinct from (%s::text[], %s::text[]::regtype[]::text[])
"""


def statements() -> Iterator[str]:
    """The statements that create the functions of schema `history` for all shared tables; safe to repeat."""
    for table in contract.every():
        yield _as_of(table)
        yield _changes(table)


def indexes(table: Contract) -> Iterator[str]:
    """The indexes with which a query on some snapshots reads the rows they changed, not the whole table."""
    name = table.name
    yield f"create index if not exists {name}_version on history.{name} ({', '.join(table.key)}, snapshot_from)"
    yield f"create index if not exists {name}_begun on history.{name} (snapshot_from)"
    yield f"create index if not exists {name}_ended on history.{name} (snapshot_to)"
    yield f"create index if not exists {name}_changed on {table.storage} (snapshot_id)"


def dropped(table: Contract) -> Iterator[str]:
    """The statements that drop a table's functions: while they exist, no column they return can be altered."""
    yield f"drop function if exists history.{table.name}_as_of(bigint)"
    yield f"drop function if exists history.{table.name}_changes(bigint, bigint)"


def is_outdated(connection: psycopg.Connection[Any], table: Contract) -> bool:
    """Whether a function of the table returns other columns than its contract has, so that it must be dropped first."""
    types = [column.type for column in table.columns]
    expected = {
        f"history.{table.name}_as_of(bigint)": (["snapshot", *table.names], ["bigint", *types]),
        f"history.{table.name}_changes(bigint, bigint)": (
            ["since", "until", "change", "changed_in", *table.names],
            ["bigint", "bigint", "text", "bigint", *types],
        ),
    }
    return any(
        connection.execute(SIGNATURE, [function, *signature]).fetchone() for function, signature in expected.items()
    )


def _as_of(table: Contract) -> str:
    """The rows of a snapshot: the current rows that are not newer, and the versions that were replaced later.

    The argument is read once, as `(select snapshot)`: a caller may pass a function call that queries the ledger.
    """
    function, columns = f"history.{table.name}_as_of", ", ".join(table.stored_names)
    shown, joined = _shown(table, "(select snapshot)")
    description = f"{table.description}: all rows as of a snapshot ({table.meaning_vi} tại một lần công bố)"
    return f"""
create or replace function {function}(snapshot bigint) returns table ({_typed(table)})
    language sql stable parallel safe
    begin atomic
        select {shown} from (
            select {columns} from shared.{table.name} where history.held(snapshot) and snapshot_id <= (select snapshot)
            union all
            select {columns} from history.{table.name}
                where history.held(snapshot) and snapshot_from <= (select snapshot) and snapshot_to > (select snapshot)
        ) r {joined};
    end;
comment on function {function}(bigint) is {quoted(description)};
"""


def _changes(table: Contract) -> str:
    """The net changes between two snapshots: of the versions that began or ended there, a row's last against its first.

    One sort and no join: right after a publication the planner has no statistics about the changed rows, and a join
    planned for one row takes quadratic time for many.
    """
    function, columns = f"history.{table.name}_changes", ", ".join(table.stored_names)
    data, last_data = (", ".join(f"{alias}{name}" for name in table.versioned_names) for alias in ("", "r."))
    shown, joined = _shown(table, f"coalesce(until, {OPEN_END - 1})")
    description = (
        f"{table.description}: the rows to insert, update and delete in a copy of snapshot `since` to get snapshot `until` (or the newest), "
        f"and the snapshot in which each changed last ({table.meaning_vi}: những thay đổi giữa hai lần công bố)"
    )
    return f"""
create or replace function {function}(since bigint, until bigint default null)
    returns table (change text, changed_in bigint, {_typed(table)})
    language sql stable parallel safe
    begin atomic
        with version as (
            select {columns}, snapshot_from, snapshot_to, false as is_present from history.{table.name}
            where snapshot_to > since and snapshot_to <= coalesce(until, {OPEN_END})
            union all
            select {columns}, snapshot_id, null, true from shared.{table.name}
            where snapshot_id > since and snapshot_id <= coalesce(until, {OPEN_END})
            union all
            select {columns}, snapshot_from, null, true from history.{table.name}
            where snapshot_from > since and snapshot_from <= coalesce(until, {OPEN_END}) and snapshot_to > coalesce(until, {OPEN_END})
        ), compared as (
            select *, lead(snapshot_from) over versions is null as is_last,
                first_value(snapshot_from) over versions <= since as was_present,
                first_value(case when snapshot_from <= since then row({data}) end) over versions as first_data
            from version window versions as (partition by {", ".join(table.key)} order by snapshot_from)
        )
        select case when not is_present then 'delete' when was_present then 'update' else 'insert' end,
            coalesce(r.snapshot_to, r.snapshot_from), {shown}
        from compared r {joined}
        where history.held(since, until) and is_last and (is_present or was_present)
            and not (is_present and was_present and row({last_data}) is not distinct from first_data);
    end;
comment on function {function}(bigint, bigint) is {quoted(description)};
"""


def _shown(table: Contract, snapshot: str) -> tuple[str, str]:
    """The columns of the rows `r`, and the join of those that rows do not store, as of a snapshot."""
    if table.period_column is None:
        return ", ".join(f"r.{name}" for name in table.names), ""
    shown = ", ".join(f"{'r' if column.is_stored else 'p'}.{column.name}" for column in table.columns)
    version = f"{{alias}}.snapshot_from <= {snapshot} and coalesce({{alias}}.snapshot_to, {OPEN_END}) > {snapshot}"
    return shown, as_of_by_period.join(table, "r", "p", version)


def _typed(table: Contract) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)
