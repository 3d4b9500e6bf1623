"""The Parquet side of a snapshot: immutable files named by content, a manifest, and the pointer `current`.

shared/files/<table>/month=2022-06/<sha>.parquet      written once, never changed
shared/snapshots/<id>/<table>/month=2022-06/<sha>.parquet   hard links: a plain dataset for any reader
shared/snapshots/<id>/manifest.json
shared/current -> snapshots/<id>                       moved after the commit, repaired by `recover`
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp.contract import Column, Contract
from lgsp.errors import PublicationFailed

log = logging.getLogger(__name__)

ROW_GROUP = 122_880
EMPTY = "empty"
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


def write(root: Path, contract: Contract, part: str, rows: pa.Table) -> File:
    """Write one part of a table as an immutable file; the same rows give the same bytes and the same name."""
    schema = contract.arrow_schema()
    ordered = rows.cast(schema).sort_by([(key, "ascending") for key in contract.key]).combine_chunks()
    folder = root / "files" / contract.name
    if part not in ("all", EMPTY):
        folder = folder / f"month={part}"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{part}.{os.getpid()}.new"
    with temporary.open("wb") as file:
        pq.write_table(
            ordered, file, compression="zstd", compression_level=3, row_group_size=ROW_GROUP, write_page_index=True,
            use_dictionary=[name for name in contract.names if name in LOW_CARDINALITY] or False,
            bloom_filter_options={contract.key[0]: {"ndv": ROW_GROUP, "fpp": 0.01}} if contract.partition else None,
        )  # fmt: skip
        file.flush()
        os.fsync(file.fileno())
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    path = folder / f"{digest[:32]}.parquet"
    size = temporary.stat().st_size
    temporary.replace(path)
    _sync(folder)
    return File(contract.name, part, str(path.relative_to(root / "files")), size, digest, read_sums([path]))


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


def seal(root: Path, snapshot_id: int, facts: dict[str, Any], files: list[File]) -> str:
    """Make the snapshot's folder whole: hard links and the manifest; the SHA-256 of the manifest."""
    final, building = root / "snapshots" / str(snapshot_id), root / "snapshots" / f".{snapshot_id}.new"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for file in files:
        target = building / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(root / "files" / file.path, target)
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
    manifest = orjson.dumps(
        {"snapshot_id": snapshot_id, **facts, "tables": tables}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    )
    with (building / "manifest.json").open("wb") as out:
        out.write(manifest)
        out.flush()
        os.fsync(out.fileno())
    for folder, _, _ in os.walk(building):
        _sync(Path(folder))
    building.rename(final)
    _sync(final.parent)
    return hashlib.sha256(manifest).hexdigest()


def _text(value: Any) -> Any:
    """Hash sums are larger than any JSON reader's integers."""
    return str(value) if isinstance(value, int) and value > 2**53 else value


def manifest(root: Path, snapshot_id: int) -> dict[str, Any]:
    """The manifest of a snapshot. Raises PublicationFailed when there is none."""
    path = root / "snapshots" / str(snapshot_id) / "manifest.json"
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


def recover(root: Path, newest: int | None) -> list[str]:
    """Make the files agree with the newest committed publication; what was mended, in words.

    Only for the one publisher: folders of publications that never committed and files that no snapshot
    holds are taken away, a pointer that lags is moved.
    """
    mended: list[str] = []
    sealed = [int(path.parent.name) for path in (root / "snapshots").glob("[0-9]*/manifest.json")]
    if sealed and max(sealed) > (newest or 0) + 1:
        raise PublicationFailed(
            f"{root} holds snapshot {max(sealed)}, the database knows none after {newest}: is it another database, or an older copy? "
            "Nothing was removed; give this database its own LGSP_HOME"
        )
    for folder in (root / "snapshots").glob("*"):
        is_committed = folder.name.isdigit() and newest is not None and int(folder.name) <= newest
        if not is_committed:
            shutil.rmtree(folder)
            mended.append(f"removed {folder.name}, which was never committed")
    if newest is not None and current(root) != newest:
        manifest(root, newest)
        point(root, newest)
        mended.append(f"moved the pointer to snapshot {newest}")
    for path in [*(root / "files").rglob("*.parquet"), *(root / "files").rglob(".*.new"), *root.glob(".current.*")]:
        if not path.is_symlink() and path.suffix == ".parquet" and path.stat().st_nlink > 1:
            continue
        path.unlink()
        mended.append(f"removed {path.name}, which no snapshot holds")
    if mended:
        log.warning("recovered: %s", "; ".join(mended))
    return mended


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    with (root / ".pointer.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
