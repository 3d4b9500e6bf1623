"""What the store says of a publication: its row, its tables and files, what its rules said, and what became of its batches.

All of it is part of the transaction that publishes. The database itself refuses a row that is out of turn, that rules
contradict or whose counts do not add up (`ledger.sql`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import adbc_driver_manager

from lgsp.check import results
from lgsp.check.gate import Judgement
from lgsp.errors import PublicationFailed
from lgsp.publish import merge
from lgsp.schema import contract, fingerprint
from lgsp.settings import Settings
from lgsp.snapshots import changes, partitions, readback, recovery, writer
from lgsp.snapshots.signing import Seal
from lgsp.snapshots.writer import File
from lgsp.store.transaction import Transaction
from lgsp.window import LOCAL

JUDGED = ("publication_adds_up", "publication_is_judged")


@dataclass(frozen=True)
class Facts:
    """What is said of a publication beside its tables: in its manifest and in the ledger."""

    snapshot_id: int
    token: int
    batches: tuple[str, ...]
    as_of: str | None
    published_at: str
    previous: Mapping[str, Any] | None
    overruled: Mapping[str, Any] = field(default_factory=dict)
    restores: int | None = None
    decided_by: str | None = None
    why: str | None = None
    publish_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def manifest(self) -> dict[str, Any]:
        """As the manifest tells it."""
        told: dict[str, Any] = {
            "publish_id": self.publish_id, "kind": self.kind, "published_at": self.published_at, "as_of": self.as_of, "batches": list(self.batches),
            "contracts": {c.name: c.version for c in contract.every()}, "previous": self.previous, "verdict": self.verdict,
        }  # fmt: skip
        if self.overruled:
            told["overruled"] = dict(self.overruled)
        if self.restores:
            told |= {"restores": self.restores, "decided_by": self.decided_by, "why": self.why}
        return told

    @property
    def kind(self) -> str:
        """Whether it brought something new or went back."""
        return "rollback" if self.restores else "publication"

    @property
    def verdict(self) -> str:
        """`pass`, or `overruled` when somebody let it break a rule."""
        return "overruled" if self.overruled else "pass"


def next_id(transaction: Transaction) -> int:
    """The number of the next snapshot: there is no gap."""
    return int(transaction.one("select coalesce(max(snapshot_id), 0) + 1 from ledger.publication"))


def facts(transaction: Transaction, batches: Sequence[str], as_of: str | None, **told: Any) -> Facts:
    """The facts of the next publication: it follows the newest one by number and by time."""
    rows = transaction.rows(
        "select snapshot_id, manifest_sha256, greatest(clock_timestamp(), published_at + interval '1 microsecond')::text "
        "from ledger.publication order by snapshot_id desc limit 1"
    )
    newest, sha256, now = rows[0] if rows else (0, None, transaction.one("select clock_timestamp()::text"))
    previous = {"snapshot_id": newest, "manifest_sha256": sha256} if newest else None
    published_at = datetime.fromisoformat(now).astimezone(LOCAL).isoformat()
    return Facts(newest + 1, transaction.token, tuple(batches), as_of, published_at, previous, **told)


def seal(
    settings: Settings, transaction: Transaction, said: Facts, touched: changes.Touched, judgement: Judgement, seconds: float
) -> None:  # fmt: skip
    """Write the files of a snapshot, and say in the store that it is published: true once the transaction is committed.

    Raises PublicationFailed when files and SQL are not equal.
    """
    building = writer.begin(settings.shared, said.snapshot_id, said.token)
    signer = Seal.of_installation(settings)
    files = partitions.write(building, transaction, touched)
    manifest_sha256 = building.seal(said.manifest, files, signer)
    if side := recovery.remote(settings, transaction):
        side.stage(building.folder, said.snapshot_id, said.token)
    _announce(transaction, said, manifest_sha256, files, judgement, signer, seconds)


def _announce(
    transaction: Transaction, said: Facts, manifest_sha256: str, files: list[File], judgement: Judgement, signer: Seal, seconds: float
) -> None:  # fmt: skip
    transaction.do(
        "insert into ledger.signing_key (key_id, public_key) values ($1::text, $2::text) on conflict do nothing",
        signer.id, signer.public.decode(),
    )  # fmt: skip
    row = {
        "snapshot_id": said.snapshot_id, "published_at": said.published_at, "as_of": said.as_of, "manifest_sha256": manifest_sha256,
        "batch_count": len(said.batches), "seconds": round(seconds, 3), "publish_id": said.publish_id, "token": said.token, "kind": said.kind,
        "restores": said.restores, "verdict": said.verdict, "overruled": dict(said.overruled) or None, "decided_by": said.decided_by,
        "why": said.why, "signing_key": signer.id,
    }  # fmt: skip
    _insert(transaction, "ledger.publication", [row])
    transaction.do(
        f"delete from ledger.check_result where batch_id is null and snapshot_id = {said.snapshot_id}"
    )  # of one that was refused
    _insert(transaction, "ledger.check_result", results.results([judgement], snapshot_id=said.snapshot_id))
    transaction.do("delete from ledger.publication_file")
    tables, listed = [], []
    for shared in contract.every():
        mine = [file for file in files if file.table == shared.name]
        total = sum((file.sums for file in mine), readback.NOTHING)
        shape = fingerprint.shape(shared)
        tables.append({"snapshot_id": said.snapshot_id, "table_name": shared.name, "shape": shape, **_sums(total)})
        listed += [
            {"table_name": file.table, "part": file.part, "path": file.path, "bytes": file.bytes, "sha256": file.sha256,
             "snapshot_id": said.snapshot_id, "shape": shape, **_sums(file.sums)}
            for file in mine
        ]  # fmt: skip
    _insert(transaction, "ledger.publication_table", tables)
    _insert(transaction, "ledger.publication_file", listed)


def _sums(of: readback.Sums) -> dict[str, Any]:
    return {"row_count": of.rows, "content_hash": str(of.content_hash), "data_hash": str(of.data_hash)}


def _insert(transaction: Transaction, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows by column name; the types are those of the table."""
    if rows:
        columns = ", ".join(rows[0])
        transaction.do(
            f"insert into {table} ({columns}) select {columns} from json_populate_recordset(null::{table}, $1::text::json)",
            json.dumps(rows),
        )


def book(transaction: Transaction, ids: Sequence[str], fates: merge.Fates, snapshot_id: int) -> None:
    """Say in the ledger what became of each batch's records."""
    now = datetime.now().astimezone().isoformat()
    for batch_id in ids:
        fate = fates[batch_id]
        transaction.do(
            "update ledger.batch set state = 'published', published_at = $1::text::timestamptz, snapshot_id = $2::bigint, published_count = $3::bigint, "
            "superseded_count = superseded_count + $4::bigint, duplicate_count = duplicate_count + $5::bigint, quarantined_count = quarantined_count + $6::bigint where batch_id = $7::text",
            now, snapshot_id, fate.published, fate.superseded, fate.duplicates, fate.discarded, batch_id,
        )  # fmt: skip


def prove(transaction: Transaction) -> None:
    """Let the database judge now what it would judge at the commit. Raises PublicationFailed with what it refuses."""
    try:
        for rule in JUDGED:
            transaction.do(f"set constraints ledger.{rule} immediate")
    except adbc_driver_manager.Error as error:
        raise PublicationFailed(f"the store refuses the publication, nothing was published: {error}") from error
