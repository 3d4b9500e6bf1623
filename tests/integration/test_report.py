"""Tests of the reports: written from one snapshot, reproducible, and every number with its SQL statement."""

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
from lgsp.window import Window
from tests.integration.conftest import FIRST, WHOLE, Installation, set_environment

LATER = date(2026, 8, 6)  # the second week of the world, with data of five days
NUMBERS = Numbers("vi")


def _statements(page: str) -> dict[str, str]:
    """The SQL statements of the annex, by section."""
    sections = re.findall(r'<details id="sql-(\w+)">.*?<code>(.*?)</code>', page, re.DOTALL)
    return {name: unescape(text) for name, text in sections}


def _rows(published: Installation, statement: str) -> list[dict[str, Any]]:
    with store.connect(published.settings) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def page(published: Installation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weekly digest of the newest complete week, as HTML."""
    digest = report.weekly(published.settings, out=tmp_path_factory.mktemp("report"))
    assert digest.period_start == FIRST, "the newest complete week"
    return digest.paths[0].read_text()


@pytest.mark.parametrize("language", report.LANGUAGES)
def test_the_same_snapshot_gives_the_same_files(published: Installation, tmp_path: Path, language: str) -> None:
    first, second = (report.weekly(published.settings, FIRST, language, out=tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first.paths] == [f"digest.{language}.html", f"digest.{language}.xlsx"]
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]
    assert not [path for path in first.paths[0].parent.iterdir() if path.name.startswith(".")]


def test_the_statements_of_the_annex_give_the_shown_numbers(published: Installation, page: str) -> None:
    statements = _statements(page)
    assert {"coverage", "headline", "trend", "levels", "late", "moved", "weeks", "definitions"} <= set(statements)
    headline = _rows(published, statements["headline"])
    assert headline
    for row in headline:
        if row["denominator"] > 1:
            assert f"{NUMBERS.percent(row['value'])} <small>{NUMBERS.number(row['numerator'])}" in page
        else:
            assert f'<p class="big">{NUMBERS.number(row["value"])}</p>' in page
    levels = [row for row in _rows(published, statements["levels"]) if row["denominator"]]
    assert len(levels) == 3 and all(f"{NUMBERS.percent(row['value'])}</text>" in page for row in levels)
    listed = {row["name"] for name in ("no_online", "no_data", "late") for row in _rows(published, statements[name])}
    assert listed and all(name in unescape(page) for name in listed)
    assert all(_rows(published, statement) is not None for statement in statements.values())


def test_every_number_links_to_its_definition(published: Installation, page: str) -> None:
    linked = set(re.findall(r'href="#def-(\w+)"', page))
    definitions = published.query(
        "select kpi_id, name_vi, numerator_vi from shared.indicator_definition where valid_to is null"
    )
    assert {"online_share", "on_time", "zero_activity"} <= linked
    for row in definitions:
        if row["kpi_id"] in linked:
            assert f'id="def-{row["kpi_id"]}"' in page and row["name_vi"] in unescape(page)


def test_the_digest_of_an_incomplete_week_has_a_warning(published: Installation, page: str, tmp_path: Path) -> None:
    incomplete = report.weekly(published.settings, LATER, out=tmp_path).paths[0].read_text()
    assert "Dữ liệu chưa đến hết tuần" in incomplete and "00:00 ngày 11/08/2026" in incomplete
    assert "Dữ liệu chưa đến hết tuần" not in page


def test_the_index_of_a_month_ranks_every_agency_with_an_index(published: Installation, tmp_path: Path) -> None:
    page = report.index(published.settings, "month", date(2026, 8, 1), out=tmp_path).paths[0].read_text()
    rows = published.query(
        "select value from shared.index_766 where component = 'total' and period = 'month' and period_start = '2026-08-01' "
        "and value is not null and organisation_id <> 'ALL'"
    )
    assert rows and all(f"<b>{NUMBERS.number(times_100(row['value']), 1)}</b>" in page for row in rows)
    total = next(row for row in _rows(published, _statements(page)["index_total"]) if row["organisation_id"] == "ALL")
    assert NUMBERS.number(total["points"], 1) in page and "tháng 8/2026" in page


def _class(store: Installation, out: Path, agency: str) -> str:
    """The class that the ranking of August gives an agency."""
    page = report.index(store.settings, "month", date(2026, 8, 1), out=out).paths[0].read_text()
    ranking = _rows(store, _statements(page)["index_total"])
    (row,) = (row for row in ranking if row["organisation_id"] == agency)
    return str(row["class"])


@pytest.mark.parametrize(("points", "expected"), [(57.0, "excellent"), (56.99999, "good")])
def test_the_class_of_a_score_does_not_depend_on_rounding(
    published_copy: Installation, tmp_path: Path, points: float, expected: str
) -> None:
    assert 0.57 * 100 < 57, "binary fractions would give the lower class"
    with store.connect(published_copy.settings) as connection:
        row: Any = connection.execute(
            "update indicator.index_766 set points = %(points)s, maximum = 100, coverage = 1, value = %(points)s / 100::double precision "
            "where component = 'total' and period = 'month' and period_start = '2026-08-01' and organisation_id <> 'ALL' "
            "and organisation_id = (select min(organisation_id) from shared.index_766 where value is not null and component = 'total' "
            "and period = 'month' and period_start = '2026-08-01' and organisation_id <> 'ALL') returning organisation_id",
            {"points": points},
        ).fetchone()
        connection.execute(
            "update shared.indicator_threshold set value = case scope when 'excellent' then 57 when 'good' then 50 else value / 10 end "
            "where threshold_id = 'institution_class'"
        )
    assert _class(published_copy, tmp_path, row["organisation_id"]) == expected


def test_a_reader_of_the_shared_schema_can_write_every_report(published: Installation, tmp_path: Path) -> None:
    owner = published.settings
    reader = _as_reader(owner)
    with store.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from ledger.publication")
    for name, settings in (("owner", owner), ("reader", reader)):
        report.weekly(settings, FIRST, out=tmp_path / name)
        report.index(settings, "month", date(2026, 8, 1), out=tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "owner").iterdir())
    assert len(files) == 4
    assert all((tmp_path / "owner" / name).read_bytes() == (tmp_path / "reader" / name).read_bytes() for name in files)


def _as_reader(settings: Settings) -> Settings:
    """The same settings with the rights of a consumer."""
    url = f"{settings.database_url}?options=-crole%3Dlgsp_reader"
    return Settings.from_env({**settings.environment, "LGSP_DATABASE_URL": url})


def test_a_store_without_tables_is_not_changed(install: Callable[..., Installation]) -> None:
    empty = install({}, is_initialised=False)
    with pytest.raises(NothingPublished, match="`lgsp init` creates them"):
        report.weekly(empty.settings)
    assert empty.query("select to_regnamespace('shared') is null as is_unchanged") == [{"is_unchanged": True}]


def test_a_store_of_an_older_version_is_refused(published_copy: Installation) -> None:
    with store.connect(published_copy.settings) as connection:
        connection.execute("drop function history.zero_activity_as_of(bigint)")
    with pytest.raises(SettingError, match="run `lgsp init` to upgrade it"):
        report.weekly(published_copy.settings, FIRST)


def test_a_role_without_rights_is_refused(published_copy: Installation) -> None:
    with store.connect(published_copy.settings) as connection:
        connection.execute("revoke usage on schema shared from lgsp_reader")
    with pytest.raises(SettingError, match="must be a member of lgsp_reader"):
        report.weekly(_as_reader(published_copy.settings), FIRST)


@pytest.mark.parametrize(
    ("week", "snapshot_id", "error", "reason"),
    [
        (date(2026, 8, 1), None, SettingError, "begins on 2026-07-30"),
        (date(2020, 1, 2), None, LgspError, "has no data for the week of 2020-01-02"),
        (None, 99, SettingError, "snapshot 99 was never published"),
        (None, 0, SettingError, "snapshot 0 was never published"),
    ],
)
def test_an_impossible_digest_is_refused_with_a_reason(
    published: Installation, week: date | None, snapshot_id: int | None, error: type[LgspError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        report.weekly(published.settings, week, snapshot_id=snapshot_id)


def test_an_index_must_start_on_the_first_day_of_its_period(published: Installation) -> None:
    with pytest.raises(SettingError, match="is not the first day of a quarter"):
        report.index(published.settings, "quarter", date(2026, 8, 1))


def test_a_store_without_snapshots_is_refused(empty_store: Installation) -> None:
    with pytest.raises(NothingPublished, match="nothing was published yet"):
        report.weekly(empty_store.settings)


@pytest.mark.exhaustive
def test_an_older_snapshot_gives_its_own_report_again(installation: Installation) -> None:
    installation.ingest_all(Window.of_days(FIRST, LATER))
    installation.publish()
    first_report = [path.read_bytes() for path in report.weekly(installation.settings, FIRST).paths]
    installation.ingest_all(WHOLE)
    installation.publish()
    newer = report.weekly(installation.settings, FIRST)
    older = report.weekly(installation.settings, FIRST, snapshot_id=1)
    assert [path.read_bytes() for path in older.paths] == first_report
    assert newer.snapshot_id == 2 and newer.paths[0].read_bytes() != first_report[0], "the newer one replaced it"
    assert older.paths[0].parent == newer.paths[0].parent / "snapshot-1"


def test_the_command_prints_the_paths_of_the_files(
    published: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, published.settings)
    arguments = ["--week", "2026-07-30", "--language", "en", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["report", "weekly", *arguments])
    assert result.exit_code == 0, result.output
    assert result.output.split() == [str(tmp_path / "digest.en.html"), str(tmp_path / "digest.en.xlsx")]


def test_the_command_exits_with_1_when_the_start_is_wrong(
    published: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, published.settings)
    result = CliRunner().invoke(main, ["report", "index", "--start", "2026-08-02"])
    assert result.exit_code == 1 and "2026-08-02 is not the first day of a month" in result.output
