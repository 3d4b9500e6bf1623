"""Count the movements of dossiers (received, ended, became overdue) by agency, procedure, and day or month.

All dossier indicators are computed from these sums; they never read dossiers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lgsp import sql
from lgsp.indicators.rollup import Sums
from lgsp.schema import contract

if TYPE_CHECKING:
    from lgsp.store.transaction import Transaction

# The columns of the sums. To count something else of dossiers, add a measure here and to sql/dossier_flows/flows.sql.
MEASURES = {
    "received_online": "dossiers received online, on the day received",
    "received_other": "dossiers received through any other channel, on the day received",
    "received_eligible": "of the received: for a service that can be used online on that day",
    "received_eligible_online": "of `received_eligible`: received online",
    "received_fee": "of the received: with a fee",
    "received_paid": "of `received_fee`: paid online",
    "received_synced": "of the received: recorded in the portal",
    "received_digitised": "of the received: with a digitised component",
    "received_reused": "of `received_digitised`: with a component that was reused",
    "ended_before_due": "of the received: finished before the due day, on the day they ended",
    "ended_on_due": "of the received: finished on the due day or without one, withdrawn or not accepted, on the day they ended",
    "ended_late": "of the received: finished after the due day, on the day they ended",
    "ended_on_time": "of the received: finished not after the due day, or without one, on the day they ended",
    "ended_overdue": "of the received: were overdue when they ended, on the day they ended",
    "lapsed": "of the received: became overdue before they ended, or will unless they end, on the last day within due",
    "lapsing": "of `lapsed`: those that have not ended",
    "finished": "finished, neither withdrawn nor not accepted, on the day finished",
    "finished_due": "of `finished`: with a due day",
    "finished_on_time": "of `finished_due`: not after the due day",
    "finished_due_first": "of `finished`: with a first due day",
    "finished_on_time_first": "of `finished_due_first`: not after the first due day",
    "finished_digital": "of `finished`: with a digital result",
    "excluded": "withdrawn or not accepted, on the day closed",
    "rated": "dossiers with a rating, on the day finished, else on the day received",
    "satisfied": "of `rated`: 4 or 5",
    "held": "records in quarantine, on the day they belong to; without a procedure",
    "doubted": "dossier feeds without data of the agency for the day; without a procedure",
}
# Measures by day and agency only; their rows have an empty service_code.
WITHOUT_PROCEDURE = ("held", "doubted")
SUMS = Sums(
    "movement", "Movements of dossiers by agency and procedure, summed by day and by month",
    ("organisation_id", "service_code"), MEASURES,
)  # fmt: skip


def ddl() -> Iterator[str]:
    """The statements that create the table of sums; safe to repeat."""
    yield from SUMS.ddl()
    yield "create index if not exists movement_of_none on record.movement (organisation_id) where service_code = ''"


def refresh(transaction: Transaction, snapshot_id: int, is_all: bool) -> None:
    """Update the sums to the dossiers, quarantine and completeness of a publication.

    Leaves the temporary table `dossier_movement_change`, the difference that was added. With `is_all` all sums are
    computed again. Needs the temporary table `quarantined_record`.
    """
    transaction.do("drop table if exists pg_temp.dossier_movement_change")
    if is_all:
        transaction.do("delete from record.movement")
    versions = _versions("shared", "") if is_all else (
        f"{_versions('shared', f'where snapshot_id = {snapshot_id}')} "
        f"union all {_versions('history', f'where snapshot_to = {snapshot_id}', -1)}"
    )  # fmt: skip
    without_procedure = sql.load("lgsp.indicators", "dossier_flows/without_procedure")
    measures = ", ".join(name if name in WITHOUT_PROCEDURE else "0" for name in MEASURES)
    others = [name for name in MEASURES if name != "lapsing"]
    transaction.do(
        f"create temporary table dossier_movement_change on commit drop as with version as ({versions}), "
        f"movement as ({movement_query()}), without_procedure as ({without_procedure}) "
        f"select organisation_id, service_code, day_on, {SUMS.measure_list()}, ({', '.join(others)}) <> ({', '.join('0' for _ in others)}) as has_other_changes "
        f"from movement where ({SUMS.measure_list()}) <> ({SUMS.zeros}) union all select organisation_id, '', day_on, {measures}, true from without_procedure"
    )
    transaction.do("analyze dossier_movement_change")
    SUMS.add(transaction, "dossier_movement_change")


def count_differences(transaction: Transaction) -> int:
    """The number of stored sums that differ from those of the shared dossiers.

    It is 0 unless a publication computed them wrongly. Sums without a procedure are left out: quarantine and completeness may have changed since the newest publication.
    """
    computed = f"{SUMS.sum_query('movement', 'day')} union all {SUMS.sum_query('movement', 'month')}"
    stored = f"select {', '.join(SUMS.key)}, {SUMS.measure_list()} from record.movement where service_code <> ''"
    is_nonzero = f"({SUMS.measure_list()}) <> ({SUMS.zeros})"
    return int(transaction.one(
        f"with version as ({_versions('shared', '')}), movement as ({movement_query()}), "
        f"computed as (select * from ({computed}) m where {is_nonzero}), stored as ({stored}) "
        "select count(*) from ((table computed except all table stored) union all (table stored except all table computed)) d"
    ))  # fmt: skip


def movement_query(dimensions: str = "organisation_id, service_code") -> str:
    """The query that turns the rows of `version` into movements by day and `dimensions`.

    `version` has the columns of a shared dossier, a `sign`, and the receiving agency as `organisation_id`.
    """
    return sql.load("lgsp.indicators", "dossier_flows/flows", dimensions=dimensions)


def is_empty(transaction: Transaction) -> bool:
    """Whether there are no sums yet."""
    return not transaction.one("select exists (select 1 from record.movement)")


def _versions(schema: str, where: str, sign: int = 1) -> str:
    """The query that gives rows of dossiers as versions with a sign."""
    return f"select {sign} as sign, receiving_organisation_id as organisation_id, {', '.join(contract.load('dossier').names)} from {schema}.dossier {where}"
