"""`lgsp serve` starts, answers, and stops; a login of its own with the rights of `lgsp_api` is enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from uuid import uuid4

import httpx
import psycopg
from sqlalchemy.engine import make_url

from lgsp.store import connect
from lgsp.store.ports import free_port
from tests.integration.conftest import Installation
from tests.integration.serve.conftest import add_account, serving


def test_the_command_serves_until_it_is_stopped(empty_store: Installation) -> None:
    port = free_port()
    command = [sys.executable, "-m", "lgsp.cli", "serve", "--port", str(port)]
    with subprocess.Popen(
        command, env={**os.environ, **empty_store.settings.environment}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            answer = _first_answer(f"http://127.0.0.1:{port}/health", process)
            assert (answer.status_code, answer.json()["status"]) == (503, "fail"), "nothing was published"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM), process.stderr.read() if process.stderr else ""


def test_a_login_of_its_own_needs_only_its_role(empty_store: Installation) -> None:
    login = f"api_{uuid4().hex[:8]}"
    add_account(empty_store, login, "all", [])
    with connect(empty_store.settings) as connection:
        connection.execute(f"create role {login} login password 'only-for-tests' in role lgsp_api")
    own = make_url(str(empty_store.settings.database_url)).set(username=login, password="only-for-tests")
    try:
        with serving(empty_store, LGSP_SERVE_DATABASE_URL=own.render_as_string(hide_password=False)) as api:
            assert api.get("dossier", login).json()["error"]["code"] == "NoSnapshot"
            assert api.get("", login).status_code == 200
    finally:
        with psycopg.connect(str(empty_store.settings.database_url), autocommit=True) as connection:
            connection.execute(f"drop role {login}")


def _first_answer(url: str, process: subprocess.Popen[str]) -> httpx.Response:
    """The first answer of a service that starts."""
    for _ in range(300):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            return httpx.get(url)
        except httpx.ConnectError:
            time.sleep(0.2)
    raise AssertionError("the service does not answer")
