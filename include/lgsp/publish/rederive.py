"""What a publication must do again because the program has changed since the last one.

The shared tables are a pure function of the records: another function, another calendar or other columns, and every
row is derived again. Files are written again when the columns of their table are not those they were written with.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

from lgsp import sql
from lgsp.publish import link_dossiers
from lgsp.schema import contract, records
from lgsp.schema.fingerprint import mark, shape
from lgsp.snapshots import changes
from lgsp.store.transaction import Transaction
from lgsp.vietnam import working_days, working_time

# What derives dossiers, documents and completeness from records, beside the columns and the calendar.
DERIVING = (
    ("lgsp.publish", "link_dossiers.py"), ("lgsp.publish", "sql/dossier.sql"), ("lgsp.publish", "sql/document.sql"),
    ("lgsp.harmonise", "sql/dossier_record.sql"), ("lgsp.vietnam", "working_time.py"), ("lgsp.vietnam", "sql/working_time.sql"),
    ("lgsp.check", "sql/completeness/feeds.sql"), ("lgsp.check", "sql/completeness/scope.sql"), ("lgsp.check", "sql/completeness/derive.sql"),
)  # fmt: skip


@cache
def derived_by() -> str:
    """A mark of what makes shared rows of records."""
    program = [sql.read(package, path) for package, path in DERIVING]
    kinds = [f"{kind.name} {kind.columns}" for kind in records.KINDS.values()]
    return mark(
        [*program, *kinds, *map(shape, contract.every()), working_time.vocabulary(), *map(str, working_days.calendar())]
    )


def must_derive(transaction: Transaction) -> bool:
    """Whether what was published was derived in another way than this version does."""
    if transaction.one("select max(snapshot_id) from ledger.publication") is None:
        return False
    return bool(transaction.one("select derived_by from ledger.installation") != derived_by())


def settle(transaction: Transaction) -> None:
    """Remember, as part of the publication, that everything is derived as this version does."""
    transaction.do("update ledger.installation set derived_by = $1::text", derived_by())


def all_dossiers(transaction: Transaction) -> None:
    """Let the publication link every record again."""
    transaction.do(f"insert into pending select {link_dossiers.EDGE} from record.dossier")


def all_documents(transaction: Transaction) -> Iterator[None]:
    """Put every document into scope, in groups of a bounded number, so memory does not grow with their number."""
    transaction.do("""
        create temporary table every_document on commit drop as
        select document_id, row_number() over (order by document_id) as number from (
            select document_id from record.document union select refers_to_document_id from record.document
            union select document_id from record.document_status
            union select document_id from shared.document union select document_id from shared.document_delivery
        ) d where document_id is not null
        """)
    for first in range(0, transaction.one("select count(*) from every_document"), link_dossiers.RECORDS_AT_ONCE):
        transaction.do("truncate scope_document")
        transaction.do(
            "insert into scope_document select document_id from every_document "
            f"where number > {first} and number <= {first + link_dossiers.RECORDS_AT_ONCE}"
        )
        yield


def old_files(transaction: Transaction, touched: changes.Touched, is_lost: bool) -> None:
    """Count all parts of the tables whose files have other columns than today, or are lost, as touched."""
    for table in contract.every():
        told = "select distinct shape from ledger.publication_file where table_name = $1::text"
        if is_lost or {written for (written,) in transaction.rows(told, table.name)} - {shape(table)}:
            parts = transaction.rows(f"select distinct {table.part_sql()} from shared.{table.name}")
            touched.add(table.name, [part for (part,) in parts], 0)


def missing(accepted: Path) -> list[str]:
    """The columns that the accepted rows of a batch lack because an older version harmonised it."""
    found: list[str] = []
    for kind in records.KINDS.values():
        staged = accepted / f"{kind.name}.parquet"
        if staged.exists():
            wanted = (*kind.names, *records.TOKENS) if kind is records.DOSSIER else kind.names
            there = set(pq.read_schema(staged).names)
            found += [f"{kind.name}.{name}" for name in wanted if name not in there]
    return found
