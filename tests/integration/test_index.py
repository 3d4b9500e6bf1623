"""Tests of the index, the map and the weekly digest, which are computed from indicators and activity."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from lgsp.indicators import compute, definitions
from lgsp.publish import merge, reference_tables
from lgsp.schema import contract
from lgsp.snapshots import changes
from lgsp.store.transaction import Transaction
from lgsp.window import LOCAL
from tests import samples
from tests.integration.conftest import Installation

Row = dict[str, Any]
MONTH, WEEK = date(2026, 6, 1), date(2026, 6, 18)  # a Thursday
BEFORE, LATER = WEEK - timedelta(days=7), WEEK + timedelta(days=7)
AS_OF = datetime(2026, 7, 2, tzinfo=LOCAL)
GREY = "#9AA5B1"


@pytest.fixture
def transaction(publish_transaction: Transaction) -> Transaction:
    """A publish transaction with the definitions of the indicators; the periods are June 2026 and three of its weeks."""
    reference_tables.merge_tables(publish_transaction, 1, changes.Changes(), (*definitions.NAMES, "working_day"))
    publish_transaction.do("""
        create temporary table period on commit drop as select 'week' as period, day_on::date as period_start, day_on::date + 7 as period_end,
            (day_on::date + 7)::timestamp at time zone 'Asia/Ho_Chi_Minh' as as_of, true as is_covered
        from generate_series(date '2026-06-11', date '2026-06-25', interval '7 days') as day_on
        union all select 'month', date '2026-06-01', date '2026-07-01', timestamptz '2026-07-01 00:00+07', true
        """)
    return publish_transaction


def _insert(transaction: Transaction, name: str, *rows: Row, scope: str = "true", snapshot_id: int = 1) -> None:
    shared = contract.load(name)
    merge.stage_rows(transaction, shared, samples.arrow_rows(shared, rows))
    merge.merge_staged(transaction, shared, scope, snapshot_id, changes.Changes())


def _common(name: str, version: str = "1.0") -> Row:
    return {"organisation_id": name, "definition_version": version, "as_of": AS_OF, "excluded_count": 0, "quarantined_count": 0}  # fmt: skip


def _kpi(kpi_id: str, name: str, numerator: int, denominator: int, start: date = MONTH, **fields: Any) -> Row:
    return _common(name) | {
        "kpi_id": kpi_id, "level": "ALL" if name == "ALL" else "commune", "period": "month" if start == MONTH else "week", "period_start": start,
        "numerator": numerator, "denominator": denominator, "value": numerator / denominator if denominator else None, **fields,
    }  # fmt: skip


def _agency(organisation_id: str, **fields: Any) -> Row:
    return {
        "organisation_id": organisation_id, "valid_from": date(2016, 4, 1), "name": f"UBND xã {organisation_id}", "level": "commune",
        "kind": "peoples_committee", "admin_unit_code": f"code of {organisation_id}", "is_current": True, **fields,
    }  # fmt: skip


def _compute(transaction: Transaction, name: str, affected: str = "select 'ALL'", snapshot_id: int = 1) -> None:
    """Compute an indicator table for the agencies of a query in every period, or for its (agency, period, start) rows."""
    transaction.do("drop table if exists pg_temp.affected")
    rows = affected if "period" in affected else f"select w.organisation_id, period, period_start from period cross join ({affected}) w(organisation_id)"  # fmt: skip
    transaction.do(f"create temporary table affected on commit drop as {rows}")
    merge.merge_query(
        transaction,
        name,
        compute.indicator_query(name),
        snapshot_id,
        changes.Changes(),
        compute.recompute_scope(name, is_every=False),
    )


ALL_AGENCIES = "select distinct organisation_id from shared.service_kpi"


def test_points_are_proportional_up_to_the_threshold(transaction: Transaction) -> None:
    ratios = {"none": (0, 0), "zero": (0, 8), "half of the threshold": (2, 8), "just below": (499, 1000), "full": (4, 8), "above": (8, 8)}  # fmt: skip
    _insert(transaction, "organisation", *map(_agency, ratios))
    _insert(transaction, "service_kpi", *(_kpi("online_share", name, *ratio) for name, ratio in ratios.items()),
           *(_kpi("paid_online", name, 3, 10) for name in ratios))  # fmt: skip
    _compute(transaction, "index_766", ALL_AGENCIES)
    points = dict(transaction.rows("select organisation_id, points from shared.index_766 where component = '3c'"))
    assert points == {"none": None, "zero": 0, "half of the threshold": 3, "just below": 5.988, "full": 6, "above": 6}
    assert set(transaction.rows("select points, value from shared.index_766 where component = '4c'")) == {(6, 0.3)}
    unknown = "select distinct numerator, value, points, maximum, kpi_id from shared.index_766 join shared.index_766_weight w using (component, maximum)"
    assert transaction.rows(f"{unknown} where component = '5d'") == [(None, None, None, 10, None)]


def test_the_total_covers_the_computed_components(transaction: Transaction) -> None:
    _insert(transaction, "organisation", _agency("A"), _agency("nothing"))
    _insert(transaction, "service_kpi", _kpi("progress_766", "A", 19, 20), _kpi("on_time", "A", 1, 1, quarantined_count=3), _kpi("paid_online", "A", 0, 0),
           _kpi("digital_result", "A", 1, 3), _kpi("on_time", "nothing", 1, 1), _kpi("synced", "ALL", 9, 10, level="commune"),
           _kpi("synced", "ALL", 1, 2))  # fmt: skip
    _compute(transaction, "index_766", ALL_AGENCIES)
    columns = "points, maximum, value, coverage, numerator, quarantined_count"
    totals = {
        name: row
        for name, *row in transaction.rows(
            f"select organisation_id, {columns} from shared.index_766 where component = 'total'"
        )
    }
    assert totals == {
        "A": [21, 26, 21 / 26, 0.26, None, 3],
        "nothing": [None, 0, None, 0, None, 0],
        "ALL": [3, 6, 0.5, 0.06, None, 0],
    }
    assert set(transaction.rows("select organisation_id, count(*)::int from shared.index_766 group by 1")) == {
        (name, 18) for name in totals
    }


def test_the_index_does_not_exist_before_its_decree(transaction: Transaction) -> None:
    transaction.do("update period set period_start = period_start - 2000, period_end = period_end - 2000")
    start = transaction.one("select period_start from period where period = 'month'")
    _insert(transaction, "service_kpi", _kpi("progress_766", "A", 1, 1, start, period="month"))
    _insert(transaction, "organisation", _agency("A"))
    for name in ("index_766", "institution_map"):
        _compute(transaction, name, ALL_AGENCIES)
    assert transaction.rows("select * from shared.index_766") == []
    assert set(transaction.rows("select metric from shared.institution_map")) == {("on_time",)}


CLASSES: list[tuple[int, int, str, float | None]] = [
    (18_000, 20_000, "excellent", 90.0), (17_999, 20_000, "good", 89.995), (8, 10, "good", 80.0), (7_999, 10_000, "fair", 79.99),
    (7, 10, "fair", 70.0), (699_999, 1_000_000, "average", 69.9999), (1, 2, "average", 50.0), (4_999, 10_000, "weak", 49.99),
    (0, 5, "weak", 0.0), (0, 0, "no_data", None),
]  # fmt: skip


def test_a_territory_is_classified_by_its_unrounded_value(transaction: Transaction) -> None:
    expected = {f"{numerator} of {denominator}": row for numerator, denominator, *row in CLASSES}
    _insert(transaction, "organisation", *map(_agency, expected))
    ratios = zip(expected, CLASSES, strict=True)
    _insert(transaction, "service_kpi", *(_kpi("on_time", name, *ratio[:2]) for name, ratio in ratios))
    _compute(transaction, "institution_map")
    columns = "organisation_id, class, value"
    rows = transaction.rows(
        f"select {columns} from shared.institution_map where metric = 'on_time' and period = 'month'"
    )
    assert {name: row for name, *row in rows} == expected
    colours = transaction.rows("select distinct class, colour from shared.institution_map where metric = 'on_time'")
    official = {"excellent": "#219653", "good": "#5CC488", "fair": "#EAC344", "average": "#F7942F", "weak": "#ED5050"}
    assert dict(colours) == official | {"no_data": GREY}


@pytest.mark.parametrize(
    ("points", "maximum", "coverage", "expected"),
    [
        (37.8, 42, 0.5, "excellent"), (37.799, 42, 1, "good"), (None, 0, 0, "no_data"),
        (37.8, 42, 0.49, "no_data"),  # of less than half of the points
    ],
)  # fmt: skip
def test_the_index_is_classified_by_its_unrounded_points(
    transaction: Transaction, points: float | None, maximum: float, coverage: float, expected: str
) -> None:
    total = _common("A") | {
        "period": "month",
        "period_start": MONTH,
        "component": "total",
        "points": points,
        "maximum": maximum,
        "coverage": coverage,
    }
    _insert(transaction, "organisation", _agency("A"))
    _insert(transaction, "index_766", total)
    _compute(transaction, "institution_map")
    ((class_, value),) = transaction.rows(
        "select class, value from shared.institution_map where metric = 'index_766' and period = 'month'"
    )
    assert (class_, value) == (expected, None if points is None else pytest.approx(100 * points / maximum))


def test_a_territory_belongs_to_its_committee_of_the_last_day(transaction: Transaction) -> None:
    merger, last = date(2026, 6, 20), date(2026, 6, 30)
    _insert(
        transaction, "organisation",
        _agency("old", admin_unit_code="20001", valid_to=merger), _agency("new", admin_unit_code="20001", valid_from=merger),
        _agency("yesterday", admin_unit_code="20002", valid_from=last - timedelta(days=1)), _agency("always", admin_unit_code="20002"),
        _agency("tomorrow", admin_unit_code="20003", valid_from=last + timedelta(days=1)), _agency("nowhere", admin_unit_code=None),
        _agency("board", kind="project_board", admin_unit_code="20004"), _agency("district", level="district", admin_unit_code="503"),
        *(_agency(name, level="province", kind="department", admin_unit_code="49") for name in ("X", "Y")),
        _agency("elsewhere", level="province", kind="department", admin_unit_code="19"),
    )  # fmt: skip
    _insert(
        transaction,
        "service_kpi",
        _kpi("on_time", "ALL", 1, 2),
        _kpi("on_time", "ALL", 1, 1, level="commune"),
        _kpi("on_time", "new", 1, 1),
    )
    _compute(transaction, "institution_map")
    rows = transaction.rows(
        "select admin_unit_code, organisation_id, value from shared.institution_map where metric = 'on_time' and period = 'month'"
    )
    assert sorted(rows) == [
        ("20001", "new", 100),
        ("20002", "yesterday", None),
        ("49", "ALL", 50),
        ("503", "district", None),
    ]


def _activity(name: str, channel: str, count: int, state: str, start: date) -> Row:
    return _common(name) | {"period": "week", "period_start": start, "channel": channel, "dossier_count": count, "threshold": 0, "state": state}  # fmt: skip


def _weeks(transaction: Transaction) -> None:
    """A district, a department and three communes over two weeks."""
    _insert(
        transaction, "organisation", _agency("A"), _agency("B"), _agency("C"), _agency("D", name="UBND huyện D", level="district"),
        _agency("S", name="Sở S", level="province", kind="department", admin_unit_code="49"),
    )  # fmt: skip
    states = {  # count and state of two weeks, by agency and channel
        ("A", "any"): ((12, "ok"), (0, "zero")), ("A", "online"): ((0, "zero"), (0, "zero")), ("B", "any"): ((0, "zero"), (0, "zero")),
        ("C", "any"): ((1_500, "ok"), (0, "no_data")), ("D", "any"): ((30, "ok"), (30, "ok")), ("D", "online"): ((7, "ok"), (0, "zero")),
        ("S", "any"): ((9, "ok"), (9, "ok")), ("S", "online"): ((4, "no_data"), (0, "zero")),
    }  # fmt: skip
    _insert(transaction, "zero_activity", *(
        _activity(*agency_and_channel, *count_and_state, start)
        for agency_and_channel, weeks in states.items()
        for start, count_and_state in zip((BEFORE, WEEK), weeks, strict=True)
    ))  # fmt: skip
    _insert(
        transaction, "service_kpi",
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
    form = {"field_code": "ALL"} | dict.fromkeys(
        [c.name for c in contract.load("form_06a").columns if c.type == "bigint" and c.name != "snapshot_id"], 0
    )
    _insert(transaction, "form_06a", *(
        _common(name) | form | {"period": "week", "period_start": start, "received_online": count, "received_counter_postal": 1_000}
        for name, start, count in (("ALL", WEEK, 1_234), ("A", WEEK, 234), ("ALL", BEFORE, 500))
    ))  # fmt: skip


def _sentences(transaction: Transaction, section: str, start: date = WEEK) -> list[str]:
    """The Vietnamese sentences of a section of the digest."""
    return [
        text
        for (text,) in transaction.rows(
            "select text_vi from shared.weekly_digest where section = $1::text and period_start = $2::date order by rank",
            section,
            start,
        )
    ]


def test_the_digest_starts_with_the_main_indicators(transaction: Transaction) -> None:
    _weeks(transaction)
    _compute(transaction, "weekly_digest")
    assert _sentences(transaction, "headline") == [
        "Toàn tỉnh tiếp nhận 2.234 hồ sơ; tuần trước 1.500.",
        "Tỷ lệ hồ sơ trực tuyến: 42,07% (4.207/10.000).",
        "Tỷ lệ giải quyết đúng hạn: 99,88% (799/800); tuần trước 66,67%.",
        "Tỷ lệ hồ sơ đang giải quyết bị quá hạn: không tính được vì mẫu số tuần này bằng 0.",
        "Tỷ lệ dịch vụ công trực tuyến phát sinh hồ sơ: 24,36% (341/1.400).",
        "Xã, phường không phát sinh hồ sơ: 2/3; tuần trước 1.",
        "Cơ quan trên cấp xã không phát sinh hồ sơ trực tuyến: 2/2; tuần trước 0.",
        "Đơn vị chưa đủ dữ liệu: 1/5; tuần trước 0.",
    ]  # fmt: skip
    ((value, before, english),) = transaction.rows(
        "select value, value_before, text_en from shared.weekly_digest where kpi_id = 'on_time' and section = 'headline' and period_start = $1::date",
        WEEK,
    )
    assert (value, before, english) == (
        0.99875,
        2 / 3,
        "Finished on time: 99.88% (799 of 800) this week; 66.67% last week.",
    )


def test_the_digest_lists_agencies_with_the_values_of_last_week(transaction: Transaction) -> None:
    _weeks(transaction)
    _compute(transaction, "weekly_digest")
    assert _sentences(transaction, "silent") == [
        "UBND xã A: không phát sinh hồ sơ; tuần trước 12 hồ sơ.",
        "UBND xã B: không phát sinh hồ sơ; tuần trước cũng vậy.",
    ]
    assert _sentences(transaction, "no_online") == [
        "UBND huyện D: không phát sinh hồ sơ trực tuyến; tuần trước 7 hồ sơ.",
        "Sở S: không phát sinh hồ sơ trực tuyến; tuần trước chưa đủ dữ liệu.",
    ]
    assert _sentences(transaction, "no_data") == ["UBND xã C: chưa đủ dữ liệu; tuần trước 1.500 hồ sơ."]
    assert _sentences(transaction, "late") == [
        "UBND huyện D: 1.200 hồ sơ quá hạn trong 2.400 hồ sơ đang giải quyết (50,00%).",
        "UBND xã B: 5 hồ sơ quá hạn trong 10 hồ sơ đang giải quyết (50,00%).",
        "UBND xã A: 5 hồ sơ quá hạn trong 120 hồ sơ đang giải quyết (4,17%); tuần trước 6,00%.",
    ]  # fmt: skip
    columns = "rank, organisation_id, level, value, value_before, state, state_before, quarantined_count"
    first = transaction.rows(
        f"select {columns} from shared.weekly_digest where section = 'silent' and period_start = $1::date order by rank limit 1",
        WEEK,
    )
    assert first == [(1, "A", "commune", 0, 12, "zero", "ok", 2)]
    assert (
        transaction.one(
            "select max(state_before) from shared.weekly_digest where section = 'silent' and period_start = $1::date",
            BEFORE,
        )
        is None
    )


def test_the_digest_lists_large_changes_of_comparable_ratios(transaction: Transaction) -> None:
    _weeks(transaction)
    _compute(transaction, "weekly_digest")
    assert _sentences(transaction, "moved") == [
        "Tỷ lệ giải quyết đúng hạn giảm 95,00 điểm phần trăm tại UBND xã B: từ 100,00% xuống 5,00%.",
        "Tỷ lệ hồ sơ trực tuyến tăng 20,00 điểm phần trăm tại UBND xã A: từ 30,00% lên 50,00%.",
    ]  # fmt: skip


def test_the_digest_marks_a_week_with_incomplete_data(transaction: Transaction) -> None:
    _weeks(transaction)
    transaction.do("update period set is_covered = false where period_start = $1::date", WEEK)
    _compute(transaction, "weekly_digest")
    assert (
        _sentences(transaction, "headline")[0]
        == "Toàn tỉnh tiếp nhận 2.234 hồ sơ, số liệu chưa đủ cả tuần; tuần trước 1.500."
    )


UPDATES = {
    "a ratio": "update indicator.service_kpi set numerator = 7, value = 7.0 / denominator where kpi_id = 'online_share' and organisation_id in ('A', 'ALL') and period_start = '2026-06-18'",
    "an activity": "update indicator.zero_activity set state = 'ok', dossier_count = 3 where organisation_id = 'A' and period_start = '2026-06-18'",
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_updated_indicators_equal_a_full_computation(transaction: Transaction, update: str) -> None:
    tables, everything = ("index_766", "institution_map", "weekly_digest"), f"select 'ALL' union {ALL_AGENCIES}"
    affected = (
        "select unnest(array['A', 'ALL']) as organisation_id, 'week' as period, date '2026-06-18' as period_start"
    )
    _weeks(transaction)
    for name in tables:
        _compute(transaction, name, everything)
    transaction.do(update)
    for name in tables:
        _compute(transaction, name, affected, snapshot_id=2)
        updated = transaction.rows(f"select distinct period_start from shared.{name} where snapshot_id = 2")
        assert {start for (start,) in updated} <= ({WEEK, LATER} if name == "weekly_digest" else {WEEK})
    later = "select count(*) from shared.weekly_digest where snapshot_id = 2 and period_start = $1::date"
    assert transaction.one(later, LATER), "the next week repeats the values of this one"
    for name in tables:
        before = transaction.rows(f"select * from shared.{name}")
        _compute(transaction, name, everything, snapshot_id=3)
        assert sorted(map(repr, transaction.rows(f"select * from shared.{name}"))) == sorted(map(repr, before))


def test_published_totals_equal_the_sums_of_the_components(published: Installation) -> None:
    wrong = published.query("""
        select * from shared.index_766 t join (select organisation_id, period, period_start, sum(points) as points, sum(maximum) filter (where points is not null) as maximum
            from shared.index_766 where component <> 'total' group by 1, 2, 3) c using (organisation_id, period, period_start)
        where component = 'total' and (abs(t.points - c.points) > 1e-9 or t.maximum <> c.maximum or t.value not between 0 and 1 or t.points > t.maximum)
        """)
    assert wrong == []


def test_published_sentences_are_complete(published: Installation) -> None:
    assert published.query("select * from shared.weekly_digest where text_vi || text_en ~ '[{}]|##|  '") == []


def test_the_headline_counts_all_received_dossiers(published: Installation) -> None:
    (row,) = published.query("select d.numerator, k.denominator from shared.weekly_digest d join shared.service_kpi k using (period_start) "
                              "where section = 'headline' and rank = 1 and k.kpi_id = 'online_share_all' and k.level = 'ALL' and period = 'week' order by 1 desc limit 1")  # fmt: skip
    assert row["numerator"] == row["denominator"] > 0


def test_an_agency_that_ended_before_the_period_is_not_ranked(transaction: Transaction) -> None:
    _insert(transaction, "organisation", _agency("here"), _agency("gone", valid_to=MONTH), _agency("left", valid_to=MONTH + timedelta(days=1)))  # fmt: skip
    _insert(transaction, "service_kpi", *(_kpi("progress_766", name, 1, 1) for name in ("here", "gone", "left", "ALL")))
    _compute(transaction, "index_766", ALL_AGENCIES)
    ranked = transaction.rows("select distinct organisation_id from shared.index_766 order by 1")
    assert ranked == [("ALL",), ("here",), ("left",)]


def test_an_offering_ends_with_its_agency(transaction: Transaction) -> None:
    _insert(transaction, "organisation", _agency("here"), _agency("gone", valid_to=MONTH))
    for name, until_sql in (("here", "null"), ("gone", "null"), ("gone earlier", f"'{WEEK}'")):
        transaction.do(
            "insert into record.service_offering (source, source_key, source_updated_at, raw_hash, content_hash, batch_id, service_code, organisation_id, online_level, valid_to) "
            f"values ('online_services', '{name}', now(), '', '', 'b', '1.000001', '{name}', 4, {until_sql})"
        )
    transaction.do("update record.service_offering set organisation_id = 'gone', service_code = '1.000002' where source_key = 'gone earlier'")  # fmt: skip
    rows = transaction.rows(f"select organisation_id, service_code, valid_to from ({reference_tables.query('service_offering')}) o order by 1, 2")  # fmt: skip
    assert rows == [("gone", "1.000001", MONTH), ("gone", "1.000002", MONTH), ("here", "1.000001", None)]
