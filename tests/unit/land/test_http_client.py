"""Requests to a source: which ones are retried, how long we wait, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land import answer, http_client
from lgsp.settings import Endpoint

Script = list[Callable[[BaseHTTPRequestHandler], None]]


@pytest.fixture
def source() -> Iterator[Callable[[Script], Endpoint]]:
    """A server on a real socket that follows a script, one step for each request."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(script: Script) -> Endpoint:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script.pop(0)(self)

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return Endpoint("one_stop_shop", f"http://127.0.0.1:{server.server_port}", "", "")

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(status: int, body: bytes = b"{}", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def _ask(endpoint: Endpoint, **manners: Any) -> tuple[answer.Answer, list[float]]:
    waits: list[float] = []
    caller = http_client.Caller(endpoint, http_client.Manners(**manners), sleep=waits.append)
    return caller.ask("GET", "/", accept=lambda answer: answer.json("list") and None), waits


def test_f3_retry_after_in_seconds_is_obeyed(source: Callable[[Script], Endpoint]) -> None:
    _, waits = _ask(source([_answer(429, Retry_After="7"), _answer(200)]))
    assert [round(wait) for wait in waits] == [7]


def test_f3_retry_after_as_a_date_is_obeyed(source: Callable[[Script], Endpoint]) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=200), usegmt=True)
    _, (wait,) = _ask(source([_answer(429, Retry_After=later), _answer(200)]))
    assert 100 < wait < 201, "the backoff without the header is at most 1 s"


def test_f4_waits_grow_with_jitter_and_are_capped(source: Callable[[Script], Endpoint]) -> None:
    with pytest.raises(SourceFailed, match="gave up after 6 attempts: status 503"):
        _ask(source([_answer(503)] * 6), backoff_cap_seconds=2)
    _, waits = _ask(source([_answer(503)] * 5 + [_answer(200)]), backoff_cap_seconds=2)
    assert all(low / 2 <= wait <= low for wait, low in zip(waits, [1, 2, 2, 2, 2], strict=True))


def test_a_requested_wait_longer_than_the_cap_is_an_error(source: Callable[[Script], Endpoint]) -> None:
    with pytest.raises(SourceFailed, match="asks to wait 9999 s"):
        _ask(source([_answer(429, Retry_After="9999")]))


def test_f8_a_body_shorter_than_declared_is_requested_again(source: Callable[[Script], Endpoint]) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        _answer(200, b'{"content"', Content_Length="4000")(handler)
        handler.close_connection = True

    answer, _ = _ask(source([cut, _answer(200, b'{"a":1}')]))
    assert answer.body == b'{"a":1}'


def test_f9_an_html_page_with_status_200_is_requested_again(source: Callable[[Script], Endpoint]) -> None:
    answer, _ = _ask(source([_answer(200, b"<html>502</html>", Content_Type="text/html"), _answer(200, b"[]")]))
    assert answer.body == b"[]"


def test_f2_a_slow_answer_ends_at_the_total_time(source: Callable[[Script], Endpoint]) -> None:
    def send_slowly(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):  # the body is complete after 50 s, unless the client stops earlier
            try:
                handler.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.05)

    with pytest.raises(SourceFailed, match=r"not complete after 0\.3 s"):
        _ask(source([send_slowly]), total_seconds=0.3, attempts=1)


def test_s10_an_answer_over_the_size_limit_is_refused(source: Callable[[Script], Endpoint]) -> None:
    with pytest.raises(SourceRefused, match="over 1 MB"):
        _ask(source([_answer(200, b"x" * 3 * answer.MEGABYTE)]), max_megabytes=1)


def test_f6_a_login_is_renewed_once_for_each_expiry(source: Callable[[Script], Endpoint]) -> None:
    endpoint = source([_answer(200), _answer(401), _answer(200), _answer(401), _answer(401)])
    logins: list[int] = []

    def authorise() -> http_client.Signature:
        logins.append(1)
        return lambda request: request

    caller = http_client.Caller(endpoint, authorise=authorise, sleep=lambda _: None)
    caller.ask("GET", "/", accept=lambda answer: None)
    caller.ask("GET", "/", accept=lambda answer: None)
    assert len(logins) == 2
    with pytest.raises(SourceRefused, match="AIRFLOW_CONN_ONE_STOP_SHOP"):
        caller.ask("GET", "/", accept=lambda answer: None)


def test_every_answer_is_stored_before_it_is_parsed(source: Callable[[Script], Endpoint]) -> None:
    kept: list[bytes] = []
    caller = http_client.Caller(source([_answer(500, b"broken"), _answer(200, b"whole")]), sleep=lambda _: None)
    caller.ask("GET", "/", accept=lambda answer: None, keep=lambda answer: kept.append(answer.body))
    assert kept == [b"broken", b"whole"]


LOGIN_PAGE = b"<html><form><input type='password'></form></html>"


@pytest.mark.parametrize(
    "page",
    [
        _answer(200, LOGIN_PAGE, Content_Type="text/html"),
        _answer(200, LOGIN_PAGE),
        _answer(302, b"", Location="/login?next=/"),
    ],
    ids=["page", "page as JSON", "redirect"],
)
def test_a_page_to_log_in_renews_the_login_once(
    source: Callable[[Script], Endpoint], page: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    logins: list[int] = []

    def authorise() -> http_client.Signature:
        logins.append(1)
        return lambda request: request

    endpoint = source([page, page, page, _answer(200)])
    caller = http_client.Caller(endpoint, authorise=authorise, sleep=lambda _: None)
    caller.ask("GET", "/", accept=lambda answer: answer.json("list") and None)
    assert len(logins) == 2, "the first login and one more"


def test_a_pause_holds_back_the_other_threads(source: Callable[[Script], Endpoint]) -> None:
    waits: list[float] = []
    caller = http_client.Caller(source([_answer(429, Retry_After="1800"), *[_answer(200)] * 9]), sleep=waits.append)
    caller.ask("GET", "/", accept=lambda answer: None)
    threads = [
        threading.Thread(target=caller.ask, args=("GET", "/"), kwargs={"accept": lambda answer: None}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [round(wait, -2) for wait in waits] == [1800] * 9


def test_a_record_that_is_not_found_is_not_asked_again(source: Callable[[Script], Endpoint]) -> None:
    script = [_answer(404), _answer(200)]
    with pytest.raises(SourceRefused, match="status 404"):
        http_client.Caller(source(script)).ask("GET", "/", accept=lambda answer: None, is_record=True)
    assert len(script) == 1


def test_a_call_that_is_over_leaves_the_next_one_alone(source: Callable[[Script], Endpoint]) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.flush()
        handler.connection.recv(1)  # until the client ends the call
        handler.close_connection = True

    answer, _ = _ask(source([hang, _answer(200, b"[]")]), total_seconds=0.5, idle_seconds=30)
    assert answer.body == b"[]"
