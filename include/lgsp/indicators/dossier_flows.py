"""What moved: how many dossiers were received, ended and went overdue, by agency, procedure, and day or month.

Everything indicators count of dossiers is a sum of these moves, so an indicator never reads dossiers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lgsp import sql
from lgsp.indicators.rollup import Sums
from lgsp.schema import contract

if TYPE_CHECKING:
    from lgsp.store.transaction import Transaction

# What is summed. A new indicator that counts something else of dossiers names it here, and says in moves.sql when it moves.
MEASURES = {
    "received_online": "dossiers received online, on the day received",
    "received_other": "dossiers received in any other way, on the day received",
    "received_eligible": "of the received: for a service that can be done online that day",
    "received_eligible_online": "of `received_eligible`: received online",
    "received_fee": "of the received: with a fee",
    "received_paid": "of `received_fee`: paid online",
    "received_synced": "of the received: known to the portal",
    "received_digitised": "of the received: with a digitised component",
    "received_reused": "of `received_digitised`: with a component that was used again",
    "ended_before_due": "of the received: finished before the due day, on the day they ended",
    "ended_on_due": "of the received: finished on the due day or without one, withdrawn or not accepted, on the day they ended",
    "ended_late": "of the received: finished after the due day, on the day they ended",
    "ended_on_time": "of the received: finished with a due day and not after it, on the day they ended",
    "ended_overdue": "of the received: had gone overdue, on the day they ended",
    "lapsed": "of the received: went overdue before they ended, or will if they do not, on the last day within due",
    "lapsing": "of `lapsed`: those that have not ended",
    "finished": "finished, neither withdrawn nor not accepted, on the day finished",
    "finished_due": "of `finished`: with a due day",
    "finished_on_time": "of `finished_due`: not after the due day",
    "finished_due_first": "of `finished`: with a first promise",
    "finished_on_time_first": "of `finished_due_first`: not after the day promised first",
    "finished_digital": "of `finished`: with a digital result",
    "excluded": "withdrawn or not accepted, on the day closed",
    "rated": "dossiers with a rating, on the day finished, else on the day received",
    "satisfied": "of `rated`: 4 or 5",
    "held": "records in quarantine, on the day they belong to; of no procedure",
    "doubted": "dossier feeds that lack the day of the agency; of no procedure",
}
# What is known of a day and an agency alone, and so of no procedure.
OF_NO_PROCEDURE = ("held", "doubted")
SUMS = Sums(
    "movement", "Moves of dossiers by agency and procedure, summed over each day and each month",
    ("organisation_id", "service_code"), MEASURES,
)  # fmt: skip


def statements() -> Iterator[str]:
    """The table of the sums, safe to repeat."""
    yield from SUMS.statements()
    yield "create index if not exists movement_of_none on record.movement (organisation_id) where service_code = ''"


def refresh(transaction: Transaction, snapshot_id: int, is_all: bool) -> None:
    """Bring the sums up to a publication's dossiers, quarantine and completeness; `moved` is then by how much they differ.

    `is_all` sums up everything again. Needs the temporary table `held`.
    """
    transaction.do("drop table if exists pg_temp.moved")
    if is_all:
        transaction.do("delete from record.movement")
    versions = _versions("shared", "") if is_all else (
        f"{_versions('shared', f'where snapshot_id = {snapshot_id}')} "
        f"union all {_versions('history', f'where snapshot_to = {snapshot_id}', -1)}"
    )  # fmt: skip
    of_none = ", ".join(name if name in OF_NO_PROCEDURE else "0" for name in MEASURES)
    beside = [name for name in MEASURES if name != "lapsing"]
    transaction.do(
        f"create temporary table moved on commit drop as with version as ({versions}), told as ({moves()}), other as ({sql.load('lgsp.indicators', 'dossier_flows/without_procedure')}) "
        f"select organisation_id, service_code, day_on, {SUMS.listed()}, ({', '.join(beside)}) <> ({', '.join('0' for _ in beside)}) as is_beside_lapsing "
        f"from told where ({SUMS.listed()}) <> ({SUMS.zeros}) union all select organisation_id, '', day_on, {of_none}, true from other"
    )
    transaction.do("analyze moved")
    SUMS.add(transaction, "moved")


def differing(transaction: Transaction) -> int:
    """How many sums differ from what the shared dossiers make: none, unless a publication summed wrongly.

    What is of no procedure is left out: quarantine and completeness may have changed since the newest publication.
    """
    told = f"with version as ({_versions('shared', '')}), told as ({moves()}) "
    made = f"{SUMS.summed('told', 'day')} union all {SUMS.summed('told', 'month')}"
    known = f"select {', '.join(SUMS.key)}, {SUMS.listed()} from record.movement where service_code <> ''"
    nothing = f"({SUMS.listed()}) <> ({SUMS.zeros})"
    return int(transaction.one(
        f"{told}, made as (select * from ({made}) m where {nothing}), known as ({known}) "
        "select count(*) from ((table made except all table known) union all (table known except all table made)) d"
    ))  # fmt: skip


def moves(by: str = "organisation_id, service_code") -> str:
    """The query that makes moves of `version`, by day and by what else is asked: agency and procedure, or each dossier.

    `version` has a `sign`, `organisation_id` for the receiving agency, and the columns of a shared dossier.
    """
    return sql.load("lgsp.indicators", "dossier_flows/flows", by=by)


def is_empty(transaction: Transaction) -> bool:
    """Whether nothing was ever summed up."""
    return not transaction.one("select exists (select 1 from record.movement)")


def _versions(schema: str, where: str, sign: int = 1) -> str:
    return f"select {sign} as sign, receiving_organisation_id as organisation_id, {', '.join(contract.load('dossier').names)} from {schema}.dossier {where}"
