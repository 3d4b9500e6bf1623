"""Count the movements of documents (sent, received) and work files (opened) by agency, and day or month.

All indicators of the document system are computed from these sums; they never read documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lgsp import sql
from lgsp.indicators.rollup import Sums
from lgsp.store import index_lookups

if TYPE_CHECKING:
    from lgsp.store.transaction import Transaction

# The columns of the sums. To count something else of documents, add a measure here and to sql/document_flows/flows.sql.
MEASURES = {
    "sent": "documents sent, each counted once, by their sender on the local day they were first sent, else issued",
    "sent_paperless": "of `sent`: without a paper copy",
    "sent_signed": "of `sent`: with a digital signature",
    "sent_deliveries": "deliveries sent, by their sender on the local day they were sent, else their document was issued",
    "received": "deliveries received, by their recipient on the local day they arrived",
    "received_excluded": "of `received`: of documents that were revoked or replaced",
    "received_in_time": "of `received`, without the excluded: accepted not later than the first working day after that of their arrival",
    "files_opened": "work files opened, on the day they were opened",
    "files_electronic": "of `files_opened`: handled electronically",
    "held_papers": "documents and work files in quarantine, on the day they belong to",
}
SUMS = Sums(
    "paper_movement", "Movements of documents and work files by agency, summed by day and by month",
    ("organisation_id",), MEASURES,
)  # fmt: skip
# The measures without the one of the quarantine: as columns, as zeros, and as stored sums with the opposite sign.
DOCUMENT_MEASURES = ", ".join(name for name in MEASURES if name != "held_papers")
ZEROS = ", ".join("0" for name in MEASURES if name != "held_papers")
STORED_NEGATED = f"select organisation_id, since_on, -{DOCUMENT_MEASURES.replace(', ', ', -')}, 0 from record.paper_movement where span = 'day'"
# The columns of each table that sql/document_flows/flows.sql reads.
COLUMNS = {
    "document": "document_id, issuing_organisation_id, issued_on, is_signed, has_paper_copy, "
    "revoked_at is not null or replaced_by_document_id is not null as is_void",
    "document_delivery": "document_id, sender_organisation_id, recipient_organisation_id, issued_on, sent_at, arrived_at, accepted_at",
    "work_file": "work_file_id, organisation_id, opened_on, is_electronic",
}


def ddl() -> Iterator[str]:
    """The statements that create the table of sums; safe to repeat."""
    return SUMS.ddl()


def refresh(transaction: Transaction, snapshot_id: int, is_all: bool) -> None:
    """Update the sums to the documents, work files and quarantine of a publication.

    Leaves the temporary table `document_movement_change`, the difference that was added. All sums are computed again with
    `is_all`, and when the calendar changed: accepting a delivery in time depends on it.
    """
    if is_all:
        transaction.do("delete from record.paper_movement")
    if is_all or _has_other_calendar(transaction, snapshot_id):
        versions, stored = f"with {_current_versions()}, ", f"union all {STORED_NEGATED}"
    else:
        _stage_versions(transaction, snapshot_id)
        versions, stored = "with ", ""
    quarantined = sql.load("lgsp.indicators", "document_flows/stored_rows")
    transaction.do("drop table if exists pg_temp.document_movement_change")
    transaction.do(
        f"create temporary table document_movement_change on commit drop as {versions}"
        f"movement as ({movement_query()}), quarantined as ({quarantined}) "
        f"select organisation_id, day_on, {SUMS.measure_list()} from movement where ({DOCUMENT_MEASURES}) <> ({ZEROS}) {stored} "
        f"union all select organisation_id, day_on, {ZEROS}, held_papers from quarantined"
    )
    transaction.do("analyze document_movement_change")
    SUMS.add(transaction, "document_movement_change")


def movement_query() -> str:
    """The query that turns the rows of the `…_version` tables into movements by day and agency."""
    return sql.load("lgsp.indicators", "document_flows/flows")


def add_affected(transaction: Transaction) -> None:
    """Add the agencies whose sums changed, and the province, to `affected`.

    Needs the temporary tables `document_movement_change` and `period`.
    """
    transaction.do(sql.load("lgsp.indicators", "document_flows/affected_groups"))


def count_differences(transaction: Transaction) -> int:
    """The number of stored sums that differ from those of the shared documents and work files.

    It is 0 unless a publication computed them wrongly. The quarantine is left out: it may have changed since the newest
    publication.
    """
    computed = f"{SUMS.sum_query('movement', 'day')} union all {SUMS.sum_query('movement', 'month')}"
    columns = f"{', '.join(SUMS.key)}, {DOCUMENT_MEASURES}"
    is_nonzero = f"({DOCUMENT_MEASURES}) <> ({ZEROS})"
    return int(transaction.one(
        f"with {_current_versions()}, movement as ({movement_query()}), "
        f"computed as (select {columns} from ({computed}) m where {is_nonzero}), "
        f"stored as (select {columns} from record.paper_movement where {is_nonzero}) "
        "select count(*) from ((table computed except all table stored) union all (table stored except all table computed)) d"
    ))  # fmt: skip


def is_empty(transaction: Transaction) -> bool:
    """Whether there are no sums yet."""
    return not transaction.one("select exists (select 1 from record.paper_movement)")


def is_missing(transaction: Transaction) -> bool:
    """Whether there are documents or work files but no sums."""
    return is_empty(transaction) and bool(
        transaction.one("select exists (select 1 from shared.document) or exists (select 1 from shared.work_file)")
    )


def _has_other_calendar(transaction: Transaction, snapshot_id: int) -> bool:
    """Whether this publication changed the working days."""
    return bool(
        transaction.one(
            f"select exists (select 1 from shared.working_day where snapshot_id = {snapshot_id}) "
            f"or exists (select 1 from history.working_day where snapshot_to = {snapshot_id})"
        )
    )


def _current_versions() -> str:
    """The shared rows as the `…_version` tables that the movement query reads, all with the sign 1."""
    return ", ".join(
        f"{name}_version as (select 1 as sign, {columns} from shared.{name})" for name, columns in COLUMNS.items()
    )


def _stage_versions(transaction: Transaction, snapshot_id: int) -> None:
    """Create the `…_version` tables of a publication: replaced versions (sign -1) and current ones (sign 1).

    A document and its deliveries are counted together: when one of them changed, all of them are in both groups.
    """
    transaction.do("drop table if exists pg_temp.changed_document")
    transaction.do(
        "create temporary table changed_document on commit drop as "
        + " union ".join(
            f"select document_id from shared.{name} where snapshot_id = {snapshot_id} "
            f"union select document_id from history.{name} where snapshot_to = {snapshot_id}"
            for name in ("document", "document_delivery")
        )
    )
    transaction.do("analyze changed_document")
    for name, columns in COLUMNS.items():
        joined = "" if name == "work_file" else "join changed_document using (document_id) "
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
