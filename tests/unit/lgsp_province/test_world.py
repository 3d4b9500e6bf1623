"""The simulated province is deterministic, orderly, and agrees with its own truth."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import orjson
import pytest
from lxml import etree

from lgsp_province import World
from lgsp_province.systems import documents_edxml, one_stop_shop_records, online_services_records
from lgsp_province.systems.faults import Fault, Plan
from lgsp_province.world import agencies, papers, services
from lgsp_province.world.calendar import LOCAL, WorkCalendar, instant, local_days, midnight
from lgsp_province.world.lives import FINISHED, NEVER, RETURNED

START, END = date(2026, 6, 1), date(2026, 6, 10)
AS_OF = midnight(date(2026, 6, 11))


@cache
def world(seed=5, defects="all", dossiers=2_000):
    return World.generate("tiny", seed, START, END, dossiers_count=dossiers, defects_chosen=defects)


def rendered(some_world, as_of=AS_OF):
    view = some_world.view(as_of)
    renderer = one_stop_shop_records.Renderer()
    one_stop = [renderer.dossier(seen) for seen in view.seen(view.one_stop, view.one_stop.listing.rows)]
    portal = [online_services_records.dossier(seen) for seen in view.seen(view.portal, view.portal.listing.rows)]
    papers = some_world.papers
    messages = [documents_edxml.document_xml(d, papers.documents) for d in papers.documents]
    return orjson.dumps([one_stop, portal, messages])


def test_the_same_seed_gives_the_same_bytes():
    again = World.generate("tiny", 5, START, END, dossiers_count=2_000)
    assert rendered(again) == rendered(world())


def test_another_seed_gives_another_province():
    assert rendered(world(6)) != rendered(world())


@pytest.mark.parametrize(("size", "days"), [("tiny", 10), ("demo", 90)])
def test_a_size_holds_what_it_promises(size, days):
    found = World.generate(size, 1, date(2026, 5, 1), date.fromordinal(date(2026, 5, 1).toordinal() + days - 1))
    wanted = {"tiny": (400, 30), "demo": (30_000, 1_000)}[size]
    view = found.view(midnight(date.fromordinal(found.end.toordinal() + 1)))
    within = int((found.dossiers.submitted < view.as_of).sum())
    papers = [d for d in found.papers.documents if d.sent_at < view.as_of]
    assert abs(within - wanted[0]) < 0.06 * wanted[0] + 10
    assert abs(len(papers) - wanted[1]) < 0.15 * wanted[1] + 8


def test_the_units_of_the_province_are_there():
    before = agencies.before_merger()
    everyone = {agency.name: agency for agency in before}
    levels = Counter(agency.level for agency in before)
    assert levels[agencies.COMMUNE] == 241 and levels[agencies.DISTRICT] == 18
    assert sum(a.is_silent for a in before) == 24 and sum(a.is_offline for a in before) == 13
    assert everyone["UBND xã Cẩm Thanh"].code == "000.25.20.H47"
    assert everyone["UBND xã Cẩm Thanh"].new_code == "H47.20.25"
    assert everyone["Sở Thông tin và Truyền thông"].new_code == "H47.07"
    assert everyone["UBND tỉnh Quảng Nam"].new_code == "H47"
    assert len({a.code for a in before}) == len({a.new_code for a in before}) == 283
    assert len(services.load()) >= 200


def local(*parts):
    return instant(datetime(*parts, tzinfo=LOCAL))


@pytest.mark.parametrize(
    ("received", "days", "due"),
    [
        ((2026, 6, 1, 9, 0), 1, (2026, 6, 1)),  # same day, received in the morning
        ((2026, 6, 1, 15, 30), 1, (2026, 6, 2)),
        ((2026, 6, 5, 9, 0), 3, (2026, 6, 10)),  # over a weekend
        ((2026, 6, 6, 9, 0), 3, (2026, 6, 11)),  # received on a Saturday: counts from Monday
        ((2026, 2, 13, 16, 0), 2, (2026, 2, 24)),  # over Tết
        ((2026, 8, 21, 16, 0), 1, (2026, 8, 22)),  # the Saturday that makes up for 31 August
    ],
)
def test_due_dates_count_working_days(received, days, due):
    calendar = WorkCalendar(date(2026, 2, 1), date(2026, 9, 30))
    found = calendar.due(np.array([local(*received)]), np.array([days]))
    assert datetime.fromtimestamp(int(found[0]), LOCAL) == datetime(*due, 17, 0, tzinfo=LOCAL)


def test_working_time_comes_back_where_it_left():
    calendar = WorkCalendar(date(2026, 6, 1), date(2026, 6, 30))
    moments = np.array([local(2026, 6, 3, 7, 0), local(2026, 6, 3, 11, 29), local(2026, 6, 3, 16, 59)])
    assert (calendar.from_working(calendar.to_working(moments)) == moments).all()


def test_nothing_happens_at_the_counter_on_a_day_off():
    lived = world().dossiers
    weekday = (local_days(lived.submitted) + 3) % 7
    assert not (weekday[lived.channel == 1] == 6).any()


def test_events_of_a_dossier_follow_one_another():
    times = world().dossiers.lives.times
    both = times[:, 1:] < NEVER
    assert (np.diff(times, axis=1)[both] > 0).all()


def test_dossiers_are_mostly_in_time_and_four_in_ten_online():
    found = World.generate("tiny", 3, date(2026, 3, 1), date(2026, 5, 31), dossiers_count=20_000)
    lives = found.dossiers.lives
    finished = np.where((lives.statuses == FINISHED) & (lives.times < NEVER), lives.times, 0).max(axis=1)
    counts = (finished > 0) & (lives.due >= 0)
    late = (local_days(finished) > local_days(lives.due))[counts].mean()
    assert 0.01 < late < 0.04
    assert 0.38 < (found.dossiers.channel == 0).mean() < 0.46


def test_a_world_without_defects_has_none():
    clean = world(defects="none")
    found = clean.truth(AS_OF)
    assert set(found.defects["defect"].to_pylist()) <= {"D30", "closed-at-receipt"}
    assert found.quarantined.num_rows == 0 and found.ignored.num_rows == 0


def test_every_defect_shows_and_none_moves_another():
    everything, alone = world(), world(defects="D08")
    names = set(everything.truth(AS_OF).defects["defect"].to_pylist())
    assert {"D01", "D08", "D15", "D17", "D18", "D19", "D22", "D24", "D26", "D34", "secret"} <= names
    assert (everything.marks.has("D08") == alone.marks.has("D08")).all()
    assert set(alone.truth(AS_OF).defects["defect"].to_pylist()) <= {"D08", "D30", "closed-at-receipt"}


def test_an_unknown_defect_is_refused():
    with pytest.raises(ValueError, match="D99"):
        world(defects="D99")


def test_the_truth_is_in_exactly_one_state_per_dossier():
    found = world().truth(AS_OF)
    table = found.dossiers.to_pandas()
    assert table["dossier_id"].is_unique
    ended = table["status"].isin(["finished", "returned"])
    assert (ended == table["finished_at"].notna()).all()
    assert (table["is_on_time"].notna() == (ended & table["due_on"].notna())).all()
    assert (table["in_one_stop"] | table["in_online_services"]).all()
    assert found.totals["events"] == table["event_count"].sum()


def test_the_indicators_recount_from_the_published_dossiers():
    found = world().truth(AS_OF)
    table, rates = found.dossiers.to_pandas(), found.indicators.to_pandas()
    year = rates[(rates.organisation_id == "ALL") & (rates.level == "ALL") & (rates.period == "year")]
    on_time = year[year.kpi_id == "on_time"].iloc[0]
    assert on_time.numerator == (table.is_on_time == True).sum()  # noqa: E712
    assert on_time.denominator == table.is_on_time.notna().sum()
    assert on_time.excluded == table.status.isin(["withdrawn", "not_accepted"]).sum()
    online = year[year.kpi_id == "online_share_all"].iloc[0]
    assert online.denominator == table.received_on.notna().sum()
    communes = rates[(rates.kpi_id == "on_time") & (rates.period == "week") & (rates.organisation_id != "ALL")]
    weeks = rates[
        (rates.kpi_id == "on_time")
        & (rates.period == "week")
        & (rates.organisation_id == "ALL")
        & (rates.level == "ALL")
    ]
    assert communes.denominator.sum() == weeks.denominator.sum()
    assert {day.weekday() for day in rates[rates.period == "week"].period_start} == {3}


def test_silent_communes_and_offline_agencies_are_zero():
    zero = world().truth(AS_OF).zero_activity.to_pandas()
    week = zero[(zero.period == "week") & (zero.period_start == date(2026, 6, 4)) & (zero.state == "zero")]
    in_force = agencies.in_force(date(2026, 6, 11))
    silent = {a.new_code for a in in_force if a.is_silent}
    offline = {a.new_code for a in in_force if a.is_offline}
    by_channel = week.groupby("channel").organisation_id.apply(set)
    assert silent <= by_channel["any"] and silent | offline <= by_channel["online"]


def test_the_clock_only_adds_to_a_life():
    found = world()
    earlier, later = found.view(midnight(date(2026, 6, 5))), found.view(AS_OF)
    assert (earlier.one_stop.visible <= later.one_stop.visible).all()
    assert (earlier.one_stop.listing.modified <= earlier.as_of).all()
    assert (earlier.portal.listing.modified <= earlier.as_of).all()
    assert earlier.one_stop.listing.window(0, earlier.as_of + 1).size == earlier.one_stop.listing.rows.size


def test_a_deleted_dossier_is_a_tombstone_then_absent():
    found = World.generate("tiny", 2, START, date(2026, 6, 30), dossiers_count=6_000)
    view = found.view(midnight(date(2026, 7, 1)))
    gone = np.flatnonzero(view.one_stop.is_deleted & (view.portal.visible > 0))
    portal = view.seen(view.portal, gone[:1])[0]
    assert online_services_records.dossier(portal)["DaXoa"] == "1"
    ids = set(found.truth(view.as_of).dossiers["dossier_id"].to_pylist())
    assert not ids & {found.dossiers.code(int(row)) for row in gone}


def test_edxml_is_well_formed_in_every_spelling():
    found = world(defects="none").papers
    for document in found.documents:
        for profile in range(papers.PROFILES):
            xml = documents_edxml.document_xml(replace(document, profile=profile), found.documents)
            root = etree.fromstring(xml.encode())
            assert root.xpath("count(//*[local-name()='To'])") == len(document.recipients)
    for status in found.statuses:
        etree.fromstring(documents_edxml.status_xml(status, found.documents).encode())


def test_a_secret_document_says_so_and_is_not_in_the_truth():
    found = world()
    secret = [d for d in found.papers.documents if d.is_secret]
    assert secret and all("SecurityLevel" in documents_edxml.document_xml(d, found.papers.documents) for d in secret)
    assert not {d.key for d in secret} & set(found.truth(AS_OF).documents["document_id"].to_pylist())


def test_the_wire_and_the_truth_tell_the_same_time():
    found = world(defects="none")
    view = found.view(AS_OF)
    row = next(row for row in view.one_stop.listing.rows.tolist() if view.one_stop.visible[row] >= 5)
    record = orjson.loads(orjson.dumps(one_stop_shop_records.Renderer().dossier(view.seen(view.one_stop, [row])[0])))
    truth = {r["dossier_id"]: r for r in found.truth(AS_OF).dossiers.to_pylist()}[record["code"]]
    moment = datetime.fromisoformat(record["completedDate"]).astimezone(UTC)
    assert truth["finished_at"] == moment
    assert truth["event_count"] == 1 + len(record["task"])
    assert record["dossierStatus"]["id"] in (4, 5) and truth["status"] in ("finished", "returned")
    assert RETURNED > FINISHED


def test_a_plan_strikes_by_count_and_only_what_matches():
    plan = Plan([Fault.of({"fault": "500", "path": "/search", "after": 1, "times": 2})])
    struck = [len(plan.strike(path)) for path in ("/search", "/count", "/search", "/search", "/search")]
    assert struck == [0, 0, 1, 1, 0]


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="flood"):
        Fault.of({"fault": "flood"})


def test_the_truth_can_be_written_down(tmp_path):
    world().truth(AS_OF).write(tmp_path)
    summary = orjson.loads((tmp_path / "truth.json").read_bytes())
    assert summary["totals"]["dossiers"] > 1_000 and (tmp_path / "dossiers.parquet").exists()
