"""Link the messages about one document, and derive the document and its deliveries from them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from lgsp import sql
from lgsp.harmonise.context import duck
from lgsp.publish import merge
from lgsp.publish.context import PublishRun
from lgsp.schema import contract
from lgsp.store.index_lookups import by_key
from lgsp.store.transaction import Transaction

TABLES = ("document", "document_delivery")

# Documents are derived in groups of at most this many, so that memory does not grow with their number.
DOCUMENTS_AT_ONCE = 100_000

IN_SCOPE = "in (select document_id from scope_document)"

# Messages that replace a document in scope in addition to their first one. Each id is looked up individually: a search
# for all ids at once compares every replacement with every id.
REPLACING = """
select r.source, r.source_key from (select document_id as id from scope_document union select told_id from scope_message_id) s
cross join lateral (
    select source, source_key from record.document where also_replaces <> '{}' and also_replaces @> array[s.id] offset 0
) r
"""

# The SQL files of the derivation, in the order in which they run.
DERIVED = (
    "resolved_message", "about_document", "document_content", "document_flags", "revocation", "replacement", "document",
    "recipient", "delivery_step", "delivery_disorder", "document_delivery",
)  # fmt: skip


def create_scope(transaction: Transaction) -> None:
    """Create the temporary table `scope_document`, which collects the documents of changed messages."""
    transaction.do("create temporary table scope_document (document_id text primary key) on commit drop")


def add_changed_records(transaction: Transaction) -> None:
    """Add the documents of the messages that were just merged, in their current and their replaced version."""
    for table in ("incoming_document", "before_document"):
        _add_to_scope(
            transaction,
            f"select document_id from {table} union select refers_to_document_id from {table} "
            f"union select unnest(also_replaces) from {table}",
        )
        # a reference by UUID means the message with that id; either of the two may arrive first
        with by_key(transaction):
            _add_to_scope(
                transaction,
                f"select r.document_id from record.document r join {table} t on t.refers_to_told = r.told_id "
                f"union select r.document_id from record.document r join (select unnest(also_replaces) as told_id from {table}) t using (told_id)",
            )
    for table in ("incoming_document_status", "before_document_status"):
        _add_to_scope(transaction, f"select distinct document_id from {table}")


def _add_to_scope(transaction: Transaction, query: str) -> None:
    transaction.do(
        f"insert into scope_document select document_id from ({query}) q where document_id is not null on conflict do nothing"
    )


def link_documents(run: PublishRun) -> None:
    """Derive the documents of changed messages again, with their deliveries, and merge the result.

    Reads: record.document, record.document_status, the temporary table scope_document. Writes: the shared tables document
    and document_delivery, and their history.
    """
    if not run.derives_all:
        _derive_scope(run)
        return
    for _ in _scope_all_documents(run.transaction):
        _derive_scope(run)


def _scope_all_documents(transaction: Transaction) -> Iterator[None]:
    """Put all documents into `scope_document`, one group after the other."""
    transaction.do("""
        create temporary table every_document on commit drop as
        select document_id, row_number() over (order by document_id) as number from (
            select document_id from record.document union select refers_to_document_id from record.document
            union select document_id from record.document_status
            union select document_id from shared.document union select document_id from shared.document_delivery
        ) d where document_id is not null
        """)
    for first in range(0, transaction.one("select count(*) from every_document"), DOCUMENTS_AT_ONCE):
        transaction.do("truncate scope_document")
        transaction.do(
            "insert into scope_document select document_id from every_document "
            f"where number > {first} and number <= {first + DOCUMENTS_AT_ONCE}"
        )
        yield


def _derive_scope(run: PublishRun) -> None:
    transaction = run.transaction
    if not transaction.one("select count(*) from scope_document"):
        return
    messages, message_documents, statuses = _read_scope(transaction)
    columns = ", ".join(column.name for column in contract.load("document").recorded)
    with duck(run.settings) as con:
        con.execute(sql.load("lgsp.publish", "link_macros"))
        con.register("message", messages)
        con.register("message_document", message_documents)
        con.register("delivery_status", statuses)
        for name in DERIVED:
            parts = {"columns": columns} if name == "document" else {}
            con.execute(sql.load("lgsp.publish", f"documents/{name}", **parts))
        for name in TABLES:
            merge.stage_rows(transaction, contract.load(name), con.sql(f"select * from {name}").to_arrow_table())
    for name in TABLES:
        transaction.do(f"delete from new_{name} where document_id not {IN_SCOPE}")
        merge.merge_staged(transaction, contract.load(name), f"s.document_id {IN_SCOPE}", run.snapshot_id, run.changes)


def _read_scope(transaction: Transaction) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The messages about the documents in scope, the document of each message id, and the delivery statuses.

    The scope is extended first: another message with the same id may change the document of the id, so its own document
    belongs to the scope.
    """
    transaction.do("analyze scope_document")
    with by_key(transaction):
        _add_to_scope(
            transaction,
            "select document_id from record.document "
            f"where told_id in (select told_id from record.document where document_id {IN_SCOPE})",
        )
        transaction.do("drop table if exists pg_temp.scope_message_id")
        transaction.do(
            "create temporary table scope_message_id on commit drop as "
            f"select distinct told_id from record.document where told_id is not null and document_id {IN_SCOPE}"
        )
        transaction.do("analyze scope_message_id")
        in_ids = "in (select told_id from scope_message_id)"
        same = "select source, source_key from record.document where"
        messages = transaction.arrow(
            f"select m.* from record.document m join ({same} document_id {IN_SCOPE} union {same} refers_to_document_id {IN_SCOPE} "
            f"union {same} refers_to_told {in_ids} union {REPLACING}) k using (source, source_key)"
        )
        # a message that sends a document has precedence over one that only changes it
        message_documents = transaction.arrow(
            "select told_id, (array_agg(document_id order by business_type in ('1', '2'), document_id collate \"C\"))[1] as document_id "
            f"from record.document where document_id is not null and told_id {in_ids} group by told_id"
        )
        statuses = transaction.arrow(f"select * from record.document_status where document_id {IN_SCOPE}")
    return messages, message_documents, statuses
