"""Write a snapshot as immutable Parquet files named by content, with a signed manifest, and activate it.

shared/snapshots/<id>/<table>/<months>/month=2022-06/<sha>.parquet   a plain dataset for any reader
shared/snapshots/<id>/contracts/…                           what describes the tables (`descriptions.py`)
shared/snapshots/<id>/manifest.json, manifest.json.sig, catalog.json
shared/current -> snapshots/<id>                            moved after the commit, repaired by `recover`

Files are never changed; a snapshot reuses the unchanged files of the previous one by hard links. Until its publication
is committed, a snapshot is written in a folder named with its publisher's token; only a later publish session removes
such a folder.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from lgsp import files as durable
from lgsp.files import sync_folder
from lgsp.schema.contract import Contract
from lgsp.schema.installation import Installation
from lgsp.signing import SigningKey
from lgsp.snapshots import dcat, descriptions, pointer
from lgsp.snapshots.manifest import CATALOG, MANIFEST, SIGNATURE, Manifest, ManifestFile, ManifestTable, parse
from lgsp.snapshots.manifest import encode as encode_manifest
from lgsp.snapshots.readback import NO_ROWS, Sums, read_sums_of_each

log = logging.getLogger(__name__)

ROW_GROUP = 122_880
EMPTY = "empty"
# Another user's file, a file with too many links, or a disk without hard links.
UNLINKABLE = (errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV, errno.ENOTSUP)
OPEN = ".open"  # the folder of a table's months until all of them are written and give it its name
LOW_CARDINALITY = {
    "status", "channel", "submitted_via", "return_method", "online_mode", "applicant_kind", "source", "batch_id", "level", "kind",
    "period", "kpi_id", "state", "service_code", "receiving_organisation_id", "competent_organisation_id", "organisation_id",
    "admin_unit_code", "admin_unit_code_now", "document_type", "priority", "steering_kind", "matched_by", "definition_version",
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """One data file of a snapshot; `part` is its month as YYYY-MM, or `all` or `empty` for a table without months."""

    table: str
    part: str
    path: str
    bytes: int
    sha256: str
    sums: Sums


@dataclass(frozen=True)
class SnapshotWriter:
    """Writes the files of one snapshot into a folder that no reader sees."""

    root: Path
    snapshot_id: int
    token: int

    @property
    def folder(self) -> Path:
        """The folder it writes to; readers do not see it."""
        return self.root / "snapshots" / f".{self.snapshot_id}.{self.token}"

    def write(self, contract: Contract, part: str, rows: pa.Table) -> File:
        """Write one part of a table; the same rows give the same bytes and the same file name. Its sums are not yet known."""
        content = encode(contract, rows)
        digest = hashlib.sha256(content).hexdigest()
        folder = contract.name if part in ("all", EMPTY) else f"{contract.name}/{OPEN}/month={part}"
        file = File(contract.name, part, f"{folder}/{digest[:32]}.parquet", content.size, digest, NO_ROWS)
        durable.write(self._path(file), content)
        return file

    def read_back(self, written: list[File]) -> list[File]:
        """The same files with the sums of the rows that are read from them."""
        sums = read_sums_of_each([self._path(file) for file in written])
        return [replace(file, sums=sums[self._path(file)]) for file in written]

    def reuse(self, file: File, previous_id: int) -> File | None:
        """Link a file of the previous snapshot into this one; None when it is missing or cannot be linked."""
        source = self.root / "snapshots" / str(previous_id) / file.path
        if not source.exists():
            return None
        month, name = source.parent.name, source.name
        is_monthly = month.startswith("month=")
        linked = replace(file, path=f"{file.table}/{OPEN}/{month}/{name}" if is_monthly else f"{file.table}/{name}")
        try:
            os.link(source, self._path(linked))
        except OSError as error:
            if error.errno not in UNLINKABLE:
                raise
            log.warning("%s cannot be linked (%s): its rows are written again", source, error)
            return None
        return linked

    def close_table(self, files: list[File]) -> list[File]:
        """The files of one table with their final paths, once all of them are written.

        The folder of the months is named by a hash of which months it contains. A reader who lists the files below
        `current` while the pointer moves to a snapshot with other months gets an error for a missing folder, and never
        reads some months of one snapshot and some of the other.
        """
        months = sorted(file.part for file in files if f"/{OPEN}/" in file.path)
        if not months:
            return files
        table, name = files[0].table, hashlib.sha256("\n".join(months).encode()).hexdigest()[:12]
        (self.folder / table / OPEN).rename(self.folder / table / name)
        return [replace(file, path=file.path.replace(f"/{OPEN}/", f"/{name}/")) for file in files]

    def _path(self, file: File) -> Path:
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(
        self, facts: Mapping[str, Any], files: list[File], signing_key: SigningKey, installation: Installation
    ) -> str:
        """Write descriptions, catalogue and signed manifest, and flush everything to disk; the SHA-256 of the manifest.

        `facts` are further entries of the manifest, such as the verdict and the time of the data.
        """
        content = cast(
            Manifest,
            {
                "snapshot_id": self.snapshot_id,
                "token": self.token,
                **facts,
                "signing_key": signing_key.id,
                "tables": _tables(files),
            },
        )
        content["descriptions"] = descriptions.write(self.folder, installation, *self._previous(content))
        catalog = dcat.document(content, installation)
        durable.write(self.folder / CATALOG, catalog)
        content["catalog"] = {"path": CATALOG, "sha256": hashlib.sha256(catalog).hexdigest()}
        manifest = encode_manifest(content)
        durable.write(self.folder / MANIFEST, manifest)
        durable.write(self.folder / SIGNATURE, signing_key.sign(manifest))
        for folder, _, _ in os.walk(self.folder):
            sync_folder(Path(folder))
        sync_folder(self.folder.parent)
        return hashlib.sha256(manifest).hexdigest()

    def _previous(self, content: Manifest) -> tuple[Path | None, Manifest | None]:
        """The folder and the manifest of the previous snapshot; None where there is none, or its files are lost."""
        previous = content.get("previous")
        folder = self.root / "snapshots" / str(previous["snapshot_id"]) if previous else None
        if folder is None or not (folder / MANIFEST).exists():
            return None, None
        return folder, parse((folder / MANIFEST).read_bytes(), folder)


def encode(contract: Contract, rows: pa.Table) -> pa.Buffer:
    """Rows of a table as the bytes of a Parquet file; the same rows in any order give the same bytes."""
    schema, buffer = contract.arrow_schema(), pa.BufferOutputStream()
    ordered = rows.cast(schema).sort_by([(key, "ascending") for key in contract.key]).combine_chunks()
    pq.write_table(
        ordered, buffer, compression="zstd", compression_level=3, row_group_size=ROW_GROUP, write_page_index=True,
        use_dictionary=[name for name in contract.names if name in LOW_CARDINALITY] or False,
        bloom_filter_options={contract.key[0]: {"ndv": ROW_GROUP, "fpp": 0.01}} if contract.partition else None,
    )  # fmt: skip
    return buffer.getvalue()


def start(root: Path, snapshot_id: int, token: int) -> SnapshotWriter:
    """A writer for a new snapshot, with its empty folder. Raises FileExistsError when that folder exists already."""
    writer = SnapshotWriter(root, snapshot_id, token)
    writer.folder.mkdir(parents=True)
    return writer


def discard(root: Path, token: int) -> None:
    """Remove what a publish session wrote that did not commit."""
    for folder in (root / "snapshots").glob(f".*.{token}"):
        shutil.rmtree(folder, ignore_errors=True)


def activate(root: Path, snapshot_id: int, token: int) -> None:
    """Give the folder of a committed snapshot its final name and switch the pointer to it; safe to repeat.

    Raises PublicationFailed when the snapshot has no manifest.
    """
    written, final = SnapshotWriter(root, snapshot_id, token).folder, root / "snapshots" / str(snapshot_id)
    with suppress(FileNotFoundError):
        written.rename(final)
        sync_folder(final.parent)
    pointer.manifest(root, snapshot_id)
    pointer.switch_to(root, snapshot_id)


def _tables(files: list[File]) -> dict[str, ManifestTable]:
    """The entry of each table in a manifest: its files and their sums."""
    by_table: dict[str, list[File]] = {}
    for file in sorted(files, key=lambda f: f.path):
        by_table.setdefault(file.table, []).append(file)
    tables: dict[str, ManifestTable] = {}
    for name, of_table in by_table.items():
        total = sum((file.sums for file in of_table), NO_ROWS)
        tables[name] = {
            "rows": total.rows, "content_hash": str(total.content_hash), "data_hash": str(total.data_hash),
            "files": [_entry(file) for file in of_table],
        }  # fmt: skip
    return tables


def _entry(file: File) -> ManifestFile:
    return {
        "path": file.path, "part": file.part, "rows": file.sums.rows, "bytes": file.bytes, "sha256": file.sha256,
        # as text: a sum of hashes is larger than the integers that JSON readers keep exact
        "content_hash": _exact(file.sums.content_hash), "data_hash": _exact(file.sums.data_hash),
    }  # fmt: skip


def _exact(number: int) -> Any:
    return str(number) if number > 2**53 else number
