"""Row security of the fact tables: a reader whose account names agencies sees their rows only, in `shared` and in `history`.

The contract of a fact table names the columns that decide (`agencyColumns`), or the table whose row of the same id does
(`agencyOf`). Everyone may see and change the rows that its rights allow; the restriction is a policy for members of
`lgsp_scoped_reader` alone, so that the queries of all others are planned without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from lgsp.schema import contract
from lgsp.schema.contract import Contract
from lgsp.schema.fingerprint import fingerprint
from lgsp.sql import quoted

ROLE = "lgsp_scoped_reader"

# Evaluated once for each query, because it names no column of a row.
AGENCIES = "(select ledger.agencies_of_reader(current_user::text))::text[]"

IS_IN_FORCE = """
select 1 from pg_class c join pg_policy p on p.polrelid = c.oid
where c.oid = %s::regclass and relrowsecurity and polname in ('everyone', 'agencies')
    and obj_description(p.oid, 'pg_policy') = %s
having count(*) = 2
"""


def statements(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """The statements that set the policies of the fact tables which lack them; none for tables that have them.

    They need a lock that waits for readers, so they run only when something changes.
    """
    for table, statement in _policies():
        if not connection.execute(IS_IN_FORCE, [table, fingerprint([statement])]).fetchone():
            yield statement
            for policy in ("everyone", "agencies"):
                yield f"comment on policy {policy} on {table} is {quoted(fingerprint([statement]))}"


def dropped(table: Contract) -> Iterator[str]:
    """The statements that drop the policies of a table: while they exist, the type of no column they name can change."""
    for name in (f"shared.{table.name}", f"history.{table.name}") if is_scoped(table) else ():
        yield f"drop policy if exists agencies on {name}"


def definitions() -> list[str]:
    """All statements, for the fingerprint of the store."""
    return [statement for _, statement in _policies()]


def is_scoped(table: Contract) -> bool:
    """Whether a reader may be restricted to the rows of some agencies."""
    return bool(table.agency_columns or table.agency_of)


def _policies() -> Iterator[tuple[str, str]]:
    """The name of each table with policies, and the statement that sets them."""
    for table in contract.every():
        if not is_scoped(table):
            continue
        for name in (f"shared.{table.name}", f"history.{table.name}"):
            yield (
                name,
                f"""
alter table {name} enable row level security;
drop policy if exists everyone on {name};
create policy everyone on {name} using (true) with check (true);
drop policy if exists agencies on {name};
create policy agencies on {name} as restrictive for select to {ROLE} using ({_condition(table)});
""",
            )


def _condition(table: Contract) -> str:
    """The condition on a row of a table. Rows that belong to a row of another table are seen with any version of it."""
    if table.agency_of is None:
        return " or ".join(f"{column} = any ({AGENCIES})" for column in table.agency_columns)
    decides = contract.load(table.agency_of)
    (key,) = decides.key
    seen = " union all ".join(f"select {key} from {schema}.{decides.name}" for schema in ("shared", "history"))
    return f"{key} in ({seen})"
