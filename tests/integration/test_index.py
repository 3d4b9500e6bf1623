"""The index, the map and the digest: what they say of ratios and silences that were computed before them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lgsp import store
from lgsp.indicators import compute, definitions
from lgsp.publish import merge, reference_tables
from lgsp.schema import contract
from lgsp.snapshots import changes
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import Transaction, publishing
from lgsp.window import LOCAL
from tests.integration.conftest import Installation, installed

Row = dict[str, Any]
MONTH, WEEK = date(2026, 6, 1), date(2026, 6, 18)  # a Thursday
BEFORE, LATER = WEEK - timedelta(days=7), WEEK + timedelta(days=7)
AS_OF = datetime(2026, 7, 2, tzinfo=LOCAL)
GREY = "#9AA5B1"


@pytest.fixture(scope="module")
def empty(server: Server, quiet_province: dict[str, Row], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A store in which nothing was published."""
    return installed(server, tmp_path_factory.mktemp("index"), quiet_province)


@pytest.fixture
def turn(empty: Installation) -> Iterator[Transaction]:
    """A turn of which nothing remains, with the definitions of the indicators, and June 2026 and three of its weeks."""
    with publishing(store.url(empty.settings)) as transaction:
        reference_tables.merge_tables(transaction, 1, changes.Changes(), definitions.NAMES)
        transaction.do("""
            create temporary table period on commit drop as select 'week' as period, day_on::date as period_start, day_on::date + 7 as period_end,
                (day_on::date + 7)::timestamp at time zone 'Asia/Ho_Chi_Minh' as as_of, true as is_covered
            from generate_series(date '2026-06-11', date '2026-06-25', interval '7 days') as day_on
            union all select 'month', date '2026-06-01', date '2026-07-01', timestamptz '2026-07-01 00:00+07', true
            """)
        yield transaction


def _plant(turn: Transaction, name: str, *rows: Row, scope: str = "true", snapshot_id: int = 1) -> None:
    shared = contract.load(name)
    merge.stage_rows(turn, shared, pa.Table.from_pylist(list(rows), schema=shared.arrow_schema()))
    merge.merge_staged(turn, shared, scope, snapshot_id, changes.Changes())


def _about(name: str, version: str = "1.0") -> Row:
    return {"organisation_id": name, "definition_version": version, "as_of": AS_OF, "excluded_count": 0, "quarantined_count": 0}  # fmt: skip


def _kpi(kpi_id: str, name: str, numerator: int, denominator: int, start: date = MONTH, **told: Any) -> Row:
    return _about(name) | {
        "kpi_id": kpi_id, "level": "ALL" if name == "ALL" else "commune", "period": "month" if start == MONTH else "week", "period_start": start,
        "numerator": numerator, "denominator": denominator, "value": numerator / denominator if denominator else None, **told,
    }  # fmt: skip


def _agency(organisation_id: str, **told: Any) -> Row:
    return {
        "organisation_id": organisation_id, "valid_from": date(2016, 4, 1), "name": f"UBND xã {organisation_id}", "level": "commune",
        "kind": "peoples_committee", "admin_unit_code": f"code of {organisation_id}", "is_current": True, **told,
    }  # fmt: skip


def _compute(turn: Transaction, name: str, affected: str = "select 'ALL'", snapshot_id: int = 1) -> None:
    """Compute an indicator table for the agencies that a query gives, in every period; or for (agency, period, start) rows."""
    turn.do("drop table if exists pg_temp.affected")
    each = affected if "period" in affected else f"select w.organisation_id, period, period_start from period cross join ({affected}) w(organisation_id)"  # fmt: skip
    turn.do(f"create temporary table affected on commit drop as {each}")
    merge.merge_query(turn, name, compute.query(name), snapshot_id, changes.Changes(), compute.scope(name, is_every=False))


EVERYBODY = "select distinct organisation_id from shared.service_kpi"


def test_a_component_gives_all_its_points_from_its_threshold_and_fewer_in_proportion_below(turn: Transaction) -> None:
    ratios = {"none": (0, 0), "zero": (0, 8), "half way": (2, 8), "just below": (499, 1000), "full": (4, 8), "above": (8, 8)}  # fmt: skip
    _plant(turn, "organisation", *map(_agency, ratios))
    _plant(turn, "service_kpi", *(_kpi("online_share", name, *ratio) for name, ratio in ratios.items()),
           *(_kpi("paid_online", name, 3, 10) for name in ratios))  # fmt: skip
    _compute(turn, "index_766", EVERYBODY)
    points = dict(turn.rows("select organisation_id, points from shared.index_766 where component = '3c'"))
    assert points == {"none": None, "zero": 0, "half way": 3, "just below": 5.988, "full": 6, "above": 6}
    assert set(turn.rows("select points, value from shared.index_766 where component = '4c'")) == {(6, 0.3)}
    untold = "select distinct numerator, value, points, maximum, kpi_id from shared.index_766 join shared.index_766_weight w using (component, maximum)"
    assert turn.rows(f"{untold} where component = '5d'") == [(None, None, None, 10, None)]


def test_the_total_is_of_what_could_be_computed_and_says_how_much_that_is(turn: Transaction) -> None:
    _plant(turn, "organisation", _agency("A"), _agency("nothing"))
    _plant(turn, "service_kpi", _kpi("progress_766", "A", 19, 20), _kpi("on_time", "A", 1, 1, quarantined_count=3), _kpi("paid_online", "A", 0, 0),
           _kpi("digital_result", "A", 1, 3), _kpi("on_time", "nothing", 1, 1), _kpi("synced", "ALL", 9, 10, level="commune"),
           _kpi("synced", "ALL", 1, 2))  # fmt: skip
    _compute(turn, "index_766", EVERYBODY)
    columns = "points, maximum, value, coverage, numerator, quarantined_count"
    totals = {
        name: told
        for name, *told in turn.rows(
            f"select organisation_id, {columns} from shared.index_766 where component = 'total'"
        )
    }
    assert totals == {
        "A": [21, 26, 21 / 26, 0.26, None, 3],
        "nothing": [None, 0, None, 0, None, 0],
        "ALL": [3, 6, 0.5, 0.06, None, 0],
    }
    assert set(turn.rows("select organisation_id, count(*)::int from shared.index_766 group by 1")) == {
        (name, 18) for name in totals
    }


def test_there_is_no_index_before_its_decree(turn: Transaction) -> None:
    turn.do("update period set period_start = period_start - 2000, period_end = period_end - 2000")
    start = turn.one("select period_start from period where period = 'month'")
    _plant(turn, "service_kpi", _kpi("progress_766", "A", 1, 1, start, period="month"))
    _plant(turn, "organisation", _agency("A"))
    for name in ("index_766", "institution_map"):
        _compute(turn, name, EVERYBODY)
    assert turn.rows("select * from shared.index_766") == []
    assert set(turn.rows("select metric from shared.institution_map")) == {("on_time",)}


CLASSES: list[tuple[int, int, str, float | None]] = [
    (18_000, 20_000, "excellent", 90.0), (17_999, 20_000, "good", 89.995), (8, 10, "good", 80.0), (7_999, 10_000, "fair", 79.99),
    (7, 10, "fair", 70.0), (699_999, 1_000_000, "average", 69.9999), (1, 2, "average", 50.0), (4_999, 10_000, "weak", 49.99),
    (0, 5, "weak", 0.0), (0, 0, "no_data", None),
]  # fmt: skip


def test_a_territory_is_classed_by_what_was_not_rounded(turn: Transaction) -> None:
    named = {f"{numerator} of {denominator}": told for numerator, denominator, *told in CLASSES}
    _plant(turn, "organisation", *map(_agency, named))
    _plant(turn, "service_kpi", *(_kpi("on_time", name, *told[:2]) for name, told in zip(named, CLASSES, strict=True)))
    _compute(turn, "institution_map")
    columns = "organisation_id, class, value"
    found = turn.rows(f"select {columns} from shared.institution_map where metric = 'on_time' and period = 'month'")
    assert {name: told for name, *told in found} == named
    colours = turn.rows("select distinct class, colour from shared.institution_map where metric = 'on_time'")
    official = {"excellent": "#219653", "good": "#5CC488", "fair": "#EAC344", "average": "#F7942F", "weak": "#ED5050"}
    assert dict(colours) == official | {"no_data": GREY}


@pytest.mark.parametrize(
    ("points", "maximum", "expected"), [(37.8, 42, "excellent"), (37.799, 42, "good"), (None, 0, "no_data")]
)
def test_the_index_is_classed_by_the_points_themselves(
    turn: Transaction, points: float | None, maximum: float, expected: str
) -> None:
    total = _about("A") | {
        "period": "month",
        "period_start": MONTH,
        "component": "total",
        "points": points,
        "maximum": maximum,
    }
    _plant(turn, "organisation", _agency("A"))
    _plant(turn, "index_766", total)
    _compute(turn, "institution_map")
    ((class_, value),) = turn.rows(
        "select class, value from shared.institution_map where metric = 'index_766' and period = 'month'"
    )
    assert (class_, value) == (expected, None if points is None else pytest.approx(100 * points / maximum))


def test_a_territory_belongs_to_the_committee_that_is_there_on_the_last_day(turn: Transaction) -> None:
    merger, last = date(2026, 6, 20), date(2026, 6, 30)
    _plant(
        turn, "organisation",
        _agency("old", admin_unit_code="20001", valid_to=merger), _agency("new", admin_unit_code="20001", valid_from=merger),
        _agency("yesterday", admin_unit_code="20002", valid_from=last - timedelta(days=1)), _agency("always", admin_unit_code="20002"),
        _agency("tomorrow", admin_unit_code="20003", valid_from=last + timedelta(days=1)), _agency("nowhere", admin_unit_code=None),
        _agency("board", kind="project_board", admin_unit_code="20004"), _agency("district", level="district", admin_unit_code="503"),
        *(_agency(name, level="province", kind="department", admin_unit_code="49") for name in ("X", "Y")),
        _agency("elsewhere", level="province", kind="department", admin_unit_code="19"),
    )  # fmt: skip
    _plant(
        turn,
        "service_kpi",
        _kpi("on_time", "ALL", 1, 2),
        _kpi("on_time", "ALL", 1, 1, level="commune"),
        _kpi("on_time", "new", 1, 1),
    )
    _compute(turn, "institution_map")
    found = turn.rows(
        "select admin_unit_code, organisation_id, value from shared.institution_map where metric = 'on_time' and period = 'month'"
    )
    assert sorted(found) == [
        ("20001", "new", 100),
        ("20002", "yesterday", None),
        ("49", "ALL", 50),
        ("503", "district", None),
    ]


def _activity(name: str, channel: str, count: int, state: str, start: date) -> Row:
    return _about(name) | {"period": "week", "period_start": start, "channel": channel, "dossier_count": count, "threshold": 0, "state": state}  # fmt: skip


def _weeks(turn: Transaction) -> None:
    """A district, a department and three communes over two weeks."""
    _plant(
        turn, "organisation", _agency("A"), _agency("B"), _agency("C"), _agency("D", name="UBND huyện D", level="district"),
        _agency("S", name="Sở S", level="province", kind="department", admin_unit_code="49"),
    )  # fmt: skip
    states = {  # two weeks of an agency and a channel
        ("A", "any"): ((12, "ok"), (0, "zero")), ("A", "online"): ((0, "zero"), (0, "zero")), ("B", "any"): ((0, "zero"), (0, "zero")),
        ("C", "any"): ((1_500, "ok"), (0, "no_data")), ("D", "any"): ((30, "ok"), (30, "ok")), ("D", "online"): ((7, "ok"), (0, "zero")),
        ("S", "any"): ((9, "ok"), (9, "ok")), ("S", "online"): ((4, "no_data"), (0, "zero")),
    }  # fmt: skip
    _plant(turn, "zero_activity", *(
        _activity(*of, *told, start) for of, weeks in states.items() for start, told in zip((BEFORE, WEEK), weeks, strict=True)
    ))  # fmt: skip
    _plant(
        turn, "service_kpi",
        _kpi("on_time", "ALL", 799, 800, WEEK), _kpi("on_time", "ALL", 2, 3, BEFORE), _kpi("online_share", "ALL", 4_207, 10_000, WEEK),
        _kpi("online_share", "ALL", 1, 2, LATER),
        _kpi("overdue_open", "ALL", 0, 0, WEEK), _kpi("service_active", "ALL", 341, 1_400, WEEK), _kpi("on_time", "A", 0, 0, WEEK, quarantined_count=2),
        _kpi("overdue_open", "A", 5, 120, WEEK), _kpi("overdue_open", "A", 6, 100, BEFORE), _kpi("overdue_open", "B", 5, 10, WEEK),
        _kpi("overdue_open", "C", 0, 10, WEEK), _kpi("overdue_open", "D", 1_200, 2_400, WEEK),
        _kpi("online_share", "A", 10, 20, WEEK), _kpi("online_share", "A", 6, 20, BEFORE),
        _kpi("on_time", "B", 1, 20, WEEK), _kpi("on_time", "B", 20, 20, BEFORE),
        _kpi("on_time", "C", 19, 19, WEEK), _kpi("on_time", "C", 0, 30, BEFORE),
        _kpi("on_time", "D", 20, 20, WEEK), _kpi("on_time", "D", 30, 30, BEFORE),
        _kpi("online_share", "D", 20, 20, WEEK, definition_version="2.0"), _kpi("online_share", "D", 0, 30, BEFORE),
    )  # fmt: skip
    form = {"field_code": "G01"} | dict.fromkeys(
        [c.name for c in contract.load("form_06a").columns if c.type == "bigint" and c.name != "snapshot_id"], 0
    )
    _plant(turn, "form_06a", *(
        _about(name) | form | {"period": "week", "period_start": start, "received_online": count, "received_counter_postal": 1_000}
        for name, start, count in (("A", WEEK, 234), ("UNKNOWN", WEEK, 0), ("A", BEFORE, 500))
    ))  # fmt: skip


def _told(turn: Transaction, section: str, start: date = WEEK) -> list[str]:
    return [
        text
        for (text,) in turn.rows(
            "select text_vi from shared.weekly_digest where section = $1::text and period_start = $2::date order by rank",
            section,
            start,
        )
    ]


def test_the_digest_begins_with_what_a_leader_asks_first(turn: Transaction) -> None:
    _weeks(turn)
    _compute(turn, "weekly_digest")
    assert _told(turn, "headline") == [
        "Toàn tỉnh tiếp nhận 2.234 hồ sơ, tuần trước 1.500.",
        "Tỷ lệ hồ sơ trực tuyến: 42,07 % (4.207/10.000).",
        "Tỷ lệ giải quyết đúng hạn: 99,88 % (799/800), tuần trước 66,67 %.",
        "Tỷ lệ hồ sơ đang giải quyết bị quá hạn: tuần này không có gì để tính.",
        "Tỷ lệ dịch vụ công trực tuyến phát sinh hồ sơ: 24,36 % (341/1.400).",
        "2/3 đơn vị cấp xã không có hồ sơ nào, tuần trước 1.",
        "2/2 cơ quan cấp tỉnh, cấp huyện không có hồ sơ trực tuyến, tuần trước 0.",
        "1/5 đơn vị chưa đủ dữ liệu để kết luận, tuần trước 0.",
    ]  # fmt: skip
    ((value, before, english),) = turn.rows(
        "select value, value_before, text_en from shared.weekly_digest where kpi_id = 'on_time' and section = 'headline' and period_start = $1::date",
        WEEK,
    )
    assert (value, before, english) == (
        0.99875,
        2 / 3,
        "Finished on time: 99.88 % (799 of 800), 66.67 % the week before.",
    )


def test_the_digest_names_the_silent_the_unheard_and_the_late_with_what_was_so_the_week_before(
    turn: Transaction,
) -> None:
    _weeks(turn)
    _compute(turn, "weekly_digest")
    assert _told(turn, "silent") == [
        "UBND xã A: không có hồ sơ nào, tuần trước 12 hồ sơ.",
        "UBND xã B: không có hồ sơ nào, tuần trước cũng vậy.",
    ]
    assert _told(turn, "no_online") == [
        "UBND huyện D: không có hồ sơ trực tuyến, tuần trước 7 hồ sơ.",
        "Sở S: không có hồ sơ trực tuyến, tuần trước chưa đủ dữ liệu.",
    ]
    assert _told(turn, "no_data") == ["UBND xã C: chưa đủ dữ liệu để kết luận, tuần trước 1.500 hồ sơ."]
    assert _told(turn, "late") == [
        "UBND huyện D: 1.200 hồ sơ quá hạn trong 2.400 hồ sơ đang giải quyết (50,00 %).",
        "UBND xã B: 5 hồ sơ quá hạn trong 10 hồ sơ đang giải quyết (50,00 %).",
        "UBND xã A: 5 hồ sơ quá hạn trong 120 hồ sơ đang giải quyết (4,17 %), tuần trước 6,00 %.",
    ]  # fmt: skip
    columns = "rank, organisation_id, level, value, value_before, state, state_before, quarantined_count"
    first = turn.rows(
        f"select {columns} from shared.weekly_digest where section = 'silent' and period_start = $1::date order by rank limit 1",
        WEEK,
    )
    assert first == [(1, "A", "commune", 0, 12, "zero", "ok", 2)]
    assert (
        turn.one(
            "select max(state_before) from shared.weekly_digest where section = 'silent' and period_start = $1::date",
            BEFORE,
        )
        is None
    )


def test_only_what_is_enough_and_counted_alike_is_said_to_have_moved(turn: Transaction) -> None:
    _weeks(turn)
    _compute(turn, "weekly_digest")
    assert _told(turn, "moved") == [
        "Tỷ lệ giải quyết đúng hạn giảm 95,00 điểm phần trăm tại UBND xã B: từ 100,00 % xuống 5,00 %.",
        "Tỷ lệ hồ sơ trực tuyến tăng 20,00 điểm phần trăm tại UBND xã A: từ 30,00 % lên 50,00 %.",
    ]  # fmt: skip


def test_a_week_that_is_not_wholly_known_is_said_to_be_so(turn: Transaction) -> None:
    _weeks(turn)
    turn.do("update period set is_covered = false where period_start = $1::date", WEEK)
    _compute(turn, "weekly_digest")
    assert _told(turn, "headline")[0] == "Toàn tỉnh tiếp nhận 2.234 hồ sơ, số liệu chưa đủ cả tuần, tuần trước 1.500."


CHANGES = {
    "a ratio": "update shared.service_kpi set numerator = 7, value = 7.0 / denominator where kpi_id = 'online_share' and organisation_id in ('A', 'ALL') and period_start = '2026-06-18'",
    "a silence": "update shared.zero_activity set state = 'ok', dossier_count = 3 where organisation_id = 'A' and period_start = '2026-06-18'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_computed_where_something_changed_is_what_computing_everything_says(
    turn: Transaction, change: str
) -> None:
    tables, affected = (
        ("index_766", "institution_map", "weekly_digest"),
        "select unnest(array['A', 'ALL']) as organisation_id, 'week' as period, date '2026-06-18' as period_start",
    )
    _weeks(turn)
    for name in tables:
        _compute(turn, name, "select 'ALL' union select distinct organisation_id from shared.service_kpi")
    turn.do(change)
    for name in tables:
        _compute(turn, name, affected, snapshot_id=2)
        touched = {start for (start,) in turn.rows(f"select period_start from shared.{name} where snapshot_id = 2")}
        assert touched <= ({WEEK, LATER} if name == "weekly_digest" else {WEEK})
    assert turn.one(
        "select count(*) from shared.weekly_digest where snapshot_id = 2 and period_start = $1::date", LATER
    )
    for name in tables:
        before = turn.rows(f"select * from shared.{name}")
        _compute(
            turn, name, "select 'ALL' union select distinct organisation_id from shared.service_kpi", snapshot_id=3
        )
        assert sorted(map(repr, turn.rows(f"select * from shared.{name}"))) == sorted(map(repr, before))


def test_published_totals_add_up_and_every_sentence_is_whole(published: Installation) -> None:
    wrong = published.query("""
        select * from shared.index_766 t join (select organisation_id, period, period_start, sum(points) as points, sum(maximum) filter (where points is not null) as maximum
            from shared.index_766 where component <> 'total' group by 1, 2, 3) c using (organisation_id, period, period_start)
        where component = 'total' and (abs(t.points - c.points) > 1e-9 or t.maximum <> c.maximum or t.value not between 0 and 1 or t.points > t.maximum)
        """)
    assert wrong == []
    assert published.query("select * from shared.weekly_digest where text_vi || text_en ~ '[{}]|##|  '") == []
    (all_,) = published.query("select d.numerator, k.denominator from shared.weekly_digest d join shared.service_kpi k using (period_start) "
                              "where section = 'headline' and rank = 1 and k.kpi_id = 'online_share_all' and k.level = 'ALL' and period = 'week' order by 1 desc limit 1")  # fmt: skip
    assert all_["numerator"] == all_["denominator"] > 0


def test_an_agency_that_is_gone_is_ranked_no_more(turn: Transaction) -> None:
    _plant(turn, "organisation", _agency("here"), _agency("gone", valid_to=MONTH), _agency("left", valid_to=MONTH + timedelta(days=1)))  # fmt: skip
    _plant(turn, "service_kpi", *(_kpi("progress_766", name, 1, 1) for name in ("here", "gone", "left", "ALL")))
    _compute(turn, "index_766", EVERYBODY)
    assert {name for (name,) in turn.rows("select organisation_id from shared.index_766")} == {"here", "left", "ALL"}


def test_what_an_agency_offered_ends_with_it_though_the_portal_goes_on_listing_it(turn: Transaction) -> None:
    _plant(turn, "organisation", _agency("here"), _agency("gone", valid_to=MONTH))
    for name, until_sql in (("here", "null"), ("gone", "null"), ("gone earlier", f"'{WEEK}'")):
        turn.do(
            "insert into record.service_offering (source, source_key, source_updated_at, raw_hash, content_hash, batch_id, service_code, organisation_id, online_level, valid_to) "
            f"values ('online_services', '{name}', now(), '', '', 'b', '1.000001', '{name}', 4, {until_sql})"
        )
    turn.do("update record.service_offering set organisation_id = 'gone', service_code = '1.000002' where source_key = 'gone earlier'")  # fmt: skip
    found = turn.rows(f"select organisation_id, service_code, valid_to from ({reference_tables.query('service_offering')}) o order by 1, 2")  # fmt: skip
    assert found == [("gone", "1.000001", MONTH), ("gone", "1.000002", MONTH), ("here", "1.000001", None)]
