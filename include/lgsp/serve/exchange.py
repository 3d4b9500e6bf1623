"""One request and what every answer to it has in common: id, language, headers, form of errors, compression."""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lgsp.serve import errors, formats
from lgsp.serve.errors import ApiError
from lgsp.serve.formats import Format

MOST_URL_BYTES, MOST_ROWS, DEFAULT_ROWS = 8192, 10_000, 1000
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
LEAST_COMPRESSED_BYTES = 500


@dataclass
class Exchange:
    """A request; `headers` are added to its answer."""

    request: Request
    headers: dict[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """The client's id of the request, or a new one."""
        given = self.request.headers.get("x-request-id", "")
        return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

    @property
    def language(self) -> str:
        """The language of messages."""
        return errors.language(self.request.headers.get("accept-language"))

    @property
    def raw_path(self) -> bytes:
        """The path as it was sent."""
        return bytes(self.request.scope.get("raw_path") or self.request.url.path.encode()).partition(b"?")[0]

    @property
    def query_string(self) -> bytes:
        """The query as it was sent."""
        return bytes(self.request.scope["query_string"])

    @property
    def is_head(self) -> bool:
        """Whether only the headers of the answer are wanted."""
        return self.request.method == "HEAD"

    @cached_property
    def preferences(self) -> dict[str, str]:
        """The preferences of the header `Prefer`, without the prefix `odata.`."""
        items = (item.partition("=") for item in ",".join(self.request.headers.getlist("prefer")).split(","))
        return {name.strip().lower().removeprefix("odata."): value.strip(' "') for name, _, value in items}

    @property
    def page_rows(self) -> int | None:
        """The preferred number of rows a page, at most MOST_ROWS; None without a preference."""
        text = self.preferences.get("maxpagesize", "")
        return min(int(text), MOST_ROWS) if re.fullmatch(r"[0-9]{1,9}", text) and int(text) else None

    def check(self) -> None:
        """Raise ApiError for a method, a length or a version that the service does not serve."""
        if self.request.method not in ("GET", "HEAD"):
            raise ApiError(
                "MethodNotAllowed",
                "only GET and HEAD are allowed",
                "chỉ cho phép GET và HEAD",
                headers={"Allow": "GET, HEAD"},
            )
        if len(self.raw_path) + 1 + len(self.query_string) > MOST_URL_BYTES:
            raise ApiError("UrlTooLong", f"the address is longer than {MOST_URL_BYTES} bytes", "địa chỉ quá dài")
        if self.request.headers.get("odata-maxversion", "4.0").strip() in ("1.0", "2.0", "3.0"):
            raise errors.invalid("this is OData 4.0", "đây là OData 4.0", "OData-MaxVersion")

    def choose(self, option: str | None, offered: tuple[str, ...]) -> Format:
        """The format of the answer. Raises ApiError (406)."""
        return formats.choose(self.request.headers.get("accept"), option, offered)

    def is_known(self, etag: str) -> bool:
        """Whether the client has the answer with this ETag already."""
        known = [item.strip() for item in self.request.headers.get("if-none-match", "").split(",")]
        return "*" in known or etag.removeprefix("W/") in (item.removeprefix("W/") for item in known)

    def json(self, document: Any, chosen: Format) -> Response:
        """A document as JSON or in the envelope."""
        if chosen.name == "lgsp":
            document = self._envelope("success", "00", "Thành công" if self.language == "vi" else "OK", document)
        elif chosen.is_bare:
            document = {name: value for name, value in document.items() if not name.startswith("@odata.context")}
        return self.body(orjson.dumps(document), chosen.content_type)

    def body(self, content: bytes, content_type: str, status: int = 200) -> Response:
        """Some bytes, compressed where the client wants it."""
        headers = {**self.headers, "X-Request-Id": self.id, "Content-Type": content_type}
        if len(content) >= LEAST_COMPRESSED_BYTES and self._is_gzip_wanted:
            headers["Content-Encoding"] = "gzip"
            content = b"".join(_gzip([content]))
        return Response(content, status, headers)

    def stream(self, parts: Iterable[bytes], chosen: Format) -> Response:
        """A body of unknown length. When its source fails, the connection is cut."""
        headers = {**self.headers, "X-Request-Id": self.id, "Content-Type": chosen.content_type}
        if self._is_gzip_wanted and not self.is_head:
            headers["Content-Encoding"] = "gzip"
            parts = _gzip(parts)
        return StreamingResponse(parts, headers=headers)

    def unchanged(self) -> Response:
        """The answer that the client has the newest one."""
        return Response(status_code=304, headers={**self.headers, "X-Request-Id": self.id})

    def error(self, error: ApiError) -> Response:
        """An error, in the envelope if the client asked for it."""
        self.headers = {**self.headers, **error.headers, "Content-Language": self.language}
        document, content_type = error.document(self.language, self.id), "application/json"
        if self._is_envelope_wanted:
            document = self._envelope("error", f"LGSP-{error.status}", error.messages[self.language], None)
            content_type = formats.MEDIA_TYPES["lgsp"]
        answer = self.body(orjson.dumps(document), content_type, error.status)
        for challenge in error.challenges:  # one header line each: browsers read only the first challenge of a line
            answer.headers.append("WWW-Authenticate", challenge)
        return answer

    def _envelope(self, status: str, code: str, message: str, data: Any) -> dict[str, Any]:
        return {"status": status, "code": code, "message": message, "correlationId": self.id, "data": data}

    @property
    def _is_envelope_wanted(self) -> bool:
        option = dict(parse_qsl(self.query_string.decode("latin-1"))).get("$format")
        try:
            return self.choose(option, formats.OF_ROWS).name == "lgsp"
        except ApiError:
            return False

    @property
    def _is_gzip_wanted(self) -> bool:
        for item in self.request.headers.get("accept-encoding", "").split(","):
            name, _, weight = item.strip().lower().partition(";")
            if name.strip() in ("gzip", "*"):
                return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
        return False


def _gzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(level=5, wbits=31)
    for part in parts:
        if compressed := compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH):
            yield compressed
    yield compressor.flush()
