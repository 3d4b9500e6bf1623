"""Record a publication in the ledger: its row, tables and files, rule results, and the outcomes of its batches.

These rows are part of the transaction that publishes. The database refuses a row that is out of order, that breaks rules,
or whose counts do not add up (`store/ddl/routines/ledger.sql`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import adbc_driver_manager

from lgsp import config, signing, store
from lgsp.check import results
from lgsp.check.gate import SuiteResult
from lgsp.errors import PublicationFailed
from lgsp.publish.merge import Outcomes
from lgsp.schema import contract
from lgsp.schema.fingerprint import format_fingerprint
from lgsp.schema.installation import Installation
from lgsp.settings import Settings
from lgsp.signing import SigningKey
from lgsp.snapshots import partitions, readback, recovery, writer
from lgsp.snapshots.changes import Changes
from lgsp.snapshots.manifest import MANIFEST, PreviousSnapshot, parse
from lgsp.snapshots.writer import File
from lgsp.store import as_of_by_period, outbox, record_sums
from lgsp.store.transaction import Transaction
from lgsp.window import LOCAL

CONSTRAINTS = ("publication_adds_up", "publication_is_judged")


@dataclass(frozen=True)
class SnapshotMetadata:
    """The metadata of a snapshot in addition to its tables: in its manifest and in the ledger."""

    snapshot_id: int
    token: int
    batches: tuple[str, ...]
    as_of: str | None
    published_at: str
    previous: PreviousSnapshot | None
    overruled: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    restores: int | None = None
    decided_by: str | None = None
    why: str | None = None
    withdrawn: str | None = None  # the landed batch that was taken back
    epoch: int = 1
    config_hash: str = field(default_factory=lambda: config.active().hash)
    publish_id: str = field(default_factory=lambda: str(uuid4()))

    def as_manifest(self) -> dict[str, Any]:
        """The keys of the manifest, without the files."""
        manifest: dict[str, Any] = {
            "epoch": self.epoch, "publish_id": self.publish_id, "kind": self.kind, "published_at": self.published_at, "as_of": self.as_of, "batches": list(self.batches),
            "contracts": {c.name: c.version for c in contract.every()}, "previous": self.previous, "verdict": self.verdict,
            "config": self.config_hash,
        }  # fmt: skip
        if self.overruled:
            manifest["overruled"] = dict(self.overruled)
        if self.withdrawn:
            manifest |= {"withdrawn": self.withdrawn, "decided_by": self.decided_by, "why": self.why}
        if self.restores:
            manifest |= {"restores": self.restores, "decided_by": self.decided_by, "why": self.why}
        return manifest

    @property
    def kind(self) -> str:
        """`publication`, or `rollback` when it restores an older snapshot."""
        return "rollback" if self.restores else "publication"

    @property
    def verdict(self) -> str:
        """`pass`, or `overruled` when a rule was broken under an override."""
        return "overruled" if self.overruled else "pass"


def next_snapshot_id(transaction: Transaction) -> int:
    """The number of the next snapshot; numbers have no gaps within an epoch."""
    newest = int(transaction.one("select coalesce(max(snapshot_id), 0) from ledger.publication"))
    return max(newest + 1, recovery.first_of_epoch(transaction))


def next_metadata(transaction: Transaction, batches: Sequence[str], as_of: str | None, **more: Any) -> SnapshotMetadata:
    """The metadata of the next snapshot, after the newest one in number and in time. `more` are further fields."""
    rows = transaction.rows(
        "select snapshot_id, manifest_sha256, greatest(clock_timestamp(), published_at + interval '1 microsecond')::text "
        "from ledger.publication order by snapshot_id desc limit 1"
    )
    newest, sha256, now = rows[0] if rows else (0, "", transaction.one("select clock_timestamp()::text"))
    previous = None
    if newest:
        epoch = transaction.one(
            "select coalesce(max(epoch), 1) from ledger.epoch where first_snapshot <= $1::bigint", newest
        )
        previous = PreviousSnapshot(snapshot_id=newest, manifest_sha256=sha256, epoch=epoch)
    published_at = datetime.fromisoformat(now).astimezone(LOCAL).isoformat()
    epoch = transaction.one("select max(epoch) from ledger.epoch")
    number = next_snapshot_id(transaction)
    return SnapshotMetadata(
        number, transaction.token, tuple(batches), as_of, published_at, previous, epoch=epoch, **more
    )


def write(
    settings: Settings, transaction: Transaction, metadata: SnapshotMetadata, changes: Changes, judgement: SuiteResult, seconds: float
) -> None:  # fmt: skip
    """Write the files of a snapshot and its rows in the ledger: it is published once the transaction is committed.

    Raises PublicationFailed when files and SQL are not equal.
    """
    snapshot = writer.start(settings.shared, metadata.snapshot_id, metadata.token)
    signing_key = SigningKey.load(settings)
    files = partitions.write(snapshot, transaction, changes)
    sums = _record_sums(settings, transaction)
    facts = metadata.as_manifest() | {
        "periods": as_of_by_period.sums(transaction, metadata.snapshot_id), "records": sums,
    }  # fmt: skip
    installation = Installation.of(settings, store.url(settings))
    manifest_sha256 = snapshot.finish(facts, files, signing_key, installation)
    if replica := recovery.remote(settings, transaction):
        replica.stage(snapshot.folder, metadata.snapshot_id, metadata.token)
    _record(transaction, metadata, manifest_sha256, files, judgement, signing_key, seconds)
    outbox.add(transaction, settings.webhooks, outbox.PUBLISHED, event_data(transaction, metadata, changes))
    record_sums.write(transaction, metadata.snapshot_id, sums, signing_key.sign, signing_key.id)


def _record(
    transaction: Transaction, metadata: SnapshotMetadata, manifest_sha256: str, files: list[File], judgement: SuiteResult, signing_key: SigningKey,
    seconds: float,
) -> None:  # fmt: skip
    _store_key(transaction, signing_key)
    row = {
        "snapshot_id": metadata.snapshot_id, "published_at": metadata.published_at, "as_of": metadata.as_of, "manifest_sha256": manifest_sha256,
        "batch_count": len(metadata.batches), "seconds": round(seconds, 3), "publish_id": metadata.publish_id, "token": metadata.token,
        "kind": metadata.kind, "restores": metadata.restores, "verdict": metadata.verdict, "overruled": dict(metadata.overruled) or None,
        "decided_by": metadata.decided_by, "why": metadata.why, "signing_key": signing_key.id, "config_hash": metadata.config_hash,
    }  # fmt: skip
    _insert(transaction, "ledger.publication", [row])
    # an earlier attempt at this number may have been refused
    transaction.do(f"delete from ledger.check_result where batch_id is null and snapshot_id = {metadata.snapshot_id}")
    _insert(transaction, "ledger.check_result", results.as_rows([judgement], snapshot_id=metadata.snapshot_id))
    transaction.do("delete from ledger.publication_file")
    tables, listed = [], []
    for shared in contract.every():
        of_table = [file for file in files if file.table == shared.name]
        total = sum((file.sums for file in of_table), readback.NO_ROWS)
        shape = format_fingerprint(shared)
        tables.append({"snapshot_id": metadata.snapshot_id, "table_name": shared.name, "shape": shape, **_sums(total)})
        listed += [
            {"table_name": file.table, "part": file.part, "path": file.path, "bytes": file.bytes, "sha256": file.sha256,
             "snapshot_id": metadata.snapshot_id, "shape": shape, **_sums(file.sums)}
            for file in of_table
        ]  # fmt: skip
    _insert(transaction, "ledger.publication_table", tables)
    _insert(transaction, "ledger.publication_file", listed)


def event_data(transaction: Transaction, metadata: SnapshotMetadata, changes: Changes) -> dict[str, Any]:
    """What consumers learn of a recorded snapshot: its number, that before it, its time, and each table with its changed rows."""
    before = metadata.previous
    tables = transaction.rows(
        "select table_name, row_count, content_hash::text from ledger.publication_table where snapshot_id = $1::bigint order by 1",
        metadata.snapshot_id,
    )
    return {
        "snapshot": f"{metadata.epoch}-{metadata.snapshot_id}", "previous": f"{before['epoch']}-{before['snapshot_id']}" if before else None,
        "as_of": metadata.as_of, "tables": [
            {"name": name, "rows": rows, "hash": content_hash, "changed_rows": changes.rows.get(name, 0)} for name, rows, content_hash in tables
        ],
    }  # fmt: skip


def _store_key(transaction: Transaction, signing_key: SigningKey) -> None:
    transaction.do(
        "insert into ledger.signing_key (key_id, public_key) values ($1::text, $2::text) on conflict do nothing",
        signing_key.id, signing_key.public.decode(),
    )  # fmt: skip


def sign_records(settings: Settings, transaction: Transaction) -> None:
    """Sign the sums of the records after a run that publishes nothing: it may have stored other versions of unchanged ones."""
    newest = transaction.one("select max(snapshot_id) from ledger.publication")
    if newest is not None:
        key = SigningKey.load(settings)
        _store_key(transaction, key)
        record_sums.write(transaction, newest, _record_sums(settings, transaction), key.sign, key.id)


def _record_sums(settings: Settings, transaction: Transaction) -> dict[str, Any]:
    """The sums of the records now. Those before must be signed, unless the newest snapshot is of a version without them."""
    newest = transaction.one("select max(snapshot_id) from ledger.publication")
    path = settings.shared / "snapshots" / str(newest) / MANIFEST
    is_first = not path.exists() or "records" not in parse(path.read_bytes(), path)
    return record_sums.next_sums(transaction, signing.verify, is_first)


def _sums(sums: readback.Sums) -> dict[str, Any]:
    return {"row_count": sums.rows, "content_hash": str(sums.content_hash), "data_hash": str(sums.data_hash)}


def _insert(transaction: Transaction, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows by column name; the types are those of the table."""
    if rows:
        columns = ", ".join(rows[0])
        transaction.do(
            f"insert into {table} ({columns}) select {columns} from json_populate_recordset(null::{table}, $1::text::json)",
            json.dumps(rows),
        )


def record_outcomes(transaction: Transaction, batch_ids: Sequence[str], outcomes: Outcomes, snapshot_id: int) -> None:
    """Record in the ledger that batches are published, with the outcomes of their records."""
    now = datetime.now().astimezone().isoformat()
    for batch_id in batch_ids:
        outcome = outcomes[batch_id]
        transaction.do(
            "update ledger.batch set state = 'published', published_at = $1::text::timestamptz, snapshot_id = $2::bigint, published_count = $3::bigint, "
            "superseded_count = superseded_count + $4::bigint, duplicate_count = duplicate_count + $5::bigint, quarantined_count = quarantined_count + $6::bigint where batch_id = $7::text",
            now, snapshot_id, outcome.published, outcome.superseded, outcome.duplicates, outcome.discarded, batch_id,
        )  # fmt: skip


def check_constraints(transaction: Transaction) -> None:
    """Check the deferred constraints now instead of at the commit. Raises PublicationFailed when one is violated."""
    try:
        for name in CONSTRAINTS:
            transaction.do(f"set constraints ledger.{name} immediate")
    except adbc_driver_manager.Error as error:
        raise PublicationFailed(f"the store refuses the publication, nothing was published: {error}") from error
