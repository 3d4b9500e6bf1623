"""One HTTP answer of a source: reads its body within limits, and decides what its status and headers mean."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land import json_sanitiser

MEGABYTE = 1024 * 1024

# Statuses of gateways and firewalls that pass by themselves: a service that is being replaced, a rate rule, a time-out.
TEMPORARY = (403, 404, 408, 425, 429)
# A part of a body (206), or its difference from an earlier one (226).
PARTIAL = (206, 226)
# The wait of a header that asks for more than any date can express.
FOREVER_SECONDS = 1e10

_DIGITS = re.compile(r"[0-9]{1,18}")
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_LOGIN = re.compile(rb"type=[\"']?password|log[-_ ]?[io]n|sign[-_ ]?in|\bsso\b|/cas/|\xc4\x91\xc4\x83ng nh\xe1\xba\xadp", re.IGNORECASE)  # fmt: skip


class LoginExpired(Exception):
    """The source reports that our login has expired or is invalid."""


class LoginPage(SourceFailed):
    """The source answers with a page to log in: our session has expired, or it is being serviced."""


class NotFound(SourceRefused):
    """The source has nothing at this address; a record that is not found was deleted."""


class TooLarge(SourceRefused):
    """An answer is larger than we accept."""


class Throttled(SourceFailed):
    """The source asks us to retry later; `retry_after` is in seconds, None when the answer has no such header."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: its status, the exact body, some headers, and how long it took in seconds."""

    status: int
    body: bytes
    content_type: str
    retry_after: float | None
    location: str | None = None
    seconds: float = 0.0
    json_depth: int = json_sanitiser.MAX_DEPTH

    def json(self, request_name: str) -> Any:
        """The body as JSON, with MARK for damaged characters: they cost their record, not its page.

        Raises SourceFailed when it is not JSON (an HTML page with status 200, a cut body).
        """
        try:
            return json_sanitiser.parse(self.body, self.json_depth)[0]
        except ValueError:
            kind = printable(self.content_type) or "no content type"
            if self.is_login_page:
                raise LoginPage(f"{request_name}: answered a page to log in ({kind}) instead of JSON") from None
            raise SourceFailed(f"{request_name}: answered {kind} that is not JSON") from None

    @property
    def is_login_page(self) -> bool:
        """Whether the body is an HTML page that asks for a login."""
        return bool(_HTML.match(self.body[:4096]) and _LOGIN.search(self.body[: 64 * 1024]))

    def check_status(self, request_name: str, address: str, *, is_record: bool, is_login: bool) -> None:
        """Raise the error that belongs to the status. With `is_record`, 404 means that the requested record was deleted."""
        status = self.status
        if 300 <= status < 400:
            self._check_redirect(request_name, address)
        if status == 401 or (status == 403 and is_login and not _HTML.match(self.body[:4096])):
            raise LoginExpired
        if status == 404 and is_record:
            raise NotFound(f"{request_name}: status 404")
        if status in TEMPORARY or status >= 500:
            raise Throttled(f"status {status}", self.retry_after)
        if status in PARTIAL:
            raise SourceFailed(f"status {status}: a part of the answer, which was not requested")
        if status >= 400:
            raise SourceRefused(f"{request_name}: status {status}")

    def _check_redirect(self, request_name: str, address: str) -> None:
        """Raise the error for a redirect: none is followed, and one to another host is never asked again."""
        try:
            target = urljoin(address, self.location or "")
        except ValueError:
            target = ""
        if _authority(target) != _authority(address):
            raise SourceRefused(
                f"{request_name}: redirects to another host; redirects are never followed: correct the address in the connection"
            )
        shown = printable(urlsplit(target).path) if self.location else ""
        message = f"status {self.status}: redirects to {shown or 'no address'}; redirects are never followed"
        if _LOGIN.search((self.location or "").encode("utf-8", "replace")):
            raise LoginPage(message)
        raise Throttled(message, self.retry_after)


def read(response: requests.Response, max_megabytes: float) -> bytes:
    """The exact body without its transfer and content encoding. Raises SourceFailed when it is incomplete, TooLarge."""
    declared = _declared_length(response.headers.get("Content-Length"))
    sent, chunks, size = 0, list[bytes](), 0
    decoder = _Decoder(response.headers.get("Content-Encoding", ""))
    while received := response.raw.read1(MEGABYTE, decode_content=False):
        sent += len(received)
        for chunk in decoder.chunks(received):
            chunks.append(chunk)
            size += len(chunk)
            if size > max_megabytes * MEGABYTE:
                raise TooLarge(
                    f"an answer over {max_megabytes:g} MB; increase max_megabytes in source.yml if this size is correct"
                )
    if declared is not None and sent != declared:
        raise SourceFailed(f"an answer of {sent} bytes, but its Content-Length is {declared}")
    decoder.check_end()
    return b"".join(chunks)


class _Decoder:
    """Decompresses gzip and deflate in pieces of at most a megabyte; any other encoding was not requested and stays."""

    def __init__(self, encoding: str) -> None:
        self._names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in ("", "identity")]
        compressed = [name for name in self._names if name in ("gzip", "x-gzip", "deflate")]
        if compressed and len(self._names) > 1:
            raise SourceFailed(f"an answer with {len(self._names)} content encodings, one inside the other")
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32) if compressed else None  # gzip or zlib, by its header
        self._is_raw = compressed == ["deflate"]
        self._is_empty = True

    def chunks(self, received: bytes) -> Iterator[bytes]:
        """The decompressed pieces of what was received."""
        if self._zlib is None:
            yield received
            return
        while received:
            self._is_empty = False
            if self._zlib.eof:  # another gzip member follows
                self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32)
            try:
                yield self._zlib.decompress(received, MEGABYTE)
            except zlib.error:
                if not self._is_raw:
                    raise SourceFailed("an answer whose compressed body is damaged") from None
                self._is_raw, self._zlib = False, zlib.decompressobj(-zlib.MAX_WBITS)
                continue
            self._is_raw = False
            received = self._zlib.unconsumed_tail or self._zlib.unused_data

    def check_end(self) -> None:
        """Raise SourceFailed when the compressed body ended too early."""
        if self._zlib is not None and not self._is_empty and not self._zlib.eof:
            raise SourceFailed("an answer whose compressed body is incomplete")


def _declared_length(header: str | None) -> int | None:
    """The number in Content-Length, None without the header. Raises SourceFailed when it is not one whole number."""
    if header is None:
        return None
    values = {value.strip() for value in header.split(",")}
    if len(values) != 1 or not _DIGITS.fullmatch(min(values)):
        raise SourceFailed(f"an answer whose Content-Length is {printable(header)!r}, which is not a whole number")
    return int(min(values))


def retry_after(header: str | None) -> float | None:
    """Seconds to wait from a Retry-After header (seconds or an HTTP date); None when absent or unreadable."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), FOREVER_SECONDS) if len(text) < 300 else FOREVER_SECONDS
    try:
        when = parsedate_to_datetime(text)
        # an HTTP date is in GMT, also when its zone is missing
        when = (when.replace(tzinfo=UTC) if when.tzinfo is None else when).astimezone(UTC)
    except OverflowError:
        return FOREVER_SECONDS
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _authority(url: str) -> tuple[str | None, int | None]:
    """Host and port of an address; http and https of one host are the same, because a gateway may end the TLS."""
    try:
        parts = urlsplit(url)
        return parts.hostname, None if parts.port in (None, 80, 443) else parts.port
    except ValueError:
        return None, None


def printable(text: str) -> str:
    """A text of a source on one line, at most 120 characters, for an error."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)[:120].strip()
