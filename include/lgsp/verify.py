"""Verify: recompute both sides of the newest snapshot, or the files of an older one, and compare with what was published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lgsp import balance, database, publish, snapshot
from lgsp.contract import Contract
from lgsp.errors import PublicationFailed
from lgsp.settings import Settings
from lgsp.transaction import Transaction, reading


@dataclass(frozen=True)
class TableProof:
    """One table of a snapshot: what was published, what its files hold, and (for the newest) what SQL holds."""

    table: str
    published: snapshot.Sums
    in_files: snapshot.Sums
    in_sql: snapshot.Sums | None

    @property
    def is_equal(self) -> bool:
        """Whether all sides say the same."""
        return self.in_files == self.published and self.in_sql in (None, self.published)


def run(settings: Settings, snapshot_id: int | None = None) -> tuple[int, list[TableProof]]:
    """Prove a snapshot (the newest when none is named): its id, and what each table showed.

    Raises PublicationFailed when there is no such snapshot, or a file or its manifest was altered.
    """
    database.ensure(settings)
    with reading(database.url(settings)) as transaction:
        newest = transaction.one("select max(snapshot_id) from ledger.publication")
        wanted = newest if snapshot_id is None else snapshot_id
        if wanted is None:
            raise PublicationFailed("nothing has been published yet: run `lgsp publish`")
        if wanted == newest:
            _prove_balance(transaction, wanted)
        _prove_manifest(settings, transaction, wanted)
        _prove_files(settings, wanted)
        published = {
            name: snapshot.Sums(rows, int(content), int(data))
            for name, rows, content, data in transaction.rows(
                "select table_name, row_count, content_hash::text, data_hash::text from ledger.publication_table where snapshot_id = $1",
                wanted,
            )
        }
        proofs = []
        for name, expected in sorted(published.items()):
            paths = sorted((settings.shared / "snapshots" / str(wanted) / name).rglob("*.parquet"))
            in_sql = publish.sums(transaction, _published_as(name, paths)) if wanted == newest else None
            proofs.append(TableProof(name, expected, snapshot.read_sums(paths), in_sql))
    return wanted, proofs


def _prove_balance(transaction: Transaction, newest: int) -> None:
    """Count the records themselves: as many as every publication up to now says it left."""
    names = ("record_count", *balance.LIVING.values())
    ((told, *living),) = transaction.rows(
        f"select {', '.join(names)} from ledger.publication where snapshot_id = $1", newest
    )
    known, alive = balance.counted(transaction)
    counted = (known, *alive.values())
    if told is not None and (told, *living) != counted:
        raise PublicationFailed(
            f"snapshot {newest} left {told:,} records ({_kinds(living)} not deleted), the store holds {known:,} ({_kinds(alive.values())}): "
            "records were added or removed by hand"
        )


def _kinds(counts: Iterable[int]) -> str:
    return ", ".join(f"{count:,} of kind {kind}" for kind, count in zip(balance.LIVING, counts, strict=True))


def _published_as(name: str, paths: list[Path]) -> Contract:
    """The table as its files have it: after an upgrade the store has columns that were not published yet."""
    shapes = {snapshot.as_written(path) for path in paths}
    if len(shapes) != 1:
        raise PublicationFailed(f"the files of {name} were written by several versions: publish again to have one")
    return shapes.pop()


def _prove_manifest(settings: Settings, transaction: Transaction, wanted: int) -> None:
    expected = transaction.one("select manifest_sha256 from ledger.publication where snapshot_id = $1", wanted)
    if expected is None:
        raise PublicationFailed(f"there is no snapshot {wanted}")
    snapshot.manifest(settings.shared, wanted)
    path = settings.shared / "snapshots" / str(wanted) / "manifest.json"
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise PublicationFailed(f"{path} is not the manifest that was published")


def _prove_files(settings: Settings, wanted: int) -> None:
    root = settings.shared / "snapshots" / str(wanted)
    listed = set()
    for table in snapshot.manifest(settings.shared, wanted)["tables"].values():
        for file in table["files"]:
            path = root / file["path"]
            listed.add(path)
            if not path.exists():
                raise PublicationFailed(f"{path} is missing")
            if hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                raise PublicationFailed(f"{path} is not the file that was published")
    strangers = [str(path) for path in root.rglob("*.parquet") if path not in listed]
    if strangers:
        raise PublicationFailed(f"the manifest does not know {', '.join(sorted(strangers))}")
