"""Compare the lists of a batch with those of the reading before: a list that lost many rows was probably cut off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from lgsp.check import gate
from lgsp.schema import records, sources
from lgsp.sql import one_row
from lgsp.store import ledger

DATED = (records.ORGANISATION, records.SERVICE, records.SERVICE_OFFERING)


@dataclass(frozen=True)
class Loss:
    """A list without rows that the reading of `before_on` had: more than may be gone, or all of them."""

    kind: str
    gone: int
    known: int
    limit: int
    before_on: date

    def __str__(self) -> str:
        gone = "all are" if self.gone == self.known else f"{self.gone:,} are"
        return f"{self.kind}: of {self.known:,} rows of {self.before_on} {gone} gone, at most {self.limit:,} may be"


def limit(known: int, share: float) -> int:
    """The largest number of rows of a list that may be gone since the reading before."""
    return max(gate.ALWAYS_ALLOWED, int(known * share))


def find(connection: ledger.Connection, batch: ledger.Batch, accepted: Path) -> list[Loss]:
    """The lists of a batch that lost too many rows, or all, since the nearest reading of the same or an earlier day.

    Where only later days were read, the earliest of them is compared for a list that is empty; otherwise it may be shorter.
    """
    share, losses = sources.load(batch.source).list_loss, []
    for kind in DATED:
        staged = accepted / f"{kind.name}.parquet"
        before = _reading_before(connection, kind, batch) if staged.exists() else None
        if before is None:
            continue
        on, is_earlier = before
        keys = set(pq.read_table(staged, columns=["source_key"])["source_key"].to_pylist())
        known = _keys(connection, kind, batch.source, on)
        gone, most = len(known - keys), limit(len(known), share)
        if known and (not keys or (is_earlier and gone > most)):
            losses.append(Loss(kind.name, gone, len(known), most, on))
    return losses


def _reading_before(connection: ledger.Connection, kind: records.Kind, batch: ledger.Batch) -> tuple[date, bool] | None:
    """The day of the reading to compare with, and whether it is not a later one; None before the first reading."""
    day = batch.window.days()[-1]
    row = one_row(connection.execute(
        "select max(upper(d * daterange(null, %s, '[]'))) - 1 as earlier, min(lower(d)) as first "
        "from record.list_reading, unnest(days) as d where kind = %s and source = %s",
        [day, kind.name, batch.source],
    ))  # fmt: skip
    if row["earlier"]:
        return row["earlier"], True
    return (row["first"], False) if row["first"] else None


def _keys(connection: ledger.Connection, kind: records.Kind, source: str, on: date) -> set[str]:
    """The keys of the rows that the list had on a day on which it was read."""
    rows = connection.execute(
        f"select source_key from record.{kind.name} k where source = %s and not exists (select from record.list_absence a "
        "where (a.kind, a.source, a.source_key, a.content_hash) = (%s, k.source, k.source_key, k.content_hash) and a.days @> %s::date)",
        [source, kind.name, on],
    )
    return {row["source_key"] for row in rows}
