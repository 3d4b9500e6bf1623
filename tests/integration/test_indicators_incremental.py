"""Tests of incremental indicators: updates of the changed groups equal a full computation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lgsp import sql, store
from lgsp.indicators import compute, definitions, dossier_flows
from lgsp.publish import indicator_tables, merge, reference_tables
from lgsp.schema import contract
from lgsp.snapshots import changes
from lgsp.store.transaction import Transaction, publishing
from tests import samples
from tests.integration.conftest import SOURCES, WHOLE, Installation

DAY_ZERO = date(2026, 1, 8)  # a Thursday
TEMPORARY = ("clock", "period", "quarantined_record", "affected", "period_span", "period_movement", "period_balance")
CHANGED = datetime(2026, 1, 1, tzinfo=UTC)
DECREE = 20  # from this day on, online modes count instead of online levels
# Each definition again, dossier by dossier: slow, and simple enough to be obviously correct.
FACT = """
    select *, coalesce((select field_code from shared.service s where s.service_code = d.service_code order by valid_from desc limit 1), 'UNKNOWN') as field_code,
        case when due_on is not null then greatest(received_on, due_on) end as overdue_on,
        case when finished_on is not null then greatest(received_on, finished_on)
            when status in ('withdrawn', 'not_accepted') then greatest(received_on, closed_at::date, case when closed_at is null then source_updated_at::date end) end as ended_on,
        case when status in ('withdrawn', 'not_accepted') or due_on is null then 0 else finished_on - due_on end as days_late
    from shared.dossier d where received_on is not null
"""
# Whether a dossier was paused at the end of the day before a day.
PAUSED_BEFORE = "exists (select from unnest(paused_days) p where split_part(p, '/', 1)::date < {0} and coalesce(nullif(split_part(p, '/', 2), '')::date, 'infinity') >= {0})"
UNTIL = "case when ended_on is null then (as_of at time zone 'Asia/Ho_Chi_Minh')::date else period_end end"
LATE = f"overdue_on < {UNTIL} and not {PAUSED_BEFORE.format(f'({UNTIL})')}"
FORM = f"""
with fact as ({FACT})
select coalesce(receiving_organisation_id, 'ALL') as organisation_id, coalesce(field_code, 'ALL') as field_code, period, period_start,
    count(*) filter (where received_on < period_end and not coalesce(ended_on < period_start, false)) as received_total,
    count(*) filter (where received_on >= period_start and received_on < period_end and channel = 'online') as received_online,
    count(*) filter (where ended_on >= period_start and ended_on < period_end) as finished_total,
    count(*) filter (where ended_on >= period_start and ended_on < period_end and days_late < 0) as finished_before_due,
    count(*) filter (where ended_on >= period_start and ended_on < period_end and days_late > 0) as finished_late,
    count(*) filter (where received_on < period_end and not coalesce(ended_on < period_end, false)
        and {LATE}) as open_late
from fact, period where period <> 'half_month' group by cube (receiving_organisation_id, field_code), period, period_start
"""
FINISHED = "finished_on is not null and status not in ('withdrawn', 'not_accepted')"
ELIGIBLE = "received_on is not null and case when received_on >= '{decree}' then online_mode in ('partial', 'full') else online_level in (3, 4) end"
FIRST_DUE_ON = "(due_first_at at time zone 'Asia/Ho_Chi_Minh')::date"
RECEIVED = "received_on is not null"
RATED = "satisfaction is not null"
# Ratios of dossiers: the day that counts, numerator, denominator.
OF_DOSSIERS = {
    "on_time": ("finished_on", "finished_on <= due_on", f"{FINISHED} and due_on is not null"),
    "on_time_first_due": ("finished_on", f"finished_on <= {FIRST_DUE_ON}", f"{FINISHED} and due_first_at is not null"),
    "no_due": ("finished_on", "due_on is null", FINISHED),
    "online_share": ("received_on", "channel = 'online'", ELIGIBLE),
    "online_share_all": ("received_on", "channel = 'online'", RECEIVED),
    "paid_online": ("received_on", "is_paid_online", f"{RECEIVED} and fee_vnd > 0"),
    "digital_result": ("finished_on", "has_digital_result", FINISHED),
    "digitised": ("received_on", "digitised_component_count > 0", RECEIVED),
    "reused": ("received_on", "reused_component_count > 0", f"{RECEIVED} and digitised_component_count > 0"),
    "synced": ("received_on", "in_online_services", RECEIVED),
    "satisfied": (
        "case when status = 'withdrawn' then received_on else coalesce(finished_on, received_on) end",
        "satisfaction in (4, 5)",
        RATED,
    ),
}
AGENCIES_AND_PERIODS = "(select organisation_id from shared.organisation union select 'ALL') o cross join (select * from period where period <> 'half_month') p"
OF_DOSSIER = """
select '{kpi}' as kpi_id, organisation_id, period, period_start, count(dossier_id) filter (where {numerator}) as numerator, count(dossier_id) as denominator
from {who} left join shared.dossier on organisation_id in ('ALL', receiving_organisation_id) and {denominator} and {day} >= period_start and {day} < period_end
group by 1, 2, 3, 4
"""
OF_OPEN = """
select unnest(array['overdue_open', 'progress_766']) as kpi_id, organisation_id, period, period_start,
    unnest(array[sum(open_late), count(dossier_id) filter (where in_time) + sum(open_total) - sum(open_late)])::bigint as numerator,
    unnest(array[sum(open_total), count(dossier_id)])::bigint as denominator
from (
    select o.organisation_id, p.period, p.period_start, d.dossier_id, coalesce(finished_on <= due_on, true) and finished_on is not null and status <> 'withdrawn' and ended_on < period_end as in_time,
        (d.dossier_id is not null and coalesce(ended_on >= period_end, true))::int as open_total,
        (coalesce(ended_on >= period_end, true) and coalesce({late}, false))::int as open_late
    from {who} left join ({fact}) d
        on organisation_id in ('ALL', receiving_organisation_id) and received_on < period_end and coalesce(ended_on >= period_start, true)
) counted group by organisation_id, period, period_start
"""
OF_OFFERINGS = """
select unnest(array['service_active', 'service_active_online', 'offered_online', 'integrated_national', 'full_online']) as kpi_id,
    organisation_id, period, period_start, unnest(array[count(*) filter (where eligible and used), count(*) filter (where eligible and used_online),
        count(*) filter (where eligible), count(*) filter (where eligible and is_integrated_national and coalesce(integrated_on <= last_on, true)),
        count(*) filter (where eligible and fully)]) as numerator,
    unnest(array[count(*) filter (where eligible), count(*) filter (where eligible), count(offered), count(*) filter (where eligible), count(*) filter (where eligible)]) as denominator
from (select *, (as_of at time zone 'Asia/Ho_Chi_Minh')::date - 1 as last_on from {who}) w
left join lateral (
    select *, true as offered, case when period_end > '{decree}' then online_mode in ('partial', 'full') else online_level in (3, 4) end as eligible,
        case when period_end > '{decree}' then online_mode = 'full' else online_level = 4 end as fully,
        exists (select from shared.dossier d where d.receiving_organisation_id = f.agency and d.service_code = f.service_code
            and received_on >= w.period_start and received_on < w.period_end) as used,
        exists (select from shared.dossier d where d.receiving_organisation_id = f.agency and d.service_code = f.service_code
            and received_on >= w.period_start and received_on < w.period_end and channel = 'online') as used_online
    from (select distinct on (organisation_id, service_code) organisation_id as agency, service_code, online_level, online_mode, is_integrated_national, integrated_on
        from shared.service_offering where valid_from <= w.last_on and coalesce(valid_to > w.last_on, true) order by organisation_id, service_code, valid_from desc) f
    where w.organisation_id in ('ALL', agency)
) offering on true group by organisation_id, period, period_start
"""
OF_PAYMENTS = """
select 'payment_active' as kpi_id, organisation_id, period, period_start,
    count(distinct pair) filter (where is_paid_online) as numerator, count(distinct pair) as denominator
from {who} left join (select *, receiving_organisation_id || ' ' || service_code as pair from shared.dossier
    where fee_vnd > 0 and receiving_organisation_id <> 'UNKNOWN' and service_code <> 'UNKNOWN') d
    on organisation_id in ('ALL', receiving_organisation_id) and received_on >= period_start and received_on < period_end
group by 1, 2, 3, 4
"""


def _service_kpi_query() -> str:
    ratios = [
        OF_DOSSIER.replace("{kpi}", kpi).replace("{day}", day).replace("{numerator}", numerator).replace("{denominator}", denominator)
        for kpi, (day, numerator, denominator) in OF_DOSSIERS.items()
    ]  # fmt: skip
    queries = " union all ".join([*ratios, OF_OPEN, OF_OFFERINGS, OF_PAYMENTS])
    return (
        queries.replace("{who}", AGENCIES_AND_PERIODS)
        .replace("{fact}", FACT)
        .replace("{late}", LATE)
        .replace("{decree}", f"{_day(DECREE)}")
    )


@dataclass(frozen=True)
class Change:
    """The changes that one publication contains; days are counted from DAY_ZERO."""

    dossiers: dict[int, dict[str, Any] | None]
    reaches: tuple[int, int]
    quarantined: frozenset[tuple[str | None, int]] = frozenset()
    incomplete: frozenset[tuple[str, int]] = frozenset()
    levels: tuple[str, ...] = ("commune", "commune", "province")
    ended: int | None = None
    field: str = "G01"
    offerings: tuple[tuple[Any, ...], ...] = ()


DAYS = st.integers(-20, 80)
LEVELS, MODES = st.sampled_from([None, 2, 3, 4]), st.sampled_from([None, "information", "partial", "full"])
AGENCIES = st.sampled_from(["A", "B", "C", "UNKNOWN"])
DOSSIERS = st.fixed_dictionaries({
    "receiving_organisation_id": AGENCIES, "service_code": st.sampled_from(["1.1", "1.2", "UNKNOWN"]),
    "received_on": st.none() | DAYS, "due_on": st.none() | DAYS, "finished_on": st.none() | DAYS, "closed_at": st.none() | DAYS,
    "channel": st.sampled_from(["online", "counter"]), "status": st.sampled_from(["processing", "finished", "withdrawn"]),
    "is_paused": st.booleans(), "due_first_at": st.none() | DAYS, "online_level": LEVELS, "online_mode": MODES,
    "fee_vnd": st.sampled_from([None, 0, 5_000]), "is_paid_online": st.sampled_from([None, False, True]),
    "satisfaction": st.sampled_from([None, 3, 4]), "has_digital_result": st.sampled_from([None, False, True]),
    "digitised_component_count": st.sampled_from([None, 0, 2]), "reused_component_count": st.sampled_from([None, 0, 1]),
    "in_online_services": st.booleans(),
    "pauses": st.lists(DAYS, max_size=4, unique=True).map(lambda days: tuple(sorted(days))),  # start and end of a pause, alternately
})  # fmt: skip
# procedure, agency, first day, level, mode, whether integrated, integration day, end day
OFFERINGS = st.lists(
    st.tuples(
        st.sampled_from(["1.1", "1.2"]), st.sampled_from(["A", "B"]), st.sampled_from([-90, 10, 30]), LEVELS, MODES, st.booleans(),
        st.none() | DAYS, st.none() | DAYS,
    ),
    max_size=4, unique_by=lambda offering: offering[:3],
).map(tuple)  # fmt: skip
CHANGES = st.lists(
    st.builds(
        Change,
        dossiers=st.dictionaries(st.integers(1, 6), st.none() | DOSSIERS, max_size=4),
        reaches=st.tuples(st.integers(3, 75), st.integers(3, 75)),
        quarantined=st.frozensets(st.tuples(st.none() | AGENCIES, st.integers(0, 60)), max_size=2),
        incomplete=st.frozensets(st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 60)), max_size=2),
        levels=st.sampled_from([("commune", "commune", "province"), ("commune", "province", "province")]),
        ended=st.sampled_from([None, 20, 45]),
        field=st.sampled_from(["G01", "G02"]),
        offerings=OFFERINGS,
    ),
    min_size=2, max_size=4,
)  # fmt: skip


PLAIN: dict[str, Any] = {
    "receiving_organisation_id": "A", "service_code": "1.1", "received_on": 1, "due_on": 22, "finished_on": None, "closed_at": None,
    "channel": "online", "status": "processing", "is_paused": False, "due_first_at": 22, "online_level": 4, "online_mode": "full",
    "fee_vnd": 5_000, "is_paid_online": True, "satisfaction": 4, "has_digital_result": True, "digitised_component_count": 2,
    "reused_component_count": 1, "in_online_services": True, "pauses": (),
}  # fmt: skip
# Rarely generated: a procedure that moves to another field, pauses, and a dossier that ends after the data clock.
OTHER_FIELD = [Change({1: PLAIN | {"finished_on": 5}}, (70, 70)), Change({}, (70, 70), field="G02")]
PAUSED = [
    Change({1: PLAIN | {"due_on": 5, "pauses": (8,)}, 2: PLAIN | {"due_on": 30, "pauses": (25, 40)}}, (20, 20)),
    Change({1: PLAIN | {"due_on": 5, "pauses": (8, 30)}, 2: PLAIN | {"due_on": 30, "pauses": (25, 40, 50), "finished_on": 60}}, (70, 70)),
]  # fmt: skip
ENDED_AFTER_THE_CLOCK = [Change({1: PLAIN}, (20, 20)), Change({1: PLAIN | {"finished_on": 40}}, (20, 20))]


def _day(number: int | None) -> date | None:
    return None if number is None else DAY_ZERO + timedelta(days=number)


def _at(number: int | None) -> datetime | None:
    """10:00 local time of a day."""
    day = _day(number)
    return None if day is None else datetime(day.year, day.month, day.day, 3, tzinfo=UTC)


def _dossier(key: int, dossier: dict[str, Any]) -> dict[str, Any]:
    days = {name: _day(dossier[name]) for name in ("received_on", "due_on", "finished_on")}
    at = {name: _at(dossier[name]) for name in ("closed_at", "due_first_at")}
    dossier = dict(dossier)
    pauses = [*map(str, map(_day, dossier.pop("pauses"))), ""]
    dossier["paused_days"] = [f"{start}/{end}" for start, end in zip(pauses[::2], pauses[1::2], strict=False) if start]
    return {
        "dossier_id": f"H47-{key}", "opened_on": DAY_ZERO, "paused_working_minutes": 0, "is_withdrawn": False, "in_one_stop": True,
        "has_conflict": False, "source_updated_at": CHANGED, **dossier, **days, **at,
    }  # fmt: skip


def _reference_rows(change: Change) -> dict[str, list[dict[str, Any]]]:
    agencies = [
        {"organisation_id": name, "valid_from": date(2016, 4, 1), "name": name, "level": level, "kind": "department",
         "valid_to": _day(change.ended) if name == "B" else None, "is_current": True}
        for name, level in zip("ABC", change.levels, strict=True)
    ]  # fmt: skip
    services = [
        {"service_code": code, "valid_from": date(2016, 4, 1), "name": code, "field_code": field, "is_integrated_national": False}
        for code, field in (("1.1", change.field), ("1.2", "G02"))
    ]  # fmt: skip
    offerings = [
        {"service_code": service, "organisation_id": agency, "valid_from": _day(since), "online_level": level, "online_mode": mode,
         "is_integrated_national": is_integrated, "integrated_on": _day(integrated), "valid_to": _day(until)}
        for service, agency, since, level, mode, is_integrated, integrated, until in change.offerings
    ]  # fmt: skip
    return {"organisation": agencies, "service": services, "service_offering": offerings}


def _merge(transaction: Transaction, name: str, rows: list[dict[str, Any]], scope: str, snapshot_id: int) -> None:
    shared = contract.load(name)
    merge.stage_rows(transaction, shared, samples.arrow_rows(shared, rows))
    merge.merge_staged(transaction, shared, scope, snapshot_id, changes.Changes())


def _merge_changes(transaction: Transaction, change: Change, snapshot_id: int) -> None:
    """Do what a publication does before it computes the indicators."""
    for table in TEMPORARY:
        transaction.do(f"drop table if exists pg_temp.{table}")
    keys = ", ".join(f"'H47-{key}'" for key in change.dossiers) or "''"
    rows = [_dossier(key, dossier) for key, dossier in change.dossiers.items() if dossier]
    _merge(transaction, "dossier", rows, f"s.dossier_id in ({keys})", snapshot_id)
    for version, end in (("1.0", "valid_to"), ("2.0", "valid_from")):
        transaction.do(
            f"update record.indicator_definition set {end} = '{_day(DECREE)}' "
            f"where definition_version = '{version}' and kpi_id in (select kpi_id from record.indicator_definition where definition_version = '2.0')"
        )
    reference_tables.merge_tables(transaction, snapshot_id, changes.Changes(), definitions.NAMES)
    for name, reference_rows in _reference_rows(change).items():
        _merge(transaction, name, reference_rows, "true", snapshot_id)
    for source, reach in zip(("one_stop_shop", "online_services"), change.reaches, strict=True):
        transaction.do(
            "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, fetched_count, published_count) values "
            f"('{source}.{snapshot_id}', '{source}', '{DAY_ZERO} 00:00+07', '{_day(reach)} 00:00+07', 'published', '', 1, 1)"
        )
    transaction.do("delete from ledger.completeness")
    for agency, day in change.incomplete:
        transaction.do(
            "insert into ledger.completeness (source, organisation_id, day_on, state) "
            f"values ('one_stop_shop', '{agency}', '{_day(day)}', 'missing')"
        )
    compute.stage_periods(transaction)
    transaction.do("create temporary table quarantined_record (organisation_id text, occurred_on date) on commit drop")
    for agency_or_none, day in change.quarantined:
        organisation_id = f"'{agency_or_none}'" if agency_or_none else "null"
        transaction.do(f"insert into quarantined_record values ({organisation_id}, '{_day(day)}')")


def publish_change(transaction: Transaction, change: Change, snapshot_id: int) -> None:
    """Merge a change and update the indicators, as a publication does."""
    _merge_changes(transaction, change, snapshot_id)
    is_every = compute.update_sums(transaction, snapshot_id, is_all=False)
    for name in indicator_tables.TABLES:
        shared = contract.load(name)
        merge.stage_query(transaction, shared, compute.indicator_query(name))
        merge.merge_staged(transaction, shared, compute.recompute_scope(name, is_every), snapshot_id, changes.Changes())


def differing_rows(transaction: Transaction, name: str) -> list[tuple[Any, ...]]:
    """The rows in which an indicator table differs from the computation of the affected groups."""
    shared = contract.load(name)
    columns = ", ".join(shared.versioned_names)
    merge.stage_query(transaction, shared, compute.indicator_query(name))
    stored, computed = f"select {columns} from shared.{name}", f"select {columns} from new_{name}"
    return transaction.rows(f"({stored} except all {computed}) union all ({computed} except all {stored})")


def affect_all_groups(transaction: Transaction) -> None:
    """Mark all agencies in all periods as affected, as after an upgrade."""
    for table in ("affected", "period_span", "period_movement", "period_balance"):
        transaction.do(f"drop table if exists pg_temp.{table}")
    transaction.do(sql.load("lgsp.indicators", "inputs/all_dossiers"))
    compute.stage_measures(transaction)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
@example(changes=OTHER_FIELD)
@example(changes=ENDED_AFTER_THE_CLOCK)
@example(changes=PAUSED)
def test_updated_indicators_equal_a_full_computation(changes: list[Change], empty_store: Installation) -> None:
    with publishing(store.url(empty_store.settings)) as transaction:
        for snapshot_id, change in enumerate(changes, 1):
            publish_change(transaction, change, snapshot_id)
            assert dossier_flows.count_differences(transaction) == 0
            assert transaction.rows(sql.load("lgsp.indicators", "dossier_flows/without_procedure")) == []
            affect_all_groups(transaction)
            for name in indicator_tables.TABLES:
                assert differing_rows(transaction, name) == []


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(dossiers=st.dictionaries(st.integers(1, 8), DOSSIERS, min_size=4), reach=st.integers(3, 75), offerings=OFFERINGS)
def test_indicators_equal_a_count_dossier_by_dossier(
    dossiers: dict[int, dict[str, Any] | None],
    reach: int,
    offerings: tuple[tuple[Any, ...], ...],
    empty_store: Installation,
) -> None:
    with publishing(store.url(empty_store.settings)) as transaction:
        publish_change(transaction, Change(dossiers, (reach, reach), offerings=offerings), 1)
        for name, counted in (("form_06a", FORM), ("service_kpi", _service_kpi_query())):
            key = [column for column in contract.load(name).key if column not in ("level", "definition_version")]
            measures = transaction.arrow(f"select * from ({counted}) c limit 0").column_names[len(key) :]
            sums = " or ".join(f"coalesce(i.{m}, 0) <> coalesce(c.{m}, 0)" for m in measures)
            compared = "" if name == "form_06a" else " where organisation_id <> 'ALL' or level = 'ALL'"
            joined = f"(select * from shared.{name}{compared}) i full join ({counted}) c using ({', '.join(key)})"
            assert transaction.rows(f"select {', '.join(key)} from {joined} where ({sums})") == []


def test_lost_sums_or_other_definitions_cause_a_full_computation(publish_transaction: Transaction) -> None:
    dossiers: dict[int, dict[str, Any] | None] = {key: PLAIN | {"received_on": key} for key in range(1, 7)}
    publish_change(publish_transaction, Change(dossiers, (20, 20)), 1)
    for snapshot_id, loss in ((2, "delete from record.movement"), (3, "update record.indicator_period set derived_by = 'an older version'")):  # fmt: skip
        publish_transaction.do("update indicator.form_06a set received_online = 0")
        publish_transaction.do(loss)
        publish_change(publish_transaction, Change({}, (20, 20)), snapshot_id)
        assert dossier_flows.count_differences(publish_transaction) == 0
        received = "select received_online::int from shared.form_06a where (organisation_id, field_code, period) = ('ALL', 'ALL', 'year')"
        assert publish_transaction.one(received) == 6


def test_the_form_counts_overdue_dossiers_up_to_the_data_clock(publish_transaction: Transaction) -> None:
    dues = enumerate((5, 9, 12, 5), 1)
    dossiers: dict[int, dict[str, Any] | None] = {
        key: PLAIN | {"is_paused": key == 4, "pauses": (3,) * (key == 4), "due_on": due} for key, due in dues
    }
    open_ = "select open_total, open_within_due, open_late, finished_total from shared.form_06a where (organisation_id, field_code, period) = ('ALL', 'ALL', 'month')"
    for snapshot_id, (reach, late) in enumerate(((5, 0), (6, 1), (10, 2), (13, 3)), 1):
        publish_change(publish_transaction, Change(dossiers, (reach, reach)), snapshot_id)
        assert [tuple(map(int, row)) for row in publish_transaction.rows(open_)] == [(4, 4 - late, late, 0)]


def test_fewer_dossiers_than_the_threshold_are_low_activity(publish_transaction: Transaction) -> None:
    publish_transaction.do("update record.indicator_threshold set value = 3 where scope = 'commune/half_month'")
    received = dict.fromkeys((8, 9, 24, 25, 26), "A") | {30: "C"}  # A and B are communes, C is a department
    dossiers: dict[int, dict[str, Any] | None] = {
        day: PLAIN | {"received_on": day, "receiving_organisation_id": agency} for day, agency in received.items()
    }
    publish_change(publish_transaction, Change(dossiers, (75, 75)), 1)
    states = publish_transaction.rows(
        "select organisation_id, dossier_count::int, threshold::int, state from shared.zero_activity "
        "where period = 'half_month' and channel = 'any' and period_start in ('2026-01-16', '2026-02-01') order by organisation_id, period_start"
    )
    assert states == [
        ("A", 2, 3, "low"), ("A", 3, 3, "ok"), ("B", 0, 3, "zero"), ("B", 0, 3, "zero"), ("C", 0, 0, "zero"), ("C", 1, 0, "ok"),
    ]  # fmt: skip


@pytest.mark.exhaustive
def test_published_indicators_equal_a_full_computation(installation: Installation) -> None:
    earlier, later = WHOLE.split(6)
    shop, portal, _ = SOURCES
    for windows in (((shop, later),), ((shop, earlier), (portal, earlier)), ((portal, later),)):
        for source, window in windows:
            installation.ingest(source, window)
        assert installation.publish() is not None
        with publishing(store.url(installation.settings)) as transaction:
            assert dossier_flows.count_differences(transaction) == 0
            compute.stage_periods(transaction)
            compute.stage_quarantined(transaction)
            affect_all_groups(transaction)
            for name in indicator_tables.TABLES:
                assert differing_rows(transaction, name) == []
