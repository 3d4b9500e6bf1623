"""Tests of faults of the sources: the dataset stays the same, or the batch is refused and the last snapshot stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import pytest
import requests

from lgsp.errors import BatchRefused, SourceRefused
from lgsp.snapshots import pointer
from lgsp.window import Window
from lgsp_province import World, serving
from tests.integration.conftest import MIDNIGHT, SOURCES, WHOLE, Installation

FAULTS = {
    "F3 429 with Retry-After in seconds": [{"fault": "429-seconds", "times": 2, "value": 1}],
    "F3 429 with Retry-After as a date": [{"fault": "429-date", "times": 1, "value": 1}],
    "F4 429 without Retry-After, then 503": [
        {"fault": "429-bare", "times": 1},
        {"fault": "503", "after": 3, "times": 1},
    ],
    "F5 500 in the middle": [{"fault": "500", "after": 4, "times": 2}],
    "F6 the token expires during a run": [{"fault": "expire-token", "after": 3, "times": 1}],
    "F8 a truncated answer": [{"fault": "truncate", "after": 2, "times": 1}],
    "F9 an HTML page with status 200": [{"fault": "html-200", "after": 2, "times": 1}],
    "F2 a slow answer": [{"fault": "slow", "after": 2, "times": 1, "value": 0.00002}],
}


def _plan_faults(connection: dict[str, Any], plan: list[dict[str, Any]]) -> None:
    """Plan faults of a simulated source."""
    url = f"http://{connection['host']}:{connection['port']}/_province/faults"
    requests.post(url, json={"plan": plan}, timeout=10).raise_for_status()


def _faults_that_happened(connection: dict[str, Any]) -> set[str]:
    """The kinds of faults in the request log of a simulated source."""
    url = f"http://{connection['host']}:{connection['port']}/_province/log"
    return {kind for request in requests.get(url, timeout=10).json() for kind in request["faults"]}


def test_temporary_faults_do_not_change_the_dataset(
    install: Callable[..., Installation], world: World, published: Installation
) -> None:
    """A third of the faults at each source, all while it reads one window."""
    with serving(world, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        for number, source in enumerate(SOURCES):
            plan = [entry for entries in [*FAULTS.values()][number :: len(SOURCES)] for entry in entries]
            _plan_faults(connections[source], plan)
            installation.ingest(source)
            assert _faults_that_happened(connections[source]) >= {entry["fault"] for entry in plan}, source
    installation.publish()
    assert installation.data_hashes() == published.data_hashes()


@pytest.mark.exhaustive
def test_each_temporary_fault_at_each_source_changes_nothing(
    install: Callable[..., Installation], world: World, published: Installation
) -> None:
    days = WHOLE.split(1)
    cuts = [0, 2, 4, 6, 8, 9, 10, 11, 12]
    windows = [Window(days[a].start, days[b - 1].end) for a, b in pairwise(cuts)]
    with serving(world, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        for window, (name, plan) in zip(windows, FAULTS.items(), strict=True):
            for source in SOURCES:
                _plan_faults(connections[source], plan)
                installation.ingest(source, window)
                assert _faults_that_happened(connections[source]) >= {entry["fault"] for entry in plan}, (name, source)
    installation.publish()
    assert installation.data_hashes() == published.data_hashes()


def test_f12_a_list_whose_pages_shift_is_read_again_completely(
    install: Callable[..., Installation], world: World, published: Installation
) -> None:
    # the portal's count is also a call for its first page
    calls = {"one_stop_shop": ("/pa/dossier/search", 0), "online_services": ("LayDanhSachHoSo", 1)}
    faults = {
        source: [{"fault": "shift-pages", "path": path, "after": after, "times": 1}]
        for source, (path, after) in calls.items()
    }
    with serving(world, as_of=MIDNIGHT, faults=faults) as connections:
        installation = install(connections)
        installation.ingest_all()
    installation.publish()
    dossiers = "select dossier_id, status, received_at, finished_at from shared.dossier order by 1"
    assert installation.query(dossiers) == published.query(dossiers)
    incomplete = installation.query(
        "select distinct source from ledger.source_call join ledger.batch using (batch_id) where list = 'dossiers' and not is_whole"
    )
    assert {row["source"] for row in incomplete} == calls.keys(), "the first reading is marked as incomplete"


def test_a_broken_answer_is_retained_and_marked(install: Callable[..., Installation], world: World) -> None:
    faults = {"one_stop_shop": [{"fault": "html-200", "path": "/pa/dossier/search"}]}
    with serving(world, as_of=MIDNIGHT, faults=faults) as connections:
        installation = install(connections)
        installation.ingest("one_stop_shop")
    broken = installation.query("select * from ledger.source_call where not is_whole")
    assert [row["list"] for row in broken] == ["dossiers"]


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server that must not receive a request, and the paths of the requests that it received."""
    paths: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}/elsewhere", paths
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.mark.parametrize("source", SOURCES)
def test_f22_s8_a_redirect_is_refused_and_not_followed(
    source: str, install: Callable[..., Installation], world: World, canary: tuple[str, list[str]]
) -> None:
    address, paths = canary
    plan = [{"fault": "redirect", "after": 2, "times": 1, "value": address}]
    with serving(world, as_of=MIDNIGHT, faults={source: plan}) as connections:
        installation = install(connections)
        with pytest.raises(SourceRefused, match="redirects"):
            installation.ingest(source)
    assert paths == []
    assert installation.query("select state from ledger.batch") == [{"state": "failed"}]


def test_f13_a_batch_with_a_wrong_count_is_refused(published_copy: Installation, world: World) -> None:
    installation = published_copy
    before = installation.data_hashes()
    faults = {source: [{"fault": "count-off", "times": 1000}] for source in ("one_stop_shop", "online_services")}
    with serving(world, as_of=MIDNIGHT, faults=faults) as connections:
        faulty = installation.connected_to(connections)
        for source in faults:
            with pytest.raises(BatchRefused, match="RECONCILIATION"):
                faulty.ingest(source)
    refused = installation.query("select source, why from ledger.batch where state = 'refused'")
    assert {row["source"] for row in refused} == faults.keys()
    assert all("RECONCILIATION" in row["why"] for row in refused)
    assert installation.publish() is None and installation.data_hashes() == before
    assert pointer.current(installation.settings.shared) == 1, "the last snapshot stays"


@pytest.mark.parametrize("source", SOURCES)
def test_f6_a_refused_login_names_the_source_not_the_password(
    source: str, install: Callable[..., Installation], quiet_province: dict[str, dict[str, Any]]
) -> None:
    installation = install({source: {**quiet_province[source], "password": "certainly-wrong"}})
    with pytest.raises(SourceRefused, match=source) as failure:
        installation.ingest(source)
    assert "certainly-wrong" not in str(failure.value)


@pytest.mark.exhaustive
def test_a_gateway_and_an_own_authority_change_nothing(
    install: Callable[..., Installation], world: World, published: Installation
) -> None:
    behind_a_gateway = replace(world, rates={**world.rates, "D43": 0.2, "D44": 1.0})
    with serving(behind_a_gateway, as_of=MIDNIGHT) as connections:
        installation = install(connections)
        installation.ingest_all()
    assert {connection["schema"] for connection in connections.values()} == {"https"}
    statuses = {row["status"] for row in installation.query("select distinct status from ledger.source_call")}
    assert statuses & {302, 403, 404, 408, 425}, "the gateway answered some calls"
    installation.publish()
    assert installation.data_hashes() == published.data_hashes()
