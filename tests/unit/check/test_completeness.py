"""Text output of completeness and freshness, and the broken feeds of the simulated province."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from lgsp.check import completeness
from lgsp.check.completeness import Gap
from lgsp.check.freshness import Freshness
from lgsp.cli.completeness import completeness as command
from lgsp.window import LOCAL
from lgsp_province import World
from lgsp_province.defects import broken_feeds
from lgsp_province.score.feeds import windows_by_publication
from lgsp_province.truth.truth import truth_of
from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_date, day_number

FIRST, LAST = date(2022, 8, 1), date(2022, 10, 9)


def _gap(organisation: str, first: int, last: int, reason: str = "a hole") -> Gap:
    return Gap("one_stop_shop", organisation, f"UBND {organisation}", "missing", date(2026, 8, first), date(2026, 8, last), last - first + 1, reason, None)  # fmt: skip


def test_agencies_with_the_same_gap_share_one_line() -> None:
    many = [_gap(f"H47.{n:02d}", 3, 4) for n in range(completeness.MAX_AGENCIES_SHOWN + 3)]
    alone = _gap("H47.99", 5, 5, "silent")
    first, second = completeness.gap_lines([*many, alone])
    assert first.startswith("missing one_stop_shop    2026-08-03 to 2026-08-04") and first.endswith(
        "and 3 more agencies"
    )
    assert second.endswith("2026-08-05                silent: H47.99 UBND H47.99")


def test_freshness_shows_the_end_of_coverage_and_the_holes() -> None:
    until = datetime(2026, 8, 5, tzinfo=LOCAL)
    hole = (datetime(2026, 8, 1, tzinfo=LOCAL), datetime(2026, 8, 3, tzinfo=LOCAL))
    text = str(Freshness("documents", until, None, timedelta(hours=31), (hole,), True))
    assert text == "documents: data reaches 2026-08-05 00:00, 31 hours ago; not read: 2026-08-01..2026-08-03"
    assert str(Freshness("documents", None, None, None, (), False)) == "documents: nothing was published yet"


def test_the_command_without_a_subcommand_shows_the_gaps() -> None:
    result = CliRunner().invoke(command, ["one_stop_shop", "--state", "zero"])
    assert result.exit_code == 2 and "'zero' is not one of 'missing', 'late'" in result.output
    result = CliRunner().invoke(
        command, ["confirm", "documents", "H47", "--from", "2026-08-02", "--to", "2026-08-01", "--why", "x"]
    )
    assert result.exit_code == 2 and "ends before it begins" in result.output
    assert "confirm" in CliRunner().invoke(command, ["--help"]).output


@pytest.fixture(scope="module")
def world() -> World:
    return World.generate(
        "tiny", 5, FIRST, LAST, dossiers_count=5000, documents_count=5, defects_chosen="none", broken_feeds="all"
    )


def test_a_broken_feed_hides_only_its_own_records(world: World) -> None:
    now = day_number(LAST + timedelta(days=1)) * 86_400 - 7 * 3600
    sound = World(world.seed, world.start, world.end, world.calendar, world.rates, world.dossiers, world.marks, world.document_data)  # fmt: skip
    whole, broken = sound.view(now), world.view(now)
    for name, system in (("one_stop", broken_feeds.ONE_STOP), ("portal", broken_feeds.PORTAL)):
        gone = (getattr(whole, name).visible > 0) & (getattr(broken, name).visible == 0)
        feeds = [feed for feed in world.feeds if feed.system == system]
        assert gone.any() and not np.isin(np.flatnonzero(gone), getattr(broken, name).listing.rows).any()
        silent = {feed.agency for feed in feeds if feed.agency is not None}
        lost = {day for _, agency, day in broken_feeds.missing_days(feeds, world.calendar) if agency is None}
        modified = (getattr(whole, name).modified + 7 * 3600) // 86_400
        for row in np.flatnonzero(gone):
            is_also_gone_in_one_stop = (
                whole.one_stop.visible[row] > 0 and broken.one_stop.visible[row] == 0 and name == "portal"
            )
            assert (
                is_also_gone_in_one_stop or world.dossiers.agency[row] in silent or day_date(int(modified[row])) in lost
            )


def test_the_truth_has_no_data_for_broken_feeds_and_zero_else(world: World) -> None:
    now = day_number(LAST + timedelta(days=1)) * 86_400 - 7 * 3600
    rows = truth_of(world, now).zero_activity.to_pylist()
    broken = agencies.load()[next(f.agency for f in world.feeds if f.agency is not None)].new_code
    silent = {agency.new_code for agency in agencies.in_force(LAST) if agency.is_silent}
    last_week = [row for row in rows if row["period"] == "week" and row["period_start"] == date(2022, 9, 22)]
    states = {row["organisation_id"]: row["state"] for row in last_week if row["channel"] == "any"}
    assert states[broken] == "no_data" and {states[code] for code in silent} == {"zero"}
    assert {row["state"] for row in rows if row["period"] == "month" and row["period_start"] == date(2022, 9, 1)} == {"no_data"}  # fmt: skip


def test_lost_days_are_read_one_by_one_unless_the_system_is_down(world: World) -> None:
    before, after = windows_by_publication(world)
    assert {source for source, _ in before} == {"one_stop_shop", "online_services", "documents"}
    read = {source: [str(window) for name, window in after if name == source] for source, _ in before}
    assert [len(read[source]) for source in ("one_stop_shop", "online_services", "documents")] == [3, 5, 5]


def test_feeds_break_only_where_the_break_differs_from_silence() -> None:
    with pytest.raises(ValueError, match="too few"):
        World.generate("tiny", 5, FIRST, LAST, dossiers_count=100, documents_count=5, broken_feeds="all")
    with pytest.raises(ValueError, match="'none' or 'all'"):
        World.generate("tiny", 5, FIRST, LAST, dossiers_count=10, documents_count=5, broken_feeds="some")
