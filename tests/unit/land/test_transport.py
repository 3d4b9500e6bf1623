"""How a source is reached: authorities, client certificates and proxies, and errors that say what to correct."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lgsp.errors import LgspError, SettingError, SourceFailed, SourceRefused
from lgsp.land.http_client import Caller, Manners
from lgsp.settings import Endpoint
from lgsp_province.systems.certificates import Authority

HOST = "127.0.0.1"
QUICK = Manners(attempts=1, backoff_seconds=0.01, connect_seconds=5, total_seconds=20)


class _Handler(BaseHTTPRequestHandler):
    """Answers each request with an empty object; also a proxy that forwards plain requests and tunnels by CONNECT."""

    def do_GET(self) -> None:
        self.server.targets.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_CONNECT(self) -> None:
        self.server.targets.append(self.path)  # type: ignore[attr-defined]
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(other, self.connection), daemon=True)
            back.start()
            _copy(self.connection, other)
            back.join()

    def log_message(self, *args: Any) -> None:
        pass


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    """A server on a free port; `targets` has the paths of its requests."""
    server = ThreadingHTTPServer((HOST, 0), _Handler)
    server.daemon_threads = True
    server.targets = []  # type: ignore[attr-defined]
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # a refused handshake
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(server: ThreadingHTTPServer, scheme: str = "https", host: str = HOST, **extra: Any) -> int:
    """The status of a request with these values in the connection's extra."""
    endpoint = Endpoint("documents", f"{scheme}://{host}:{server.server_port}", "", "", extra)
    return Caller(endpoint, QUICK).ask("GET", "/x", accept=lambda answer: None, login=False).status


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


def test_s9_an_authority_of_the_province_can_be_named(authority: Authority) -> None:
    with serving(authority.server_context(HOST)) as server:
        assert ask(server, verify=str(authority.path)) == 200
        with pytest.raises(SourceRefused, match=r"documents GET /x: .* unknown authority .* extra\.verify .*AIRFLOW_CONN_DOCUMENTS"):  # fmt: skip
            ask(server)


def test_the_named_authority_replaces_the_public_ones(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority.create(tmp_path / "other")
    with serving(authority.server_context(HOST)) as server, pytest.raises(SourceRefused, match="unknown authority"):
        ask(server, verify=str(other.path))


def test_a_certificate_for_another_host_is_named(authority: Authority) -> None:
    with serving(authority.server_context("elsewhere.example")) as server:
        with pytest.raises(SourceRefused, match=r"for another host name .* correct host in AIRFLOW_CONN_DOCUMENTS"):
            ask(server, verify=str(authority.path))


def test_an_expired_certificate_is_named(authority: Authority) -> None:
    with serving(authority.server_context(HOST, valid_for=timedelta(days=-1))) as server:
        with pytest.raises(SourceRefused, match=r"has expired .* its operator must renew it"):
            ask(server, verify=str(authority.path))


def test_a_client_certificate_is_sent(authority: Authority) -> None:
    certificate, key = authority.issue("client")
    both = authority.folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    with serving(authority.server_context(HOST, requires_client=True)) as server:
        for cert in ([str(certificate), str(key)], str(both)):
            assert ask(server, verify=str(authority.path), cert=cert) == 200


@pytest.mark.parametrize("is_sent", [False, True], ids=["none", "of another authority"])
def test_a_refused_client_certificate_is_named(authority: Authority, tmp_path: Path, is_sent: bool) -> None:
    (tmp_path / "other").mkdir()
    cert = [str(path) for path in Authority.create(tmp_path / "other").issue("client")] if is_sent else None
    with serving(authority.server_context(HOST, requires_client=True)) as server:
        with pytest.raises(LgspError, match=r"refuses our client certificate, or requires one.* check extra\.cert"):
            ask(server, verify=str(authority.path), cert=cert)


def test_a_source_without_tls_is_named(authority: Authority) -> None:
    with serving() as server, pytest.raises(SourceRefused, match=r"does not use TLS .* set schema to http"):
        ask(server)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"verify": "/nowhere/ca.pem"}, r"extra\.verify /nowhere/ca\.pem cannot be read \(No such file or directory\)"),
        ({"verify": False}, "certificates are always verified"),
        ({"verify": __file__}, "is no valid certificate file"),
        ({"cert": "/nowhere/client.pem"}, r"extra\.cert /nowhere/client\.pem cannot be read"),
        ({"cert": ["a", "b", "c"]}, "extra.cert must be the path of a PEM file"),
        ({"cert": {"a": 1}}, "extra.cert must be the path of a PEM file"),
        ({"proxy": "proxy.example"}, "extra.proxy must be an address such as"),
        ({"proxy": "socks5://proxy.example:1080"}, "extra.proxy must be an address such as"),
        ({"proxy": {"https": "x"}}, "extra.proxy must be an address such as"),
    ],
)
def test_a_wrong_value_names_the_connection(extra: dict[str, Any], message: str) -> None:
    with serving() as server, pytest.raises(SettingError, match=message) as failure:
        ask(server, "http", **extra)
    assert "AIRFLOW_CONN_DOCUMENTS (connection documents)" in str(failure.value)


def test_a_key_of_another_certificate_is_named(authority: Authority) -> None:
    (certificate, _), (_, key) = authority.issue("a"), authority.issue("b")
    with serving() as server, pytest.raises(SettingError, match="the key does not belong to it"):
        ask(server, cert=[str(certificate), str(key)])


def test_a_proxy_is_used_for_http_and_https(authority: Authority) -> None:
    with serving() as proxy, serving() as plain, serving(authority.server_context(HOST)) as secure:
        address = f"http://user:password@{HOST}:{proxy.server_port}"
        assert ask(plain, "http", proxy=address) == 200
        assert ask(secure, verify=str(authority.path), proxy=address) == 200
        assert proxy.targets == [  # type: ignore[attr-defined]
            f"http://{HOST}:{plain.server_port}/x",
            f"{HOST}:{secure.server_port}",
        ]
        assert plain.targets == [] and secure.targets == ["/x"]  # type: ignore[attr-defined]


def test_a_proxy_that_cannot_be_reached_is_named() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with serving() as server, pytest.raises(SourceFailed) as failure:
        ask(server, "http", proxy=f"http://user:secret@{HOST}:{port}")
    assert f"the proxy {HOST}:{port} cannot be used (Connection refused): check extra.proxy" in str(failure.value)
    assert "secret" not in str(failure.value)


def test_variables_of_the_environment_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, f"http://{HOST}:9")
        monkeypatch.setitem(os.environ, name.lower(), f"http://{HOST}:9")
    with serving() as server:
        assert ask(server, "http") == 200


def test_an_address_without_a_source_is_named() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    endpoint = Endpoint("documents", f"http://{HOST}:{port}", "", "")
    with pytest.raises(SourceFailed, match=rf"no connection to {HOST}:{port} \(Connection refused\); .* check host and port"):  # fmt: skip
        Caller(endpoint, QUICK).ask("GET", "/x", accept=lambda answer: None, login=False)
