"""The Dags that write reports, and the UI page that lists them."""

from __future__ import annotations

from datetime import date, datetime
from types import SimpleNamespace

import pytest

from lgsp.errors import SettingError
from lgsp.window import LOCAL

pytestmark = pytest.mark.filterwarnings("ignore")


def _context(at, **params):
    return {"params": params, "dag_run": SimpleNamespace(run_after=at.replace(tzinfo=LOCAL))}


def test_the_digest_is_written_on_thursday_morning(dagbag):
    dag = dagbag.dags["weekly_digest"]
    assert (dag.timetable.expression, dag.task_ids, dag.max_active_runs) == ("30 6 * * 4", ["digest"], 1)


def test_the_index_is_written_on_the_second_of_each_month(dagbag):
    dag = dagbag.dags["index_report"]
    assert (dag.timetable.expression, dag.task_ids, dag.max_active_runs) == ("30 6 2 * *", ["index"], 1)


@pytest.mark.parametrize(
    ("at", "first"),
    [
        (datetime(2026, 11, 19, 6, 30), date(2026, 11, 12)),  # a Thursday: the week that ended at midnight
        (datetime(2026, 11, 18, 23, 59), date(2026, 11, 5)),
    ],
)
def test_a_run_reports_the_week_that_ended_before_its_day(dagbag, at, first):
    from wiring import reports

    assert reports.week_of_run(_context(at, week=None)) == first
    assert reports.week_of_run(_context(at, week="2026-08-06")) == date(2026, 8, 6)


def test_a_period_is_given_with_its_start_or_not_at_all(dagbag):
    from wiring import reports

    at = datetime(2027, 1, 2, 6, 30)
    assert list(reports.periods_of_run(_context(at, period=None, start=None))) == ["month", "quarter", "half_year"]
    requested = reports.periods_of_run(_context(at, period="quarter", start="2026-04-01"))
    assert requested == {"quarter": date(2026, 4, 1)}
    with pytest.raises(SettingError, match="belong together"):
        reports.periods_of_run(_context(at, period="quarter", start=None))


@pytest.mark.parametrize("wrong", ["12/11/2026", "2026-13-01", 7])
def test_a_week_that_is_not_a_date_is_refused_before_the_run(dagbag, wrong):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dagbag.dags["weekly_digest"].params.get_param("week").resolve(wrong)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for week in ("2026-11-05", "2026-11-12"):
        page = tmp_path / "reports" / "weekly" / week / "digest.vi.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<h1>{week}</h1>")
    page.with_suffix(".xlsx").write_bytes(b"PK")
    (tmp_path / "token.key").write_text("a secret")
    (tmp_path / "reports" / "way_out.html").symlink_to(tmp_path / "token.key")
    monkeypatch.setenv("LGSP_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("path", ["/reports/", "/reports/weekly/2026-11-12/digest.vi.html", "/reports/nothing"])
def test_a_request_without_a_login_is_refused(server, home, path):
    assert server.get(path).status_code == 401


def test_a_reader_finds_the_newest_report_first(server, home, reader):
    listing = server.get("/reports/", headers=reader).text
    assert listing.index("weekly/2026-11-12/digest.vi.html") < listing.index("weekly/2026-11-05/digest.vi.html")
    response = server.get("/reports/weekly/2026-11-12/digest.vi.html", headers=reader)
    assert "2026-11-12" in response.text and response.headers["content-type"].startswith("text/html")
    assert server.get("/reports/weekly/2026-11-12/digest.vi.xlsx", headers=reader).content == b"PK"


@pytest.mark.parametrize(
    "path", ["%2e%2e/token.key", "..%2ftoken.key", "way_out.html", "weekly/2026-11-12", "a%00b", "a" * 300]
)
def test_only_reports_are_served(server, home, reader, path):
    assert server.get(f"/reports/{path}", headers=reader).status_code == 404
