"""The manifest of a snapshot: its metadata, and every table with its files, row counts and sums of hashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import orjson

from lgsp.errors import PublicationFailed

MANIFEST, SIGNATURE, CATALOG = "manifest.json", "manifest.json.sig", "catalog.json"


class ManifestFile(TypedDict):
    """One data file: its path in the snapshot's folder, its part, its size in bytes; sums of hashes as text."""

    path: str
    part: str
    rows: int
    bytes: int
    sha256: str
    content_hash: str
    data_hash: str


class ManifestTable(TypedDict):
    """One table: the sums of its files, and the files."""

    rows: int
    content_hash: str
    data_hash: str
    files: list[ManifestFile]


class ManifestLink(TypedDict):
    """A file next to the manifest."""

    path: str
    sha256: str


class DescriptionFile(TypedDict):
    """A file that describes tables: its path in the snapshot's folder, its size in bytes and its SHA-256."""

    path: str
    bytes: int
    sha256: str


class Descriptions(TypedDict):
    """The files that describe the tables, and what they are made of: a fingerprint of the program, and the installation."""

    program: str
    installation: dict[str, Any]
    files: list[DescriptionFile]


class PreviousSnapshot(TypedDict):
    """The snapshot before, and the epoch it belongs to."""

    snapshot_id: int
    manifest_sha256: str
    epoch: NotRequired[int]


class Manifest(TypedDict):
    """The content of `manifest.json`."""

    snapshot_id: int
    epoch: int
    token: int
    publish_id: str
    kind: str
    published_at: str
    as_of: str | None
    batches: list[str]
    contracts: dict[str, str]
    config: NotRequired[str]
    previous: PreviousSnapshot | None
    verdict: str
    signing_key: str
    tables: dict[str, ManifestTable]
    catalog: NotRequired[ManifestLink]
    descriptions: NotRequired[Descriptions]
    periods: NotRequired[dict[str, str]]  # the sums of history.as_of_by_period
    records: NotRequired[
        dict[str, Any]
    ]  # `sums` of the tables that rows are derived from, and what version they are `made_of`
    overruled: NotRequired[Mapping[str, Mapping[str, str]]]
    restores: NotRequired[int]
    decided_by: NotRequired[str | None]
    why: NotRequired[str | None]


def parse(content: bytes, path: Path | str) -> Manifest:
    """A manifest from its bytes. Raises PublicationFailed when they are not one; `path` is named in the message."""
    try:
        parsed: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise PublicationFailed(f"{path} is not a manifest: {error}") from error
    if not isinstance(parsed, dict) or "tables" not in parsed:
        raise PublicationFailed(f"{path} is not a manifest: it lists no tables")
    return cast(Manifest, parsed)


def encode(manifest: Manifest) -> bytes:
    """The bytes of a manifest; the same manifest gives the same bytes."""
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def files(manifest: Manifest) -> Iterator[tuple[str, ManifestFile]]:
    """Every data file with the name of its table."""
    for name, table in manifest["tables"].items():
        for file in table["files"]:
            yield name, file


def descriptions(manifest: Manifest) -> list[DescriptionFile]:
    """Every file that describes tables; none in a snapshot of an older version."""
    described = manifest.get("descriptions")
    return described["files"] if described else []
