"""What papers moved: how many documents each agency sent and received, and work files it opened, by day and month.

Indicators of the document system are sums of these moves, so they never read documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lgsp import sql
from lgsp.indicators.rollup import Sums

if TYPE_CHECKING:
    from lgsp.store.transaction import Transaction

# What is summed. A new indicator that counts something else of papers names it here, and says in moves.sql when it moves.
MEASURES = {
    "sent": "documents sent, each once, by its sender on the local day it was first sent, else issued",
    "sent_paperless": "of `sent`: without a paper copy",
    "sent_signed": "of `sent`: with a digital signature",
    "sent_deliveries": "deliveries sent, by their sender on the local day they were sent, else their document was issued",
    "received": "deliveries received, by their recipient on the local day they arrived",
    "received_excluded": "of `received`: of documents that were revoked or replaced",
    "received_in_time": "of `received`, without the excluded: accepted not later than the first working day after that of their arrival",
    "files_opened": "work files opened, on the day they were",
    "files_electronic": "of `files_opened`: handled electronically",
    "held_papers": "documents and work files in quarantine, on the day they belong to",
}
SUMS = Sums(
    "paper_movement", "Moves of documents and work files by agency, summed over each day and each month",
    ("organisation_id",), MEASURES,
)  # fmt: skip
# What documents and work files move, beside what is in quarantine: as columns, as nothing of each, and as what is known of it.
FACTS = ", ".join(name for name in MEASURES if name != "held_papers")
NOTHING = ", ".join("0" for name in MEASURES if name != "held_papers")
KNOWN = (
    f"select organisation_id, since_on, -{FACTS.replace(', ', ', -')}, 0 from record.paper_movement where span = 'day'"
)
# What moves.sql looks at of each version.
COLUMNS = {
    "document": "document_id, issuing_organisation_id, issued_on, is_signed, has_paper_copy, "
    "revoked_at is not null or replaced_by_document_id is not null as is_void",
    "document_delivery": "document_id, sender_organisation_id, recipient_organisation_id, issued_on, sent_at, arrived_at, accepted_at",
    "work_file": "work_file_id, organisation_id, opened_on, is_electronic",
}


def statements() -> Iterator[str]:
    """The table of the sums, safe to repeat."""
    return SUMS.statements()


def refresh(transaction: Transaction, snapshot_id: int, is_all: bool) -> None:
    """Bring the sums up to a publication's documents, work files and quarantine; `paper_moved` is then by how much they differ.

    Everything is summed up again with `is_all`, and under another calendar: what is in time stands on it.
    """
    if is_all:
        transaction.do("delete from record.paper_movement")
    if is_all or _has_other_calendar(transaction, snapshot_id):
        versions, known = f"with {_everything()}, ", f"union all {KNOWN}"
    else:
        _stage(transaction, snapshot_id)
        versions, known = "with ", ""
    transaction.do("drop table if exists pg_temp.paper_moved")
    transaction.do(
        f"create temporary table paper_moved on commit drop as {versions}told as ({flows()}), other as ({sql.load('lgsp.indicators', 'document_flows/stored_rows')}) "
        f"select organisation_id, day_on, {SUMS.listed()} from told where ({FACTS}) <> ({NOTHING}) {known} "
        f"union all select organisation_id, day_on, {NOTHING}, held_papers from other"
    )
    transaction.do("analyze paper_moved")
    SUMS.add(transaction, "paper_moved")


def flows() -> str:
    """The query of what document versions add on each day, over the `…_version` tables."""
    return sql.load("lgsp.indicators", "document_flows/flows")


def affect(transaction: Transaction) -> None:
    """Add to `affected` whose papers moved in which period, and the province's; needs `paper_moved` and `period`."""
    transaction.do(sql.load("lgsp.indicators", "document_flows/affected_groups"))


def differing(transaction: Transaction) -> int:
    """How many sums differ from what the shared documents and work files make: none, unless a publication summed wrongly.

    What is in quarantine is left out: it may have changed since the newest publication.
    """
    made = f"{SUMS.summed('told', 'day')} union all {SUMS.summed('told', 'month')}"
    columns = f"{', '.join(SUMS.key)}, {FACTS}"
    return int(transaction.one(
        f"with {_everything()}, told as ({flows()}), "
        f"made as (select {columns} from ({made}) m where ({FACTS}) <> ({NOTHING})), "
        f"known as (select {columns} from record.paper_movement where ({FACTS}) <> ({NOTHING})) "
        "select count(*) from ((table made except all table known) union all (table known except all table made)) d"
    ))  # fmt: skip


def is_empty(transaction: Transaction) -> bool:
    """Whether nothing was ever summed up."""
    return not transaction.one("select exists (select 1 from record.paper_movement)")


def is_lost(transaction: Transaction) -> bool:
    """Whether there are documents or work files whose moves were never summed up."""
    return is_empty(transaction) and bool(
        transaction.one("select exists (select 1 from shared.document) or exists (select 1 from shared.work_file)")
    )


def _has_other_calendar(transaction: Transaction, snapshot_id: int) -> bool:
    return bool(
        transaction.one(
            f"select exists (select 1 from shared.working_day where snapshot_id = {snapshot_id}) "
            f"or exists (select 1 from history.working_day where snapshot_to = {snapshot_id})"
        )
    )


def _everything() -> str:
    """What is shared now, as the versions that moves.sql reads."""
    return ", ".join(
        f"{name}_version as (select 1 as sign, {columns} from shared.{name})" for name, columns in COLUMNS.items()
    )


def _stage(transaction: Transaction, snapshot_id: int) -> None:
    """The versions that a publication replaced (sign -1) and those that are there now (1), of all it touched.

    A document and its deliveries are one thing: where one of them changed, all of them are told before and after.
    """
    from lgsp.store import index_lookups  # it knows the store's module, which makes the table of these sums

    transaction.do("drop table if exists pg_temp.touched_document")
    transaction.do(
        "create temporary table touched_document on commit drop as "
        + " union ".join(
            f"select document_id from shared.{name} where snapshot_id = {snapshot_id} "
            f"union select document_id from history.{name} where snapshot_to = {snapshot_id}"
            for name in ("document", "document_delivery")
        )
    )
    transaction.do("analyze touched_document")
    for name, columns in COLUMNS.items():
        joined = "" if name == "work_file" else "join touched_document using (document_id) "
        now = f"{columns} from shared.{name} {joined}"
        kept = f"union all select -1, {now}where snapshot_id < {snapshot_id}" if joined else ""
        new = "" if joined else f"where snapshot_id = {snapshot_id}"
        transaction.do(f"drop table if exists pg_temp.{name}_version")
        with index_lookups.by_key(transaction):
            transaction.do(
                f"create temporary table {name}_version on commit drop as select 1 as sign, {now}{new} {kept} "
                f"union all select -1, {columns} from history.{name} where snapshot_to = {snapshot_id}"
            )
        transaction.do(f"analyze {name}_version")
