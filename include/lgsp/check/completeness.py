"""Completeness: which agency sent nothing on which day, and whether that is silence or a broken feed; how fresh each source is.

A pure function of the records, of what published windows cover, and of the silences that people confirmed: never of the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from lgsp import sql, store
from lgsp.errors import LgspError
from lgsp.indicators import compute
from lgsp.settings import Settings
from lgsp.store.ledger import Connection
from lgsp.store.transaction import Transaction, publishing, values

STATES = ("received", "zero", "missing", "late")
CHANGES = """
create temporary table if not exists received_change (
    source text, organisation_id text, day_on date, service_code text, record_count bigint, online_count bigint
) on commit drop
"""
NAMED = 12  # agencies of one and the same gap; a source that was down has all of them


@dataclass(frozen=True)
class Gap:
    """Consecutive days of which an agency's records are missing or late, and why."""

    source: str
    organisation_id: str
    name: str | None
    state: str
    first_on: date
    last_on: date
    days: int
    reason: str | None
    expected: float | None


@dataclass(frozen=True)
class Tally:
    """How many days of agencies a source has in each state."""

    source: str
    received: int
    zero: int
    missing: int
    late: int


def gather(transaction: Transaction) -> None:
    """Remember by how much the records that were just merged change what each agency has sent on each day."""
    transaction.do(CHANGES)
    _do(transaction, "gather")


def refresh(transaction: Transaction, batch_ids: Sequence[str] = (), is_all: bool = False) -> None:
    """Derive again what the gathered records, newly covered days and confirmed silences may have changed.

    `batch_ids` are the batches that this publication covers windows with; `is_all` counts and derives everything, as
    after an upgrade or a change of the calendar. Needs the temporary table `held`.
    """
    transaction.do(CHANGES)
    if is_all:
        for table in ("received_day", "derived_feed", "derived_agency"):
            transaction.do(f"delete from ledger.{table}")
    if not transaction.one("select exists (select 1 from ledger.received_day)"):
        _do(transaction, "recount")
    _do(transaction, "count")
    transaction.do(sql.load("lgsp.check", "completeness/feeds"), values(batch_ids))
    for name in ("scope", "derive", "keep"):
        _do(transaction, name)


def confirm(
    settings: Settings, source: str, organisation_id: str, first_on: date, last_on: date, who: str, why: str
) -> list[Gap]:
    """Take an operator's word that an agency had nothing to send on these days; what is still missing of them.

    Raises LgspError when the source does not list the agency.
    """
    with store.connect(settings) as connection:
        known = connection.execute(
            "select 1 from record.organisation where source = %s and organisation_id = %s", [source, organisation_id]
        ).fetchone()
        if known is None:
            raise LgspError(f"{source} lists no agency {organisation_id}; see shared.organisation")
        connection.execute(
            "insert into ledger.confirmed_silence (source, organisation_id, first_on, last_on, confirmed_by, why) values (%s, %s, %s, %s, %s, %s) "
            "on conflict (source, organisation_id, first_on) do update set last_on = greatest(confirmed_silence.last_on, excluded.last_on), "
            "confirmed_by = excluded.confirmed_by, why = excluded.why, confirmed_at = now()",
            [source, organisation_id, first_on, last_on, who, why],
        )
    with publishing(store.url(settings)) as transaction:
        compute.stage_quarantined(transaction)
        refresh(transaction)
        transaction.commit()
    with store.connect(settings) as connection:
        return gaps(connection, source, first_on, last_on, organisation_id=organisation_id)


def newest_day(connection: Connection) -> date | None:
    """The newest local day that any source covers; None before the first publication."""
    row = connection.execute("select max(newest_on) as newest_on from ledger.derived_feed").fetchone()
    return row["newest_on"] if row else None


def tally(connection: Connection, source: str | None, first_on: date, last_on: date) -> list[Tally]:
    """How many days of agencies each source has in each state, from `first_on` to `last_on` (inclusive)."""
    rows = connection.execute(
        "select source, count(*) filter (where state = 'received') as received, count(*) filter (where state = 'zero') as zero, "
        "count(*) filter (where state = 'missing') as missing, count(*) filter (where state = 'late') as late "
        "from ledger.completeness where day_on between %s and %s and source = coalesce(%s, source) group by 1 order by 1",
        [first_on, last_on, source],
    ).fetchall()
    return [Tally(**row) for row in rows]


def gaps(
    connection: Connection,
    source: str | None,
    first_on: date,
    last_on: date,
    state: str | None = None,
    organisation_id: str | None = None,
) -> list[Gap]:
    """The spells of missing and late days that touch `first_on` to `last_on` (inclusive), cut to them."""
    rows = connection.execute(
        """
        select source, organisation_id, (select min(name) from record.organisation o where o.organisation_id = g.organisation_id) as name,
            state, min(day_on) as first_on, max(day_on) as last_on, count(*) as days, reason, max(expected) as expected
        from (
            select *, day_on - row_number() over (partition by source, organisation_id, state, reason order by day_on)::int as spell
            from ledger.completeness
            where state in ('missing', 'late') and day_on between %(first)s and %(last)s and source = coalesce(%(source)s, source)
                and state = coalesce(%(state)s, state) and organisation_id = coalesce(%(organisation)s, organisation_id)
        ) g group by source, organisation_id, state, reason, spell order by source, first_on, organisation_id
        """,
        {"first": first_on, "last": last_on, "source": source, "state": state, "organisation": organisation_id},
    ).fetchall()
    return [Gap(**row) for row in rows]


def told(gaps: Sequence[Gap]) -> Iterator[str]:
    """Gaps as people read them: those of one source, time and reason in one line with their agencies."""

    def alike(gap: Gap) -> tuple[str, str, str, str, str]:
        return gap.source, str(gap.first_on), str(gap.last_on), gap.state, str(gap.reason)

    for (source, first_on, last_on, state, reason), same in groupby(sorted(gaps, key=alike), alike):
        who = [f"{gap.organisation_id} {gap.name or ''}".strip() for gap in same]
        more = f" and {len(who) - NAMED} more agencies" if len(who) > NAMED else ""
        days = first_on if first_on == last_on else f"{first_on} to {last_on}"
        yield f"{state:<8}{source:<17}{days:<26}{reason}: {', '.join(who[:NAMED])}{more}"


def _do(transaction: Transaction, name: str) -> None:
    for statement in sql.load("lgsp.check", f"completeness/{name}").split(";\n"):
        if statement.strip():
            transaction.do(statement)
