"""Verifies a snapshot: recomputes the sums of SQL and of the files, and compares both with the signed manifest.

SQL and files are read independently: rows by PostgreSQL (current or historical), files byte by byte and by DuckDB.
Files can also be verified without a database, with the public key alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_manager
import duckdb

from lgsp import install, signing, store
from lgsp.errors import NothingPublished, PublicationFailed
from lgsp.indicators import compute, document_flows, dossier_flows
from lgsp.publish import control_totals, rederive
from lgsp.schema import contract, fingerprint
from lgsp.schema.contract import Contract
from lgsp.settings import Settings
from lgsp.snapshots import partitions, pointer, readback, recovery
from lgsp.snapshots.manifest import MANIFEST, SIGNATURE, Manifest, descriptions, parse
from lgsp.snapshots.manifest import files as manifest_files
from lgsp.snapshots.object_store import Remote, RetainedSnapshot
from lgsp.snapshots.readback import Sums
from lgsp.store import as_of_by_period, record_sums
from lgsp.store.transaction import Transaction, reading

# The longest time between a publisher's commit and its switch of the pointer.
POINTER_SECONDS = 5.0


@dataclass(frozen=True)
class TableProof:
    """The sums of one table of a snapshot: as published, in its files, and in SQL. None where they cannot be read."""

    table: str
    published: Sums
    in_files: Sums | None
    in_sql: Sums | None

    @property
    def is_equal(self) -> bool:
        """Whether files and SQL, where they can be read, hold what was published."""
        return all(side in (None, self.published) for side in (self.in_files, self.in_sql))


def verify_snapshot(settings: Settings, snapshot_id: int | None = None) -> tuple[int, list[TableProof]]:
    """Verify a snapshot (by default the newest); returns its id and the proof of each table.

    Raises PublicationFailed when there is no such snapshot, when a file, the manifest or its signature was altered or
    replaced, and when the pointer does not point to the newest snapshot.
    """
    install.ensure(settings)
    try:
        with reading(store.url(settings)) as transaction:
            return _verify_snapshot(settings, transaction, snapshot_id)
    except (adbc_driver_manager.Error, duckdb.Error, OSError) as error:
        raise PublicationFailed(f"the published data could not be read: {error}") from error


def _verify_snapshot(
    settings: Settings, transaction: Transaction, snapshot_id: int | None
) -> tuple[int, list[TableProof]]:
    newest = transaction.one("select max(snapshot_id) from ledger.publication")
    number = _chosen_snapshot(transaction, snapshot_id)
    recorded = _recorded(transaction, number)
    if number == newest:
        _check_record_counts(transaction, number)
        _check_flow_sums(transaction, number)
    folder = settings.shared / "snapshots" / str(number)
    if recorded.files_retired:
        signed, published = None, recorded.tables
    else:
        if number == newest:
            _await_files(settings, folder)
        signed = _check_manifest(folder, number, recorded)
        published = _sums(signed)
        if published != recorded.tables:
            raise PublicationFailed(f"the database and the signed manifest have different sums for snapshot {number}")
        _check_files(folder, signed)
        _check_periods(transaction, number, signed, recorded)
        if number == newest:
            _check_records(transaction, number, signed)
    proofs = []
    for name, expected in sorted(published.items()):
        paths = sorted((folder / name).rglob("*.parquet"))
        shared = _published_as(name, paths) if paths else contract.load(name)
        rows = f"shared.{name}" if number == newest else f"history.{name}_as_of({number})"
        is_in_sql = number == newest or _has_columns(shared, recorded.shapes[name], has_files=bool(paths))
        in_sql = partitions.sums(transaction, shared, rows) if is_in_sql and not recorded.history_retired else None
        proofs.append(TableProof(name, expected, readback.read_sums(paths) if signed else None, in_sql))
    remote = recovery.remote(settings, transaction)
    if remote and not recorded.files_retired:
        remote.verify(folder, RetainedSnapshot(number, recorded.token, recorded.manifest_sha256))
    if number == newest:
        _check_pointers(settings, remote, number)
    return number, proofs


def _has_columns(shared: Contract, shape: str | None, has_files: bool) -> bool:
    """Whether SQL still has the columns that an older snapshot of a table was published with."""
    if not has_files:
        return shape == fingerprint.format_fingerprint(shared)
    return shared.name in contract.names() and set(shared.names) <= set(contract.load(shared.name).names)


def _await_files(settings: Settings, folder: Path) -> None:
    """Wait for the snapshot's folder, which gets its name just after the commit; after a crash, in the next publication."""
    deadline = time.monotonic() + POINTER_SECONDS
    while not folder.exists():
        if time.monotonic() > deadline:
            raise PublicationFailed(
                f"the files of snapshot {folder.name} are not in {settings.shared} (not yet, or lost): run `lgsp recover`"
            )
        time.sleep(0.1)


def manifest(settings: Settings, transaction: Transaction, snapshot_id: int | None = None) -> tuple[int, Manifest]:
    """The verified manifest of a snapshot (by default the newest), with the snapshot's id. The files are not read."""
    number = _chosen_snapshot(transaction, snapshot_id)
    return number, _check_manifest(settings.shared / "snapshots" / str(number), number, _recorded(transaction, number))


def _chosen_snapshot(transaction: Transaction, snapshot_id: int | None) -> int:
    if snapshot_id is not None:
        return snapshot_id
    newest = transaction.one("select max(snapshot_id) from ledger.publication")
    if newest is None:
        raise NothingPublished("nothing has been published yet: run `lgsp publish`")
    return int(newest)


def verify_folder(folder: Path, public_key: bytes, at_least: int = 1) -> tuple[int, list[TableProof]]:
    """Verify a snapshot's folder without a database, with the publisher's public key; returns its id and the proofs.

    Raises PublicationFailed when a file, the manifest or its signature was altered, when the folder has the manifest of
    another snapshot, or when it is older than `at_least`, the newest snapshot that the reader has seen.
    """
    folder = folder.resolve()
    path = folder / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"{folder} is not a snapshot: it has no {MANIFEST}")
    manifest = _signed(path, public_key)
    if folder.name.isdigit() and folder.name != str(manifest["snapshot_id"]):
        raise PublicationFailed(f"{path} is the manifest of another snapshot, {manifest['snapshot_id']}")
    if manifest["snapshot_id"] < at_least:
        raise PublicationFailed(f"{path} is of snapshot {manifest['snapshot_id']}, older than snapshot {at_least}")
    _check_files(folder, manifest)
    proofs = [
        TableProof(name, expected, readback.read_sums(sorted((folder / name).rglob("*.parquet"))), None)
        for name, expected in sorted(_sums(manifest).items())
    ]
    return int(manifest["snapshot_id"]), proofs


@dataclass(frozen=True)
class _Recorded:
    """What the ledger records about a publication."""

    manifest_sha256: str
    token: int
    public_key: str | None
    files_retired: bool
    history_retired: bool
    tables: dict[str, Sums]
    shapes: dict[str, str | None]


def _recorded(transaction: Transaction, snapshot_id: int) -> _Recorded:
    rows = transaction.rows(
        "select manifest_sha256, coalesce(token, 0), public_key, files_retired_at is not null, history_retired_at is not null "
        "from ledger.publication left join ledger.signing_key on key_id = signing_key where snapshot_id = $1",
        snapshot_id,
    )
    if not rows:
        raise PublicationFailed(f"there is no snapshot {snapshot_id}; `lgsp snapshots` lists them")
    ((sha256, token, key, files_retired, history_retired),) = rows
    if files_retired and history_retired:
        raise PublicationFailed(f"snapshot {snapshot_id} was retired: its files and its row versions were deleted")
    rows = transaction.rows(
        "select table_name, row_count, content_hash::text, data_hash::text, shape from ledger.publication_table where snapshot_id = $1",
        snapshot_id,
    )
    tables = {name: Sums(count, int(content), int(data)) for name, count, content, data, _ in rows}
    return _Recorded(sha256, token, key, files_retired, history_retired, tables, {row[0]: row[4] for row in rows})


def _check_manifest(folder: Path, snapshot_id: int, recorded: _Recorded) -> Manifest:
    path = folder / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"snapshot {snapshot_id} has no manifest at {path}: restore it from a copy")
    if hashlib.sha256(path.read_bytes()).hexdigest() != recorded.manifest_sha256:
        raise PublicationFailed(f"{path} is not the manifest that was published")
    if recorded.public_key is None:  # published by a version that did not sign
        return pointer.manifest(folder.parent.parent, snapshot_id)
    return _signed(path, recorded.public_key.encode())


def _signed(path: Path, public_key: bytes) -> Manifest:
    """The content of a manifest whose signature is valid."""
    signature = path.with_name(SIGNATURE)
    if not signature.exists():
        raise PublicationFailed(f"{path} is not signed: {SIGNATURE} is missing")
    content = path.read_bytes()
    signing.verify(public_key, content, signature.read_bytes(), str(path))
    return parse(content, path)


def _sums(manifest: Manifest) -> dict[str, Sums]:
    return {
        name: Sums(table["rows"], int(table["content_hash"]), int(table["data_hash"]))
        for name, table in manifest["tables"].items()
    }


def _check_files(folder: Path, manifest: Manifest) -> None:
    listed = {folder / file["path"]: file["sha256"] for _, file in manifest_files(manifest)}
    listed |= {folder / file["path"]: file["sha256"] for file in descriptions(manifest)}
    if catalog := manifest.get("catalog"):
        listed[folder / catalog["path"]] = catalog["sha256"]
    for path, sha256 in listed.items():
        if not path.exists():
            raise PublicationFailed(f"{path} is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise PublicationFailed(f"{path} is not the file that was published")
    expected = {*listed, folder / MANIFEST, folder / SIGNATURE}
    unexpected = [str(path) for path in folder.rglob("*") if path.is_file() and path not in expected]
    if unexpected:
        raise PublicationFailed(f"these files are not in the manifest: {', '.join(sorted(unexpected))}")


def _check_periods(transaction: Transaction, number: int, signed: Manifest, recorded: _Recorded) -> None:
    """The times of the periods must be those that were signed; a manifest of an older version does not have them."""
    if "periods" not in signed or recorded.history_retired:
        return
    if as_of_by_period.sums(transaction, number) != signed["periods"]:
        raise PublicationFailed(
            f"history.{as_of_by_period.NAME} is not what was published as of snapshot {number}: rows were altered by hand"
        )


def _check_records(transaction: Transaction, number: int, signed: Manifest) -> None:
    """The records, and what else the next publication derives its rows from, must be those that were signed."""
    if "records" not in signed:  # published by an older version
        return
    sums = record_sums.read(transaction, signing.verify)
    if sums is None or sums["snapshot_id"] != number:
        raise PublicationFailed(f"ledger.record_sums has no row of snapshot {number}: it was deleted by hand")
    if tables := record_sums.altered(transaction, sums):
        raise PublicationFailed(
            f"{', '.join(tables)}: rows were altered by hand since snapshot {number}, and the next publication would use them: "
            "restore the database from a backup"
        )


def _check_pointers(settings: Settings, remote: Remote | None, newest: int) -> None:
    """The pointers must point to the newest snapshot, or to one that was published in the meantime."""
    pointers: dict[str, Callable[[], int | None]] = {"files": lambda: pointer.current(settings.shared)}
    if remote is not None:
        pointers[str(remote.bucket)] = lambda: current.snapshot_id if (current := remote.current()) else None
    deadline = time.monotonic() + POINTER_SECONDS
    for name, read_pointer in pointers.items():
        while (current_id := read_pointer()) is None or current_id < newest:
            if time.monotonic() > deadline:
                raise PublicationFailed(
                    f"the pointer of {name} points to snapshot {current_id}, but {newest} is published: run `lgsp recover`"
                )
            time.sleep(0.1)


def _check_record_counts(transaction: Transaction, newest: int) -> None:
    """Count the records: there must be as many as the newest publication recorded."""
    names = ("record_count", *control_totals.EXISTING.values())
    ((recorded, *recorded_by_kind),) = transaction.rows(
        f"select {', '.join(names)} from ledger.publication where snapshot_id = $1", newest
    )
    count, count_by_kind = control_totals.count_stored_records(transaction)
    counted = (count, *count_by_kind.values())
    if recorded is not None and (recorded, *recorded_by_kind) != counted:
        raise PublicationFailed(
            f"snapshot {newest} recorded {recorded:,} records ({_kinds(recorded_by_kind)} not deleted), but the database has {count:,} "
            f"({_kinds(count_by_kind.values())}): records were added or removed by hand"
        )


def _check_flow_sums(transaction: Transaction, newest: int) -> None:
    """Recompute the flow sums behind the indicators. After a rollback they belong to the records until the release."""
    is_outdated = transaction.one("select derived_by from ledger.installation") != rederive.derived_by()
    if is_outdated or compute.is_outdated(transaction):
        return  # the next publication recomputes every sum
    if differing := dossier_flows.count_differences(transaction) + document_flows.count_differences(transaction):
        raise PublicationFailed(
            f"snapshot {newest}: {differing:,} flow sums do not match its dossiers and documents, so indicators may be wrong: please report this"
        )


def _kinds(counts: Iterable[int]) -> str:
    return ", ".join(f"{count:,} of kind {kind}" for kind, count in zip(control_totals.EXISTING, counts, strict=True))


def _published_as(name: str, paths: list[Path]) -> Contract:
    """The contract that a table's files were written with: after an upgrade SQL has columns that they do not have."""
    contracts = {readback.contract_of(path) for path in paths}
    if len(contracts) != 1:
        raise PublicationFailed(f"the files of {name} were written by different versions of lgsp: run `lgsp publish`")
    return contracts.pop()
