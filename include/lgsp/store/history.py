"""History in SQL: what every table showed in any snapshot, and what changed since one, as functions in schema `history`.

Their bodies are bound when they are made, so no caller's search_path reaches them; PostgreSQL still opens them up like
views, so a condition on `history.<table>_as_of(…)` is answered by an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from lgsp import sql
from lgsp.schema import contract
from lgsp.schema.contract import Contract
from lgsp.sql import quoted

# The newest snapshot has no end yet: what is open lies before this one.
OPEN_END = 2**63 - 1

SIGNATURE = """
select 1 from pg_proc where oid = to_regprocedure(%s)
    and (proargnames, proallargtypes::regtype[]::text[]) is distinct from (%s::text[], %s::text[]::regtype[]::text[])
"""


def statements() -> Iterator[str]:
    """What makes the functions of every shared table, its history and the ledger; safe to repeat."""
    yield sql.read("lgsp.store", "ddl/history.sql")
    for table in contract.every():
        yield _as_of(table)
        yield _changes(table)


def indexes(table: Contract) -> Iterator[str]:
    """What lets a question about some snapshots cost what those changed, not what the table holds."""
    name = table.name
    yield f"create index if not exists {name}_version on history.{name} ({', '.join(table.key)}, snapshot_from)"
    yield f"create index if not exists {name}_begun on history.{name} (snapshot_from)"
    yield f"create index if not exists {name}_ended on history.{name} (snapshot_to)"
    yield f"create index if not exists {name}_changed on shared.{name} (snapshot_id)"


def dropped(table: Contract) -> Iterator[str]:
    """What removes a table's functions: as long as they are there no column they show can be altered."""
    yield f"drop function if exists history.{table.name}_as_of(bigint)"
    yield f"drop function if exists history.{table.name}_changes(bigint, bigint)"


def is_outdated(connection: psycopg.Connection[Any], table: Contract) -> bool:
    """Whether a function of the table returns other columns than its contract has: it cannot be replaced in place."""
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
    """The rows of a snapshot: those that are as old, and the versions that were replaced later.

    The number is read once, as `(select snapshot)`: it may be told by a function that asks the ledger.
    """
    function, columns = f"history.{table.name}_as_of", ", ".join(table.names)
    about = f"{table.description}: every row as a snapshot showed it ({table.meaning_vi}, đúng như một lần công bố đã cho thấy)"
    return f"""
create or replace function {function}(snapshot bigint) returns table ({_typed(table)})
    language sql stable parallel safe
    begin atomic
        select {columns} from shared.{table.name} where history.held(snapshot) and snapshot_id <= (select snapshot)
        union all
        select {columns} from history.{table.name}
            where history.held(snapshot) and snapshot_from <= (select snapshot) and snapshot_to > (select snapshot);
    end;
comment on function {function}(bigint) is {quoted(about)};
"""


def _changes(table: Contract) -> str:
    """The net changes between two snapshots: of all versions that ended or began there a row's last one, told against its first.

    One sort and no join: right after a publication nobody has counted yet how many rows it changed, and a join that was
    planned for one row takes its time squared for many.
    """
    function, columns, said = f"history.{table.name}_changes", ", ".join(table.names), ", ".join(table.data_names)
    about = (
        f"{table.description}: what a copy of snapshot `since` must insert, update and delete to say what `until` (or the newest) says, "
        f"and in which snapshot it changed last ({table.meaning_vi}: những thay đổi giữa hai lần công bố)"
    )
    return f"""
create or replace function {function}(since bigint, until bigint default null)
    returns table (change text, changed_in bigint, {_typed(table)})
    language sql stable parallel safe
    begin atomic
        with version as (
            select {columns}, snapshot_from, snapshot_to, false as is_there from history.{table.name}
            where snapshot_to > since and snapshot_to <= coalesce(until, {OPEN_END})
            union all
            select {columns}, snapshot_id, null, true from shared.{table.name}
            where snapshot_id > since and snapshot_id <= coalesce(until, {OPEN_END})
            union all
            select {columns}, snapshot_from, null, true from history.{table.name}
            where snapshot_from > since and snapshot_from <= coalesce(until, {OPEN_END}) and snapshot_to > coalesce(until, {OPEN_END})
        ), followed as (
            select *, lead(snapshot_from) over versions is null as is_last,
                first_value(snapshot_from) over versions <= since as was_there,
                first_value(case when snapshot_from <= since then row({said}) end) over versions as said_first
            from version window versions as (partition by {", ".join(table.key)} order by snapshot_from)
        )
        select case when not is_there then 'delete' when was_there then 'update' else 'insert' end,
            coalesce(snapshot_to, snapshot_from), {columns}
        from followed
        where history.held(since, until) and is_last and (is_there or was_there)
            and not (is_there and was_there and row({said}) is not distinct from said_first);
    end;
comment on function {function}(bigint, bigint) is {quoted(about)};
"""


def _typed(table: Contract) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)
