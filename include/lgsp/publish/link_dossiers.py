"""Link the source records of one dossier, and derive the dossier from them.

Two records belong to one dossier when they share a code that is no hub; otherwise, when a one-stop record and a portal record, both
unlinked, have the same receipt number, procedure, agency and day of receipt. Records are never linked by similarity.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from lgsp import sql
from lgsp.harmonise.context import duck
from lgsp.publish import merge
from lgsp.publish.context import PublishRun
from lgsp.schema import contract, sources, yaml_file
from lgsp.schema.column import Column
from lgsp.store.index_lookups import by_key
from lgsp.store.transaction import Transaction
from lgsp.vietnam import working_days, working_time

TABLES = ("dossier", "dossier_event", "dossier_pause", "dossier_source", "reconciliation")

# Changed records are linked in groups of about this many, so that memory does not grow with the size of the change.
RECORDS_AT_ONCE = 100_000

# Codes are compared in their normal form.
EDGE = "source, source_key, ledger.code_key(source_code) as source_code, ledger.code_key(other_code) as other_code, receipt_key"

# The SQL files of the linking, in the order in which they run: first the link groups, then the tables.
GROUPS = ("receipt_link", "member", "group_id")
DERIVED = (
    "latest", "role_record", "lead_record", "pair", "reconciliation", "dossier_event", "pause", "offered_level", "dossier", "dossier_pause", "dossier_source",
)  # fmt: skip


def create_scope(transaction: Transaction) -> None:
    """Create the temporary table `pending`, which collects the current and the replaced versions of changed records."""
    transaction.do(f"create temporary table pending on commit drop as select {EDGE} from record.dossier where false")


def add_changed_records(transaction: Transaction) -> None:
    """Add the records that were just merged to `pending`."""
    for table in ("incoming_dossier", "before_dossier"):
        transaction.do(f"insert into pending select {EDGE} from {table}")


def link_dossiers(run: PublishRun) -> None:
    """Link again all groups that a changed record belongs or belonged to, and merge the result.

    Reads: record.dossier, shared.dossier_source, shared.service_offering, the temporary table pending. Writes: the shared tables dossier,
    dossier_event, dossier_pause, dossier_source and reconciliation, and their history.
    """
    transaction = run.transaction
    if run.derives_all:
        transaction.do(f"insert into pending select {EDGE} from record.dossier")
    else:
        transaction.do(sql.load("lgsp.publish", "offered_otherwise", edge=EDGE, snapshot_id=run.snapshot_id))
    transaction.do("create index on pending (source_code)")
    transaction.do("create index on pending (source, source_key)")
    for table, columns in (("reached", "source text, source_key text, primary key (source, source_key)"),
                           ("reached_code", "code text primary key"), ("reached_receipt", "receipt_key text primary key"),
                           ("scope_dossier", "dossier_id text primary key")):  # fmt: skip
        transaction.do(f"create temporary table {table} ({columns}) on commit drop")
    transaction.do("create temporary table edge on commit drop as select * from pending where false")
    # ordered by code, so that the two sides of a dossier are in one group
    while transaction.changed(f"insert into edge select * from pending order by source_code limit {RECORDS_AT_ONCE}"):
        _collect_connected(transaction)
        _link(run)
        transaction.do(
            "delete from pending p using reached r where r.source = p.source and r.source_key = p.source_key"
        )
        for table in ("reached", "reached_code", "reached_receipt", "scope_dossier"):
            transaction.do(f"truncate {table}")


def _collect_connected(transaction: Transaction) -> None:
    """Fill `reached` with all records connected to those of `edge` by a code, a receipt or their previous dossier.

    The current and the replaced version of a changed record both count: `pending` has the edges of both.
    """
    while True:
        transaction.do(
            "insert into edge select p.* from pending p "
            "where (p.source, p.source_key) in (select source, source_key from edge)"
        )
        for code in ("source_code", "other_code"):
            transaction.do(
                f"insert into reached_code select distinct {code} from edge where {code} is not null on conflict do nothing"
            )
        transaction.do(
            "insert into reached_receipt select distinct receipt_key from edge where receipt_key is not null on conflict do nothing"
        )
        transaction.do("insert into reached select distinct source, source_key from edge on conflict do nothing")
        for table in ("reached_code", "reached_receipt", "reached"):
            transaction.do(f"analyze {table}")
        transaction.do("truncate edge")
        with by_key(transaction):
            added = transaction.changed("""
                insert into edge
                select source, source_key, ledger.code_key(d.source_code), ledger.code_key(d.other_code), d.receipt_key from (
                    select d.source, d.source_key from record.dossier d join reached_code c on c.code = ledger.code_key(d.source_code)
                    union select d.source, d.source_key from record.dossier d join reached_code c on c.code = ledger.code_key(d.other_code)
                        where d.other_code is not null
                    union select d.source, d.source_key from record.dossier d join reached_receipt c on c.receipt_key = d.receipt_key
                    union select other.source, other.source_key from shared.dossier_source other join shared.dossier_source known using (dossier_id)
                        join reached k on k.source = known.source and k.source_key = known.source_key
                    except select source, source_key from reached
                ) r join record.dossier d using (source, source_key)
                """)  # fmt: skip
        if not added:
            return


def _link(run: PublishRun) -> None:
    """Link the records in `reached`, and merge the resulting dossiers."""
    transaction = run.transaction
    with by_key(transaction):
        transaction.do(
            "insert into scope_dossier select distinct dossier_id from shared.dossier_source join reached using (source, source_key)"
        )
        rows = transaction.arrow(
            "select r.* from record.dossier r join reached using (source, source_key) where not r.is_deleted"
        )
        offerings = transaction.arrow(
            "select service_code, organisation_id, valid_from, valid_to, online_level from shared.service_offering where service_code in "
            "(select service_code from record.dossier join reached using (source, source_key))"
        )
    with duck(run.settings) as con:
        derive(con, rows, offerings)
        for name in TABLES:
            merge.stage_rows(transaction, contract.load(name), con.sql(f"select * from {name}").to_arrow_table())
    transaction.do("insert into scope_dossier select dossier_id from new_dossier on conflict do nothing")
    transaction.do("analyze scope_dossier")
    in_scope = "s.dossier_id in (select dossier_id from scope_dossier)"
    reached = "(s.source, s.source_key) in (select source, source_key from reached)"
    for name in TABLES:
        scope = reached if name == "dossier_source" else in_scope
        merge.merge_staged(transaction, contract.load(name), scope, run.snapshot_id, run.changes)


def derive(con: duckdb.DuckDBPyConnection, records: pa.Table, offerings: pa.Table) -> None:
    """Create the tables of TABLES in a DuckDB connection, from the existing dossier records of complete link groups.

    `offerings` has the versions of their procedures: service_code, organisation_id, valid_from, valid_to, online_level.
    """
    con.execute(sql.load("lgsp.publish", "link_macros"))
    con.execute(sql.load("lgsp.harmonise", "code_key"))
    days = working_days.calendar()
    con.register(
        "working_day",
        pa.table({"day_on": [day.day_on for day in days], "is_working_day": [day.is_working_day for day in days]}),
    )
    con.execute(working_time.macros_sql())
    con.register("existing_record", records)
    con.register("service_offering", offerings)
    con.register("source_role", _source_roles())
    _label_groups(con)
    parts = {
        "role_record": {"columns": _merged_columns()}, "lead_record": {"columns": _led_columns()}, "dossier": {"columns": _published_columns()},
    }  # fmt: skip
    for name in (*GROUPS, *DERIVED):
        _run(con, name, **parts.get(name, {}))


def _source_roles() -> pa.Table:
    """The role and the precedence of each source; the lower number wins."""
    every = sources.every()
    return pa.table({
        "source": [source.name for source in every], "role": [source.role for source in every],
        "precedence": list(range(1, len(every) + 1)),
    })  # fmt: skip


def _label_groups(con: duckdb.DuckDBPyConnection) -> None:
    """Create `hub` and `node_label`: the codes that link nothing, and the label of the link group of each record."""
    for name in ("node", "node_code"):
        _run(con, name)
    con.register("linking", pa.Table.from_pylist([yaml_file.loads(sql.read("lgsp.publish", "linking.yml"))]))
    _run(con, "hub_part")
    _spread(con, "hub_part", "spread_part", "code, node")
    for name in ("hub", "link_code", "node_label"):
        _run(con, name)
    _spread(con, "node_label", "spread_label", "node")


def _spread(con: duckdb.DuckDBPyConnection, table: str, spread: str, key: str) -> None:
    """Spread the labels of a table until none changes; groups are pairs or slightly larger."""
    while True:
        _run(con, spread)
        ((changed,),) = con.execute(
            f"select count(*) from {spread} s join {table} l using ({key}) where s.label < l.label"
        ).fetchall()
        con.execute(f"create or replace table {table} as from {spread}")
        if not changed:
            return


def _run(con: duckdb.DuckDBPyConnection, name: str, **parts: object) -> None:
    con.execute(sql.load("lgsp.publish", f"dossiers/{name}", **parts))


def _merged_columns() -> str:
    """The select list of `role_record`: the value of the first source that has one; its unknown value counts as null."""
    return ", ".join(
        f"arg_min({column.name}, precedence) as {column.name}" if column.unknown is None else
        f"coalesce(arg_min(nullif({column.name}, {sql.quoted(column.unknown)}), precedence), {sql.quoted(column.unknown)}) as {column.name}"
        for column in contract.load("dossier").recorded
    )  # fmt: skip


def _led_columns() -> str:
    """The attributes of a leading record that are the portal's where the one-stop-shop has none: all but dates and status."""
    return ", ".join(
        f"coalesce({_known('o', column)}, {_known('p', column)}{f', {sql.quoted(column.unknown)}' if column.unknown else ''}) as {column.name}"
        for column in contract.load("dossier").recorded
        if column.origin in ("lead", "merged")
        and column.type not in ("date", "timestamptz")
        and column.name != "status"
    )


def _known(side: str, column: Column) -> str:
    """The value of a column on one side of a pair; null when it is not known."""
    return f"nullif({side}.{column.name}, {sql.quoted(column.unknown)})" if column.unknown else f"{side}.{column.name}"


def _published_columns() -> str:
    """The select list of `dossier` for the columns that are copied from one record."""
    records = {"lead": "lead", "one_stop": "o", "portal": "p"}
    return ", ".join(
        f"{records[column.origin]}.{column.name} as {column.name}"
        for column in contract.load("dossier").recorded
        if column.origin in records
    )
