"""Verify: recompute both sides of a snapshot, and compare them with what its signed manifest says was published.

SQL and files are read independently of each other: rows by PostgreSQL (the current ones, or those an older snapshot
showed), files byte by byte and by DuckDB. With the public key alone, and no store, files can be proven too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_manager
import duckdb
import orjson

from lgsp import install, store
from lgsp.errors import NothingPublished, PublicationFailed
from lgsp.indicators import compute, document_flows, dossier_flows
from lgsp.publish import control_totals, rederive
from lgsp.schema import contract, fingerprint
from lgsp.schema.contract import Contract
from lgsp.settings import Settings
from lgsp.snapshots import partitions, pointer, readback, recovery, signing
from lgsp.snapshots.object_store import Held, Remote
from lgsp.snapshots.pointer import MANIFEST, SIGNATURE
from lgsp.snapshots.readback import Sums
from lgsp.store.transaction import Transaction, reading

# A publisher is that long between its commit and the pointer, at most.
POINTER_SECONDS = 5.0


@dataclass(frozen=True)
class TableProof:
    """One table of a snapshot: what was published, what its files hold, and what SQL holds where it can be told."""

    table: str
    published: Sums
    in_files: Sums | None
    in_sql: Sums | None

    @property
    def is_equal(self) -> bool:
        """Whether all sides say the same."""
        return all(side in (None, self.published) for side in (self.in_files, self.in_sql))


def run(settings: Settings, snapshot_id: int | None = None) -> tuple[int, list[TableProof]]:
    """Prove a snapshot (the newest when none is named): its id, and what each table showed.

    Raises PublicationFailed when there is no such snapshot, when a file, its manifest or its signature was altered or
    replaced, and when readers are led to another snapshot than the newest.
    """
    install.ensure(settings)
    try:
        with reading(store.url(settings)) as transaction:
            return _run(settings, transaction, snapshot_id)
    except (adbc_driver_manager.Error, duckdb.Error, OSError) as error:
        raise PublicationFailed(f"what is published could not be read: {error}") from error


def _run(settings: Settings, transaction: Transaction, snapshot_id: int | None) -> tuple[int, list[TableProof]]:
    newest = transaction.one("select max(snapshot_id) from ledger.publication")
    wanted = _wanted(transaction, snapshot_id)
    told = _published(transaction, wanted)
    if wanted == newest:
        _prove_balance(transaction, wanted)
        _prove_sums(transaction, wanted)
    folder = settings.shared / "snapshots" / str(wanted)
    if told.files_retired:
        signed, published = None, told.tables
    else:
        if wanted == newest:
            _await_files(settings, folder)
        signed = _prove_manifest(folder, wanted, told)
        published = _listed(signed)
        if published != told.tables:
            raise PublicationFailed(f"the store tells other sums of snapshot {wanted} than its signed manifest")
        _prove_files(folder, signed)
    proofs = []
    for name, expected in sorted(published.items()):
        paths = sorted((folder / name).rglob("*.parquet"))
        shared = _published_as(name, paths) if paths else contract.load(name)
        rows = f"shared.{name}" if wanted == newest else f"history.{name}_as_of({wanted})"
        is_known = wanted == newest or _is_told(shared, told.shapes[name], is_written=bool(paths))
        in_sql = partitions.sums(transaction, shared, rows) if is_known and not told.history_retired else None
        proofs.append(TableProof(name, expected, readback.read_sums(paths) if signed else None, in_sql))
    side = recovery.remote(settings, transaction)
    if side and not told.files_retired:
        side.prove(folder, Held(wanted, told.token, told.manifest_sha256))
    if wanted == newest:
        _prove_pointers(settings, side, wanted)
    return wanted, proofs


def _is_told(shared: Contract, shape: str | None, is_written: bool) -> bool:
    """Whether SQL still has the columns that an older snapshot of a table was published with."""
    if not is_written:
        return shape == fingerprint.shape(shared)
    return shared.name in contract.names() and set(shared.names) <= set(contract.load(shared.name).names)


def _await_files(settings: Settings, folder: Path) -> None:
    """A snapshot gets its name a moment after its commit; after a crash in that moment with the next turn."""
    until = time.monotonic() + POINTER_SECONDS
    while not folder.exists():
        if time.monotonic() > until:
            raise PublicationFailed(
                f"the files of snapshot {folder.name} are not in {settings.shared} yet, or lost: run `lgsp recover`"
            )
        time.sleep(0.1)


def manifest(
    settings: Settings, transaction: Transaction, snapshot_id: int | None = None
) -> tuple[int, dict[str, Any]]:
    """The proven manifest of a snapshot (the newest when none is named), with its id; its files are not looked at."""
    wanted = _wanted(transaction, snapshot_id)
    return wanted, _prove_manifest(settings.shared / "snapshots" / str(wanted), wanted, _published(transaction, wanted))


def _wanted(transaction: Transaction, snapshot_id: int | None) -> int:
    if snapshot_id is not None:
        return snapshot_id
    newest = transaction.one("select max(snapshot_id) from ledger.publication")
    if newest is None:
        raise NothingPublished("nothing has been published yet: run `lgsp publish`")
    return int(newest)


def files(folder: Path, public_key: bytes, at_least: int = 1) -> tuple[int, list[TableProof]]:
    """Prove a snapshot's folder by itself, with the public key of who published it: its id, and what each table showed.

    Raises PublicationFailed when a file, the manifest or its signature was altered, when another's manifest stands in its
    place, or it is older than snapshot `at_least`: the newest one the reader has seen.
    """
    folder = folder.resolve()
    path = folder / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"{folder} is no snapshot: it has no {MANIFEST}")
    manifest = _signed(path, public_key)
    if folder.name.isdigit() and folder.name != str(manifest["snapshot_id"]):
        raise PublicationFailed(f"{path} is the manifest of snapshot {manifest['snapshot_id']}, put in another's place")
    if manifest["snapshot_id"] < at_least:
        raise PublicationFailed(f"{path} is of snapshot {manifest['snapshot_id']}, older than snapshot {at_least}")
    _prove_files(folder, manifest)
    proofs = [
        TableProof(name, expected, readback.read_sums(sorted((folder / name).rglob("*.parquet"))), None)
        for name, expected in sorted(_listed(manifest).items())
    ]
    return int(manifest["snapshot_id"]), proofs


@dataclass(frozen=True)
class _Told:
    """What the store says of a publication."""

    manifest_sha256: str
    token: int
    public_key: str | None
    files_retired: bool
    history_retired: bool
    tables: dict[str, Sums]
    shapes: dict[str, str | None]


def _published(transaction: Transaction, wanted: int) -> _Told:
    rows = transaction.rows(
        "select manifest_sha256, coalesce(token, 0), public_key, files_retired_at is not null, history_retired_at is not null "
        "from ledger.publication left join ledger.signing_key on key_id = signing_key where snapshot_id = $1",
        wanted,
    )
    if not rows:
        raise PublicationFailed(f"there is no snapshot {wanted}")
    ((sha256, token, key, files_retired, history_retired),) = rows
    if files_retired and history_retired:
        raise PublicationFailed(f"snapshot {wanted} was retired: neither its files nor its row versions are kept")
    rows = transaction.rows(
        "select table_name, row_count, content_hash::text, data_hash::text, shape from ledger.publication_table where snapshot_id = $1",
        wanted,
    )
    tables = {name: Sums(count, int(content), int(data)) for name, count, content, data, _ in rows}
    return _Told(sha256, token, key, files_retired, history_retired, tables, {row[0]: row[4] for row in rows})


def _prove_manifest(folder: Path, wanted: int, told: _Told) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"snapshot {wanted} has no manifest at {path}: restore it from a copy")
    if hashlib.sha256(path.read_bytes()).hexdigest() != told.manifest_sha256:
        raise PublicationFailed(f"{path} is not the manifest that was published")
    if told.public_key is None:  # of a version that did not sign yet
        return pointer.manifest(folder.parent.parent, wanted)
    return _signed(path, told.public_key.encode())


def _signed(path: Path, public_key: bytes) -> dict[str, Any]:
    signature = path.with_name(SIGNATURE)
    if not signature.exists():
        raise PublicationFailed(f"{path} is not signed: {SIGNATURE} is missing")
    told = path.read_bytes()
    signing.prove(public_key, told, signature.read_bytes(), str(path))
    manifest = orjson.loads(told)
    assert isinstance(manifest, dict)
    return manifest


def _listed(manifest: dict[str, Any]) -> dict[str, Sums]:
    return {
        name: Sums(table["rows"], int(table["content_hash"]), int(table["data_hash"]))
        for name, table in manifest["tables"].items()
    }


def _prove_files(folder: Path, manifest: dict[str, Any]) -> None:
    listed = {folder / file["path"]: file["sha256"] for table in manifest["tables"].values() for file in table["files"]}
    if told := manifest.get("catalog"):
        listed[folder / told["path"]] = told["sha256"]
    for path, sha256 in listed.items():
        if not path.exists():
            raise PublicationFailed(f"{path} is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise PublicationFailed(f"{path} is not the file that was published")
    known = {*listed, folder / MANIFEST, folder / SIGNATURE}
    strangers = [str(path) for path in folder.rglob("*") if path.is_file() and path not in known]
    if strangers:
        raise PublicationFailed(f"the manifest does not know {', '.join(sorted(strangers))}")


def _prove_pointers(settings: Settings, side: Remote | None, newest: int) -> None:
    """Readers of files are led to the newest snapshot, or to one that was published meanwhile."""
    pointers: dict[str, Callable[[], int | None]] = {"files": lambda: pointer.current(settings.shared)}
    if side is not None:
        pointers[str(side.bucket)] = lambda: held.snapshot_id if (held := side.current()) else None
    until = time.monotonic() + POINTER_SECONDS
    for name, pointed in pointers.items():
        while (now := pointed()) is None or now < newest:
            if time.monotonic() > until:
                raise PublicationFailed(
                    f"readers of {name} are led to snapshot {now}, published is {newest}: run `lgsp recover`"
                )
            time.sleep(0.1)


def _prove_balance(transaction: Transaction, newest: int) -> None:
    """Count the records themselves: as many as every publication up to now says it left."""
    names = ("record_count", *control_totals.LIVING.values())
    ((told, *living),) = transaction.rows(
        f"select {', '.join(names)} from ledger.publication where snapshot_id = $1", newest
    )
    known, alive = control_totals.counted(transaction)
    counted = (known, *alive.values())
    if told is not None and (told, *living) != counted:
        raise PublicationFailed(
            f"snapshot {newest} left {told:,} records ({_kinds(living)} not deleted), the store holds {known:,} ({_kinds(alive.values())}): "
            "records were added or removed by hand"
        )


def _prove_sums(transaction: Transaction, newest: int) -> None:
    """Sum up again what indicators are made of; after a rollback the sums are those of the records until it is released."""
    is_other = transaction.one("select derived_by from ledger.installation") != rederive.derived_by()
    if is_other or compute.is_outdated(transaction):
        return  # the next publication sums up everything again
    if differing := dossier_flows.differing(transaction) + document_flows.differing(transaction):
        raise PublicationFailed(
            f"snapshot {newest}: {differing:,} sums of moves are not those of its dossiers and papers, so indicators may be wrong: report it"
        )


def _kinds(counts: Iterable[int]) -> str:
    return ", ".join(f"{count:,} of kind {kind}" for kind, count in zip(control_totals.LIVING, counts, strict=True))


def _published_as(name: str, paths: list[Path]) -> Contract:
    """The table as its files have it: after an upgrade the store has columns that were not published yet."""
    shapes = {readback.as_written(path) for path in paths}
    if len(shapes) != 1:
        raise PublicationFailed(f"the files of {name} were written by several versions: publish again to have one")
    return shapes.pop()
