"""Ends a call to a source at its deadline: shuts down the socket, whatever the call is waiting for.

A time-out of a socket begins again with each byte. A source that sends one byte a second, or an endless number of headers,
`100 Continue` or chunk extensions, would never reach it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_thread = threading.local()


class Call:
    """A call in progress; `is_over` becomes true at its deadline."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.is_over = False
        self._handle: socket.socket | None = None
        self._is_last_owner = False
        self._lock = threading.Lock()

    def use(self, handle: socket.socket) -> None:
        """Shut down this socket at the deadline, or now when the call is over."""
        with self._lock:
            self._handle, self._is_last_owner = handle, False
        if self.is_over:
            self.end()

    def adopt(self, handle: socket.socket) -> bool:
        """Close this socket with the call instead of now, if the call uses it: its answer may still be read."""
        with self._lock:
            self._is_last_owner = self._handle is handle
            return self._is_last_owner

    def end(self) -> None:
        """End the call now: its connection reads and sends nothing more."""
        self.is_over = True
        with self._lock, contextlib.suppress(OSError):  # the other side may have closed the connection
            if self._handle is not None:
                self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the socket."""
        with self._lock:
            if self._is_last_owner and self._handle is not None:
                self._handle.close()
            self._handle = None


class Deadlines:
    """The deadlines of the calls in progress; a thread watches them while there are any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: set[Call] = set()
        self._watcher: threading.Thread | None = None
        self._wakes_at = 0.0

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[Call]:
        """A call that ends after this time, for the connections that this thread uses in the block."""
        call = Call(time.monotonic() + seconds)
        with self._changed:
            self._calls.add(call)
            if self._watcher is None:
                self._wakes_at = call.ends_at
                self._watcher = threading.Thread(target=self._watch, name="deadlines of calls", daemon=True)
                self._watcher.start()
            elif call.ends_at < self._wakes_at:
                self._changed.notify()
        _thread.call = call
        try:
            yield call
        finally:
            _thread.call = None
            with self._changed:
                self._calls.discard(call)
            call.close()

    def _watch(self) -> None:
        """End each call at its deadline; returns when there is no call left."""
        while True:
            with self._changed:
                if not self._calls:
                    self._watcher = None
                    return
                self._wakes_at = min(call.ends_at for call in self._calls)
                self._changed.wait(max(0.0, self._wakes_at - time.monotonic()))
                over = [call for call in self._calls if call.ends_at <= time.monotonic()]
                self._calls.difference_update(over)
            for call in over:
                call.end()


def _current() -> Call | None:
    call: Call | None = getattr(_thread, "call", None)
    return call


class _Watched:
    """A connection whose socket the deadline of the current call can shut down.

    The handle is a duplicate of the socket: it also works during a TLS handshake and a proxy's CONNECT.
    """

    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._handle = connected.dup()
        self._watch()
        return connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._watch()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def close(self) -> None:
        handle, self._handle = self._handle, None
        super().close()  # type: ignore[misc]
        # a connection that is not kept alive is closed before its answer is read
        if handle is not None and not ((call := _current()) and call.adopt(handle)):
            handle.close()

    def _watch(self) -> None:
        if self._handle is not None and (call := _current()):
            call.use(self._handle)


class WatchedHTTPConnection(_Watched, HTTPConnection):
    """An HTTP connection with a deadline."""


class WatchedHTTPSConnection(_Watched, HTTPSConnection):
    """An HTTPS connection with a deadline."""


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = WatchedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = WatchedHTTPSConnection


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
