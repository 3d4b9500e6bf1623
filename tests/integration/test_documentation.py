"""Every command and statement in README and docs runs on published data and gives the right answer.

Blocks of language `sql`, `python` and `sh` are executed; blocks of other languages (installation, Docker, backfills,
commands that change data) are not. Each statement has a check that computes its answer in another way: from the Parquet
files with pandas, or from the manifests.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from lgsp.indicators import definitions
from lgsp.snapshots import pointer
from lgsp.store.embedded_postgres import Server
from tests.conftest import ROOT
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation, copied

PAGES = [ROOT / "README.md", ROOT / "README.vi.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sql|python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Example:
    """One block of a page."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.text.split())[:60]}"


def _examples(*languages: str) -> list[Example]:
    found = [
        Example(page.name, match[1], match[2])
        for page in PAGES
        for match in BLOCK.finditer(page.read_text())
        if match[1] in languages
    ]
    return list({example.text: example for example in found}.values())


@dataclass(frozen=True)
class Published:
    """Two snapshots of the small world, and a folder that looks like the project to a command."""

    installation: Installation
    project: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a shell in the project's folder."""
        settings = dict(self.installation.settings.environment)
        settings.pop("LGSP_HOME")
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **settings}

    def parquet(self, table: str) -> pd.DataFrame:
        """A table of the newest snapshot, read from its files."""
        return pd.read_parquet(self.project / ".lgsp" / "shared" / "current" / table)

    @cached_property
    def dossiers(self) -> pd.DataFrame:
        """The dossiers of the newest snapshot, from its files."""
        return self.parquet("dossier")

    @cached_property
    def newest(self) -> int:
        """The number of the newest snapshot, from the pointer of the files."""
        return pointer.current(self.installation.settings.shared) or 0

    def rows(self, table: str, snapshot_id: int) -> int:
        """The number of rows of a table in a snapshot, from its manifest."""
        return pointer.manifest(self.installation.settings.shared, snapshot_id)["tables"][table]["rows"]

    def counted_on_time(self, period: str) -> pd.DataFrame:
        """Finished dossiers with a due day by agency and period, and those of them on time: from the files."""
        dossiers = self.dossiers
        is_counted = ~dossiers.status.isin(["withdrawn", "not_accepted"]) & dossiers.due_on.notna()
        finished = dossiers[is_counted & dossiers.finished_on.notna()]
        days = pd.to_datetime(finished.finished_on)
        frame = pd.DataFrame({
            "organisation_id": finished.receiving_organisation_id,
            "period_start": days.dt.to_period(period).dt.start_time.dt.date,
            "is_on_time": finished.finished_on <= finished.due_on,
        })  # fmt: skip
        return frame.groupby(["organisation_id", "period_start"]).is_on_time.agg(["sum", "count"]).reset_index()


@pytest.fixture(scope="module")
def world_published(
    server: Server, published_twice: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Published:
    """Two snapshots, so that there is something to look back at."""
    installation = copied(server, published_twice, tmp_path_factory.mktemp("documented"))
    project = tmp_path_factory.mktemp("project")
    for name, target in ((".lgsp", installation.settings.home), (".venv", ROOT / ".venv"), ("lgsp", ROOT / "lgsp")):
        (project / name).symlink_to(target)
    return Published(installation, project)


def _on_time_of_agencies(world: Published, rows: Rows) -> None:
    assert len({row["organisation_name"] for row in rows}) == len(rows) == 10, "each agency once"
    counted = world.counted_on_time("M")
    newest = counted[counted.period_start == max(counted.period_start)]
    names = world.parquet("organisation")
    by_name = names[names.is_current].set_index("organisation_id").name
    expected = {by_name.get(row.organisation_id): (row["sum"], row["count"]) for _, row in newest.iterrows()}
    for row in rows:
        if row["denominator"]:
            assert expected[row["organisation_name"]] == (row["numerator"], row["denominator"]), row


def _in_process(world: Published, rows: Rows) -> None:
    open_ = world.dossiers[world.dossiers.status == "processing"]
    assert sum(row["dossiers"] for row in rows) == len(open_) > 0
    names = world.parquet("organisation_current").set_index("organisation_id").name
    by_name = open_.receiving_organisation_id.map(names).value_counts()
    assert {row["receiving_organisation_name"] for row in rows} - {None} == set(by_name.index)
    assert min(row["first_due_on"] for row in rows if row["first_due_on"]) == open_.due_on.dropna().min()


def _read_until(world: Published, rows: Rows) -> None:
    windows = world.installation.query("select source, max(window_to) as until from ledger.batch group by 1")
    assert {r["source"]: r["covered_until"] for r in rows if "source" in r} == {
        r["source"]: r["until"] for r in windows
    }
    found = {row["organisation_id"] for row in rows if "organisation_id" in row}
    agencies = world.parquet("organisation_current")
    assert found == set(agencies[agencies.name.str.contains("Điện Bàn")].organisation_id) != set()


def _shares_of_the_province(world: Published, rows: Rows) -> None:
    on_time = world.counted_on_time("M").groupby("period_start")[["sum", "count"]].sum()
    found = {row["period_start"]: row for row in rows if row["kpi_id"] == "on_time"}
    assert len(rows) == len({(row["kpi_id"], row["period_start"]) for row in rows})
    for start, counts in on_time.iterrows():
        assert (found[start]["numerator"], found[start]["denominator"]) == (counts["sum"], counts["count"])


def _agencies_without_dossiers(world: Published, rows: Rows) -> None:
    assert rows and len({(row["level"], row["name"], row["channel"]) for row in rows}) == len(rows), "each agency once"
    names = world.parquet("organisation")
    ids = names[names.is_current].groupby("name").organisation_id.agg(set)
    weeks = world.parquet("zero_activity")
    start = weeks[(weeks.period == "week") & (weeks.state != "no_data")].period_start.max()
    days = pd.to_datetime(world.dossiers.received_on)
    received = world.dossiers[(days >= pd.Timestamp(start)) & (days < pd.Timestamp(start) + pd.Timedelta(days=7))]
    for row in rows:
        if row["state"] == "zero" and row["channel"] == "any":
            assert not received.receiving_organisation_id.isin(ids[row["name"]]).all() or received.empty


def _one_snapshot(world: Published, rows: Rows) -> None:
    values = {name: value for row in rows for name, value in row.items()}
    assert values["snapshot_id"] == world.newest
    assert values["count"] == len(world.dossiers)
    assert int(values["sum"]) == int(world.counted_on_time("Y")["sum"].sum())


def _definition(world: Published, rows: Rows) -> None:
    text = (definitions.FOLDER / "indicator_definition.yml").read_text()
    versions = yaml.safe_load(text)["online_share"]["versions"]
    assert [row["definition_version"] for row in rows] == [version["version"] for version in versions]


def _older_snapshot(world: Published, rows: Rows) -> None:
    assert rows[0]["count"] == world.rows("dossier", 1)
    on_time = world.counted_on_time("M").groupby("period_start")[["sum", "count"]].sum()
    values = sorted(row["value"] for row in rows[1:] if row["value"] is not None)
    assert values == pytest.approx(sorted(on_time["sum"] / on_time["count"]))


def _changes(world: Published, rows: Rows) -> None:
    kinds = [row["change"] for row in rows]
    assert world.rows("dossier", 1) + kinds.count("insert") - kinds.count("delete") == world.rows(
        "dossier", world.newest
    )


def _times_by_period(world: Published, rows: Rows) -> None:
    written = world.parquet("zero_activity")[["period", "period_start", "as_of"]].drop_duplicates()
    assert {(row["period"], row["period_start"], row["as_of"]) for row in rows} == set(written.itertuples(index=False, name=None))  # fmt: skip


def _by_status(world: Published, rows: Rows) -> None:
    with psycopg.connect(str(world.installation.settings.database_url)) as connection:
        counted = connection.execute("select status, count(*) from shared.dossier group by 1").fetchall()
    assert sorted(tuple(row.values()) for row in rows) == sorted(counted)


def _channels(world: Published, output: str) -> None:
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", output, re.MULTILINE))
    with psycopg.connect(str(world.installation.settings.database_url)) as connection:
        counted = connection.execute("select channel, count(*) from shared.dossier group by 1").fetchall()
    assert {name: int(count) for name, count in counts.items()} == dict(counted)


def _duckdb_status(world: Published, output: str) -> None:
    assert all(status in output for status in world.dossiers.status.unique())


def _runs(world: Published, output: str) -> None:
    """A program without output: its last variables are checked by running it."""


def _no_refused_batch(world: Published, rows: Rows) -> None:
    states = {row["state"] for row in world.installation.query("select state from ledger.batch")}
    assert rows == [] and states == {"published"}


def _conservation(world: Published, rows: Rows) -> None:
    landed = world.installation.query("select source, sum(fetched_count)::bigint as n from ledger.batch group by 1")
    assert {row["source"]: row["fetched_count"] for row in rows} == {row["source"]: row["n"] for row in landed}
    assert {row["lost_count"] for row in rows} == {0}


def _no_sweep_yet(world: Published, rows: Rows) -> None:
    assert rows == [], "nothing was swept"


def _profiled(world: Published, rows: Rows) -> None:
    batches = {row["batch_id"] for row in rows}
    assert batches == {
        row["batch_id"]
        for row in world.installation.query("select batch_id from ledger.batch where source = 'one_stop_shop'")
    }


def _repairs(world: Published, rows: Rows) -> None:
    assert all(row["treatment"] == "corrected" for row in rows)


# The check of each statement and program, by a part of its text.
CHECKS: dict[str, Callable[[Published, Any], None]] = {
    "from shared.service_kpi_month": _on_time_of_agencies,
    "from shared.dossier_wide": _in_process,
    "from shared.freshness": _read_until,
    "round(100 * value::numeric, 2) as percent": _shares_of_the_province,
    "from shared.zero_activity z": _agencies_without_dossiers,
    "begin isolation level repeatable read": _one_snapshot,
    "from shared.indicator_definition": _definition,
    "history.dossier_as_of(": _older_snapshot,
    "history.dossier_changes(": _changes,
    "from history.as_of_by_period": _times_by_period,
    "read_parquet('.lgsp/shared/current/dossier/**/*.parquet') group by status": _by_status,
    'groupby("channel").size()': _channels,
    "print(duckdb.sql(": _duckdb_status,
    'f"{snapshot}/dossier_event"': _runs,
    "where state in ('failed', 'refused')": _no_refused_batch,
    "why like 'an older version%'": _no_refused_batch,
    "from ledger.conservation": _conservation,
    "from ledger.sweep": _no_sweep_yet,
    "join ledger.batch_day d": _profiled,
    "from ledger.repair": _repairs,
}


def _check_of(example: Example) -> Callable[[Published, Any], None]:
    checks = [check for part, check in CHECKS.items() if part in example.text]
    assert len(checks) == 1, f"{example}: every example needs one entry in CHECKS, it has {len(checks)}"
    return checks[0]


def _statements(text: str) -> Iterator[str]:
    for statement in re.split(r";[^\S\n]*(?:--[^\n]*)?(?:\n|$)", text):
        if re.sub(r"--[^\n]*", "", statement).strip():
            yield statement


@pytest.mark.parametrize("example", _examples("sql"), ids=str)
def test_a_statement_gives_the_right_answer(example: Example, world_published: Published, monkeypatch: Any) -> None:
    rows: Rows = []
    if "read_parquet(" in example.text:
        monkeypatch.chdir(world_published.project)
        for statement in _statements(example.text):
            relation = duckdb.sql(statement)
            rows += [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    else:
        url = str(world_published.installation.settings.database_url)
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
            if "ledger." not in example.text:
                connection.execute("set role lgsp_reader")
            for statement in _statements(example.text):
                cursor = connection.execute(statement.encode())
                rows += cursor.fetchall() if cursor.description else []
    _check_of(example)(world_published, rows)


@pytest.mark.parametrize("example", _examples("python"), ids=str)
def test_a_program_gives_the_right_answer(example: Example, world_published: Published) -> None:
    done = subprocess.run(
        [".venv/bin/python", "-c", example.text], cwd=world_published.project, env=world_published.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _check_of(example)(world_published, done.stdout)


IN_README = [example for example in _examples("sh") if str(example).startswith("README.md")]
ELSEWHERE = [example for example in _examples("sh") if example not in IN_README]


@pytest.mark.parametrize("example", [*IN_README, *exhaustive(*ELSEWHERE)], ids=str)
def test_commands_run_as_they_are_written(example: Example, world_published: Published) -> None:
    lines = [line for line in example.text.splitlines() if not line.startswith("make ")]
    done = subprocess.run(
        ["sh", "-eu", "-c", "\n".join(lines)], cwd=world_published.project, env=world_published.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_status_reports_the_newest_snapshot(world_published: Published) -> None:
    done = subprocess.run(
        ["./lgsp", "status", "--json"], cwd=world_published.project, env=world_published.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["snapshot_id"] == world_published.newest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_on_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    mentioned = {name for block in blocks for name in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)}
    assert mentioned <= targets
