"""Tombstones: a record that its source deleted without a word leaves the dataset, and may come back.

A sweep's manifest tells which keys were found deleted and from when on; the manifest of what was read again after a
sweep tells which keys came back. So both can be harmonised again with the source switched off.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lgsp import records
from lgsp.contract import quoted

if TYPE_CHECKING:
    from lgsp.workbench import Workbench

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


def stage(bench: Workbench) -> None:
    """Add the tombstones of a sweep's manifest to what was staged of it: nothing but who is gone, and since when."""
    hashes = {call.number: call.sha256 for call in bench.batch.calls()}
    for kind in records.FACTS:
        told = [stone for stone in bench.batch.manifest["deleted"] if stone["kind"] == kind.name]
        if not told:
            continue
        path = bench.folder / f"{kind.name}.parquet"
        bench.con.execute(
            f"create table stone as select * exclude (source, batch_id, content_hash) from '{path}' limit 0"
        )
        bench.con.executemany(
            "insert into stone by name select ? as source_key, ?::timestamptz as source_updated_at, true as is_deleted, "
            "? as raw_pointer, ? as raw_hash",
            [
                (
                    stone["source_key"],
                    stone["deleted_at"],
                    f"{bench.batch_id}#{stone['answer']}:0",
                    hashes[stone["answer"]],
                )
                for stone in told
            ],
        )
        for name in sorted({name for stone in told for name in stone["told"]}):
            bench.con.executemany(
                f"update stone set {name} = ? where source_key = ?",
                [(stone["told"].get(name), stone["source_key"]) for stone in told],
            )
        bench.stage(kind, "select * from stone")
        bench.con.execute("drop table stone")


def lift(bench: Workbench) -> None:
    """Let the records that came back with an old time of change follow their tombstones."""
    after: dict[str, str] = bench.batch.manifest.get("returned", {})
    for kind in records.FACTS:
        path = bench.folder / f"{kind.name}.parquet"
        if not after or "is_deleted" not in kind.columns or not path.exists():
            continue
        pairs = ", ".join(f"({quoted(key)}, timestamptz {quoted(at)})" for key, at in after.items())
        bench.con.execute(
            f"create table lifted as select s.* exclude (source, batch_id, content_hash) "
            f"replace (greatest(s.source_updated_at, back.not_before) as source_updated_at) from '{path}' s "
            f"left join (values {pairs}) back(key, not_before) on back.key = s.source_key"
        )
        bench.stage(kind, "select * from lifted")
        bench.con.execute("drop table lifted")
