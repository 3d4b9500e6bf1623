"""Tests that the simulated world is deterministic and consistent with its ground truth."""

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
from lgsp_province.truth.truth import truth_of
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import LOCAL, WorkCalendar, instant, local_days, midnight
from lgsp_province.world.document_data import PROFILES
from lgsp_province.world.lifecycles import FINISHED, NEVER, RETURNED

pytestmark = pytest.mark.slow

START, END = date(2026, 6, 1), date(2026, 6, 10)
AS_OF = midnight(date(2026, 6, 11))


@cache
def world(seed=5, defects="all", dossiers=2_000):
    return World.generate("tiny", seed, START, END, dossiers_count=dossiers, defects_chosen=defects)


def rendered(some_world, as_of=AS_OF):
    view = some_world.view(as_of)
    renderer = one_stop_shop_records.Renderer()
    one_stop = [renderer.dossier(state) for state in view.dossier_states(view.one_stop, view.one_stop.listing.rows)]
    portal = [
        online_services_records.dossier(state) for state in view.dossier_states(view.portal, view.portal.listing.rows)
    ]
    document_data = some_world.document_data
    messages = [documents_edxml.document_xml(d, document_data.documents) for d in document_data.documents]
    return orjson.dumps([one_stop, portal, messages])


def test_the_same_seed_gives_the_same_bytes():
    again = World.generate("tiny", 5, START, END, dossiers_count=2_000)
    assert rendered(again) == rendered(world())


def test_another_seed_gives_another_province():
    assert rendered(world(6)) != rendered(world())


@pytest.mark.parametrize(("size", "days"), [("tiny", 10), ("demo", 90)])
def test_a_size_gives_its_number_of_dossiers_and_documents(size, days):
    generated = World.generate(size, 1, date(2026, 5, 1), date.fromordinal(date(2026, 5, 1).toordinal() + days - 1))
    expected = {"tiny": (400, 30), "demo": (30_000, 1_000)}[size]
    view = generated.view(midnight(date.fromordinal(generated.end.toordinal() + 1)))
    within = int((generated.dossiers.submitted < view.as_of).sum())
    sent_documents = [d for d in generated.document_data.documents if d.sent_at < view.as_of]
    assert abs(within - expected[0]) < 0.06 * expected[0] + 10
    assert abs(len(sent_documents) - expected[1]) < 0.15 * expected[1] + 8


def test_the_province_has_all_its_agencies():
    before = agencies.before_merger()
    by_name = {agency.name: agency for agency in before}
    levels = Counter(agency.level for agency in before)
    assert levels[agencies.COMMUNE] == 241 and levels[agencies.DISTRICT] == 18
    assert sum(a.is_silent for a in before) == 24 and sum(a.is_offline for a in before) == 13
    assert by_name["UBND xã Cẩm Thanh"].code == "000.25.20.H47"
    assert by_name["UBND xã Cẩm Thanh"].new_code == "H47.20.25"
    assert by_name["Sở Thông tin và Truyền thông"].new_code == "H47.07"
    assert by_name["UBND tỉnh Quảng Nam"].new_code == "H47"
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
    computed = calendar.due(np.array([local(*received)]), np.array([days]))
    assert datetime.fromtimestamp(int(computed[0]), LOCAL) == datetime(*due, 17, 0, tzinfo=LOCAL)


def test_working_time_converts_back_to_the_same_instants():
    calendar = WorkCalendar(date(2026, 6, 1), date(2026, 6, 30))
    moments = np.array([local(2026, 6, 3, 7, 0), local(2026, 6, 3, 11, 29), local(2026, 6, 3, 16, 59)])
    assert (calendar.from_working(calendar.to_working(moments)) == moments).all()


def test_no_dossier_is_submitted_at_a_counter_on_a_sunday():
    generated = world().dossiers
    weekday = (local_days(generated.submitted) + 3) % 7
    assert not (weekday[generated.channel == 1] == 6).any()


def test_events_of_a_dossier_are_in_ascending_order():
    times = world().dossiers.lifecycles.times
    has_next = times[:, 1:] < NEVER
    assert (np.diff(times, axis=1)[has_next] > 0).all()


def test_most_dossiers_are_on_time_and_about_four_in_ten_online():
    generated = World.generate("tiny", 3, date(2026, 3, 1), date(2026, 5, 31), dossiers_count=20_000)
    lifecycles = generated.dossiers.lifecycles
    finished = np.where((lifecycles.statuses == FINISHED) & (lifecycles.times < NEVER), lifecycles.times, 0).max(axis=1)
    counts = (finished > 0) & (lifecycles.due >= 0)
    late = (local_days(finished) > local_days(lifecycles.due))[counts].mean()
    assert 0.01 < late < 0.04
    assert 0.38 < (generated.dossiers.channel == 0).mean() < 0.46


def test_a_world_without_defects_has_none():
    clean = world(defects="none")
    truth = truth_of(clean, AS_OF)
    assert set(truth.defects["defect"].to_pylist()) <= {"D30", "closed-at-receipt"}
    assert truth.quarantined.num_rows == 0 and truth.ignored.num_rows == 0


def test_every_defect_occurs_and_does_not_change_the_others():
    everything, single = world(), world(defects="D08")
    names = set(truth_of(everything, AS_OF).defects["defect"].to_pylist())
    assert {"D01", "D08", "D15", "D17", "D18", "D19", "D22", "D24", "D26", "D34", "secret"} <= names
    assert (everything.marks.has("D08") == single.marks.has("D08")).all()
    assert set(truth_of(single, AS_OF).defects["defect"].to_pylist()) <= {"D08", "D30", "closed-at-receipt"}


def test_an_unknown_defect_is_rejected():
    with pytest.raises(ValueError, match="D99"):
        world(defects="D99")


def test_the_truth_has_one_consistent_row_per_dossier():
    truth = truth_of(world(), AS_OF)
    table = truth.dossiers.to_pandas()
    assert table["dossier_id"].is_unique
    ended = table["status"].isin(["finished", "returned"])
    assert (ended == table["finished_at"].notna()).all()
    assert (table["is_on_time"].notna() == (ended & table["due_on"].notna())).all()
    assert (table["in_one_stop"] | table["in_online_services"]).all()
    assert truth.totals["events"] == table["event_count"].sum()


def test_indicators_match_a_recount_of_the_published_dossiers():
    truth = truth_of(world(), AS_OF)
    table, rates = truth.dossiers.to_pandas(), truth.indicators.to_pandas()
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


def test_silent_communes_and_offline_agencies_have_zero_activity():
    zero = truth_of(world(), AS_OF).zero_activity.to_pandas()
    week = zero[(zero.period == "week") & (zero.period_start == date(2026, 6, 4)) & (zero.state == "zero")]
    in_force = agencies.in_force(date(2026, 6, 11))
    silent = {a.new_code for a in in_force if a.is_silent}
    offline = {a.new_code for a in in_force if a.is_offline}
    by_channel = week.groupby("channel").organisation_id.apply(set)
    assert silent <= by_channel["any"] and silent | offline <= by_channel["online"]


def test_a_later_clock_only_adds_events():
    generated = world()
    earlier, later = generated.view(midnight(date(2026, 6, 5))), generated.view(AS_OF)
    assert (earlier.one_stop.visible <= later.one_stop.visible).all()
    assert (earlier.one_stop.listing.modified <= earlier.as_of).all()
    assert (earlier.portal.listing.modified <= earlier.as_of).all()
    assert earlier.one_stop.listing.window(0, earlier.as_of + 1).size == earlier.one_stop.listing.rows.size


def test_a_deleted_dossier_is_marked_and_not_in_the_truth():
    generated = World.generate("tiny", 2, START, date(2026, 6, 30), dossiers_count=6_000)
    view = generated.view(midnight(date(2026, 7, 1)))
    deleted = np.flatnonzero(view.one_stop.is_deleted & (view.portal.visible > 0))
    portal = view.dossier_states(view.portal, deleted[:1])[0]
    assert online_services_records.dossier(portal)["DaXoa"] == "1"
    ids = set(truth_of(generated, view.as_of).dossiers["dossier_id"].to_pylist())
    assert not ids & {generated.dossiers.code(int(row)) for row in deleted}


def test_edxml_is_well_formed_in_every_profile():
    document_data = world(defects="none").document_data
    for document in document_data.documents:
        for profile in range(PROFILES):
            xml = documents_edxml.document_xml(replace(document, profile=profile), document_data.documents)
            root = etree.fromstring(xml.encode())
            assert root.xpath("count(//*[local-name()='To'])") == len(document.recipients)
    for status in document_data.statuses:
        etree.fromstring(documents_edxml.status_xml(status, document_data.documents).encode())


def test_a_secret_document_has_a_level_and_is_not_in_the_truth():
    generated = world()
    secret = [d for d in generated.document_data.documents if d.is_secret]
    assert secret and all(
        "SecurityLevel" in documents_edxml.document_xml(d, generated.document_data.documents) for d in secret
    )
    assert not {d.key for d in secret} & set(truth_of(generated, AS_OF).documents["document_id"].to_pylist())


def test_records_and_truth_have_the_same_times():
    generated = world(defects="none")
    view = generated.view(AS_OF)
    row = next(row for row in view.one_stop.listing.rows.tolist() if view.one_stop.visible[row] >= 5)
    record = orjson.loads(
        orjson.dumps(one_stop_shop_records.Renderer().dossier(view.dossier_states(view.one_stop, [row])[0]))
    )
    truth = {r["dossier_id"]: r for r in truth_of(generated, AS_OF).dossiers.to_pylist()}[record["code"]]
    moment = datetime.fromisoformat(record["completedDate"]).astimezone(UTC)
    assert truth["finished_at"] == moment
    assert truth["event_count"] == 1 + len(record["task"])
    assert record["dossierStatus"]["id"] in (4, 5) and truth["status"] in ("finished", "returned")
    assert RETURNED > FINISHED


def test_a_fault_applies_by_count_and_only_to_matching_requests():
    plan = Plan([Fault.parse({"fault": "500", "path": "/search", "after": 1, "times": 2})])
    counts = [len(plan.faults_for(path)) for path in ("/search", "/count", "/search", "/search", "/search")]
    assert counts == [0, 0, 1, 1, 0]


def test_an_unknown_fault_is_rejected():
    with pytest.raises(ValueError, match="flood"):
        Fault.parse({"fault": "flood"})


def test_the_truth_is_written_to_files(tmp_path):
    truth_of(world(), AS_OF).write(tmp_path)
    summary = orjson.loads((tmp_path / "truth.json").read_bytes())
    assert summary["totals"]["dossiers"] > 1_000 and (tmp_path / "dossiers.parquet").exists()
