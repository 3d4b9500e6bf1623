"""The parts of a snapshot: the months of its tables, of which only those that changed are written again.

Each file is read back by DuckDB and its sums are compared with those PostgreSQL computes of the same rows.
"""

from __future__ import annotations

from datetime import date, timedelta

from lgsp import contract, merge, snapshot, upgrade
from lgsp.contract import Contract
from lgsp.errors import PublicationFailed
from lgsp.snapshot import Building, File, Sums
from lgsp.transaction import Transaction
from lgsp.window import midnight


def write(building: Building, transaction: Transaction, touched: merge.Touched) -> list[File]:
    """Write the touched parts from inside the transaction, and take over the others: all files of the snapshot.

    Raises PublicationFailed when a file does not hold what SQL holds.
    """
    known = _known(transaction)
    files: list[File] = []
    for shared in contract.every():
        before = {part: file for (table, part), file in known.items() if table == shared.name}
        changed = touched.parts.get(shared.name, set())
        mine: list[File] = []
        for part in sorted((before.keys() | changed) - {snapshot.EMPTY}):
            kept = None if part in changed else before.get(part)
            file = building.keep(kept, building.snapshot_id - 1) if kept else None
            if file := file or _written(building, transaction, shared, part):
                mine.append(file)
        if not mine:
            mine.append(building.write(shared, snapshot.EMPTY, shared.arrow_schema().empty_table()))
        files += building.close(mine)
    return files


def _known(transaction: Transaction) -> dict[tuple[str, str], File]:
    """The files of the snapshot before, by table and part; without those whose table has other columns now."""
    shapes = {shared.name: upgrade.shape(shared) for shared in contract.every()}
    return {
        (table, part): File(table, part, path, size, sha, Sums(rows, int(content), int(data)))
        for table, part, path, size, sha, rows, content, data, shape in transaction.rows(
            "select table_name, part, path, bytes, sha256, row_count, content_hash::text, data_hash::text, shape from ledger.publication_file"
        )
        if shapes.get(table) == shape
    }


def _written(building: Building, transaction: Transaction, shared: Contract, part: str) -> File | None:
    where = within(shared, part)
    rows = transaction.arrow(f"select {', '.join(shared.names)} from shared.{shared.name} where {where}")
    if rows.num_rows == 0:
        return None
    written = building.write(shared, part, rows)
    expected = sums(transaction, shared, f"shared.{shared.name} where {where}")
    if written.sums != expected:
        raise PublicationFailed(
            f"{shared.name} {part}: the file read back has {written.sums}, SQL has {expected}; nothing was published"
        )
    return written


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
