"""Tombstones: stage the records that a sweep found deleted at their source, and the records that came back later.

The manifest of a sweep lists the deleted keys with the time of their deletion. The manifest of a window that was read
again after a sweep lists the keys that came back. Both can be harmonised again with the source switched off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lgsp.harmonise.context import HarmoniseContext
from lgsp.schema import records
from lgsp.sql import parquet

# The smallest difference between two times in the store.
NEXT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Tombstone:
    """A record that its source no longer has: the time of its deletion, and the number of the answer that proves it.

    `kept_columns` are the columns of the record that the source description keeps for tombstones.
    """

    kind: str
    source_key: str
    deleted_at: datetime
    answer: int
    kept_columns: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The tombstone as a manifest stores it."""
        return {"kind": self.kind, "source_key": self.source_key, "deleted_at": self.deleted_at.isoformat(),
                "answer": self.answer, "told": self.kept_columns}  # fmt: skip


def returned(keys: dict[str, datetime]) -> dict[str, Any]:
    """The manifest entry of a landing with records that came back; `keys` has the time of the tombstone of each."""
    return {"returned": {key: (deleted_at + NEXT).isoformat() for key, deleted_at in keys.items()}} if keys else {}


def stage(context: HarmoniseContext) -> None:
    """Stage the tombstones of a sweep's manifest as deleted records."""
    hashes = {call.number: call.sha256 for call in context.batch.calls()}
    for kind in records.FACTS:
        entries = [entry for entry in context.batch.manifest["deleted"] if entry["kind"] == kind.name]
        if not entries:
            continue
        rows = [
            {**entry["told"], "source_key": entry["source_key"], "source_updated_at": entry["deleted_at"], "is_deleted": True,
             "raw_pointer": f"{context.batch_id}#{entry['answer']}:0", "raw_hash": hashes[entry["answer"]]}
            for entry in entries
        ]  # fmt: skip
        context.table("tombstone", rows, ", ".join(f"{name} {kind.columns[name]}" for name in rows[0]))
        _restage(context, kind, "insert into restaged by name select * from tombstone")
        context.con.execute("drop table tombstone")


def lift(context: HarmoniseContext) -> None:
    """Move the change time of records that came back after the time of their tombstones."""
    returned_keys = context.batch.manifest.get("returned")
    if not returned_keys:
        return
    rows = [{"source_key": key, "not_before": instant} for key, instant in returned_keys.items()]
    context.table("returned_record", rows, "source_key varchar, not_before timestamptz")
    for kind in records.FACTS:
        if "is_deleted" in kind.columns and (context.folder / f"{kind.name}.parquet").exists():
            _restage(
                context, kind,
                "update restaged set source_updated_at = greatest(restaged.source_updated_at, not_before) "
                "from returned_record where returned_record.source_key = restaged.source_key",
            )  # fmt: skip


def _restage(context: HarmoniseContext, kind: records.Kind, change: str) -> None:
    """Stage the rows of a kind again, after a statement has changed them in the table `restaged`."""
    path = context.folder / f"{kind.name}.parquet"
    context.con.execute(
        f"create table restaged as select * exclude (source, batch_id, content_hash) from {parquet(path)}"
    )
    context.con.execute(change)
    context.stage(kind, "select * from restaged")
    context.con.execute("drop table restaged")
