"""Merge records (the newest source version wins) and derived rows (only changed rows are written).

The order of batches does not matter: the same set of batches, in any order, repeated, overlapping or late, gives the same
rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lgsp.errors import ContractError
from lgsp.schema import contract, records
from lgsp.schema.contract import Contract
from lgsp.snapshots.changes import Changes
from lgsp.store.index_lookups import by_key
from lgsp.store.transaction import Transaction

UNDEFINED_COLUMN = "42703"  # PostgreSQL's code
ANALYZED_SHARE = 0.1  # of a table's rows: the share of changed rows at which autovacuum collects statistics too


@dataclass
class BatchOutcome:
    """The numbers of accepted records of a batch by their outcome in the merge."""

    published: int = 0
    superseded: int = 0
    duplicates: int = 0
    discarded: int = 0  # by an operator, after they were checked


@dataclass
class Outcomes:
    """The outcome of each batch of a publication, and the changes of the stored records."""

    by_batch: dict[str, BatchOutcome] = field(default_factory=dict)
    inserted: int = 0  # records that were not stored before
    replaced: int = 0  # records of which an older version was stored
    removed: int = 0  # records that left with a withdrawn batch, before the merge
    existing: Counter[str] = field(default_factory=Counter)  # by kind: the change in the number of records not deleted

    def __getitem__(self, batch_id: str) -> BatchOutcome:
        return self.by_batch.setdefault(batch_id, BatchOutcome())


def merge_records(
    transaction: Transaction, kind: records.Kind, files: list[Path], outcomes: Outcomes,
    only: Mapping[str, frozenset[tuple[str, str]]] | None = None, prepare: Callable[[Transaction], None] | None = None,
) -> None:  # fmt: skip
    """Merge the accepted records of some batches into schema `record`; of the batches in `only`, only these (kind, key).

    `prepare` completes the incoming records before they are compared with the stored ones.
    Leaves the temporary tables `incoming_<kind>`, the records that were merged, and `before_<kind>`, the versions that they
    replaced: the link groups of both must be linked again.
    """
    name = f"incoming_{kind.name}"
    transaction.temporary(name, f"record.{kind.name}")
    transaction.temporary(f"before_{kind.name}", f"record.{kind.name}")
    if not files and prepare is None:
        return
    for file in files:
        rows = pq.read_table(file, columns=kind.names).select(kind.names)
        transaction.load(name, rows if only is None else chosen(rows, kind, only))
    transaction.do(f"create index on {name} (source, source_key)")
    transaction.do(f"analyze {name} (source, source_key)")
    if kind is records.ORGANISATION_ALIAS:
        _merge_aliases(transaction, name)
        return
    if kind in records.FACTS:
        _remove_discarded(transaction, kind, outcomes)
    if prepare:
        prepare(transaction)
    _remove_older(transaction, kind, outcomes)
    for batch_id, count in transaction.rows(f"select batch_id, count(*) from {name} group by 1"):
        outcomes[batch_id].published += count
    with by_key(transaction):
        transaction.do(
            f"insert into before_{kind.name} select r.* from record.{kind.name} r join {name} i using (source, source_key)"
        )
    exists = "not coalesce(is_deleted, false)" if "is_deleted" in kind.columns else "true"
    counts = f"select count(*), count(*) filter (where {exists}) from "
    ((replaced, existed),) = transaction.rows(f"{counts} before_{kind.name}")
    ((merged, existing),) = transaction.rows(f"{counts} {name}")
    outcomes.inserted += merged - replaced
    outcomes.replaced += replaced
    outcomes.existing[kind.name] += existing - existed
    columns = [column for column in kind.names if column not in kind.key]
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
    transaction.do(
        f"insert into record.{kind.name} select * from {name} on conflict ({', '.join(kind.key)}) do update set {updates}"
    )
    analyze_changed(transaction, f"record.{kind.name}", merged, kind.key)


def chosen(rows: pa.Table, kind: records.Kind, only: Mapping[str, frozenset[tuple[str, str]]]) -> pa.Table:
    """The accepted rows of a kind; of the batches in `only`, those with these (kind, key)."""
    pairs = zip(rows["batch_id"].to_pylist(), rows["source_key"].to_pylist(), strict=True)
    return rows.filter(
        pa.array([batch not in only or (kind.name, key) in only[batch] for batch, key in pairs], pa.bool_())
    )


def _remove_older(transaction: Transaction, kind: records.Kind, outcomes: Outcomes) -> None:
    """Remove the incoming records that are older than, or equal to, another incoming or a stored version."""
    name = f"incoming_{kind.name}"
    # the newest source version, then the hash of the sent bytes, then (same bytes, other rules) the later batch
    newer = "(w.source_updated_at, w.raw_hash, right(w.batch_id, 6)) > (i.source_updated_at, i.raw_hash, right(i.batch_id, 6))"
    same = "(w.source_updated_at, w.raw_hash, w.content_hash) = (i.source_updated_at, i.raw_hash, i.content_hash)"
    for column in (name for name in records.ABOUT if name in kind.columns):  # another version may flag or repair more
        same += f" and w.{column} is not distinct from i.{column}"
    for other in (name, f"record.{kind.name}"):
        with by_key(transaction):
            _count_removed(
                transaction,
                outcomes,
                f"delete from {name} i using {other} w where w.source = i.source and w.source_key = i.source_key and ({newer}"
                f"{'' if other == name else f' or {same}'}) returning i.batch_id, i.source, i.source_key, {same} as is_equal",
            )


def _remove_discarded(transaction: Transaction, kind: records.Kind, outcomes: Outcomes) -> None:
    """Remove the records that an operator discarded between the check and the publication."""
    rows = transaction.rows(
        f"with deleted as (delete from incoming_{kind.name} i using (select distinct source, source_key, record_hash from ledger.quarantine "
        f"where state = 'discarded' and kind = '{kind.name}') q where (i.source, i.source_key, i.raw_hash) = (q.source, q.source_key, q.record_hash) "
        "returning i.batch_id) select batch_id, count(*) from deleted group by 1"
    )
    for batch_id, count in rows:
        outcomes[batch_id].discarded += count


def _count_removed(transaction: Transaction, outcomes: Outcomes, delete: str) -> None:
    """Run a delete of incoming records and count them as duplicates or superseded, by batch."""
    query = (
        f"with deleted as ({delete}), counted as (select batch_id, bool_or(is_equal) as is_equal from deleted group by batch_id, source, source_key) "
        "select batch_id, is_equal, count(*) from counted group by 1, 2"
    )
    for batch_id, is_equal, count in transaction.rows(query):
        if is_equal:
            outcomes[batch_id].duplicates += count
        else:
            outcomes[batch_id].superseded += count


def _merge_aliases(transaction: Transaction, incoming: str) -> None:
    """Merge spellings: the first day, the first form and the most reliable match of each, in any order of batches."""
    by_reliability = "array['code', 'exact', 'alias', 'review']"
    transaction.do(f"""
        insert into record.organisation_alias (
            source, source_key, source_updated_at, raw_hash, content_hash, raw_pointer, batch_id, alias_key, alias, organisation_id, matched_by, first_seen_on, code
        )
        select source, source_key, max(source_updated_at), '', min(content_hash), null, (array_agg(batch_id order by right(batch_id, 6) desc))[1],
            min(alias_key), min(alias collate "C"), min(organisation_id), ({by_reliability})[min(array_position({by_reliability}, matched_by))], min(first_seen_on), min(code)
        from {incoming} group by source, source_key
        on conflict (source, source_key) do update set
            source_updated_at = greatest(organisation_alias.source_updated_at, excluded.source_updated_at),
            batch_id = case when right(excluded.batch_id, 6) > right(organisation_alias.batch_id, 6) then excluded.batch_id else organisation_alias.batch_id end,
            alias = least(organisation_alias.alias collate "C", excluded.alias),
            organisation_id = least(organisation_alias.organisation_id, excluded.organisation_id),
            matched_by = ({by_reliability})[least(array_position({by_reliability}, organisation_alias.matched_by),
                array_position({by_reliability}, excluded.matched_by))],
            first_seen_on = least(organisation_alias.first_seen_on, excluded.first_seen_on),
            code = least(organisation_alias.code, excluded.code)
        """)  # fmt: skip


def merge_tokens(transaction: Transaction, files: list[Path]) -> None:
    """Merge the applicant tokens of some batches into schema `restricted`; the newest version of each record wins."""
    for name in records.TOKENS if files else ():
        transaction.temporary("incoming_token", f"restricted.{name}")
        for file in files:
            table = pq.read_table(file, columns=["source", "source_key", name, "source_updated_at", "batch_id"])
            transaction.load("incoming_token", table.filter(pc.is_valid(table[name])).rename_columns({name: "token"}))
        transaction.do(f"""
            insert into restricted.{name}
            select distinct on (source, source_key) source, source_key, token, source_updated_at, batch_id from incoming_token
            order by source, source_key, source_updated_at desc, token desc
            on conflict (source, source_key) do update
                set token = excluded.token, source_updated_at = excluded.source_updated_at, batch_id = excluded.batch_id
                where ({name}.source_updated_at, {name}.token) < (excluded.source_updated_at, excluded.token)
            """)  # fmt: skip


def merge_query(
    transaction: Transaction, name: str, query: str, snapshot_id: int, changes: Changes, scope: str = "true"
) -> None:
    """Make a shared table, or its rows within `scope`, equal to the rows of a query; only different rows are written."""
    shared = contract.load(name)
    stage_query(transaction, shared, query)
    merge_staged(transaction, shared, scope, snapshot_id, changes)


def is_current(transaction: Transaction, shared: Contract, query: str) -> bool:
    """Whether a shared table has exactly the rows of a query; the keys of both are unique.

    Raises ContractError when the query does not give a column of the contract.
    """
    columns = ", ".join(shared.versioned_names)
    stored = f"select {columns} from {shared.storage}"
    with _explained(shared):
        return bool(
            transaction.one(
                f"with derived as materialized (select {columns} from ({query}) q) "
                f"select (select count(*) from derived) = (select count(*) from ({stored}) s) and not exists (table derived except {stored})"
            )
        )


def stage_rows(transaction: Transaction, shared: Contract, rows: pa.Table) -> None:
    """Fill the temporary table `new_<table>` with rows that were derived outside PostgreSQL.

    Raises ContractError when the rows lack a column of the contract.
    """
    columns = _staged_columns(shared)
    if missing := [name for name in columns if name not in rows.column_names]:
        raise ContractError(_unfilled(shared, ", ".join(missing)))
    _create_staging(transaction, shared)
    schema = pa.schema([shared.arrow_schema().field(name) for name in columns])
    transaction.load(f"new_{shared.name}", rows.select(columns).cast(schema))


def stage_query(transaction: Transaction, shared: Contract, query: str) -> None:
    """Fill the temporary table `new_<table>` with the rows of a query.

    Raises ContractError when the query does not give a column of the contract.
    """
    columns = ", ".join(_staged_columns(shared))
    _create_staging(transaction, shared)
    with _explained(shared):
        transaction.do(f"insert into new_{shared.name} ({columns}) select {columns} from ({query}) q")


@contextmanager
def _explained(shared: Contract) -> Iterator[None]:
    """Raise ContractError for a column that nothing fills."""
    try:
        yield
    except adbc_driver_manager.Error as error:
        if error.sqlstate == UNDEFINED_COLUMN:
            raise ContractError(_unfilled(shared, str(error).splitlines()[0])) from error
        raise


def _staged_columns(shared: Contract) -> list[str]:
    return [name for name in shared.stored_names if name != "snapshot_id"]


def _unfilled(shared: Contract, columns: str) -> str:
    return (
        f"contracts/{shared.name}.yml: nothing fills {columns}; declare its `origin` there, "
        "or compute it in the SQL of this table (lgsp/publish/sql, lgsp/indicators/sql)"
    )


def _create_staging(transaction: Transaction, shared: Contract) -> None:
    transaction.temporary(f"new_{shared.name}", shared.storage)
    # the temporary copy keeps NOT NULL, but the snapshot number is set only by the merge
    transaction.do(f"alter table new_{shared.name} alter snapshot_id drop not null")


def merge_staged(transaction: Transaction, shared: Contract, scope: str, snapshot_id: int, changes: Changes) -> None:
    """Make the shared rows within `scope` (a condition on `s`) equal to the temporary table `new_<table>`.

    Replaced and deleted versions move to history; equal rows are not written. All new rows must be within the scope.
    """
    name, columns = shared.name, ", ".join(shared.stored_names)
    # the large table is read once; the other statements join temporary tables of the size of the change
    with by_key(transaction):
        _create(transaction, f"was_{name}", f"select s.* from {shared.storage} s where {scope}")
    transaction.do(f"analyze was_{name} ({', '.join(shared.key)})")
    transaction.do(f"analyze new_{name} ({', '.join(shared.key)})")
    same = " and ".join(
        [f"w.{key} = n.{key}" for key in shared.key]
        + [
            f"w.{column} is not distinct from n.{column}"
            for column in shared.versioned_names
            if column not in shared.key
        ]
    )
    _create(
        transaction,
        f"old_{name}",
        f"select * from was_{name} w where not exists (select from new_{name} n where {same})",
    )
    transaction.do(
        f"insert into history.{name} ({columns}, snapshot_from, snapshot_to) "
        f"select {columns}, snapshot_id, {snapshot_id} from old_{name} where snapshot_id < {snapshot_id}"
    )
    keys = " and ".join(f"s.{key} = g.{key}" for key in shared.key)
    with by_key(transaction):
        deleted = _by_part(transaction, shared, f"delete from {shared.storage} s using old_{name} g where {keys}", "s.")
    values = ", ".join(str(snapshot_id) if column == "snapshot_id" else column for column in shared.stored_names)
    inserted = _by_part(
        transaction,
        shared,
        f"insert into {shared.storage} ({columns}) select {values} from new_{name} n where not exists (select from was_{name} w where {same})",
    )
    count = max(sum(deleted.values()), sum(inserted.values()))
    changes.add(name, [*deleted, *inserted], count)
    analyze_changed(transaction, shared.storage, count, shared.key)


def analyze_changed(transaction: Transaction, table: str, count: int, columns: Sequence[str]) -> None:
    """Collect statistics of the columns that are joined, when many rows of a table changed or it has no statistics yet.

    Later steps of the same transaction join the table. Without statistics the planner chooses joins that compare every
    row with every row; autovacuum collects them only after the commit, which is too late for the first publication.
    """
    known = transaction.one("select reltuples::bigint from pg_class where oid = $1::text::regclass", table)
    if count and count > known * ANALYZED_SHARE:
        transaction.do(f"analyze {table} ({', '.join(columns)})")


def _create(transaction: Transaction, table: str, query: str) -> None:
    transaction.do(f"drop table if exists pg_temp.{table}")
    transaction.do(f"create temporary table {table} on commit drop as {query}")


def _by_part(transaction: Transaction, shared: Contract, statement: str, alias: str = "") -> dict[str, int]:
    """Run an insert or delete of shared rows; returns the number of rows by partition."""
    column = shared.partition
    day = "null::date" if column is None else f"{alias}{column.name}"
    if column is not None and column.type == "timestamptz":
        day = f"({day} at time zone 'Asia/Ho_Chi_Minh')::date"
    # grouping by date is many times faster than formatting the month of each row
    rows = transaction.rows(
        f"with changed as ({statement} returning {day} as day_on) "
        "select coalesce(to_char(day_on, 'YYYY-MM'), 'all'), sum(rows)::bigint "
        "from (select day_on, count(*) as rows from changed group by 1) d group by 1"
    )
    return dict(rows)
