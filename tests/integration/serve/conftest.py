"""Fixtures: the read API on a real socket, over stores with several snapshots, and its clients."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from lgsp.serve import limits
from lgsp.serve.service import application
from lgsp.settings import Settings
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from lgsp.store.ports import free_port
from tests.integration.conftest import Installation, copied

ACCOUNTS: dict[str, tuple[str, list[str]]] = {"whole": ("all", []), "figures": ("indicators", [])}
Rows = list[dict[str, Any]]
CLIENT = httpx.Client(timeout=60)  # one: each new one reads the certificate authorities


@dataclass(frozen=True)
class Api:
    """A running service and its store."""

    url: str
    installation: Installation

    def get(self, path: str, account: str | None = "whole", method: str = "GET", **headers: str) -> httpx.Response:
        """The answer to a request; `path` is below the root, encoded only where it has to be; header names with `_`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if account is not None:
            sent["Authorization"] = f"Bearer {token(account)}"
        url = path if path.startswith("http") else f"{self.url}{'' if path.startswith('/') else '/v1/'}{path}"
        return CLIENT.request(method, url, headers={"Accept": "*/*", **sent})

    def json(self, path: str, account: str = "whole", **headers: str) -> Any:
        """The JSON of a successful answer."""
        response = self.get(path, account, **headers)
        assert response.status_code == 200, response.text
        return response.json()

    def pages(self, path: str, account: str = "whole", **headers: str) -> Iterator[dict[str, Any]]:
        """All pages, by their next links."""
        next_path: str | None = path
        while next_path is not None:
            page = self.json(next_path, account, **headers)
            yield page
            next_path = page.get("@odata.nextLink")

    def rows(self, path: str, account: str = "whole", **headers: str) -> Rows:
        """The rows of all pages."""
        return [row for page in self.pages(path, account, **headers) for row in page["value"]]


def token(account: str) -> str:
    """The token of a test account."""
    return f"token-of-{account}"


def add_account(installation: Installation, name: str, scope: str, agencies: list[str], changes: str = "") -> None:
    """Add an account as the command for accounts does: with the hash of its token."""
    with connect(installation.settings) as connection:
        connection.execute(
            "insert into ledger.reader (name, scope, agencies, connections, token_sha256, created_by) values (%s, %s, %s, 8, %s, 'test')",
            [name, scope, agencies, hashlib.sha256(token(name).encode()).hexdigest()],
        )
        if changes:
            connection.execute(f"update ledger.reader set {changes} where name = %s", [name])


@contextmanager
def serving(installation: Installation, **environment: str) -> Iterator[Api]:
    """The service of an installation, on a free port."""
    settings = Settings.from_env({**installation.settings.environment, **environment})
    url = f"http://127.0.0.1:{free_port(0)}"
    config = uvicorn.Config(application(settings, url), port=int(url.rpartition(":")[2]), log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the service does not start"
        time.sleep(0.02)
    try:
        yield Api(url, installation)
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session", autouse=True)
def many_requests() -> Iterator[None]:
    """Let an account make as many requests as the tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "REQUESTS", 1_000_000)
        yield


@pytest.fixture(scope="session")
def api(server: Server, published_twice: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The service over two snapshots; for tests that only read."""
    installation = copied(server, published_twice, tmp_path_factory.mktemp("serve"))
    for name, (scope, agencies) in ACCOUNTS.items():
        add_account(installation, name, scope, agencies)
    with serving(installation) as running:
        yield running


@pytest.fixture
def changing(server: Server, published_twice: Installation, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """A function that serves a copy of the two snapshots, for a test that changes it."""

    @contextmanager
    def make(**environment: str) -> Iterator[Api]:
        installation = copied(server, published_twice, tmp_path)
        for name, (scope, agencies) in ACCOUNTS.items():
            add_account(installation, name, scope, agencies)
        with serving(installation, **environment) as running:
            yield running

    yield make
