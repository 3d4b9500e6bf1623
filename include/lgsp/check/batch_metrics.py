"""The facts of a batch as a whole: what came, what became of it, and what its source's past lets expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from lgsp.check import baselines, gate, personal_data
from lgsp.check.row_rules import Flagged, count
from lgsp.harmonise.profile import BATCHES_OF_HISTORY
from lgsp.schema import records, sources
from lgsp.store import ledger
from lgsp.vietnam import working_days

UNKNOWN_SHARE = 0.2
# Nobody deletes dossiers by the hundred: a source that lacks more is broken rather than tidied up.
DELETED_SHARE = 0.02
NO_LIMIT = 2**62

COLUMNS = {
    "declared_count": "bigint", "fetched_count": "bigint", "gap_count": "bigint", "placed_count": "bigint",
    "dead_count": "bigint", "dead_told": "varchar", "disputed_count": "bigint", "disputed_told": "varchar",
    "quarantined_count": "bigint", "quarantined_limit": "bigint", "unresolved_count": "bigint",
    "personal_count": "bigint", "personal_told": "varchar", "deleted_count": "bigint", "deleted_limit": "bigint",
    "zero_count": "bigint", "zero_told": "varchar", "volume_limit": "bigint", "odd_day_count": "bigint", "odd_day_told": "varchar",
    "odd_null_count": "bigint", "odd_null_told": "varchar", "lost_field_count": "bigint", "lost_field_told": "varchar",
    "unknown_count": "bigint", "unknown_limit": "bigint",
}  # fmt: skip


def most_deleted(known: int) -> int:
    """How many of so many known records may be deleted at once before somebody must be asked."""
    return max(gate.ALWAYS_ALLOWED, int(known * DELETED_SHARE))


@dataclass
class Counts:
    """What became of the records of one batch."""

    fetched: int = 0
    duplicates: int = 0
    ignored: int = 0
    quarantined: int = 0
    stopped: int = 0  # of the quarantined: secret ones, which never refuse a batch
    superseded: int = 0
    accepted: int = 0

    def add(self, flagged: Flagged) -> None:
        """Count the rows of one kind."""
        self.duplicates += flagged.duplicates
        self.ignored += len(flagged.trials)
        self.quarantined += flagged.quarantined
        self.stopped += flagged.stopped
        self.superseded += len(flagged.flags) - flagged.quarantined - flagged.kept
        self.accepted += flagged.kept

    @property
    def placed(self) -> int:
        """The records whose place is known."""
        return self.accepted + self.superseded + self.duplicates + self.quarantined + self.ignored


@dataclass(frozen=True)
class Past:
    """What is known of a source from before: how usual this batch is, and how many of its records it would delete."""

    days: Sequence[baselines.Day] = ()
    nulls: Sequence[baselines.Null] = ()
    per_working_day: float = 0.0
    deleted: int = 0
    known: int = 0


@dataclass
class Facts:
    """What a batch as a whole is judged by: one row, with the columns the batch rules speak of."""

    values: dict[str, Any] = field(default_factory=dict)

    def tell(self, name: str, found: Sequence[Any]) -> None:
        """A number of findings, and the findings in words."""
        self.values[f"{name}_count"], self.values[f"{name}_told"] = len(found), "; ".join(map(str, found)) or None


def past(connection: ledger.Connection, batch: ledger.Batch, accepted: Path) -> Past:
    """What the ledger and the records that are known say about a batch."""
    deleted, known = _deletions(connection, batch, accepted)
    if batch.purpose != "window":
        return Past(deleted=deleted, known=known)
    return Past(
        baselines.volumes(connection, batch), baselines.nulls(connection, batch), _per_working_day(connection, batch), deleted, known
    )  # fmt: skip


def of(
    batch: ledger.Batch,
    counts: Counts,
    before: Past,
    judged: Sequence[Flagged],
    disputed: Sequence[str],
    personal: Sequence[personal_data.Finding],
    con: duckdb.DuckDBPyConnection,
    accepted: Path,
) -> Facts:
    """The facts of a batch whose rows were judged."""
    rows = counts.accepted + counts.superseded + counts.quarantined
    unresolved, unknown = _references(con, accepted)
    is_again = batch.purpose == "redrive"
    told = Facts({
        "declared_count": batch.counts["declared_count"], "fetched_count": counts.fetched,
        "gap_count": batch.counts["gap_count"], "placed_count": counts.placed,
        "quarantined_count": counts.quarantined - counts.stopped,
        "quarantined_limit": NO_LIMIT if is_again else gate.allowed(rows),
        "unresolved_count": unresolved, "unknown_count": unknown,
        "unknown_limit": max(gate.ALWAYS_ALLOWED, int(counts.accepted * UNKNOWN_SHARE)),
        "deleted_count": before.deleted, "deleted_limit": most_deleted(before.known),
        "volume_limit": _limit(batch, before.per_working_day),
    })  # fmt: skip
    told.tell("dead", [f"{flagged.kind.name}: {rule}" for flagged in judged for rule in flagged.dead])
    told.tell("disputed", disputed)
    leaks = [
        f"{flagged.kind.name}: {flagged.personal} kept rows are personal" for flagged in judged if flagged.personal
    ]
    told.tell("personal", [*personal, *leaks])
    told.tell("zero", [day.told for day in before.days if day.is_suspicious_zero])
    told.tell("odd_day", [day.told for day in before.days if day.is_unusual])
    told.tell("odd_null", [null.told for null in before.nulls])
    told.tell("lost_field", [null.told for null in before.nulls if null.is_limit])
    return told


def _limit(batch: ledger.Batch, per_working_day: float) -> int:
    """Far above anything usual; none while there is too little history to speak."""
    told = sources.load(batch.source).volume
    days = sum(1 for day in batch.window.days() if working_days.is_working(day))
    if per_working_day < told["from_count"]:
        return NO_LIMIT
    return int(max(days, 1) * per_working_day * told["most_times"])


def _per_working_day(connection: ledger.Connection, batch: ledger.Batch) -> float:
    """How many records a working day brought in the newest batches that were published; 0 without history."""
    days = count = 0
    published = [b for b in ledger.batches(connection, "published", source=batch.source) if b.purpose == "window"]
    for before in sorted(published, key=lambda b: b.window.end)[-BATCHES_OF_HISTORY:]:
        if before.window.end - before.window.start >= timedelta(days=1):
            days += sum(1 for day in before.window.days() if working_days.is_working(day))
            count += before.counts["fetched_count"]
    return count / days if days else 0.0


def _deletions(connection: ledger.Connection, batch: ledger.Batch, accepted: Path) -> tuple[int, int]:
    """How many records that are known the batch deletes, and how many of its source are known in all."""
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
        row = connection.execute(
            f"select count(*) filter (where source_key = any(%s)) as deleted, count(*) as known from record.{kind.name} "
            "where source = %s and not coalesce(is_deleted, false)", [keys, batch.source],
        ).fetchone()  # fmt: skip
        assert row is not None
        deleted, known = deleted + row["deleted"], known + row["known"]
    return deleted, known


def _references(con: duckdb.DuckDBPyConnection, accepted: Path) -> tuple[int, int]:
    """Accepted documents without an issuing agency; dossiers whose agency is not in the source's list."""
    unresolved = unknown = 0
    if (staged := accepted / "document.parquet").exists():
        unresolved = count(con, f"select count(*) from '{staged}' where issuing_organisation_id is null")
    if (staged := accepted / "dossier.parquet").exists():
        unknown = count(
            con, f"select count(*) from '{staged}' where not is_deleted and receiving_organisation_id = 'UNKNOWN'"
        )
    return unresolved, unknown
