"""Serves the three systems over HTTP, with planned faults, control requests and a request log."""

import functools
import ipaddress
import logging
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.message import Message
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from lgsp_province.systems.clock import Clock
from lgsp_province.systems.faults import Fault, Plan
from lgsp_province.world import agencies, wording
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, day_date

_log = logging.getLogger(__name__)

JSON, HTML = "application/json;charset=UTF-8", "text/html; charset=utf-8"
_HTML_ERROR = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_LARGEST_BODY = 1 << 20
_STATUS_BY_FAULT = {
    "429-bare": 429,
    "429-seconds": 429,
    "429-date": 429,
    "404": 404,
    "500": 500,
    "503": 503,
    "redirect": 302,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, with the faults that apply to it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: "Message[str, str]"
    body: bytes
    faults: tuple[Fault, ...] = ()

    def fault(self, kind: str) -> Fault | None:
        """The fault of a kind that applies to this request; None if there is none."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ValueError when it is anything else."""
        value = orjson.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Response":
        """A response with `value` as JSON."""
        return cls(status, orjson.dumps(value))


_MAINTENANCE = b"<html><body><h1>B\xe1\xba\xa3o tr\xc3\xac h\xe1\xbb\x87 th\xe1\xbb\x91ng</h1></body></html>"
_LOGIN_PAGE = b"<html><body><form action='/login'><input type='password'></form></body></html>"
# What a gateway answers while the service behind it is being replaced or a rule of its firewall applies (D43).
_GATEWAY_ANSWERS = (
    Response(404, b"default backend - 404", "text/plain"),
    Response(403, _MAINTENANCE, HTML),
    Response(302, b"", HTML, {"Location": "/bao-tri.html"}),
    Response(408, b"", "text/plain"),
    Response(200, _LOGIN_PAGE, HTML),
    Response(425, b"", "text/plain"),
)


class System(ABC):
    """One of the three source systems; subclasses implement the responses to its requests."""

    name = ""

    def __init__(self, clock: Clock, html_rate: float = 0.0) -> None:
        self.gateway_rate = 0.0
        self.lists_ended = True
        self.clock = clock
        self.plan = Plan()
        self.hidden: frozenset[str] = frozenset()
        self.change_times: dict[str, str | None] = {}  # sent instead of the true ones; no window lists these records
        self.requests: deque[dict[str, Any]] = deque(maxlen=100_000)
        self._html_rate = html_rate
        self._calls = 0

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """The response to a request to which no fault applies.

        A ValueError, KeyError or TypeError becomes a response with status 400.
        """

    def target(self, request: Request) -> str:
        """The text that the `path` of a fault is searched in."""
        return request.path

    @abstractmethod
    def expire_tokens(self) -> None:
        """Invalidate all tokens."""

    @abstractmethod
    def unauthorised(self) -> Response:
        """The response to a request with an invalid token."""

    def hide(self, keys: frozenset[str]) -> None:
        """Hide the records with these keys from now on; records hidden before are shown again."""
        self.hidden = keys

    def today(self) -> date:
        """The local day as of which the system responds."""
        return day_date((self.clock.now() + LOCAL_OFFSET) // DAY)

    def agencies(self) -> tuple[Agency, ...]:
        """The agencies in the system's list: those in force and, unless it drops them (D48), those that ended."""
        return agencies.listed(self.today()) if self.lists_ended else agencies.in_force(self.today())

    def is_record_call(self, request: Request) -> bool:
        """Whether a request is for one record: 404 then means that the record was deleted."""
        return False

    def error_page(self, request: Request) -> Response | None:
        """The answer of the proxy or gateway that this request receives; a fixed sequence at the configured rates.

        The gateway answers only list calls: 404 for a record would say that it was deleted.
        """
        self._calls += 1
        draw = (self._calls * 2_654_435_761 % 2**32) / 2**32
        if draw < self._html_rate:
            return Response(200, _HTML_ERROR, HTML)
        if draw > 1 - self.gateway_rate and not self.is_record_call(request):
            return _GATEWAY_ANSWERS[self._calls % len(_GATEWAY_ANSWERS)]
        return None


def _fault_response(fault: Fault) -> Response:
    headers: dict[str, str] = {}
    if fault.kind == "429-seconds":
        headers["Retry-After"] = str(fault.value or 1)
    elif fault.kind == "429-date":
        at = datetime.fromtimestamp(time.time() + float(fault.value or 1), UTC)
        headers["Retry-After"] = format_datetime(at.replace(microsecond=0), usegmt=True)
    elif fault.kind == "redirect":
        headers["Location"] = str(fault.value)
    return Response(_STATUS_BY_FAULT[fault.kind], b'{"message":"planned fault"}', JSON, headers)


class Handler(BaseHTTPRequestHandler):
    """Handles one connection: reads requests, applies faults, and sends the responses of the system."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "province", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120

    def __init__(self, system: System, *args: Any) -> None:
        self.system = system
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing to stderr; requests are recorded for `/_province/log`."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _read(self) -> Request:
        split = urlsplit(self.path)
        length = min(int(self.headers.get("Content-Length") or 0), _LARGEST_BODY)
        body = self.rfile.read(length) if length else b""
        return Request(
            self.command, split.path, dict(parse_qsl(split.query, keep_blank_values=True)), self.headers, body
        )

    def _handle(self) -> None:
        request = self._read()
        if request.path.startswith("/_province/"):
            self._send(self._control(request))
            return
        system = self.system
        target = system.target(request)
        faults = tuple(system.plan.faults_for(target))
        request = Request(request.method, request.path, request.query, request.headers, request.body, faults)
        response = self._respond(request)
        entry = {
            "method": request.method,
            "path": self.path,
            "service": target,
            "status": response.status,
            "has_authorization": "Authorization" in self.headers,
            "faults": [fault.kind for fault in faults],
        }
        system.requests.append(entry)
        self._send(response, request.fault("truncate"), request.fault("slow"))

    def _respond(self, request: Request) -> Response:
        for fault in request.faults:
            if fault.kind in _STATUS_BY_FAULT:
                return _fault_response(fault)
            if fault.kind == "html-200":
                return Response(200, _HTML_ERROR, HTML)
            if fault.kind == "expire-token":
                self.system.expire_tokens()
                return self.system.unauthorised()
        if (page := self.system.error_page(request)) is not None:
            return page
        try:
            return self.system.answer(request)
        except (ValueError, KeyError, TypeError) as error:
            return Response.json({"message": f"bad request: {error}"}, 400)

    def _control(self, request: Request) -> Response:
        if not ipaddress.ip_address(self.client_address[0]).is_loopback:
            return Response.json({"message": "not found"}, 404)
        command = request.path.removeprefix("/_province/")
        try:
            if (request.method, command) == ("GET", "log"):
                return Response.json(list(self.system.requests))
            if (request.method, command) == ("POST", "clock"):
                self.system.clock.freeze(wording.from_iso(str(request.json()["as_of"])))
                return Response.json({"as_of": wording.iso(self.system.clock.now())})
            if (request.method, command) == ("POST", "hide"):
                self.system.hide(frozenset(map(str, request.json()["keys"])))
                return Response.json({"hidden": len(self.system.hidden)})
            if (request.method, command) == ("POST", "change-times"):
                self.system.change_times = {str(key): value for key, value in request.json()["keys"].items()}
                return Response.json({"changed": len(self.system.change_times)})
            if (request.method, command) == ("POST", "faults"):
                plan = [Fault.parse(entry) for entry in request.json()["plan"]]
                self.system.plan.replace(plan)
                return Response.json({"faults": len(plan)})
        except (ValueError, KeyError, TypeError) as error:
            return Response.json({"message": str(error)}, 400)
        return Response.json({"message": "not found"}, 404)

    def _send(self, response: Response, truncate: Fault | None = None, slow: Fault | None = None) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if truncate:
            self.wfile.write(response.body[: len(response.body) // 2])
            self.close_connection = True
        elif slow:
            self._send_slowly(response.body, float(slow.value or 0.05))
        else:
            self.wfile.write(response.body)
        self.wfile.flush()

    def _send_slowly(self, body: bytes, pause: float) -> None:
        for position in range(len(body)):
            try:
                self.wfile.write(body[position : position + 1])
                self.wfile.flush()
            except OSError:  # the client timed out, as intended by a slow response
                self.close_connection = True
                return
            time.sleep(pause)


class _Listener(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the error at debug level: a client may close the connection at any time."""
        _log.debug("connection from %s closed early", client_address, exc_info=True)


def listen(
    system: System, host: str, port: int, tls: ssl.SSLContext | None = None
) -> tuple[ThreadingHTTPServer, Callable[[], None]]:
    """Start serving in a background thread; returns the server (with its port) and a function that stops it."""
    listener = _Listener((host, port), functools.partial(Handler, system))
    if tls is not None:  # the handshake takes place in the thread of the connection
        listener.socket = tls.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,), name=system.name, daemon=True)
    thread.start()

    def stop() -> None:
        listener.shutdown()
        listener.server_close()
        thread.join()

    return listener, stop
