"""The Parquet side of a snapshot: immutable files named by content, a signed manifest, and the pointer `current`.

shared/snapshots/<id>/<table>/<months>/month=2022-06/<sha>.parquet   a plain dataset for any reader
shared/snapshots/<id>/manifest.json, manifest.json.sig, catalog.json
shared/current -> snapshots/<id>                            moved after the commit, repaired by `recover`

Files are never changed; a snapshot holds those of the one before by hard links. Until its publication is committed a
snapshot is built in a folder that bears its publisher's token: only whoever has a later turn takes it away.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp import catalog
from lgsp.contract import Column, Contract
from lgsp.errors import PublicationFailed
from lgsp.signing import Seal

log = logging.getLogger(__name__)

ROW_GROUP = 122_880
LOCK_SECONDS = 30  # to move the pointer takes a millisecond
EMPTY = "empty"
# Another user's file, a file with too many names, or a disk without hard links.
UNLINKABLE = (errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV, errno.ENOTSUP)
OPEN = ".open"  # a folder of months while it is not known yet which these will be
MANIFEST, SIGNATURE, CATALOG = "manifest.json", "manifest.json.sig", "catalog.json"
ARROW_TYPES = {
    "string": "text", "bool": "boolean", "int32": "integer", "int64": "bigint", "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamptz", "double": "double precision",
}  # fmt: skip
LOW_CARDINALITY = {
    "status", "channel", "submitted_via", "return_method", "online_mode", "applicant_kind", "source", "batch_id", "level", "kind",
    "period", "kpi_id", "state", "service_code", "receiving_organisation_id", "competent_organisation_id", "organisation_id",
    "admin_unit_code", "admin_unit_code_now", "document_type", "priority", "steering_kind", "matched_by", "definition_version",
}  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """How many rows, and the sums of their content hashes: with and without their lineage."""

    rows: int
    content_hash: int
    data_hash: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.rows + other.rows, self.content_hash + other.content_hash, self.data_hash + other.data_hash)


NOTHING = Sums(0, 0, 0)


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
        _write(path, told)
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
        described = catalog.document(told)
        _write(self.folder / CATALOG, described)
        told["catalog"] = {"path": CATALOG, "sha256": hashlib.sha256(described).hexdigest()}
        manifest = orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        _write(self.folder / MANIFEST, manifest)
        _write(self.folder / SIGNATURE, signer.sign(manifest))
        for folder, _, _ in os.walk(self.folder):
            _sync(Path(folder))
        _sync(self.folder.parent)
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


def replace_file(path: Path, told: pa.Buffer) -> None:
    """Put other bytes in the place of a file that is not what it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    _write(temporary, told)
    temporary.replace(path)
    _sync(path.parent)


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
        _sync(final.parent)
    manifest(root, snapshot_id)
    point(root, snapshot_id)


def as_written(path: Path) -> Contract:
    """The table of a file as it was when the file was written: an older version had other columns."""
    schema = pq.read_schema(path)
    about = {name.decode(): value.decode() for name, value in (schema.metadata or {}).items()}
    columns = tuple(Column(column.name, _type(column.type), "", "", False, False, False) for column in schema)
    return Contract(about["contract"].removeprefix("lgsp."), "", "", "", columns, ())


def _type(arrow: pa.DataType) -> str:
    if pa.types.is_list(arrow):
        return f"{_type(arrow.value_type)}[]"
    return ARROW_TYPES[str(arrow)]


def read_sums(paths: list[Path]) -> Sums:
    """Rows and content hashes of some files, as DuckDB reads them back, each over the columns it was written with."""
    alike: dict[Contract, list[str]] = {}
    for path in paths:
        alike.setdefault(as_written(path), []).append(str(path))
    return sum((_sums(table, group) for table, group in alike.items()), NOTHING)


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    """The DuckDB of this process that reads files back: to open another costs more than to read a small file."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    return con


def _sums(table: Contract, paths: list[str]) -> Sums:
    con = _reader().cursor()
    try:
        con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        whole, data = table.hash_sql("duckdb", table.names), table.hash_sql("duckdb", table.data_names)
        row = con.execute(
            f"select count(*), coalesce(sum({whole}), 0), coalesce(sum({data}), 0) from read_parquet(?, hive_partitioning = false)",
            [paths],
        ).fetchone()
    finally:
        con.close()
    assert row is not None
    return Sums(int(row[0]), int(row[1]), int(row[2]))


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


def manifest(root: Path, snapshot_id: int) -> dict[str, Any]:
    """The manifest of a snapshot. Raises PublicationFailed when there is none."""
    path = root / "snapshots" / str(snapshot_id) / MANIFEST
    if not path.exists():
        raise PublicationFailed(f"snapshot {snapshot_id} has no manifest at {path}; was it retired?")
    told = orjson.loads(path.read_bytes())
    assert isinstance(told, dict)
    return told


def current(root: Path) -> int | None:
    """The snapshot that readers of files see; None before the first."""
    try:
        target = os.readlink(root / "current")
    except FileNotFoundError:
        return None
    found = re.fullmatch(r"snapshots/(\d+)", target)
    return int(found.group(1)) if found else None


def point(root: Path, snapshot_id: int) -> None:
    """Move the pointer to a snapshot; only ever forward."""
    with _alone(root):
        now = current(root)
        if now is not None and now >= snapshot_id and (root / "current").exists():
            return
        temporary = root / f".current.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(f"snapshots/{snapshot_id}")
        temporary.replace(root / "current")
        _sync(root)


def retire(root: Path, snapshot_id: int) -> None:
    """Take the files of a snapshot away: at once for who comes after, while who reads one of them keeps it."""
    folder, leaving = root / "snapshots" / str(snapshot_id), root / "snapshots" / f".{snapshot_id}.retired"
    if folder.exists():
        folder.rename(leaving)
    shutil.rmtree(leaving, ignore_errors=True)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    until = time.monotonic() + LOCK_SECONDS
    with (root / ".pointer.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise PublicationFailed(
                        f"another process has held {file.name} for {LOCK_SECONDS} s: it hangs while it moves the pointer. "
                        f"End it (`fuser {file.name}` names it), then run `lgsp recover`"
                    ) from None
                time.sleep(0.02)
        yield


def _write(path: Path, told: bytes | pa.Buffer) -> None:
    with path.open("wb") as file:
        file.write(told)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
