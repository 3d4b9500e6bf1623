"""Derive completeness: which agency sent no records on which day, and whether it had none or its feed is broken.

The result depends only on the records, the published windows and the silences that operators confirmed, never on the
current time.
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
from lgsp.store import decisions
from lgsp.store.ledger import Connection
from lgsp.store.transaction import Transaction, publishing, values

STATES = ("received", "zero", "missing", "late")
CHANGES = """
create temporary table if not exists received_change (
    source text, organisation_id text, day_on date, service_code text, record_count bigint, online_count bigint
) on commit drop
"""
MAX_AGENCIES_SHOWN = 12  # in one line; when a source was down, all its agencies have the same gap


@dataclass(frozen=True)
class Gap:
    """Consecutive days for which an agency's records are missing or late, and the reason."""

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
class StateCounts:
    """The number of agency days of a source in each state; an agency day is one day of one agency."""

    source: str
    received: int
    zero: int
    missing: int
    late: int


def collect_changes(transaction: Transaction) -> None:
    """Add to `received_change` by how much the merged records change the record counts of each agency and day."""
    transaction.do(CHANGES)
    _execute_file(transaction, "gather")


def refresh(transaction: Transaction, batch_ids: Sequence[str] = (), is_all: bool = False) -> None:
    """Update `ledger.completeness` for the collected changes, newly covered days and confirmed silences.

    `batch_ids` are the batches of this publication; their windows count as covered. `is_all` counts and derives
    everything again, as needed after an upgrade or a change of the calendar. Needs the temporary table
    `quarantined_record`.
    """
    transaction.do(CHANGES)
    if is_all:
        for table in ("received_day", "derived_feed", "derived_agency"):
            transaction.do(f"delete from ledger.{table}")
    if not transaction.one("select exists (select 1 from ledger.received_day)"):
        _execute_file(transaction, "recount")
    _execute_file(transaction, "count")
    transaction.do(sql.load("lgsp.check", "completeness/feeds"), values(batch_ids))
    for name in ("scope", "derive", "keep"):
        _execute_file(transaction, name)


def confirm_silence(
    settings: Settings, source: str, organisation_id: str, first_on: date, last_on: date, who: str, why: str
) -> list[Gap]:
    """Record an operator's confirmation that an agency had no records on these days; the gaps that remain in them.

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
        decisions.record(connection)
    with store.connect(settings) as connection:
        decisions.write_journal(settings, connection)
    with publishing(
        store.url(settings), settings.publish_lease_seconds, settings.publish_wait_seconds, "completeness confirm"
    ) as transaction:
        compute.stage_quarantined(transaction)
        refresh(transaction)
        transaction.commit()
    with store.connect(settings) as connection:
        return gaps(connection, source, first_on, last_on, organisation_id=organisation_id)


def newest_day(connection: Connection) -> date | None:
    """The newest local day that the published windows of any source cover; None before the first publication."""
    row = connection.execute("select max(newest_on) as newest_on from ledger.derived_feed").fetchone()
    return row["newest_on"] if row else None


def count_states(connection: Connection, source: str | None, first_on: date, last_on: date) -> list[StateCounts]:
    """The number of agency days in each state, by source, from `first_on` to `last_on` (inclusive)."""
    rows = connection.execute(
        "select source, count(*) filter (where state = 'received') as received, count(*) filter (where state = 'zero') as zero, "
        "count(*) filter (where state = 'missing') as missing, count(*) filter (where state = 'late') as late "
        "from ledger.completeness where day_on between %s and %s and source = coalesce(%s, source) group by 1 order by 1",
        [first_on, last_on, source],
    ).fetchall()
    return [StateCounts(**row) for row in rows]


def gaps(
    connection: Connection,
    source: str | None,
    first_on: date,
    last_on: date,
    state: str | None = None,
    organisation_id: str | None = None,
) -> list[Gap]:
    """The gaps from `first_on` to `last_on` (inclusive); longer gaps are cut to these days."""
    rows = connection.execute(
        """
        select source, organisation_id, (select min(name) from record.organisation o where o.organisation_id = g.organisation_id) as name,
            state, min(day_on) as first_on, max(day_on) as last_on, count(*) as days, reason, max(expected) as expected
        from (
            select *, day_on - row_number() over (partition by source, organisation_id, state, reason order by day_on)::int as gap
            from ledger.completeness
            where state in ('missing', 'late') and day_on between %(first)s and %(last)s and source = coalesce(%(source)s, source)
                and state = coalesce(%(state)s, state) and organisation_id = coalesce(%(organisation)s, organisation_id)
        ) g group by source, organisation_id, state, reason, gap order by source, first_on, organisation_id
        """,
        {"first": first_on, "last": last_on, "source": source, "state": state, "organisation": organisation_id},
    ).fetchall()
    return [Gap(**row) for row in rows]


def gap_lines(gaps: Sequence[Gap]) -> Iterator[str]:
    """Gaps as lines of text; the agencies with the same source, days, state and reason share one line."""

    def key(gap: Gap) -> tuple[str, str, str, str, str]:
        return gap.source, str(gap.first_on), str(gap.last_on), gap.state, str(gap.reason)

    for (source, first_on, last_on, state, reason), group in groupby(sorted(gaps, key=key), key):
        agencies = [f"{gap.organisation_id} {gap.name or ''}".strip() for gap in group]
        hidden = len(agencies) - MAX_AGENCIES_SHOWN
        more = f" and {hidden} more agencies" if hidden > 0 else ""
        days = first_on if first_on == last_on else f"{first_on} to {last_on}"
        yield f"{state:<8}{source:<17}{days:<26}{reason}: {', '.join(agencies[:MAX_AGENCIES_SHOWN])}{more}"


def _execute_file(transaction: Transaction, name: str) -> None:
    for statement in sql.load("lgsp.check", f"completeness/{name}").split(";\n"):
        if statement.strip():
            transaction.do(statement)
