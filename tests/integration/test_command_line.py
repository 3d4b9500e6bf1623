"""Tests of the command-line interface of `lgsp`: its output and its exit codes."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import psycopg
import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from lgsp_province import World, serving
from tests.integration.conftest import MIDNIGHT, SOURCES, Installation, set_environment

WINDOW = ("--from", "2026-07-30", "--to", "2026-08-11")


@pytest.fixture
def lgsp(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that invokes `lgsp`, checks the exit code, and gives the output; parsed with --json."""
    set_environment(monkeypatch, installation.settings)

    def invoke(*arguments: str, exit_code: int = 0) -> Any:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == exit_code, result.output + str(result.exception)
        return json.loads(result.stdout.splitlines()[-1]) if "--json" in arguments else result.output

    return invoke


def test_the_commands_publish_and_verify_a_snapshot(lgsp: Any) -> None:
    lgsp("init")
    for source in SOURCES:
        batch = lgsp("run", source, *WINDOW, "--json")
        assert batch["state"] == "checked" and batch["batch_id"]
        assert batch["fetched_count"] == batch["declared_count"] > 0
    assert lgsp("publish", "--json")["snapshot_id"] == 1
    assert lgsp("publish", "--json")["snapshot_id"] is None, "no batch waits, and that is not an error"
    status = lgsp("status", "--owner", "--json")
    with psycopg.connect(status["database_url"]) as connection:
        (count,) = connection.execute("select count(*) from shared.dossier").fetchone() or (0,)
    frame = pd.read_parquet(f"{status['shared_root']}/current/dossier")
    assert count == len(frame) > 0 and status["snapshot_id"] == 1
    assert lgsp("verify", "--json")["is_equal"]
    assert "SECRET_DOC" in lgsp("quarantine", "list")
    assert lgsp("recover", "--json") == {"mended": []}
    assert lgsp("rebuild", "documents", *WINDOW, "--json")["state"] == "checked"


def test_run_exits_with_3_when_a_check_refuses_the_batch(
    lgsp: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {"one_stop_shop": [{"fault": "count-off", "times": 1000}]}
    with serving(world, as_of=MIDNIGHT, faults=faults) as connections:
        monkeypatch.setenv("AIRFLOW_CONN_ONE_STOP_SHOP", json.dumps(connections["one_stop_shop"]))
        assert "RECONCILIATION" in lgsp("run", "one_stop_shop", *WINDOW, exit_code=3)


def test_run_exits_with_4_when_the_source_refuses_the_login(
    lgsp: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(world, as_of=MIDNIGHT) as connections:
        wrong = {**connections["one_stop_shop"], "password": "wrong"}
        monkeypatch.setenv("AIRFLOW_CONN_ONE_STOP_SHOP", json.dumps(wrong))
        assert "AIRFLOW_CONN_ONE_STOP_SHOP" in lgsp("run", "one_stop_shop", *WINDOW, exit_code=4)


def test_run_names_the_variable_of_a_missing_connection(lgsp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DOCUMENTS")
    assert "set AIRFLOW_CONN_DOCUMENTS" in lgsp("run", "documents", *WINDOW, exit_code=1)


def test_run_exits_with_2_when_the_window_ends_before_its_start(lgsp: Any) -> None:
    backwards = ("--from", "2026-08-02", "--to", "2026-08-01")
    assert "must end after it begins" in lgsp("run", "documents", *backwards, exit_code=2)


@pytest.mark.exhaustive
def test_verify_detects_an_altered_file(
    lgsp: Any, published_copy: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, published_copy.settings)
    assert "both sides are equal" in lgsp("verify")
    path = next((published_copy.settings.shared / "current" / "document").rglob("*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    assert "is not the file that was published" in lgsp("verify", exit_code=1)
