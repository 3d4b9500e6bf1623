"""Retires old snapshots: deletes their files, and the row versions that no kept snapshot needs; cleans up after killed runs.

The age of a snapshot counts from the moment it was replaced. Within the grace period every snapshot is kept; after it,
the last snapshot of each local day, then the last of each month. A snapshot is first marked as retired in a transaction,
then its files are deleted. After a crash in between, `lgsp recover` deletes the files that are left.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lgsp import install
from lgsp.land import orphans
from lgsp.publish import session
from lgsp.schema import contract
from lgsp.settings import Retention, Settings
from lgsp.snapshots import pointer, recovery
from lgsp.snapshots.manifest import MANIFEST, parse
from lgsp.store import as_of_by_period, outbox
from lgsp.store.transaction import Transaction, values
from lgsp.window import LOCAL


@dataclass(frozen=True)
class Replaced:
    """A snapshot that a newer one has replaced."""

    snapshot_id: int
    published_at: datetime
    replaced_at: datetime


@dataclass(frozen=True)
class Retired:
    """What was deleted: the ids of snapshots that lost their files or their history, and counts.

    `versions` is the number of row versions deleted from each table, `staging` the number of staging folders, `unsealed`
    that of landing folders that were never complete. `orphans` has a line for each batch whose process was killed.
    """

    files: list[int]
    history: list[int]
    versions: dict[str, int] = field(default_factory=dict)
    staging: int = 0
    unsealed: int = 0
    orphans: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"files of {len(self.files)} snapshots, history of {len(self.history)}, {sum(self.versions.values()):,} row versions, "
            f"staging of {self.staging} batches, {self.unsealed} landing folders without a manifest"
            + "".join(f"; {line}" for line in self.orphans)
        )


def expired_files(replaced: Sequence[Replaced], rules: Retention, now: datetime) -> list[int]:
    """The ids of snapshots whose files expired: older than the grace period, and not the last of a kept day or month."""
    day_of = {snapshot.snapshot_id: snapshot.published_at.astimezone(LOCAL).date() for snapshot in replaced}
    last_of_day = {day_of[number]: number for number in sorted(day_of)}
    last_of_month = {day.replace(day=1): number for day, number in sorted(last_of_day.items())}
    kept = set()
    for snapshot in replaced:
        number, age = snapshot.snapshot_id, now - snapshot.replaced_at
        day = day_of[number]
        is_daily = last_of_day[day] == number and age < timedelta(days=rules.daily_days)
        is_monthly = last_of_month[day.replace(day=1)] == number and age < timedelta(days=31 * rules.monthly_months)
        if age < timedelta(days=rules.every_days) or is_daily or is_monthly:
            kept.add(number)
    return [snapshot.snapshot_id for snapshot in replaced if snapshot.snapshot_id not in kept]


def expired_history(replaced: Sequence[Replaced], rules: Retention, now: datetime) -> list[int]:
    """The ids of snapshots whose row versions expired; none when `history_days` is not set."""
    if rules.history_days is None:
        return []
    limit = timedelta(days=max(rules.history_days, rules.every_days))
    return [snapshot.snapshot_id for snapshot in replaced if now - snapshot.replaced_at >= limit]


def retire_expired(settings: Settings) -> Retired:
    """Retire every expired snapshot. Safe while readers read, and safe to repeat."""
    install.ensure(settings)
    settings.shared.mkdir(parents=True, exist_ok=True)
    with session.open_session(settings, "retire") as publish_session:
        transaction = publish_session.transaction
        now = datetime.fromisoformat(transaction.one("select clock_timestamp()::text"))
        kept = _replaced(transaction, "files") + _lost(settings, transaction)
        files = expired_files(kept, settings.retention, now)
        history = expired_history(_replaced(transaction, "history"), settings.retention, now)
        _mark_retired(transaction, "files", files)
        _mark_retired(transaction, "history", history)
        for snapshot_id in files:
            epoch = transaction.one(
                f"select coalesce(max(epoch), 1) from ledger.epoch where first_snapshot <= {snapshot_id}"
            )
            outbox.add(transaction, settings.webhooks, outbox.RETIRED, {"snapshot": f"{epoch}-{snapshot_id}"})
        outbox.forget_old(transaction)
        versions = _delete_row_versions(transaction) if history else {}
        staged = [folder.name for folder in settings.staging.glob("*") if folder.is_dir()]
        published = transaction.rows(
            f"select batch_id from ledger.batch where state = 'published' and published_at < clock_timestamp() - interval '{settings.retention.every_days} days' "
            "and batch_id = any(string_to_array($1::text, ' '))",
            values(staged),
        )
        publish_session.commit(None)
        for snapshot_id in files:
            pointer.retire(settings.shared, snapshot_id)
        if files and (remote := recovery.remote(settings, transaction)):
            remote.retire(files)
    closed = orphans.close(settings)
    staging = _clear_staging(settings, [batch_id for (batch_id,) in published])
    unsealed = len(orphans.remove_unsealed(settings))
    return Retired(files, history, versions, staging, unsealed, [str(orphan) for orphan in closed])


def _replaced(transaction: Transaction, what: str) -> list[Replaced]:
    """The replaced snapshots that still have their `files` or their `history`."""
    rows = transaction.rows(
        "select snapshot_id, published_at::text, replaced_at::text from (select *, lead(published_at) over (order by snapshot_id) as replaced_at "
        f"from ledger.publication) p where replaced_at is not null and {what}_retired_at is null order by snapshot_id"
    )
    return [
        Replaced(number, datetime.fromisoformat(first), datetime.fromisoformat(last)) for number, first, last in rows
    ]


def _lost(settings: Settings, transaction: Transaction) -> list[Replaced]:
    """The snapshots that a restored database does not know, whose files are left; a later one has replaced each."""
    known = {
        number: datetime.fromisoformat(at)
        for number, at in transaction.rows("select snapshot_id, published_at::text from ledger.publication")
    }
    lost = []
    for path in (settings.shared / "snapshots").glob(f"*/{MANIFEST}"):
        manifest = parse(path.read_bytes(), path)
        number = manifest["snapshot_id"]
        later = [at for other, at in known.items() if other > number]
        if number not in known and later:
            lost.append(Replaced(number, datetime.fromisoformat(manifest["published_at"]), min(later)))
    return lost


def _mark_retired(transaction: Transaction, what: str, snapshots: list[int]) -> None:
    transaction.do(
        f"update ledger.publication set {what}_retired_at = clock_timestamp() where snapshot_id = any(string_to_array($1::text, ' ')::bigint[])",
        values([str(number) for number in snapshots]),
    )


def _delete_row_versions(transaction: Transaction) -> dict[str, int]:
    """Delete the row versions that no snapshot with history needs; returns how many, by table."""
    deleted = {
        name: transaction.changed(
            f"delete from history.{name} where snapshot_to <= (select min(snapshot_id) from ledger.publication where history_retired_at is null)"
        )
        for name in (*contract.names(), as_of_by_period.NAME)
    }
    return {name: count for name, count in deleted.items() if count}


def _clear_staging(settings: Settings, batches: list[str]) -> int:
    """Delete the staging folders of these batches; returns how many. They can be rebuilt from landing."""
    folders = [settings.staging / batch_id for batch_id in batches if (settings.staging / batch_id).is_dir()]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)
