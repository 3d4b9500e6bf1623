"""Read and write the ledger of batches: the window, state and counts of each, its repairs, trials and overrides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg

from lgsp import store
from lgsp.errors import ContractError
from lgsp.settings import Settings
from lgsp.sql import one_row
from lgsp.store import decisions
from lgsp.window import Window, midnight

Connection = psycopg.Connection[Any]

COUNTS = (
    "declared_count", "gap_count", "fetched_count", "duplicate_count", "quarantined_count", "ignored_count", "accepted_count",
    "superseded_count", "published_count",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """One batch as recorded in the ledger; `counts` has the columns named in COUNTS."""

    batch_id: str
    source: str
    window: Window
    state: str
    why: str | None
    landing_path: str
    snapshot_id: int | None
    counts: dict[str, int]
    purpose: str = "window"


def open_batch(
    connection: Connection, source: str, window: Window, rebuilt_from: Batch | None = None, purpose: str = "window",
    confirmed_by: str | None = None,
) -> Batch:  # fmt: skip
    """A new batch in state `landing`; its id consists of source, window, epoch and number, which grows over all epochs.

    `purpose` is `window` (the changes of a window), `sweep` (records that a sweep found deleted) or `redrive` (records
    redriven from quarantine); only a `window` batch covers its window. `rebuilt_from` is the batch whose landed pages
    the new one reads again, `confirmed_by` who confirmed a window that is unlikely for the source.
    """
    row = one_row(
        connection.execute(
            "select nextval('ledger.batch_number') as number, (select max(epoch) from ledger.epoch) as epoch"
        )
    )
    batch_id = f"{source}.{str(window).replace('..', '_').replace(':', '')}.{row['epoch']}-{row['number']:06d}"
    path = rebuilt_from.landing_path if rebuilt_from else f"{source}/{batch_id}"
    connection.execute(
        "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, rebuilt_from, purpose, heartbeat_at, "
        "confirmed_by, confirmed_at) "
        "values (%(id)s, %(source)s, %(from)s, %(to)s, 'landing', %(path)s, %(rebuilt)s, %(purpose)s, clock_timestamp(), "
        "%(by)s, case when %(by)s::text is not null then now() end)",
        {
            "id": batch_id,
            "source": source,
            "from": window.start,
            "to": window.end,
            "path": path,
            "rebuilt": rebuilt_from.batch_id if rebuilt_from else None,
            "purpose": purpose,
            "by": confirmed_by,
        },
    )
    return batch(connection, batch_id)


def batch(connection: Connection, batch_id: str) -> Batch:
    """One batch. Raises ContractError when the ledger has no batch with that id."""
    rows = _batches(connection, "batch_id = %s", [batch_id])
    if not rows:
        raise ContractError(f"the ledger has no batch {batch_id!r}")
    return rows[0]


def batches(connection: Connection, *states: str, source: str | None = None) -> list[Batch]:
    """The batches in the given states (in any state when none is given), oldest window first."""
    condition = "(state = any(%s) or %s) and (source = %s or %s)"
    return _batches(connection, condition, [list(states), not states, source, source is None])


def overlapping(connection: Connection, source: str, window: Window) -> list[Batch]:
    """The completely landed batches of a source that overlap a window, without rebuilt and withdrawn ones."""
    condition = "state <> 'withdrawn' and purpose <> 'redrive' and source = %s and window_from < %s and window_to > %s and rebuilt_from is null and landed_at is not null"
    return _batches(connection, condition, [source, window.end, window.start])


def of_landing(connection: Connection, landing_path: str) -> list[Batch]:
    """The batches made of the bytes of one landing folder, in the order in which they were made: the landed one first."""
    found = _batches(connection, "landing_path = %s", [landing_path])
    return sorted(found, key=lambda each: each.batch_id[-6:])


def _batches(connection: Connection, condition: str, parameters: Sequence[Any]) -> list[Batch]:
    rows = connection.execute(
        f"select * from ledger.batch where {condition} order by window_from, window_to, batch_id", parameters
    ).fetchall()
    return [
        Batch(
            row["batch_id"], row["source"], Window(row["window_from"], row["window_to"]), row["state"], row["why"],
            row["landing_path"], row["snapshot_id"], {name: row[name] for name in COUNTS}, row["purpose"],
        )
        for row in rows
    ]  # fmt: skip


def advance(connection: Connection, batch_id: str, state: str, why: str | None = None, **facts: Any) -> None:
    """Set the state of a batch, and further columns given as `facts`; a published or withdrawn batch is not changed."""
    stamp = {
        "landed": "landed_at",
        "harmonised": "harmonised_at",
        "checked": "checked_at",
        "refused": "checked_at",
        "published": "published_at",
    }
    values = {"state": state, "why": why, **facts}
    if state in stamp:
        values[stamp[state]] = datetime.now().astimezone()
    assignments = ", ".join(f"{name} = %({name})s" for name in values)
    connection.execute(
        f"update ledger.batch set {assignments}, heartbeat_at = clock_timestamp() where batch_id = %(batch_id)s "
        "and state not in ('published', 'withdrawn')",
        {**values, "batch_id": batch_id},
    )


def record_drift(connection: Connection, batch_id: str, drift: list[dict[str, Any]]) -> None:
    """Record how the fields of a batch differ from the source's description."""
    connection.execute("update ledger.batch set schema_drift = %s where batch_id = %s", [json.dumps(drift), batch_id])


def record_repairs(connection: Connection, batch_id: str, repairs: list[tuple[str, str, str, int]]) -> None:
    """Record the repairs in the records of a batch, each as (list, field, treatment, number of records)."""
    connection.execute("delete from ledger.repair where batch_id = %s", [batch_id])
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.repair (batch_id, list, field, treatment, record_count) values (%s, %s, %s, %s, %s)",
            [(batch_id, *repair) for repair in repairs],
        )


def record_trials(connection: Connection, batch: Batch, trials: Iterable[tuple[str, str, str]]) -> None:
    """Record trial records, each as (kind, key, change time): not published, and for a sweep not missing either."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.ignored_record (source, kind, source_key, source_updated_at, batch_id) values (%s, %s, %s, %s, %s) "
            "on conflict (source, kind, source_key) do update set source_updated_at = excluded.source_updated_at, batch_id = excluded.batch_id "
            "where ignored_record.source_updated_at < excluded.source_updated_at",
            [(batch.source, *trial, batch.batch_id) for trial in trials],
        )  # fmt: skip


def overrule(connection: Connection, batch: Batch, rule_id: str, decided_by: str, why: str) -> None:
    """Overrule a batch rule for the window of a batch from now on, with the person's name and a reason."""
    connection.execute(
        "insert into ledger.override (source, window_from, window_to, rule_id, decided_by, why) values (%s, %s, %s, %s, %s, %s) "
        "on conflict (source, window_from, window_to, rule_id) do update set decided_by = excluded.decided_by, why = excluded.why, decided_at = now()",
        [batch.source, batch.window.start, batch.window.end, rule_id, decided_by, why],
    )  # fmt: skip
    decisions.record(connection)


def accept_deletions(connection: Connection, batch: Batch, decided_by: str) -> None:
    """Accept what a sweep found deleted although it is more than the limit, for the window of its batch."""
    overrule(connection, batch, "MASS_DELETION", decided_by, "what a sweep found deleted is accepted")


def overrides(connection: Connection, batch: Batch) -> dict[str, str]:
    """The batch rules overruled for the window of a batch, each with the person's name and the reason."""
    rows = connection.execute(
        "select rule_id, decided_by, why from ledger.override where source = %s and window_from = %s and window_to = %s",
        [batch.source, batch.window.start, batch.window.end],
    ).fetchall()
    return {row["rule_id"]: f"by {row['decided_by']}: {row['why']}" for row in rows}


def published_days(settings: Settings, source: str, window: Window) -> set[date]:
    """The local days of a window that published batches of a source cover completely."""
    return covered_days(settings, source, window, ["published"])


def covered_days(settings: Settings, source: str, window: Window, states: Sequence[str]) -> set[date]:
    """The local days of a window that batches of a source in one of these states cover completely."""
    with store.connect(settings) as connection:
        rows = _batches(
            connection,
            "purpose = 'window' and source = %s and state = any(%s) and window_from < %s and window_to > %s",
            [source, list(states), window.end, window.start],
        )
    return {
        day
        for day in window.days()
        if _covers([row.window for row in rows], Window(midnight(day), midnight(day + timedelta(days=1))))
    }


def _covers(windows: list[Window], whole: Window) -> bool:
    covered_to = whole.start
    for window in sorted(windows):
        if window.start <= covered_to < window.end:
            covered_to = window.end
    return covered_to >= whole.end
