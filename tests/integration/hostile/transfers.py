"""Hostile answers as bytes on the wire: bodies, encodings, headers and statuses that fit no interface. They fit any call."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import socket
import time
import zlib
from functools import cache

from tests.integration.hostile.wire import Hostile, Wire

MEGABYTE = 1 << 20
BLANKS = b" " * MEGABYTE
CHUNKED = "Transfer-Encoding: chunked\r\n"
GZIP = "Content-Encoding: gzip\r\n"


@cache
def _blanks_as_gzip(megabytes: int) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(compressor.compress(BLANKS) for _ in range(megabytes)) + compressor.flush()


def _endless(wire: Wire, piece: bytes, pause: float = 0.0) -> None:
    while True:
        wire.send(piece)
        time.sleep(pause)


def _dribbles(start: bytes, piece: bytes, pause: float = 0.02) -> Hostile:
    """An answer that sends small pieces without end, each before a time-out of the socket."""

    def answer(wire: Wire) -> None:
        wire.send(start)
        _endless(wire, piece, pause)

    return answer


def _chunks(piece: bytes) -> Hostile:
    def answer(wire: Wire) -> None:
        wire.head(more=CHUNKED)
        _endless(wire, piece)

    return answer


def _sends(
    *, status: str = "200 OK", kind: str = "application/json", more: str = "", body: bytes | None = None
) -> Hostile:
    return lambda wire: wire.whole(wire.sound if body is None else body, status, kind, more)


def _length(text: str, *, is_open: bool = False) -> Hostile:
    """The sound answer with another Content-Length; `{}` stands for the true one."""

    def answer(wire: Wire) -> None:
        wire.head(more=f"Content-Length: {text.format(len(wire.sound))}\r\nConnection: close\r\n")
        wire.send(wire.sound)
        if not is_open:
            wire.end()

    return answer


def _raw(data: bytes) -> Hostile:
    def answer(wire: Wire) -> None:
        wire.send(data)
        wire.end()

    return answer


def _status(status: str, more: str = "") -> Hostile:
    return lambda wire: wire.head(status, 0, more=more)


def _body_of_ten_gigabytes(wire: Wire) -> None:
    wire.head(length=10 << 30)
    _endless(wire, BLANKS)


def _huge_chunk(wire: Wire) -> None:
    wire.head(more=CHUNKED)
    wire.send(b"FFFFFFFFFFFFFFF\r\n")
    _endless(wire, BLANKS)


def _cut_gzip(wire: Wire) -> None:
    body = gzip.compress(wire.sound)
    wire.whole(body[:-9], more=GZIP)


def _slow_status(wire: Wire) -> None:
    for byte in itertools.chain(b"HTTP/1.1 200 OK", itertools.repeat(65)):
        wire.send(bytes([byte]))
        time.sleep(0.05)


def _reset(wire: Wire) -> None:
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with contextlib.suppress(OSError):
        wire.end()


def _redirect_elsewhere(wire: Wire) -> None:
    wire.head("302 Found", 0, more=f"Location: {wire.elsewhere}\r\n")


def _endless_redirect(wire: Wire) -> None:
    wire.head("302 X", 10 << 30, more="Location: /x\r\n")
    _endless(wire, BLANKS)


LOGIN_PAGE = b"<html><body><h1>Dang nhap</h1><form><input type='password'></form></body></html>"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

# Name: (answer, how the run ends: `checked`, or a pattern of its error).
TRANSFERS: dict[str, tuple[Hostile, str]] = {
    "redirect": (_redirect_elsewhere, "redirects to another host"),
    "redirect-without-location": (_status("300 X"), "gave up after 2 attempts: status 300: redirects to no address"),
    "redirect-to-nothing-readable": (_status("302 X", "Location: http://[::1\r\n"), "redirects to another host"),
    "redirect-not-latin": (_status("302 X", "Location: /b\xe1\xba\xa3o-tr\xec\r\n"), "gave up .* status 302: redirects to /b"),
    "redirect-of-ten-gigabytes": (
        _endless_redirect, "status 302"),
    "body-10gb": (_body_of_ten_gigabytes, "over 1 MB"),
    "chunked-endless": (_chunks(b"100000\r\n" + BLANKS + b"\r\n"), "over 1 MB"),
    "chunk-size-huge": (_huge_chunk, "over 1 MB"),
    "chunk-line-endless": (_chunks(b"0" * MEGABYTE), "no complete answer"),
    "chunk-ext-tiny": (_chunks(b"1;" + b"a" * 60_000 + b"\r\n \r\n"), "not complete after|over 1 MB"),
    "gzip-bomb": (_sends(body=_blanks_as_gzip(200), more=GZIP), "over 1 MB"),
    "gzip-bomb-double": (_sends(body=gzip.compress(_blanks_as_gzip(50)), more="Content-Encoding: gzip, gzip\r\n"), "2 content encodings"),
    "zstd-bomb": (_sends(body=b"\x28\xb5\x2f\xfd" * 1000, more="Content-Encoding: zstd\r\n"), "not JSON"),
    "encoding-x100": (_sends(more="Content-Encoding: " + ", ".join(["gzip"] * 100) + "\r\n"), "100 content encodings"),
    "encoding-unknown": (_sends(more="Content-Encoding: rot13\r\n"), "checked"),
    "gzip-sound": (lambda wire: wire.whole(gzip.compress(wire.sound), more=GZIP), "checked"),
    "gzip-of-two-members": (lambda wire: wire.whole(gzip.compress(wire.sound[:9]) + gzip.compress(wire.sound[9:]), more=GZIP), "checked"),
    "deflate-sound": (lambda wire: wire.whole(zlib.compress(wire.sound), more="Content-Encoding: deflate\r\n"), "checked"),
    "deflate-without-header": (lambda wire: wire.whole(zlib.compress(wire.sound, wbits=-15), more="Content-Encoding: deflate\r\n"), "checked"),
    "gzip-cut": (_cut_gzip, "compressed body is incomplete"),
    "gzip-damaged": (lambda wire: wire.whole(gzip.compress(wire.sound)[:-20] + b"x" * 20, more=GZIP), "compressed body is"),
    "gzip-none": (_sends(more=GZIP), "compressed body is damaged"),
    "slow-headers": (_dribbles(b"HTTP/1.1 200 OK\r\n", b"X"), "not complete after"),
    "slow-status": (_slow_status, "not complete after"),
    "slow-body-without-length": (_dribbles(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "), "not complete after"),
    "slow-body": (_dribbles(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" "), "not complete after"),
    "headers-endless": (_dribbles(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", 0.05), "not complete after|no complete answer"),
    "continue-endless": (_dribbles(b"", CONTINUE, 0.001), "not complete after"),
    "early-hints-endless": (_dribbles(b"", HINTS, 0.001), "not JSON"),
    "silence": (lambda wire: time.sleep(30), "no complete answer|not complete after"),
    "headers-10000": (_raw(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n"), "no complete answer"),
    "header-1mb": (_raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n"), "no complete answer"),
    "content-length-word": (_length("abc"), "Content-Length is 'abc', which is not a whole number"),
    "content-length-two": (_length("5\r\nContent-Length: 6"), "no complete answer"),
    "content-length-negative": (_length("-7"), "which is not a whole number"),
    "content-length-plus": (_length("+{}"), "which is not a whole number"),
    "content-length-superscript": (_length("\xb2"), "which is not a whole number"),
    "content-length-of-5000-digits": (_length("1" * 5000), "which is not a whole number"),
    "content-length-twice-the-same": (_length("{0}, {0}"), "checked"),
    "content-length-short": (_length("9", is_open=True), "not JSON"),
    "content-length-long": (_length("99999"), "no complete answer|Content-Length is 99999"),
    "retry-after-superscript": (_status("429 X", "Retry-After: \xb2\r\n"), "gave up after 2 attempts: status 429"),
    "retry-after-9999": (_status("429 X", "Retry-After: Fri, 31 Dec 9999 23:59:59 -2359\r\n"), "longer than retry_after_cap_seconds"),
    "retry-after-huge": (_status("429 X", "Retry-After: " + "9" * 400 + "\r\n"), "longer than retry_after_cap_seconds"),
    "retry-after-inf": (_status("503 X", "Retry-After: inf\r\n"), "gave up after 2 attempts: status 503"),
    "retry-after-negative": (_status("429 X", "Retry-After: -5\r\n"), "gave up after 2 attempts: status 429"),
    "status-word": (_raw(b"HTTP/1.1 abc OK\r\n\r\n"), "no complete answer"),
    "status-0": (_raw(b"HTTP/1.1 0 X\r\n\r\n"), "no complete answer"),
    "status-206": (_sends(status="206 Partial"), "status 206: a part of the answer"),
    "status-226": (_sends(status="226 IM Used"), "status 226: a part of the answer"),
    "status-204": (_status("204 X"), "not JSON"),
    "status-299": (_sends(status="299 X"), "checked"),
    "status-503": (_status("503 X"), "gave up after 2 attempts: status 503"),
    "status-403": (_sends(status="403 X", kind="text/html", body=b"<html>rate rule</html>"), "gave up after 2 attempts: status 403"),
    "garbage": (lambda wire: _raw(os.urandom(5000))(wire), "no complete answer|not JSON|gave up"),
    "http-0.9": (lambda wire: _raw(wire.sound)(wire), "no complete answer"),
    "reset": (_reset, "no complete answer|no connection"),
    "html-200": (_sends(body=b"<html>502</html>", kind="text/html"), "answered text/html that is not JSON"),
    "html-login-page": (_sends(body=LOGIN_PAGE, kind="text/html"), "answered a page to log in"),
    "html-login-json-type": (_sends(body=LOGIN_PAGE), "answered a page to log in"),
    "json-as-html": (_sends(kind="text/html"), "checked"),
    "kind-with-control-characters": (_sends(body=b"x", kind="a\x1b[31mb"), "not JSON"),
}  # fmt: skip
