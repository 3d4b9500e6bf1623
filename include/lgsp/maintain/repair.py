"""Repairs published files: writes a lost or altered file again, byte for byte: rows from SQL, descriptions from contracts."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lgsp import files
from lgsp.errors import PublicationFailed
from lgsp.maintain import verify
from lgsp.publish import session
from lgsp.schema import contract
from lgsp.schema.installation import Installation
from lgsp.settings import Settings
from lgsp.snapshots import descriptions, partitions, writer
from lgsp.snapshots.manifest import DescriptionFile, Manifest, ManifestFile
from lgsp.snapshots.manifest import files as manifest_files
from lgsp.snapshots.writer import EMPTY
from lgsp.store.transaction import Transaction


def repair_files(settings: Settings, snapshot_id: int | None = None) -> list[str]:
    """Write each file of a snapshot (by default the newest) that differs from the signed manifest again.

    Returns the paths of the repaired files. Raises PublicationFailed when the manifest itself was altered, or SQL no
    longer has the rows.
    """
    with session.open_session(settings, "recover") as publish_session:
        number, manifest = verify.manifest(settings, publish_session.transaction, snapshot_id)
        repaired = [
            file["path"]
            for table, file in manifest_files(manifest)
            if _repair(settings.shared, publish_session.transaction, number, table, file)
        ]
        repaired += _repair_descriptions(settings.shared, number, manifest)
        publish_session.commit(None)
    return repaired


def _repair(root: Path, transaction: Transaction, snapshot_id: int, table: str, file: ManifestFile) -> bool:
    """Write one file again when it is missing or altered; returns whether it was."""
    path = root / "snapshots" / str(snapshot_id) / file["path"]
    if _is_unaltered(path, file["sha256"]):
        return False
    shared = contract.load(table)
    where = (
        "false"
        if file["part"] == EMPTY
        else partitions.part_condition(shared, file["part"])
        if file["part"] != "all"
        else "true"
    )
    rows = transaction.arrow(
        f"select {', '.join(shared.names)} from history.{table}_as_of({snapshot_id}) where {where}"
    )
    content = writer.encode(shared, rows)
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise PublicationFailed(
            f"{path} cannot be written again: SQL gives other bytes (a row was altered, or another version wrote the file); restore it from a copy"
        )
    for link in (root / "snapshots").glob(f"[0-9]*/{table}/**/{path.name}"):  # snapshots share the file by hard links
        files.replace(link, content)
    files.replace(path, content)
    return True


def _repair_descriptions(root: Path, snapshot_id: int, manifest: Manifest) -> list[str]:
    """Write the descriptions that are missing or altered again; their paths."""
    described = manifest.get("descriptions")
    if described is None:  # published by an older version
        return []
    installation = Installation.from_record(described["installation"])
    return [f["path"] for f in described["files"] if _repair_description(root, snapshot_id, f, installation)]


def _repair_description(root: Path, snapshot_id: int, file: DescriptionFile, installation: Installation) -> bool:
    """Write one description again when it is missing or altered; returns whether it was."""
    path = root / "snapshots" / str(snapshot_id) / file["path"]
    if _is_unaltered(path, file["sha256"]):
        return False
    content = descriptions.encoded(installation).get(file["path"], b"")
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise PublicationFailed(
            f"{path} cannot be written again: another version of lgsp wrote it; restore it from a copy"
        )
    altered = [
        link for link in (root / "snapshots").glob(f"[0-9]*/{file['path']}") if path.exists() and link.samefile(path)
    ]
    for link in (*altered, path):
        files.replace(link, content)
    return True


def _is_unaltered(path: Path, sha256: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
