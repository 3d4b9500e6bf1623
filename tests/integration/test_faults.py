"""With each fault on: the same dataset at the end, or a clear refusal and the last snapshot intact."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import pytest
import requests

from lgsp.errors import BatchRefused, SourceRefused
from lgsp.settings import Settings
from lgsp.snapshots import pointer
from lgsp.window import Window
from lgsp_province import World, serving
from tests.integration.conftest import MIDNIGHT, SOURCES, WHOLE, Installation

SURVIVED = {
    "F3 429 with Retry-After in seconds": [{"fault": "429-seconds", "times": 2, "value": 1}],
    "F3 429 with Retry-After as a date": [{"fault": "429-date", "times": 1, "value": 1}],
    "F4 429 without Retry-After, then 503": [
        {"fault": "429-bare", "times": 1},
        {"fault": "503", "after": 3, "times": 1},
    ],
    "F5 500 in the middle": [{"fault": "500", "after": 4, "times": 2}],
    "F6 the token expires in mid-run": [{"fault": "expire-token", "after": 3, "times": 1}],
    "F8 an answer cut short": [{"fault": "truncate", "after": 2, "times": 1}],
    "F9 an HTML page with status 200": [{"fault": "html-200", "after": 2, "times": 1}],
    "F2 a slow answer": [{"fault": "slow", "after": 2, "times": 1, "value": 0.00002}],
}


def _control(told: dict[str, Any], what: str, plan: list[dict[str, Any]] | None = None) -> Any:
    address = f"http://{told['host']}:{told['port']}/_province/{what}"
    answer = (
        requests.get(address, timeout=10) if plan is None else requests.post(address, json={"plan": plan}, timeout=10)
    )
    return answer.json()


def test_the_dataset_is_the_same(
    install: Callable[..., Installation], world: World, published: Installation, subtests: pytest.Subtests
) -> None:
    days = WHOLE.split(1)
    cuts = [0, 2, 4, 6, 8, 9, 10, 11, 12]
    windows = [Window(days[a].start, days[b - 1].end) for a, b in pairwise(cuts)]
    with serving(world, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        for window, (name, plan) in zip(windows, SURVIVED.items(), strict=True):
            with subtests.test(name):
                for told in connections.values():
                    _control(told, "faults", plan)
                installation.ingest_all(window)
                for source, told in connections.items():
                    struck = {kind for request in _control(told, "log") for kind in request["faults"]}
                    assert struck >= {entry["fault"] for entry in plan}, source
    installation.publish()
    assert installation.data_hashes() == published.data_hashes()


def test_f12_rows_that_shift_between_two_pages_are_read_again_and_none_is_lost(
    install: Callable[..., Installation], world: World, published: Installation
) -> None:
    # the portal's own count is a call for its first page too
    where = {"one_stop_shop": ("/pa/dossier/search", 0), "online_services": ("LayDanhSachHoSo", 1)}
    faults = {
        source: [{"fault": "shift-pages", "path": path, "after": after, "times": 1}]
        for source, (path, after) in where.items()
    }
    with serving(world, as_of=MIDNIGHT, faults=faults) as connections:
        installation = install(connections)
        installation.ingest_all()
    installation.publish()
    dossiers = "select dossier_id, status, received_at, finished_at from shared.dossier order by 1"
    assert installation.query(dossiers) == published.query(dossiers)
    disowned = installation.query(
        "select distinct source from ledger.source_call join ledger.batch using (batch_id) where list = 'dossiers' and not is_whole"
    )
    assert {row["source"] for row in disowned} == where.keys(), "the first reading was given up"


def test_broken_answers_are_kept_and_marked(install: Callable[..., Installation], world: World) -> None:
    with serving(
        world, as_of=MIDNIGHT, faults={"one_stop_shop": [{"fault": "html-200", "path": "/pa/dossier/search"}]}
    ) as connections:
        installation = install(connections)
        installation.ingest("one_stop_shop")
    broken = installation.query("select * from ledger.source_call where not is_whole")
    assert [row["list"] for row in broken] == ["dossiers"]


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server of somebody else, that must never hear from us."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}/elsewhere", heard
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.mark.parametrize("source", SOURCES)
def test_f22_s8_a_redirect_is_refused_and_nothing_is_sent_on(
    source: str, install: Callable[..., Installation], world: World, canary: tuple[str, list[str]]
) -> None:
    address, heard = canary
    plan = [{"fault": "redirect", "after": 2, "times": 1, "value": address}]
    with serving(world, as_of=MIDNIGHT, faults={source: plan}) as connections:
        installation = install(connections)
        with pytest.raises(SourceRefused, match="redirects"):
            installation.ingest(source)
    assert heard == []
    assert installation.query("select state from ledger.batch") == [{"state": "failed"}]


def test_f13_a_count_that_never_agrees_is_refused_and_the_last_snapshot_stays(
    install: Callable[..., Installation], world: World
) -> None:
    with serving(world, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        installation.ingest_all()
        installation.publish()
    before = installation.data_hashes()
    off = {source: [{"fault": "count-off", "times": 1000}] for source in ("one_stop_shop", "online_services")}
    with serving(world, as_of=MIDNIGHT, faults=off) as connections:
        told = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(connections[source]) for source in off}
        again = Installation(Settings.from_env({**installation.settings.environment, **told}))
        for source in off:
            with pytest.raises(BatchRefused, match="RECONCILIATION"):
                again.ingest(source)
    refused = again.query("select source, why from ledger.batch where state = 'refused'")
    assert {row["source"] for row in refused} == off.keys() and all("RECONCILIATION" in row["why"] for row in refused)
    assert again.publish() is None and again.data_hashes() == before and pointer.current(again.settings.shared) == 1


def test_f6_wrong_credentials_name_the_connection_and_not_the_secret(
    install: Callable[..., Installation], world: World
) -> None:
    with serving(world, as_of=MIDNIGHT) as connections:
        wrong = {source: {**told, "password": "certainly-wrong"} for source, told in connections.items()}
        installation = install(wrong)
        for source in SOURCES:
            with pytest.raises(SourceRefused, match=source) as failure:
                installation.ingest(source)
            assert "certainly-wrong" not in str(failure.value)
