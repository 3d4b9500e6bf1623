"""A mistyped year is not read unless a person confirms it, and a window without records never reaches back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lgsp.check import freshness
from lgsp.cli.main import main
from lgsp.errors import UnlikelyWindow
from lgsp.indicators import compute
from lgsp.land import bounds
from lgsp.maintain import sweep
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import Transaction
from lgsp.window import LOCAL, Window
from tests.integration.conftest import MIDNIGHT, Installation, copied

MISTYPED = {
    "the year of another century": ("1999-08-01", "1999-08-05"),
    "a range from another century": ("1999-08-01", "2026-08-05"),
    "the first year": ("0001-01-01", "0001-01-02"),
    "the last year": ("2026-08-01", "9999-12-31"),
    "a year in the future": ("2036-08-01", "2036-08-05"),
    "reversed": ("2026-08-05", "2026-08-01"),
    "a year before the first record": ("2025-08-01", "2025-08-05"),
}


def _run(installation: Installation, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))


def _unreachable(installation: Installation) -> Installation:
    """The same installation with sources at which nothing answers."""
    nowhere = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": 1, "login": "x", "password": "x"}
    return installation.connected_to(dict.fromkeys(("one_stop_shop", "documents"), nowhere))


@pytest.fixture(scope="module")
def unread(published: Installation) -> Installation:
    """The published installation, whose sources cannot be read: a request fails with exit code 4."""
    return _unreachable(published)


@pytest.mark.parametrize("window", MISTYPED.values(), ids=MISTYPED)
@pytest.mark.parametrize("command", [("run", "one_stop_shop"), ("sweep", "documents")], ids=lambda c: c[0])
def test_a_mistyped_year_is_asked_for(unread: Installation, command: tuple[str, ...], window: tuple[str, str]) -> None:
    before = unread.query("select count(*) as batches from ledger.batch")
    asked = _run(unread, *command, "--from", window[0], "--to", window[1])
    assert asked.exit_code == 2, asked.output
    assert "--really" in asked.output or "must end after it begins" in asked.output or "the calendar" in asked.output
    assert unread.query("select count(*) as batches from ledger.batch") == before


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_half_a_window_is_refused(unread: Installation, option: str) -> None:
    assert _run(unread, "run", "one_stop_shop", option, "2026-08-01").exit_code == 2


@pytest.mark.parametrize("window", MISTYPED.values(), ids=MISTYPED)
def test_a_backfill_of_a_mistyped_year_is_asked_for(unread: Installation, window: tuple[str, str]) -> None:
    asked = _run(unread, "backfill", "--from", window[0], "--to", window[1])
    assert asked.exit_code in (1, 2)
    assert any(text in asked.output for text in ("--really", "no day to fetch", "the calendar does not reach"))


def test_a_likely_window_needs_no_confirmation(published: Installation) -> None:
    window = Window.of("2026-08-01", "2026-08-02")
    assert bounds.confirm(published.settings, "documents", window, "Lan") is None


@pytest.fixture(scope="module")
def confirmed(server: Server, published: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A copy of the published installation, after a person confirmed a day of 1999, which has no records."""
    copy = copied(server, published, tmp_path_factory.mktemp("confirmed"))
    done = _run(copy, "run", "one_stop_shop", "--from", "1999-08-02", "--to", "1999-08-03", "--really", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["fetched_count"] == 0
    copy.publish()
    return copy


def test_who_confirmed_a_window_is_recorded(confirmed: Installation) -> None:
    (row,) = confirmed.query("select * from ledger.batch where window_from < '2000-01-01'")
    assert row["confirmed_by"] and row["confirmed_at"] and row["state"] == "published"
    manifest = json.loads((confirmed.settings.landing / row["landing_path"] / "manifest.json").read_bytes())
    assert manifest["confirmed_by"] == row["confirmed_by"]
    assert confirmed.query("select distinct confirmed_by from ledger.batch where window_from > '2000-01-01'") == [{"confirmed_by": None}]  # fmt: skip


def test_an_empty_window_never_makes_indicators_reach_back(confirmed: Installation, published: Installation) -> None:
    assert confirmed.data_hashes() == published.data_hashes()
    first = "select min(day_on) as day_on, count(*) as days from ledger.completeness"
    assert confirmed.query(first) == published.query(first)


def test_what_lies_before_the_first_records_is_no_gap(confirmed: Installation) -> None:
    with connect(confirmed.settings) as connection:
        measured = freshness.measure(connection, datetime.now(LOCAL))
    assert [feed.holes for feed in measured] == [(), (), ()]


def test_empty_days_between_records_count_as_read(publish_transaction: Transaction) -> None:
    for source in ("one_stop_shop", "online_services"):
        for day, records in ((1, 0), (2, 3), (3, 0), (4, 5)):
            publish_transaction.do(
                "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, fetched_count, published_count) "
                f"values ('{source}.{day}', '{source}', '2026-07-0{day}+07', '2026-07-0{day + 1}+07', 'published', '', {records}, {records})"
            )
    compute.stage_periods(publish_transaction)
    assert publish_transaction.one("select covered @> tstzrange('2026-07-02+07', '2026-07-05+07') from clock")
    assert str(publish_transaction.one("select first_on from clock")) == "2026-07-02", "not 1 July, which had no record"


def test_a_sweep_of_an_unlikely_range_sends_no_request(unread: Installation) -> None:
    long_ago = Window(MIDNIGHT - timedelta(days=9000), MIDNIGHT)
    with pytest.raises(UnlikelyWindow, match="more than 3660 days ago"):
        sweep.sweep_window(unread.settings, "one_stop_shop", long_ago)


@pytest.mark.exhaustive
def test_a_confirmed_empty_window_can_be_taken_back(
    server: Server, confirmed: Installation, published: Installation, tmp_path: Path
) -> None:
    back = copied(server, confirmed, tmp_path)
    (row,) = back.query("select batch_id from ledger.batch where window_from < '2000-01-01'")
    assert _run(back, "batch", "withdraw", row["batch_id"], "--reason", "the year was mistyped").exit_code == 0
    assert back.data_hashes() == published.data_hashes()
    readings = "select * from record.list_reading order by 1, 2"
    assert back.query(readings) == published.query(readings) != confirmed.query(readings)
