"""The examples of the documentation that read over HTTP run against the service."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from lgsp.maintain import rollback
from lgsp.store import connect
from tests.conftest import ROOT
from tests.integration.serve.conftest import Api, token

PAGE = (ROOT / "docs" / "reading-the-data.md").read_text(encoding="utf-8")
PANDAS, COPY = re.findall(r"^```py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TABLES = ("dossier", "dossier_event", "working_day", "weekly_digest")


class Killed(BaseException):
    """The program was stopped between two requests."""


def _copy(api: Api, table: str, file: Path, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> int:
    """Run the program on pages of 90 rows, killed at random, until it ends; how often it was killed."""
    kills, send = 0, requests.Session.send

    def killed_at_random(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        if chance.random() < 0.25:
            raise Killed
        request.headers["Prefer"] += ",odata.maxpagesize=90"
        return send(session, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "send", killed_at_random)
        patch.setattr(sys, "argv", ["copy_table.py", table, str(file)])
        patch.setenv("LGSP_API", api.url)
        patch.setenv("TOKEN", token("whole"))
        while True:
            try:
                exec(compile(COPY, "copy_table.py", "exec"), {})
                return kills
            except Killed:
                kills += 1


def test_the_copying_program_misses_and_doubles_nothing(
    changing: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(COPY.splitlines()) <= 55
    chance, kills = random.Random(1), 0
    with changing() as api:
        for target in (None, 1, 2):
            if target is not None:
                rollback.roll_back(api.installation.settings, target, "An", "a test")
            for table in TABLES:
                kills += _copy(api, table, tmp_path / table, monkeypatch, chance)
                assert _content(tmp_path / table) == _sorted(api.rows(table)), (table, target)
        assert kills > 10
        with connect(api.installation.settings) as connection:
            connection.execute("insert into ledger.epoch (epoch, why, first_snapshot) values (2, 'a test', 4)")
        _copy(api, "dossier", tmp_path / "dossier", monkeypatch, chance)
        assert _content(tmp_path / "dossier") == _sorted(api.rows("dossier")), "read again after 410"


def _content(file: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(file)) as copy:
        return _sorted([json.loads(content) for (content,) in copy.execute("select content from copied")])


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def test_the_pandas_example_prints_the_sums_of_the_table(api: Api) -> None:
    environment = {**os.environ, "LGSP_API": api.url, "TOKEN": token("figures")}
    printed = subprocess.run(
        [sys.executable, "-c", PANDAS], env=environment, capture_output=True, text=True, check=True
    ).stdout
    sums = api.installation.query(
        "select kpi_id, sum(numerator)::bigint as n from shared.service_kpi where period = 'month' group by 1"
    )
    assert {row["kpi_id"]: str(row["n"]) for row in sums} == dict(re.findall(r"^(\w+) +(\d+)$", printed, re.MULTILINE))


def test_the_addresses_for_curl_answer(api: Api) -> None:
    section = PAGE[PAGE.index("## Over HTTP") :]
    lines = [line.replace("\\$", "$") for line in section.splitlines() if line.startswith("curl")]
    assert len(lines) == 6
    for line in lines:
        path = re.findall(r'"\$LGSP_API(/[^"]*)"', line)[0]
        answer = api.get(path, "whole" if "Bearer" in line else None)
        assert answer.status_code == (404 if "H47-220601" in path else 200), line
