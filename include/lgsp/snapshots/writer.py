"""The Parquet side of a snapshot: immutable files named by content, a signed manifest, and the pointer `current`.

shared/snapshots/<id>/<table>/<months>/month=2022-06/<sha>.parquet   a plain dataset for any reader
shared/snapshots/<id>/manifest.json, manifest.json.sig, catalog.json
shared/current -> snapshots/<id>                            moved after the commit, repaired by `recover`

Files are never changed; a snapshot holds those of the one before by hard links. Until its publication is committed a
snapshot is built in a folder that bears its publisher's token: only whoever has a later turn takes it away.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp import files as durable
from lgsp.files import sync_folder
from lgsp.schema.contract import Contract
from lgsp.snapshots import dcat
from lgsp.snapshots.pointer import CATALOG, MANIFEST, SIGNATURE, manifest, point
from lgsp.snapshots.readback import NOTHING, Sums, read_sums
from lgsp.snapshots.signing import Seal

log = logging.getLogger(__name__)

ROW_GROUP = 122_880
EMPTY = "empty"
# Another user's file, a file with too many names, or a disk without hard links.
UNLINKABLE = (errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV, errno.ENOTSUP)
OPEN = ".open"  # a folder of months while it is not known yet which these will be
LOW_CARDINALITY = {
    "status", "channel", "submitted_via", "return_method", "online_mode", "applicant_kind", "source", "batch_id", "level", "kind",
    "period", "kpi_id", "state", "service_code", "receiving_organisation_id", "competent_organisation_id", "organisation_id",
    "admin_unit_code", "admin_unit_code_now", "document_type", "priority", "steering_kind", "matched_by", "definition_version",
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """One data file of a snapshot."""

    table: str
    part: str
    path: str
    bytes: int
    sha256: str
    sums: Sums


@dataclass(frozen=True)
class Building:
    """A snapshot in the making."""

    root: Path
    snapshot_id: int
    token: int

    @property
    def folder(self) -> Path:
        """Where it is made; nobody reads it."""
        return self.root / "snapshots" / f".{self.snapshot_id}.{self.token}"

    def write(self, contract: Contract, part: str, rows: pa.Table) -> File:
        """Write one part of a table; the same rows give the same bytes and the same name."""
        told = encoded(contract, rows)
        digest = hashlib.sha256(told).hexdigest()
        folder = contract.name if part in ("all", EMPTY) else f"{contract.name}/{OPEN}/month={part}"
        file = File(contract.name, part, f"{folder}/{digest[:32]}.parquet", told.size, digest, NOTHING)
        path = self._place(file)
        durable.write(path, told)
        return replace(file, sums=read_sums([path]))

    def keep(self, file: File, before: int) -> File | None:
        """Take over a file of the snapshot before; None when it is not there."""
        there = self.root / "snapshots" / str(before) / file.path
        if not there.exists():
            return None
        month, name = there.parent.name, there.name
        is_cut = month.startswith("month=")
        kept = replace(file, path=f"{file.table}/{OPEN}/{month}/{name}" if is_cut else f"{file.table}/{name}")
        try:
            os.link(there, self._place(kept))
        except OSError as error:
            if error.errno not in UNLINKABLE:
                raise
            log.warning("%s cannot be linked (%s): its rows are written again", there, error)
            return None
        return kept

    def close(self, files: list[File]) -> list[File]:
        """The files of one table once all are there: cut by month, in a folder that is named by which months these are.

        A reader who walks through `current` and is overtaken by another set of months finds a folder gone, instead of
        some months of the one and some of the other.
        """
        months = sorted(file.part for file in files if f"/{OPEN}/" in file.path)
        if not months:
            return files
        table, name = files[0].table, hashlib.sha256("\n".join(months).encode()).hexdigest()[:12]
        (self.folder / table / OPEN).rename(self.folder / table / name)
        return [replace(file, path=file.path.replace(f"/{OPEN}/", f"/{name}/")) for file in files]

    def _place(self, file: File) -> Path:
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def seal(self, facts: Mapping[str, Any], files: list[File], signer: Seal) -> str:
        """Make it whole: catalogue, signed manifest, and everything on disk; the SHA-256 of the manifest."""
        told = {
            "snapshot_id": self.snapshot_id,
            "token": self.token,
            **facts,
            "signing_key": signer.id,
            "tables": _listed(files),
        }
        described = dcat.document(told)
        durable.write(self.folder / CATALOG, described)
        told["catalog"] = {"path": CATALOG, "sha256": hashlib.sha256(described).hexdigest()}
        manifest = orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        durable.write(self.folder / MANIFEST, manifest)
        durable.write(self.folder / SIGNATURE, signer.sign(manifest))
        for folder, _, _ in os.walk(self.folder):
            sync_folder(Path(folder))
        sync_folder(self.folder.parent)
        return hashlib.sha256(manifest).hexdigest()


def encoded(contract: Contract, rows: pa.Table) -> pa.Buffer:
    """Rows of a table as the bytes of a Parquet file; the same rows, in whatever order, give the same bytes."""
    schema, buffer = contract.arrow_schema(), pa.BufferOutputStream()
    ordered = rows.cast(schema).sort_by([(key, "ascending") for key in contract.key]).combine_chunks()
    pq.write_table(
        ordered, buffer, compression="zstd", compression_level=3, row_group_size=ROW_GROUP, write_page_index=True,
        use_dictionary=[name for name in contract.names if name in LOW_CARDINALITY] or False,
        bloom_filter_options={contract.key[0]: {"ndv": ROW_GROUP, "fpp": 0.01}} if contract.partition else None,
    )  # fmt: skip
    return buffer.getvalue()


def begin(root: Path, snapshot_id: int, token: int) -> Building:
    """An empty folder for a snapshot that is about to be made."""
    building = Building(root, snapshot_id, token)
    building.folder.mkdir(parents=True)
    return building


def abandon(root: Path, token: int) -> None:
    """Take away what was made in a turn that came to nothing."""
    for folder in (root / "snapshots").glob(f".*.{token}"):
        shutil.rmtree(folder, ignore_errors=True)


def enter(root: Path, snapshot_id: int, token: int) -> None:
    """Give a committed snapshot its name, and lead readers to it; safe to repeat."""
    building, final = Building(root, snapshot_id, token).folder, root / "snapshots" / str(snapshot_id)
    with suppress(FileNotFoundError):
        building.rename(final)
        sync_folder(final.parent)
    manifest(root, snapshot_id)
    point(root, snapshot_id)


def _listed(files: list[File]) -> dict[str, Any]:
    """The files of each table as a manifest tells them, with their sums."""
    tables: dict[str, Any] = {}
    for file in sorted(files, key=lambda f: f.path):
        table = tables.setdefault(file.table, {"rows": 0, "content_hash": 0, "data_hash": 0, "files": []})
        for name in ("rows", "content_hash", "data_hash"):
            table[name] += getattr(file.sums, name)
        told = {**asdict(file), **asdict(file.sums)}
        table["files"].append(
            {
                name: _text(told[name])
                for name in ("path", "part", "rows", "bytes", "sha256", "content_hash", "data_hash")
            }
        )
    for table in tables.values():
        table["content_hash"], table["data_hash"] = str(table["content_hash"]), str(table["data_hash"])
    return tables


def _text(value: Any) -> Any:
    """Hash sums are larger than any JSON reader's integers."""
    return str(value) if isinstance(value, int) and value > 2**53 else value
