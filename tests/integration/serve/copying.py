"""Runs the copying program of the documentation, and stops it between two requests as a power cut would."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT
from tests.integration.serve.conftest import Api, Rows, token

PAGE = (ROOT / "docs" / "reading-the-data.md").read_text(encoding="utf-8")
PANDAS, COPY = re.findall(r"^```py\n(.*?)^```", PAGE[PAGE.index("## Over HTTP") : PAGE.index("## One snapshot")], re.MULTILINE | re.DOTALL)  # fmt: skip
ROWS_A_PAGE = 90


class Killed(BaseException):
    """The program was stopped between two requests."""


def run(api: Api, table: str, file: Path, chance: random.Random, killed: float = 0.25) -> bool:
    """Run the program on pages of 90 rows; each request is its last one with a probability. Whether it came to its end."""
    send = requests.Session.send

    def killed_at_random(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        if chance.random() < killed:
            raise Killed
        request.headers["Prefer"] += f",odata.maxpagesize={ROWS_A_PAGE}"
        return send(session, request, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", killed_at_random)
        patch.setattr(sys, "argv", ["copy_table.py", table, str(file)])
        patch.setenv("LGSP_API", api.url)
        patch.setenv("TOKEN", token("whole"))
        try:
            exec(compile(COPY, "copy_table.py", "exec"), {})
        except Killed:
            return False
        return True


def content(file: Path) -> Rows:
    """The rows of a copy."""
    with closing(sqlite3.connect(file)) as copy:
        return in_order([json.loads(text) for (text,) in copy.execute("select content from copied")])


def snapshot(file: Path) -> str:
    """The snapshot that a complete copy has: the one that its link to later changes names."""
    with closing(sqlite3.connect(file)) as copy:
        (link,) = copy.execute("select link from next").fetchone()
    return str(link).rpartition("deltatoken=")[2]


def in_order(rows: Rows) -> Rows:
    """Rows in an order that does not depend on their keys."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
