"""Mending files: one that was lost or altered is written again from the row versions of SQL, byte for byte."""

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
from lgsp.snapshots.writer import EMPTY
from lgsp.store.transaction import Transaction


def run(settings: Settings, snapshot_id: int | None = None) -> list[str]:
    """Write the files of a snapshot (the newest when none is named) again where they are not what was signed; which.

    Raises PublicationFailed when the manifest itself is not what was published, or SQL does not hold the rows any more.
    """
    with session.begin(settings) as mine:
        wanted, manifest = verify.manifest(settings, mine.transaction, snapshot_id)
        mended = [
            file["path"]
            for table, told in manifest["tables"].items()
            for file in told["files"]
            if _mend(settings.shared, mine.transaction, wanted, table, file)
        ]
        mine.conclude(None)
    return mended


def _mend(root: Path, transaction: Transaction, wanted: int, table: str, file: dict[str, str]) -> bool:
    path = root / "snapshots" / str(wanted) / file["path"]
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]:
        return False
    shared = contract.load(table)
    where = (
        "false"
        if file["part"] == EMPTY
        else partitions.within(shared, file["part"])
        if file["part"] != "all"
        else "true"
    )
    rows = transaction.arrow(f"select {', '.join(shared.names)} from history.{table}_as_of({wanted}) where {where}")
    told = writer.encoded(shared, rows)
    if hashlib.sha256(told).hexdigest() != file["sha256"]:
        raise PublicationFailed(
            f"{path} cannot be written again: SQL gives other bytes of it (a row was altered, or another version wrote the file); restore it from a copy"
        )
    for holder in (root / "snapshots").glob(f"[0-9]*/{table}/**/{path.name}"):  # the same file by hard links
        files.replace(holder, told)
    files.replace(path, told)
    return True
