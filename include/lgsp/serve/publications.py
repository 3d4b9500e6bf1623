"""Answer what is about snapshots as wholes: signed files, the catalogue, health."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from starlette.responses import FileResponse, Response

from lgsp import store
from lgsp.errors import PublicationFailed
from lgsp.schema.installation import Installation
from lgsp.serve import errors, paths, query, snapshots
from lgsp.serve.accounts import Account
from lgsp.serve.database import Connection, Database
from lgsp.serve.errors import ApiError
from lgsp.serve.exchange import Exchange
from lgsp.serve.paths import Path
from lgsp.serve.reads import snapshot_headers
from lgsp.settings import Settings
from lgsp.snapshots import dcat, pointer
from lgsp.snapshots.manifest import Manifest, files

RANGES = re.compile(
    r"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[1-9][0-9]{0,17})(?:,(?:[0-9]{1,18}-[0-9]{0,18}|-[1-9][0-9]{0,17})){0,9}"
)


def file(settings: Settings, exchange: Exchange, path: Path, account: Account, connection: Connection) -> Response:
    """The manifest of a snapshot, its signature, or a file that the manifest lists; ranges are answered too.

    Raises ApiError: 403 for an account that may not see all rows, 404, 410.
    """
    account.check_files()
    query.options(exchange.query_string, ())
    latest = snapshots.newest(connection)
    snapshot = snapshots.named(connection, path.snapshot or "", latest)
    if snapshot.are_files_retired:
        raise snapshots.gone(f"the files of snapshot {snapshot.name} were retired", "tệp đã bị xóa", latest)
    if not snapshot.is_newest and snapshots.is_before_change(snapshot, account):
        raise snapshots.scope_changed(snapshot, latest)
    folder = settings.shared / "snapshots" / str(snapshot.number)
    name, etag = path.kind, f"{path.kind}-{snapshot.name}"
    if path.kind == paths.FILE:
        listed = {each["path"]: each["sha256"] for _, each in files(_manifest(settings, snapshot.number))}
        if path.file not in listed:
            raise errors.not_found("the manifest lists no such file", "không có tệp này")
        name, etag = path.file, listed[path.file]
    if not (folder / name).is_file():
        raise errors.not_found("there is no such file", "không có tệp này")
    headers = {**exchange.headers, **snapshot_headers(snapshot), "ETag": f'"{etag}"', "X-Request-Id": exchange.id}
    if exchange.is_known(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    _check_range(exchange, os.path.getsize(folder / name))
    content_type = "application/json" if name == paths.MANIFEST else "application/octet-stream"
    return FileResponse(folder / name, headers=headers, media_type=content_type)


def catalog(settings: Settings, exchange: Exchange, root: str, database: Database) -> Response:
    """The DCAT catalogue of the newest snapshot, as JSON-LD or Turtle; its files have addresses below the service."""
    given = query.options(exchange.query_string, query.OF_DOCUMENT)
    chosen = exchange.choose(given.get("$format"), ("jsonld", "turtle"))
    with database.reading() as connection:
        latest = snapshots.newest(connection)
    document = orjson.loads(
        dcat.document(_manifest(settings, latest.number), Installation.of(settings, store.url(settings)))
    )
    document["@context"] = {"@base": f"{root}at/{latest.name}/files/", **document["@context"]}
    exchange.headers |= {"LGSP-Snapshot": latest.name, "Vary": "Accept, Accept-Encoding"}
    body = orjson.dumps(document) if chosen.name == "jsonld" else _turtle(orjson.dumps(document).decode())
    return exchange.body(body, chosen.content_type)


def health(exchange: Exchange, database: Database) -> Response:
    """Whether the database answers and has a snapshot, and how old its data are."""
    document: dict[str, Any] = {"status": "pass", "snapshot": None, "as_of": None, "age_seconds": None}
    try:
        with database.reading() as connection:
            latest = snapshots.newest(connection)
        document["snapshot"], document["as_of"] = latest.name, latest.as_of
        if latest.as_of:
            document["age_seconds"] = int((datetime.now(UTC) - latest.as_of).total_seconds())
    except ApiError:
        document["status"] = "fail"
    exchange.headers["Cache-Control"] = "no-cache"
    status = 200 if document["status"] == "pass" else 503
    return exchange.body(orjson.dumps(document), "application/json", status)


@lru_cache(maxsize=4)
def _turtle(document: str) -> bytes:
    import rdflib  # half a second to import, and few ask for it

    graph = rdflib.Graph().parse(data=document, format="json-ld")
    return bytes(graph.serialize(format="turtle", encoding="utf-8"))


def _manifest(settings: Settings, number: int) -> Manifest:
    try:
        return pointer.manifest(settings.shared, number)
    except PublicationFailed:
        raise errors.not_found("the snapshot has no files here", "lần công bố không có tệp ở đây") from None


def _check_range(exchange: Exchange, size: int) -> None:
    """Raise ApiError for a range that no file has (400), or that begins after the end (416)."""
    text = exchange.request.headers.get("range")
    if text is None:
        return
    if not RANGES.fullmatch(text.replace(" ", "")):
        raise errors.invalid("the header Range cannot be read", "không đọc được Range", "Range")
    ranges = [each.partition("-")[::2] for each in text.replace(" ", "").removeprefix("bytes=").split(",")]
    if any(first and last and int(first) > int(last) for first, last in ranges):
        raise errors.invalid("a range ends before it begins", "Range không hợp lệ", "Range")
    if any(int(first or 0) >= size for first, _ in ranges):
        headers = {"Content-Range": f"bytes */{size}"}
        raise ApiError("RangeNotSatisfiable", f"the file has {size} bytes", f"tệp có {size} byte", headers=headers)
