"""Retention: what was replaced is kept for as long as somebody may be reading it, then thinned out, then taken away.

A snapshot's time runs from the moment it was replaced. Within the readers' grace every one is kept, then the last of
each local day, then the last of each month. What goes is first said to be gone, in a transaction, then taken away, so
a crash in between leaves nothing that is missing and still promised; `recover` takes away the rest.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lgsp import install
from lgsp.publish import session
from lgsp.schema import contract
from lgsp.settings import Retention, Settings
from lgsp.snapshots import pointer, recovery
from lgsp.store.transaction import Transaction, values
from lgsp.window import LOCAL


@dataclass(frozen=True)
class Replaced:
    """A snapshot that is not current any more."""

    snapshot_id: int
    published_at: datetime
    replaced_at: datetime


@dataclass(frozen=True)
class Retired:
    """What retention took away: snapshots without files now, snapshots without history, row versions by table, staging."""

    files: list[int]
    history: list[int]
    versions: dict[str, int] = field(default_factory=dict)
    staging: int = 0

    def __str__(self) -> str:
        return (
            f"files of {len(self.files)} snapshots, history of {len(self.history)}, {sum(self.versions.values()):,} row versions, "
            f"staging of {self.staging} batches"
        )


def overdue(replaced: Sequence[Replaced], rules: Retention, now: datetime) -> list[int]:
    """The snapshots whose files nobody needs any more: beyond the grace, and not the last of a kept day or month."""
    day_of = {one.snapshot_id: one.published_at.astimezone(LOCAL).date() for one in replaced}
    last_of_day = {day_of[one.snapshot_id]: one.snapshot_id for one in sorted(replaced, key=lambda r: r.snapshot_id)}
    last_of_month = {day.replace(day=1): number for day, number in sorted(last_of_day.items())}
    kept = set()
    for one in replaced:
        age, day = now - one.replaced_at, day_of[one.snapshot_id]
        is_daily = last_of_day[day] == one.snapshot_id and age < timedelta(days=rules.daily_days)
        is_monthly = last_of_month[day.replace(day=1)] == one.snapshot_id and age < timedelta(
            days=31 * rules.monthly_months
        )
        if age < timedelta(days=rules.every_days) or is_daily or is_monthly:
            kept.add(one.snapshot_id)
    return [one.snapshot_id for one in replaced if one.snapshot_id not in kept]


def forgotten(replaced: Sequence[Replaced], rules: Retention, now: datetime) -> list[int]:
    """The snapshots whose row versions need not be told any more; none unless history is bounded."""
    if rules.history_days is None:
        return []
    limit = timedelta(days=max(rules.history_days, rules.every_days))
    return [one.snapshot_id for one in replaced if now - one.replaced_at >= limit]


def run(settings: Settings) -> Retired:
    """Retire what is due. Safe at any time beside readers, and to repeat."""
    install.ensure(settings)
    settings.shared.mkdir(parents=True, exist_ok=True)
    with session.begin(settings) as mine:
        transaction = mine.transaction
        now = datetime.fromisoformat(transaction.one("select clock_timestamp()::text"))
        files = overdue(_replaced(transaction, "files"), settings.retention, now)
        history = forgotten(_replaced(transaction, "history"), settings.retention, now)
        _mark(transaction, "files", files)
        _mark(transaction, "history", history)
        versions = _forget(transaction) if history else {}
        staged = [folder.name for folder in settings.staging.glob("*") if folder.is_dir()]
        done = transaction.rows(
            f"select batch_id from ledger.batch where state = 'published' and published_at < clock_timestamp() - interval '{settings.retention.every_days} days' "
            "and batch_id = any(string_to_array($1::text, ' '))",
            values(staged),
        )
        mine.conclude(None)
        for snapshot_id in files:
            pointer.retire(settings.shared, snapshot_id)
        if files and (side := recovery.remote(settings, transaction)):
            side.retire(files)
    return Retired(files, history, versions, _clear_staging(settings, [batch_id for (batch_id,) in done]))


def _replaced(transaction: Transaction, what: str) -> list[Replaced]:
    rows = transaction.rows(
        "select snapshot_id, published_at::text, replaced_at::text from (select *, lead(published_at) over (order by snapshot_id) as replaced_at "
        f"from ledger.publication) p where replaced_at is not null and {what}_retired_at is null order by snapshot_id"
    )
    return [
        Replaced(number, datetime.fromisoformat(first), datetime.fromisoformat(last)) for number, first, last in rows
    ]


def _mark(transaction: Transaction, what: str, snapshots: list[int]) -> None:
    transaction.do(
        f"update ledger.publication set {what}_retired_at = clock_timestamp() where snapshot_id = any(string_to_array($1::text, ' ')::bigint[])",
        values([str(number) for number in snapshots]),
    )


def _forget(transaction: Transaction) -> dict[str, int]:
    """Delete the row versions that no snapshot shows whose history is told; how many of each table."""
    gone = {
        shared.name: transaction.changed(
            f"delete from history.{shared.name} where snapshot_to <= (select min(snapshot_id) from ledger.publication where history_retired_at is null)"
        )
        for shared in contract.every()
    }
    return {name: count for name, count in gone.items() if count}


def _clear_staging(settings: Settings, batches: list[str]) -> int:
    """Remove the harmonised rows of batches published long ago; what was landed can give them again."""
    folders = [settings.staging / batch_id for batch_id in batches if (settings.staging / batch_id).is_dir()]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)
