"""The fixed interface of `lgsp`: what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import psycopg
import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from lgsp_province import World, serving
from tests.integration.conftest import MIDNIGHT, SOURCES, Installation

WINDOW = ("--from", "2026-07-30", "--to", "2026-08-11")


@pytest.fixture
def lgsp(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in installation.settings.environment.items():
        monkeypatch.setenv(name, value)

    def call(*words: str, ends: int = 0) -> Any:
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == ends, done.output + str(done.exception)
        return json.loads(done.stdout.splitlines()[-1]) if "--json" in words else done.output

    return call


def test_the_whole_way_by_hand(lgsp: Any, installation: Installation) -> None:
    lgsp("init")
    for source in SOURCES:
        told = lgsp("run", source, *WINDOW, "--json")
        assert told["state"] == "checked" and told["fetched_count"] == told["declared_count"] > 0 and told["batch_id"]
    assert lgsp("publish", "--json")["snapshot_id"] == 1
    assert lgsp("publish", "--json")["snapshot_id"] is None, "nothing waits, and that is no failure"
    status = lgsp("status", "--json")
    with psycopg.connect(status["database_url"]) as connection:
        (count,) = connection.execute("select count(*) from shared.dossier").fetchone() or (0,)
    frame = pd.read_parquet(f"{status['shared_root']}/current/dossier")
    assert count == len(frame) > 0 and status["snapshot_id"] == 1
    assert lgsp("verify", "--json")["is_equal"]
    assert "SECRET_DOC" in lgsp("quarantine", "list")
    assert lgsp("recover", "--json") == {"mended": []}
    assert lgsp("rebuild", "documents", *WINDOW, "--json")["state"] == "checked"


def test_a_check_that_refuses_ends_with_3(
    lgsp: Any, installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(
        world, as_of=MIDNIGHT, faults={"one_stop_shop": [{"fault": "count-off", "times": 1000}]}
    ) as connections:
        monkeypatch.setenv("AIRFLOW_CONN_ONE_STOP_SHOP", json.dumps(connections["one_stop_shop"]))
        assert "RECONCILIATION" in lgsp("run", "one_stop_shop", *WINDOW, ends=3)


def test_a_source_that_fails_ends_with_4(
    lgsp: Any, installation: Installation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(world, as_of=MIDNIGHT) as connections:
        wrong = {**connections["one_stop_shop"], "password": "wrong"}
        monkeypatch.setenv("AIRFLOW_CONN_ONE_STOP_SHOP", json.dumps(wrong))
        assert "AIRFLOW_CONN_ONE_STOP_SHOP" in lgsp("run", "one_stop_shop", *WINDOW, ends=4)


def test_a_missing_connection_says_what_to_set(lgsp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DOCUMENTS")
    assert "set AIRFLOW_CONN_DOCUMENTS" in lgsp("run", "documents", *WINDOW, ends=1)


def test_a_window_that_ends_before_it_begins_is_a_mistake_of_usage(lgsp: Any) -> None:
    assert "must end after it begins" in lgsp("run", "documents", "--from", "2026-08-02", "--to", "2026-08-01", ends=2)


def test_an_altered_file_is_found(lgsp: Any, published: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in published.settings.environment.items():
        monkeypatch.setenv(name, value)
    path = next((published.settings.shared / "current" / "document").rglob("*.parquet"))
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        assert "is not the file that was published" in lgsp("verify", ends=1)
    finally:
        path.write_bytes(whole)
    assert "both sides are equal" in lgsp("verify")
