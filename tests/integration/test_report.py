"""Reports of a published store: written from one snapshot, the same again, and every number with its statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from lgsp import report, store
from lgsp.cli.main import main
from lgsp.errors import LgspError, NothingPublished, SettingError
from lgsp.report.formatting import Numbers, times_100
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp.window import Window
from tests.integration.conftest import FIRST, WHOLE, Installation, copied

LATER = date(2026, 8, 6)  # the second week of the world, of which five days are there
NUMBERS = Numbers("vi")


def _statements(page: str) -> dict[str, str]:
    """The statements of the annex, by the section they are named after."""
    found = re.findall(r'<details id="sql-(\w+)">.*?<code>(.*?)</code>', page, re.DOTALL)
    return {name: unescape(text) for name, text in found}


def _asked(published: Installation, statement: str) -> list[dict[str, Any]]:
    with store.connect(published.settings) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def page(published: Installation, tmp_path_factory: pytest.TempPathFactory) -> str:
    done = report.weekly(published.settings, out=tmp_path_factory.mktemp("report"))
    assert done.period_start == FIRST, "the newest week that is over"
    return done.paths[0].read_text()


@pytest.fixture
def own(server: Server, published: Installation, tmp_path: Path) -> Installation:
    """A copy of the published store that a test may spoil."""
    return copied(server, published, tmp_path)


@pytest.mark.parametrize("language", report.LANGUAGES)
def test_the_same_snapshot_gives_the_same_files(published: Installation, tmp_path: Path, language: str) -> None:
    once, again = (report.weekly(published.settings, FIRST, language, out=tmp_path / name) for name in ("one", "two"))
    assert [path.name for path in once.paths] == [f"digest.{language}.html", f"digest.{language}.xlsx"]
    assert [path.read_bytes() for path in once.paths] == [path.read_bytes() for path in again.paths]
    assert not [path for path in once.paths[0].parent.iterdir() if path.name.startswith(".")]


def test_every_statement_of_the_annex_gives_what_the_page_shows(published: Installation, page: str) -> None:
    statements = _statements(page)
    assert {"coverage", "headline", "trend", "levels", "late", "moved", "weeks", "definitions"} <= set(statements)
    headline = _asked(published, statements["headline"])
    assert headline
    for row in headline:
        if row["denominator"] > 1:
            assert f"{NUMBERS.percent(row['value'])} <small>{NUMBERS.number(row['numerator'])}" in page
        else:
            assert f'<p class="big">{NUMBERS.number(row["value"])}</p>' in page
    levels = [row for row in _asked(published, statements["levels"]) if row["denominator"]]
    assert len(levels) == 3 and all(f"{NUMBERS.percent(row['value'])}</text>" in page for row in levels)
    listed = {row["name"] for name in ("no_online", "no_data", "late") for row in _asked(published, statements[name])}
    assert listed and all(name in unescape(page) for name in listed)
    assert all(_asked(published, statement) is not None for statement in statements.values())


def test_every_number_names_its_definition(published: Installation, page: str) -> None:
    named = set(re.findall(r'href="#def-(\w+)"', page))
    told = published.query(
        "select kpi_id, name_vi, numerator_vi from shared.indicator_definition where valid_to is null"
    )
    assert {"online_share", "on_time", "zero_activity"} <= named
    for row in told:
        if row["kpi_id"] in named:
            assert f'id="def-{row["kpi_id"]}"' in page and row["name_vi"] in unescape(page)


def test_a_week_the_data_do_not_reach_the_end_of_says_so(published: Installation, page: str, tmp_path: Path) -> None:
    early = report.weekly(published.settings, LATER, out=tmp_path).paths[0].read_text()
    assert "Dữ liệu chưa đến hết tuần" in early and "00:00 ngày 11/08/2026" in early
    assert "Dữ liệu chưa đến hết tuần" not in page


def test_the_index_of_a_month_ranks_every_agency_that_has_one(published: Installation, tmp_path: Path) -> None:
    done = report.index(published.settings, "month", date(2026, 8, 1), out=tmp_path)
    page = done.paths[0].read_text()
    rows = published.query(
        "select value from shared.index_766 where component = 'total' and period = 'month' and period_start = '2026-08-01' "
        "and value is not null and organisation_id <> 'ALL'"
    )
    assert rows and all(f"<b>{NUMBERS.number(times_100(row['value']), 1)}</b>" in page for row in rows)
    total = next(row for row in _asked(published, _statements(page)["index_total"]) if row["organisation_id"] == "ALL")
    assert NUMBERS.number(total["points"], 1) in page and "tháng 8/2026" in page


def _class(store: Installation, out: Path, agency: str) -> str:
    """The class that the ranking of August gives an agency."""
    done = report.index(store.settings, "month", date(2026, 8, 1), out=out)
    ranking = _asked(store, _statements(done.paths[0].read_text())["index_total"])
    (row,) = (row for row in ranking if row["organisation_id"] == agency)
    return str(row["class"])


@pytest.mark.parametrize(("points", "told"), [(57.0, "excellent"), (56.99999, "good")])
def test_a_score_is_in_the_class_whose_bound_it_reaches_to_the_last_digit(
    own: Installation, tmp_path: Path, points: float, told: str
) -> None:
    assert 0.57 * 100 < 57, "what a binary fraction makes of it"
    with store.connect(own.settings) as connection:
        row: Any = connection.execute(
            "update shared.index_766 set points = %(points)s, maximum = 100, value = %(points)s / 100::double precision "
            "where component = 'total' and period = 'month' and period_start = '2026-08-01' and organisation_id <> 'ALL' "
            "and organisation_id = (select min(organisation_id) from shared.index_766 where value is not null and component = 'total' "
            "and period = 'month' and period_start = '2026-08-01' and organisation_id <> 'ALL') returning organisation_id",
            {"points": points},
        ).fetchone()
        connection.execute(
            "update shared.indicator_threshold set value = case scope when 'excellent' then 57 when 'good' then 50 else value / 10 end "
            "where threshold_id = 'institution_class'"
        )
    assert _class(own, tmp_path, row["organisation_id"]) == told


def test_who_may_only_read_what_is_shared_can_write_every_report(published: Installation, tmp_path: Path) -> None:
    told = published.settings
    address = f"{told.database_url}?options=-crole%3Dlgsp_reader"
    reader = Settings.from_env({**told.environment, "LGSP_DATABASE_URL": address})
    with store.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from ledger.publication")
    for name, settings in (("ours", told), ("theirs", reader)):
        report.weekly(settings, FIRST, out=tmp_path / name)
        report.index(settings, "month", date(2026, 8, 1), out=tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "ours").iterdir())
    assert len(files) == 4
    assert all((tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes() for name in files)


def test_a_store_that_is_not_as_it_should_be_is_left_alone_and_told(
    install: Callable[..., Any], own: Installation
) -> None:
    empty = install({}, is_initialised=False)
    with pytest.raises(NothingPublished, match="`lgsp init` creates them"):
        report.weekly(empty.settings)
    assert empty.query("select to_regnamespace('shared') is null as is_untouched") == [{"is_untouched": True}]
    with store.connect(own.settings) as connection:
        connection.execute("drop function history.zero_activity_as_of(bigint)")
    with pytest.raises(SettingError, match="run `lgsp init` to upgrade it"):
        report.weekly(own.settings, FIRST)
    with store.connect(own.settings) as connection:
        connection.execute("revoke usage on schema shared from lgsp_reader")
    reader = Settings.from_env({
        **own.settings.environment, "LGSP_DATABASE_URL": f"{own.settings.database_url}?options=-crole%3Dlgsp_reader"
    })  # fmt: skip
    with pytest.raises(SettingError, match="must be a member of lgsp_reader"):
        report.weekly(reader, FIRST)


def test_what_cannot_be_told_is_refused_with_its_reason(published: Installation, install: Callable[..., Any]) -> None:
    with pytest.raises(SettingError, match="begins on 2026-07-30"):
        report.weekly(published.settings, date(2026, 8, 1))
    with pytest.raises(LgspError, match="has no data for the week of 2020-01-02"):
        report.weekly(published.settings, date(2020, 1, 2))
    with pytest.raises(SettingError, match="snapshot 99 was never published"):
        report.weekly(published.settings, snapshot_id=99)
    with pytest.raises(SettingError, match="snapshot 0 was never published"):
        report.weekly(published.settings, snapshot_id=0)
    with pytest.raises(SettingError, match="is not the first day of a quarter"):
        report.index(published.settings, "quarter", date(2026, 8, 1))
    with pytest.raises(NothingPublished, match="nothing was published yet"):
        report.weekly(install({}).settings)


def test_an_older_snapshot_gives_its_own_report_again(installation: Installation) -> None:
    installation.ingest_all(Window.of_days(FIRST, LATER))
    installation.publish()
    known_then = [path.read_bytes() for path in report.weekly(installation.settings, FIRST).paths]
    installation.ingest_all(WHOLE)
    installation.publish()
    newer = report.weekly(installation.settings, FIRST)
    older = report.weekly(installation.settings, FIRST, snapshot_id=1)
    assert [path.read_bytes() for path in older.paths] == known_then
    assert newer.snapshot_id == 2 and newer.paths[0].read_bytes() != known_then[0], "the newer one replaced it"
    assert older.paths[0].parent == newer.paths[0].parent / "snapshot-1"


def test_the_command_says_where_the_files_are(
    published: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in published.settings.environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["report", "weekly", "--week", "2026-07-30", "--language", "en", "--out", str(tmp_path)])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.output.split() == [str(tmp_path / "digest.en.html"), str(tmp_path / "digest.en.xlsx")]
    refused = CliRunner().invoke(main, ["report", "index", "--start", "2026-08-02"])
    assert refused.exit_code == 1 and "2026-08-02 is not the first day of a month" in refused.output
