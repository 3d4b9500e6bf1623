"""A source on a raw socket that answers one of its calls in a hostile way, and all others as promised."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.samples import LISTS, one_stop, online

HOST = "127.0.0.1"
XML = (
    "<edXML><MessageHeader><From><OrganId>000.00.07.H47</OrganId></From><To><OrganId>000.25.20.H47</OrganId></To>"
    "<DocumentId>000.00.07.H47,2026/08/03,785/STTTT</DocumentId><Code><CodeNumber>785</CodeNumber><CodeNotation>STTTT</CodeNotation></Code>"
    "<PromulgationInfo><PromulgationDate>2026/08/03</PromulgationDate></PromulgationInfo><DocumentType><TypeName>Báo cáo</TypeName></DocumentType>"
    "<Subject>Báo cáo</Subject></MessageHeader><TraceHeaderList><TraceHeader><Timestamp>2026/08/03 10:00:00</Timestamp></TraceHeader>"
    "</TraceHeaderList></edXML>"
)  # fmt: skip


@dataclass
class Wire:
    """One request to answer: the connection, the sound answer as JSON bytes, and the address of another server."""

    connection: socket.socket
    sound: bytes
    elsewhere: str
    number: int  # how often this call was made before
    target: str

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(
        self, status: str = "200 OK", length: int | None = None, kind: str = "application/json", more: str = ""
    ) -> None:
        """Send a status line and headers."""
        size = "" if length is None else f"Content-Length: {length}\r\n"
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}{size}\r\n".encode("latin-1"))

    def whole(self, body: bytes, status: str = "200 OK", kind: str = "application/json", more: str = "") -> None:
        """Send a whole answer."""
        self.head(status, len(body), kind, more)
        self.send(body)

    def end(self) -> None:
        """Close the connection."""
        self.connection.shutdown(socket.SHUT_RDWR)


Hostile = Callable[[Wire], None]


@dataclass
class Source:
    """The sound answers of a source by call, for one day with one record, and how its calls are recognised."""

    name: str
    calls: dict[str, Any]
    call_of: Callable[[str, bytes], str]
    extra: dict[str, str] = field(default_factory=dict)


def _one_stop_call(target: str, body: bytes) -> str:
    paths = {"/token": "login", "/ba/agency": "agencies", "/bd/procedure": "procedures", "/count": "count"}
    return next((call for path, call in paths.items() if path in target), "list")


def _portal_call(target: str, body: bytes) -> str:
    if target == "/auth":
        return "login"
    services = {"LayDanhMucCoQuan": "agencies", "LayDanhSachTTHC": "procedures"}
    return services.get(json.loads(body)["service"], "list")


def _documents_call(target: str, body: bytes) -> str:
    paths = {"/login": "login", "getAgenciesList": "agencies", "getEdoc": "record", "workFiles": "work_files",
             "messageType=status": "statuses"}  # fmt: skip
    return next((call for path, call in paths.items() if path in target), "list")


def one_stop_slice(*rows: Any, **more: Any) -> dict[str, Any]:
    """A last slice of the one-stop-shop."""
    return {"content": list(rows), "last": True, "number": 0, "size": 500, **more}


def _slice(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "last": True}


def sources() -> dict[str, Source]:
    """The three sources, each with one record on 3 August 2026."""
    shop, portal = LISTS["one_stop_shop"], LISTS["online_services"]
    none = {"success": True, "message": "", "count": 0, "total": 0, "data": []}
    listed = {"docId": "d1", "createdTime": "2026/08/03 10:00:00", "messageType": "edoc"}
    return {
        "one_stop_shop": Source("one_stop_shop", {
            "login": {"access_token": "TOKEN", "expires_in": 300}, "agencies": _slice(shop["agencies"]),
            "procedures": _slice(shop["procedures"]), "count": {"total": 1}, "list": one_stop_slice(one_stop()),
        }, _one_stop_call),
        "online_services": Source("online_services", {
            "login": {"session": "SESSION", "error_code": "0"}, "agencies": portal["agencies"],
            "procedures": {**portal["procedures"], "tongso": "1"}, "list": {"error_code": "0", "tongso": "1", "result": [online()]},
        }, _portal_call, {"dstcode": "d", "madonvi": "m"}),
        "documents": Source("documents", {
            "login": {"code": "200", "data": {"token": "TOKEN"}}, "agencies": LISTS["documents"]["agencies"],
            "list": {**none, "count": 1, "data": [listed]}, "statuses": none, "work_files": none,
            "record": {"success": True, "data": {"docId": "d1", "edxml": XML, "attachments": []}},
        }, _documents_call, {"application_code": "a", "system_id": "s", "secret_key": "k"}),
    }  # fmt: skip


class Server:
    """Serves a source: `hostile` answers its call `call`, all others are answered as promised."""

    def __init__(self, source: Source, call: str, hostile: Hostile) -> None:
        self._source, self._call, self._hostile = source, call, hostile
        self.requests: list[str] = []
        self.strayed: list[bytes] = []  # what another server received: it must stay empty
        self._listener, self._other = (socket.create_server((HOST, 0)) for _ in range(2))
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._accept, self._overhear)]
        for thread in self._threads:
            thread.start()

    @property
    def connection(self) -> dict[str, Any]:
        """The connection of the source, in Airflow's JSON form."""
        port = self._listener.getsockname()[1]
        return {"conn_type": "http", "schema": "http", "host": HOST, "port": port, "login": "LOGIN",
                "password": "PASSWORD", "extra": self._source.extra}  # fmt: skip

    def close(self) -> None:
        """Stop listening; a connection in progress ends with its client."""
        for listener in (self._listener, self._other):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _overhear(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._other.accept()
                self.strayed.append(connection.recv(4000))
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while line := stream.readline():
                length = 0
                while header := stream.readline().strip():
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                self._answer(connection, line.split()[1].decode(), stream.read(length))

    def _answer(self, connection: socket.socket, target: str, body: bytes) -> None:
        call = self._source.call_of(target, body)
        before = self.requests.count(call)
        self.requests.append(call)
        sound = json.dumps(self._source.calls[call], ensure_ascii=False).encode()
        elsewhere = f"http://{HOST}:{self._other.getsockname()[1]}/x"
        wire = Wire(connection, sound, elsewhere, before, target)
        if call == self._call:
            self._hostile(wire)
        else:
            wire.whole(sound)


@contextlib.contextmanager
def serving(source: Source, call: str, hostile: Hostile) -> Iterator[Server]:
    """A server that is closed after the block."""
    server = Server(source, call, hostile)
    try:
        yield server
    finally:
        server.close()
