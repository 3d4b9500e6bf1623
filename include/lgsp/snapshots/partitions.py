"""The parts of a snapshot: the months of its tables, of which only those that changed are written again.

A month is not read out of SQL again: its file is made of the file before, without the rows that are gone and with those
that are fresh. Each file is read back by DuckDB and its sums are compared with those PostgreSQL computes of all rows it
has of that month: two ways that share nothing but the change lead to the same rows, or nothing is published.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.errors import PublicationFailed
from lgsp.schema import contract, fingerprint
from lgsp.schema.contract import Contract
from lgsp.snapshots import changes, readback, writer
from lgsp.snapshots.readback import Sums
from lgsp.snapshots.writer import Building, File
from lgsp.store.transaction import Transaction
from lgsp.window import midnight

log = logging.getLogger(__name__)


def write(building: Building, transaction: Transaction, touched: changes.Touched) -> list[File]:
    """Write the touched parts from inside the transaction, and take over the others: all files of the snapshot.

    Raises PublicationFailed when a file does not hold what SQL holds.
    """
    # PostgreSQL counts on one core while a file is written on another; files and statements keep their order
    with ThreadPoolExecutor(1) as beside:
        return list(_files(building, transaction, touched, beside))


def _files(building: Building, transaction: Transaction, touched: changes.Touched, beside: Executor) -> Iterator[File]:
    known = _known(transaction)
    for shared in contract.every():
        before = {part: file for (table, part), file in known.items() if table == shared.name}
        changed = touched.parts.get(shared.name, set())
        mine: list[File] = []
        for part in sorted((before.keys() | changed) - {writer.EMPTY}):
            told = before.get(part)
            file = building.keep(told, building.snapshot_id - 1) if told and part not in changed else None
            if file := file or _written(building, transaction, shared, part, told, beside):
                mine.append(file)
        if not mine:
            mine.append(building.write(shared, writer.EMPTY, shared.arrow_schema().empty_table()))
        yield from building.close(mine)


def _known(transaction: Transaction) -> dict[tuple[str, str], File]:
    """The files of the snapshot before, by table and part; without those whose table has other columns now."""
    shapes = {shared.name: fingerprint.shape(shared) for shared in contract.every()}
    return {
        (table, part): File(table, part, path, size, sha, Sums(rows, int(content), int(data)))
        for table, part, path, size, sha, rows, content, data, shape in transaction.rows(
            "select table_name, part, path, bytes, sha256, row_count, content_hash::text, data_hash::text, shape from ledger.publication_file"
        )
        if shapes.get(table) == shape
    }


def _written(
    building: Building, transaction: Transaction, shared: Contract, part: str, before: File | None, beside: Executor
) -> File | None:
    where = within(shared, part)
    rows = _derived(building, transaction, shared, part, before) if before else None
    if rows is None:
        rows = transaction.arrow(f"select {', '.join(shared.names)} from shared.{shared.name} where {where}")
    proof = beside.submit(_counted, transaction, shared, f"shared.{shared.name} where {where}")
    written = building.write(shared, part, rows) if rows.num_rows else None
    in_file, in_sql = written.sums if written else readback.NOTHING, proof.result()
    if (in_file.rows, in_file.content_hash) != in_sql:
        raise PublicationFailed(
            f"{shared.name} {part}: the file read back has {in_file}, SQL has {in_sql}; nothing was published"
        )
    return written


def _derived(
    building: Building, transaction: Transaction, shared: Contract, part: str, before: File
) -> pa.Table | None:
    """The rows of a part, by its file before and what changed since; None when that file is not what was published."""
    path = building.root / "snapshots" / str(building.snapshot_id - 1) / before.path
    if (kept := _unaltered(path, before)) is None:
        log.error("%s is not the file that was published: the part is written from SQL", path)
        return None
    keys, where = list(shared.key), within(shared, part)
    gone = transaction.arrow(
        f"select {', '.join(keys)} from history.{shared.name} where snapshot_to = {building.snapshot_id} and {where}"
    )
    if gone.num_rows:
        numbered = kept.select(keys).append_column("row", pa.array(range(kept.num_rows), pa.int64()))
        kept = kept.take(numbered.join(gone, keys, join_type="left anti")["row"])
    fresh = transaction.arrow(
        f"select {', '.join(shared.names)} from shared.{shared.name} where snapshot_id = {building.snapshot_id} and {where}"
    )
    return pa.concat_tables([kept, fresh.cast(shared.arrow_schema())])


def _unaltered(path: Path, file: File) -> pa.Table | None:
    try:
        told = path.read_bytes()
    except FileNotFoundError:
        return None
    return pq.read_table(pa.BufferReader(told)) if hashlib.sha256(told).hexdigest() == file.sha256 else None


def _counted(transaction: Transaction, shared: Contract, rows: str) -> tuple[int, int]:
    """Rows and content hash of some rows; where these are equal the rows are, and with them every other sum."""
    whole = shared.hash_sql("postgresql", shared.names)
    ((count, content),) = transaction.rows(f"select count(*), coalesce(sum({whole}), 0)::text from {rows}")
    return count, int(content)


def sums(transaction: Transaction, shared: Contract, rows: str) -> Sums:
    """Rows and content hashes of some rows of a table (what stands after `from`), as PostgreSQL computes them."""
    whole, data = shared.hash_sql("postgresql", shared.names), shared.hash_sql("postgresql", shared.data_names)
    ((count, content, said),) = transaction.rows(
        f"select count(*), coalesce(sum({whole}), 0)::text, coalesce(sum({data}), 0)::text from {rows}"
    )
    return Sums(count, int(content), int(said))


def within(shared: Contract, part: str) -> str:
    """The condition of a part (a local month), as a range that an index can serve."""
    column = shared.partition
    if column is None:
        return "true"
    first = date.fromisoformat(f"{part}-01")
    after = (first + timedelta(days=32)).replace(day=1)
    if column.type == "timestamptz":
        return f"{column.name} >= '{midnight(first).isoformat()}' and {column.name} < '{midnight(after).isoformat()}'"
    return f"{column.name} >= date '{first}' and {column.name} < date '{after}'"
