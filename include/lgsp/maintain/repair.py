"""Repairs published files: writes a lost or altered file again from SQL, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lgsp import files
from lgsp.errors import PublicationFailed
from lgsp.maintain import verify
from lgsp.publish import session
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.snapshots import partitions, writer
from lgsp.snapshots.manifest import ManifestFile
from lgsp.snapshots.manifest import files as manifest_files
from lgsp.snapshots.writer import EMPTY
from lgsp.store.transaction import Transaction


def repair_files(settings: Settings, snapshot_id: int | None = None) -> list[str]:
    """Write each file of a snapshot (by default the newest) that differs from the signed manifest again from SQL.

    Returns the paths of the repaired files. Raises PublicationFailed when the manifest itself was altered, or SQL no
    longer has the rows.
    """
    with session.open_session(settings) as publish_session:
        number, manifest = verify.manifest(settings, publish_session.transaction, snapshot_id)
        repaired = [
            file["path"]
            for table, file in manifest_files(manifest)
            if _repair(settings.shared, publish_session.transaction, number, table, file)
        ]
        publish_session.commit(None)
    return repaired


def _repair(root: Path, transaction: Transaction, snapshot_id: int, table: str, file: ManifestFile) -> bool:
    """Write one file again when it is missing or altered; returns whether it was."""
    path = root / "snapshots" / str(snapshot_id) / file["path"]
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]:
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
