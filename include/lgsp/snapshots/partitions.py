"""Write the parts of a snapshot (the months of its tables) that changed, and compare each with SQL.

A changed month is not read from SQL again: its file is the previous file without the deleted rows and with the new ones.
DuckDB reads each file back, and its sums are compared with those that PostgreSQL computes over all rows of that month.
The two computations share only the change; when their results differ, nothing is published.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.errors import PublicationFailed
from lgsp.schema import contract, fingerprint
from lgsp.schema.contract import Contract
from lgsp.snapshots import readback, writer
from lgsp.snapshots.changes import Changes
from lgsp.snapshots.readback import Sums
from lgsp.snapshots.writer import File, SnapshotWriter
from lgsp.store import as_of_by_period
from lgsp.store.transaction import Transaction
from lgsp.window import midnight

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """A part of a table that was written again: its file (None without rows), and the rows and content hash that SQL has."""

    part: str
    file: File | None
    in_sql: tuple[int, int]


def write(snapshot: SnapshotWriter, transaction: Transaction, changes: Changes) -> list[File]:
    """Write the changed parts from inside the transaction and reuse the others; all files of the snapshot.

    Raises PublicationFailed when the rows of a file differ from those in SQL.
    """
    # PostgreSQL computes sums on one core while a file is written on another; one thread keeps the statements in order
    with ThreadPoolExecutor(1) as executor:
        return list(_files(snapshot, transaction, changes, executor))


def _files(snapshot: SnapshotWriter, transaction: Transaction, changes: Changes, executor: Executor) -> Iterator[File]:
    previous_files = _previous_files(transaction)
    # not always the number before this one: an epoch begins after all snapshots that were known, also lost ones
    newest = transaction.one("select max(snapshot_id) from ledger.publication_file")
    for shared in contract.every():
        previous = {part: file for (table, part), file in previous_files.items() if table == shared.name}
        changed = changes.parts.get(shared.name, set())
        files: list[File] = []
        written: list[Written] = []
        for part in sorted((previous.keys() | changed) - {writer.EMPTY}):
            before = previous.get(part)
            file = snapshot.reuse(before, newest) if before and part not in changed else None
            if file:
                files.append(file)
            else:
                path = snapshot.root / "snapshots" / str(newest) / before.path if before else None
                rows = _updated_rows(snapshot, transaction, shared, part, before, path) if before and path else None
                written.append(_write_part(snapshot, transaction, shared, part, rows, executor))
        files += _verified(snapshot, written)
        if not files:
            files = snapshot.read_back([snapshot.write(shared, writer.EMPTY, shared.arrow_schema().empty_table())])
        yield from snapshot.close_table(files)


def _previous_files(transaction: Transaction) -> dict[tuple[str, str], File]:
    """The files of the previous snapshot by table and part, without those of tables whose columns have changed."""
    shapes = {shared.name: fingerprint.format_fingerprint(shared) for shared in contract.every()}
    return {
        (table, part): File(table, part, path, size, sha, Sums(rows, int(content), int(data)))
        for table, part, path, size, sha, rows, content, data, shape in transaction.rows(
            "select table_name, part, path, bytes, sha256, row_count, content_hash::text, data_hash::text, shape from ledger.publication_file"
        )
        if shapes.get(table) == shape
    }


def _write_part(
    snapshot: SnapshotWriter,
    transaction: Transaction,
    shared: Contract,
    part: str,
    rows: pa.Table | None,
    executor: Executor,
) -> Written:
    """Write the file of a part: its rows, or those in SQL."""
    where = part_condition(shared, part)
    if rows is None:
        rows = transaction.arrow(f"select {', '.join(shared.names)} from shared.{shared.name} where {where}")
    counted = executor.submit(_count_and_hash, transaction, shared, f"shared.{shared.name} where {where}")
    file = snapshot.write(shared, part, rows) if rows.num_rows else None
    return Written(f"{shared.name} {part}", file, counted.result())


def _verified(snapshot: SnapshotWriter, written: list[Written]) -> list[File]:
    """The written files of a table, each with the sums that are read back from it; raises PublicationFailed when SQL has others."""
    files = iter(snapshot.read_back([each.file for each in written if each.file]))
    verified = [next(files) if each.file else None for each in written]
    for each, file in zip(written, verified, strict=True):
        in_file = file.sums if file else readback.NO_ROWS
        if (in_file.rows, in_file.content_hash) != each.in_sql:
            raise PublicationFailed(
                f"{each.part}: the file read back has {in_file}, SQL has {each.in_sql}; nothing was published"
            )
    return [file for file in verified if file]


def _updated_rows(
    snapshot: SnapshotWriter, transaction: Transaction, shared: Contract, part: str, before: File, path: Path
) -> pa.Table | None:
    """The rows of a part: its previous file, at `path`, with the changes since. None when it is missing or was altered."""
    if (kept := _read_unaltered(path, before)) is None:
        log.error("%s is not the file that was published: the part is written from SQL", path)
        return None
    keys, where = list(shared.key), part_condition(shared, part)
    gone = transaction.arrow(
        f"select {', '.join(keys)} from history.{shared.name} where snapshot_to = {snapshot.snapshot_id} and {where}"
    )
    if gone.num_rows:
        numbered = kept.select(keys).append_column("row", pa.array(range(kept.num_rows), pa.int64()))
        kept = kept.take(numbered.join(gone, keys, join_type="left anti")["row"])
    fresh = transaction.arrow(
        f"select {', '.join(shared.names)} from shared.{shared.name} where snapshot_id = {snapshot.snapshot_id} and {where}"
    )
    return _as_of_now(transaction, shared, pa.concat_tables([kept, fresh.cast(shared.arrow_schema())]))


def _as_of_now(transaction: Transaction, shared: Contract, rows: pa.Table) -> pa.Table:
    """The rows with the newest `as_of` and `is_complete` of their periods, where rows do not store them."""
    if shared.period_column is None:
        return rows
    newest = transaction.arrow(as_of_by_period.newest(shared))
    joined_columns = list(as_of_by_period.COLUMNS)
    keys = newest.column_names[: -len(joined_columns)]
    joined = rows.drop_columns(joined_columns).join(newest, keys, join_type="left outer")
    return joined.select(shared.names).cast(shared.arrow_schema())


def _read_unaltered(path: Path, file: File) -> pa.Table | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return pq.read_table(pa.BufferReader(content)) if hashlib.sha256(content).hexdigest() == file.sha256 else None


def _count_and_hash(transaction: Transaction, shared: Contract, rows: str) -> tuple[int, int]:
    """The number and the content hash of some rows. Equal hashes mean equal rows, so `data_hash` is not compared."""
    whole = shared.hash_sql("postgresql", shared.names)
    ((count, content),) = transaction.rows(f"select count(*), coalesce(sum({whole}), 0)::text from {rows}")
    return count, int(content)


def sums(transaction: Transaction, shared: Contract, rows: str) -> Sums:
    """The sums over some rows of a table, as PostgreSQL computes them; `rows` is the SQL that follows `from`."""
    whole, data = shared.hash_sql("postgresql", shared.names), shared.hash_sql("postgresql", shared.data_names)
    ((count, content_hash, data_hash),) = transaction.rows(
        f"select count(*), coalesce(sum({whole}), 0)::text, coalesce(sum({data}), 0)::text from {rows}"
    )
    return Sums(count, int(content_hash), int(data_hash))


def part_condition(shared: Contract, part: str) -> str:
    """The SQL condition for the rows of a part (a local month), as a range that an index can serve."""
    column = shared.partition
    if column is None:
        return "true"
    first = date.fromisoformat(f"{part}-01")
    after = (first + timedelta(days=32)).replace(day=1)
    if column.type == "timestamptz":
        return f"{column.name} >= '{midnight(first).isoformat()}' and {column.name} < '{midnight(after).isoformat()}'"
    return f"{column.name} >= date '{first}' and {column.name} < date '{after}'"
