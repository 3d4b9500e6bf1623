"""Tombstones: a record that its source deleted without a word leaves the dataset, and may come back.

A sweep's manifest tells which keys were found deleted and from when on; the manifest of what was read again after a
sweep tells which keys came back. So both can be harmonised again with the source switched off.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lgsp.harmonise.context import HarmoniseContext
from lgsp.schema import records

# The next instant that the store can tell from this one.
NEXT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Tombstone:
    """One record that its source has no more: from when on, and which landed answer proves it.

    `told` is what else the tombstone says of the record: the columns that its list's description keeps.
    """

    kind: str
    source_key: str
    deleted_at: datetime
    answer: int
    told: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The tombstone as a manifest holds it."""
        return {**asdict(self), "deleted_at": self.deleted_at.isoformat()}


def returned(keys: dict[str, datetime]) -> dict[str, Any]:
    """The fact for the manifest of a landing in which records may be that came back, by the time of their tombstone."""
    return {"returned": {key: (deleted_at + NEXT).isoformat() for key, deleted_at in keys.items()}} if keys else {}


def stage(context: HarmoniseContext) -> None:
    """Add the tombstones of a sweep's manifest to what was staged of it: nothing but who is gone, and since when."""
    hashes = {call.number: call.sha256 for call in context.batch.calls()}
    for kind in records.FACTS:
        stones = [stone for stone in context.batch.manifest["deleted"] if stone["kind"] == kind.name]
        if not stones:
            continue
        rows = [
            {**stone["told"], "source_key": stone["source_key"], "source_updated_at": stone["deleted_at"], "is_deleted": True,
             "raw_pointer": f"{context.batch_id}#{stone['answer']}:0", "raw_hash": hashes[stone["answer"]]}
            for stone in stones
        ]  # fmt: skip
        context.table("stone", rows, ", ".join(f"{name} {kind.columns[name]}" for name in rows[0]))
        _restage(context, kind, "limit 0", "insert into again by name select * from stone")
        context.con.execute("drop table stone")


def lift(context: HarmoniseContext) -> None:
    """Let the records that came back with an old time of change follow their tombstones."""
    after = context.batch.manifest.get("returned")
    if not after:
        return
    rows = [{"source_key": key, "not_before": instant} for key, instant in after.items()]
    context.table("came_back", rows, "source_key varchar, not_before timestamptz")
    for kind in records.FACTS:
        if "is_deleted" in kind.columns and (context.folder / f"{kind.name}.parquet").exists():
            _restage(
                context, kind, "",
                "update again set source_updated_at = greatest(again.source_updated_at, not_before) "
                "from came_back where came_back.source_key = again.source_key",
            )  # fmt: skip


def _restage(context: HarmoniseContext, kind: records.Kind, some: str, change: str) -> None:
    """Stage some of the rows of a kind once more, changed as the table `again`."""
    path = context.folder / f"{kind.name}.parquet"
    context.con.execute(f"create table again as select * exclude (source, batch_id, content_hash) from '{path}' {some}")
    context.con.execute(change)
    context.stage(kind, "select * from again")
    context.con.execute("drop table again")
