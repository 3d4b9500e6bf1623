"""Compute the metrics of a batch that the batch rules check: counts of records by outcome, and deviations from history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from lgsp.check import baselines, gate, list_losses, personal_data
from lgsp.check.row_rules import FlaggedRows, count
from lgsp.harmonise.profile import BATCHES_OF_HISTORY
from lgsp.schema import records, sources
from lgsp.sql import one_row, parquet
from lgsp.store import ledger
from lgsp.vietnam import working_days

UNKNOWN_SHARE = 0.2
# Sources do not delete dossiers by the hundred. When more records disappear, the source is probably broken.
DELETED_SHARE = 0.02
NO_LIMIT = 2**62

COLUMNS = {
    "declared_count": "bigint", "fetched_count": "bigint", "gap_count": "bigint", "placed_count": "bigint",
    "dead_count": "bigint", "dead_details": "varchar",
    "quarantined_count": "bigint", "quarantined_limit": "bigint", "unresolved_count": "bigint",
    "personal_count": "bigint", "personal_details": "varchar", "deleted_count": "bigint", "deleted_limit": "bigint",
    "zero_count": "bigint", "zero_details": "varchar", "volume_limit": "bigint", "odd_day_count": "bigint", "odd_day_details": "varchar",
    "odd_null_count": "bigint", "odd_null_details": "varchar", "lost_field_count": "bigint", "lost_field_details": "varchar",
    "unknown_count": "bigint", "unknown_limit": "bigint", "lost_list_count": "bigint", "lost_list_details": "varchar",
}  # fmt: skip


def deletion_limit(known: int) -> int:
    """The largest number of `known` records that one batch may delete without an operator's decision."""
    return max(gate.ALWAYS_ALLOWED, int(known * DELETED_SHARE))


@dataclass
class Counts:
    """The number of records of one batch by outcome."""

    fetched: int = 0
    duplicates: int = 0
    ignored: int = 0
    quarantined: int = 0
    secret: int = 0  # part of `quarantined`; secret records never refuse a batch
    superseded: int = 0
    accepted: int = 0

    def add(self, flagged: FlaggedRows) -> None:
        """Add the counts of one kind of record."""
        self.duplicates += flagged.duplicates
        self.ignored += len(flagged.test_records)
        self.quarantined += flagged.quarantined
        self.secret += flagged.secret
        self.superseded += flagged.rows - flagged.quarantined - flagged.accepted
        self.accepted += flagged.accepted

    @property
    def placed(self) -> int:
        """The number of records with a known outcome."""
        return self.accepted + self.superseded + self.duplicates + self.quarantined + self.ignored


@dataclass(frozen=True)
class History:
    """A batch compared with earlier batches and with the stored records of its source."""

    days: Sequence[baselines.DayVolume] = ()
    nulls: Sequence[baselines.UnusualNulls] = ()
    per_working_day: float = 0.0  # records, in the newest published batches
    deleted: int = 0  # stored records that the batch deletes
    known: int = 0  # stored records of the source
    lost_lists: Sequence[list_losses.Loss] = ()


@dataclass
class Metrics:
    """The metrics of one batch: one row with the columns that the batch rules use."""

    values: dict[str, Any] = field(default_factory=dict)

    def add_findings(self, name: str, findings: Sequence[Any]) -> None:
        """Set `<name>_count` to the number of findings and `<name>_details` to their text."""
        self.values[f"{name}_count"] = len(findings)
        self.values[f"{name}_details"] = "; ".join(map(str, findings)) or None


def load_history(connection: ledger.Connection, batch: ledger.Batch, accepted: Path) -> History:
    """Compare a batch with the ledger and the stored records. Only batches of purpose `window` have usual volumes."""
    deleted, known = _deletions(connection, batch, accepted)
    if batch.purpose != "window":
        return History(deleted=deleted, known=known)
    return History(
        baselines.day_volumes(connection, batch), baselines.unusual_nulls(connection, batch), _per_working_day(connection, batch), deleted, known,
        list_losses.find(connection, batch, accepted),
    )  # fmt: skip


def compute(
    batch: ledger.Batch,
    counts: Counts,
    history: History,
    flagged_rows: Sequence[FlaggedRows],
    personal: Sequence[personal_data.Finding],
    con: duckdb.DuckDBPyConnection,
    accepted: Path,
) -> Metrics:
    """The metrics of a batch after its row rules were applied."""
    rows = counts.accepted + counts.superseded + counts.quarantined
    unresolved, unknown = _references(con, accepted)
    is_redrive = batch.purpose == "redrive"
    metrics = Metrics({
        "declared_count": batch.counts["declared_count"], "fetched_count": counts.fetched,
        "gap_count": batch.counts["gap_count"], "placed_count": counts.placed,
        "quarantined_count": counts.quarantined - counts.secret,
        "quarantined_limit": NO_LIMIT if is_redrive else gate.quarantine_limit(rows),
        "unresolved_count": unresolved, "unknown_count": unknown,
        "unknown_limit": max(gate.ALWAYS_ALLOWED, int(counts.accepted * UNKNOWN_SHARE)),
        "deleted_count": history.deleted, "deleted_limit": deletion_limit(history.known),
        "volume_limit": _volume_limit(batch, history.per_working_day),
    })  # fmt: skip
    missed = [f"{flagged.kind.name}: {rule}" for flagged in flagged_rows for rule in flagged.missed_canaries]
    metrics.add_findings("dead", missed)
    leaks = [
        f"{flagged.kind.name}: {flagged.personal} accepted rows contain personal data"
        for flagged in flagged_rows
        if flagged.personal
    ]
    metrics.add_findings("personal", [*personal, *leaks])
    metrics.add_findings("zero", [day.description for day in history.days if day.is_suspicious_zero])
    metrics.add_findings("odd_day", [day.description for day in history.days if day.is_unusual])
    metrics.add_findings("odd_null", [null.description for null in history.nulls])
    metrics.add_findings("lost_list", history.lost_lists)
    metrics.add_findings("lost_field", [null.description for null in history.nulls if null.is_limit])
    return metrics


def _volume_limit(batch: ledger.Batch, per_working_day: float) -> int:
    """The largest plausible number of records; NO_LIMIT when working days usually bring too few records to compare."""
    volume = sources.load(batch.source).volume
    days = sum(1 for day in batch.window.days() if working_days.is_working(day))
    if per_working_day < volume["from_count"]:
        return NO_LIMIT
    return int(max(days, 1) * per_working_day * volume["most_times"])


def _per_working_day(connection: ledger.Connection, batch: ledger.Batch) -> float:
    """Records per working day in the newest published batches; 0 without history."""
    days = count = 0
    published = [b for b in ledger.batches(connection, "published", source=batch.source) if b.purpose == "window"]
    for before in sorted(published, key=lambda b: b.window.end)[-BATCHES_OF_HISTORY:]:
        if before.window.end - before.window.start >= timedelta(days=1):
            days += sum(1 for day in before.window.days() if working_days.is_working(day))
            count += before.counts["fetched_count"]
    return count / days if days else 0.0


def _deletions(connection: ledger.Connection, batch: ledger.Batch, accepted: Path) -> tuple[int, int]:
    """How many stored records the batch deletes, and how many records of its source are stored."""
    deleted = known = 0
    for kind in records.FACTS:
        staged = accepted / f"{kind.name}.parquet"
        if "is_deleted" not in kind.columns or not staged.exists():
            continue
        keys = pq.read_table(staged, columns=["source_key"], filters=[("is_deleted", "=", True)])[
            "source_key"
        ].to_pylist()
        if not keys:
            continue
        row = one_row(connection.execute(
            f"select count(*) filter (where source_key = any(%s)) as deleted, count(*) as known from record.{kind.name} "
            "where source = %s and not coalesce(is_deleted, false)", [keys, batch.source],
        ))  # fmt: skip
        deleted, known = deleted + row["deleted"], known + row["known"]
    return deleted, known


def _references(con: duckdb.DuckDBPyConnection, accepted: Path) -> tuple[int, int]:
    """The number of accepted documents without an issuing agency, and of dossiers whose agency the source does not list."""
    unresolved = unknown = 0
    if (staged := accepted / "document.parquet").exists():
        unresolved = count(con, f"select count(*) from {parquet(staged)} where issuing_organisation_id is null")
    if (staged := accepted / "dossier.parquet").exists():
        unknown = count(
            con,
            f"select count(*) from {parquet(staged)} where not is_deleted and receiving_organisation_id = 'UNKNOWN'",
        )
    return unresolved, unknown
