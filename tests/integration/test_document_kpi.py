"""Tests of the document indicators: updates equal a full computation, and reported figures are checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lgsp import sql, store
from lgsp.indicators import compute, definitions, document_flows
from lgsp.publish import merge, reference_tables, table_rules
from lgsp.schema import contract
from lgsp.snapshots import changes
from lgsp.store.transaction import Transaction, publishing
from lgsp.window import LOCAL
from tests import samples
from tests.integration.conftest import Installation

DAY_ZERO = date(2026, 1, 8)  # a Thursday
FRIDAY = 8  # 16 January
MONDAY = date(2026, 1, 19)
CHANGED = datetime(2026, 1, 1, tzinfo=UTC)
TEMPORARY = ("clock", "period", "quarantined_record", "affected", "period_span", "period_movement", "period_balance")
AGENCIES = {"A": "commune", "B": "commune", "C": "province"}
# Each definition again, document by document: simple enough to be obviously correct.
COUNTED = """
with letter as (
    select d.*, coalesce((select min(sender_organisation_id) from shared.document_delivery v where v.document_id = d.document_id), issuing_organisation_id) as sender,
        coalesce((select min(sent_at) at time zone 'Asia/Ho_Chi_Minh' from shared.document_delivery v where v.document_id = d.document_id)::date, issued_on) as sent_on
    from shared.document d
), arrival as (
    select recipient_organisation_id as recipient, arrived_at::date as arrived_on, revoked_at is not null or replaced_by_document_id is not null as is_void,
        accepted_at::date <= (select min(day_on) from shared.working_day where is_working_day and day_on > arrived_at::date) as is_in_time
    from shared.document_delivery join shared.document using (document_id)
)
select k.kpi_id, o.organisation_id, p.period, p.period_start, k.numerator, k.denominator
from shared.organisation o cross join period p cross join lateral (
    select 'sent' as kpi_id, count(*) as numerator, 1 as denominator from letter where sender = o.organisation_id and sent_on >= period_start and sent_on < period_end
    union all select 'paperless', count(*) filter (where not has_paper_copy), count(*) from letter
        where sender = o.organisation_id and sent_on >= period_start and sent_on < period_end
    union all select 'received', count(*), 1 from arrival where recipient = o.organisation_id and arrived_on >= period_start and arrived_on < period_end
    union all select 'accepted_in_time', count(*) filter (where is_in_time), count(*) from arrival
        where recipient = o.organisation_id and not is_void and arrived_on >= period_start and arrived_on < period_end
    union all select 'work_file_electronic', count(*) filter (where is_electronic), count(*) from shared.work_file w
        where w.organisation_id = o.organisation_id and opened_on >= period_start and opened_on < period_end
) k
where period <> 'half_month' and o.valid_from < p.period_end and coalesce(o.valid_to, 'infinity') > p.period_start
"""


@dataclass(frozen=True)
class Change:
    """The changes that one publication contains; days are counted from DAY_ZERO."""

    documents: dict[int, dict[str, Any] | None]
    files: dict[int, dict[str, Any] | None]
    reach: int = 60
    ended: int | None = None
    quarantined: frozenset[tuple[str | None, str, int]] = frozenset()
    is_day_off: bool = False
    reported: tuple[tuple[str, str, int], ...] = ()


DAYS = st.integers(-10, 60)
SENDERS = st.sampled_from([*AGENCIES, "UNKNOWN"])
DELIVERIES = st.fixed_dictionaries({
    "sent_at": st.none() | DAYS, "arrived_at": st.none() | DAYS, "accepted_at": st.none() | DAYS,
})  # fmt: skip
DOCUMENTS = st.fixed_dictionaries({
    "by": SENDERS, "issued_on": DAYS, "is_signed": st.none() | st.booleans(), "has_paper_copy": st.none() | st.booleans(),
    "revoked_at": st.none() | DAYS, "to": st.dictionaries(SENDERS, DELIVERIES, max_size=3),
})  # fmt: skip
FILES = st.fixed_dictionaries({"by": SENDERS, "opened_on": DAYS, "is_electronic": st.none() | st.booleans()})
CHANGES = st.lists(
    st.builds(
        Change,
        documents=st.dictionaries(st.integers(1, 5), st.none() | DOCUMENTS, max_size=3),
        files=st.dictionaries(st.integers(1, 3), st.none() | FILES, max_size=2),
        reach=st.integers(3, 60),
        ended=st.sampled_from([None, 20]),
        quarantined=st.frozensets(
            st.tuples(st.none() | SENDERS, st.sampled_from(["document", "work_file", "dossier"]), st.integers(0, 50)), max_size=2
        ),
        is_day_off=st.booleans(),
        reported=st.sampled_from([(), (("hours_saved", "ALL", 90),), (("vnd_saved", "B", 1000), ("hours_saved", "C", 1))]),
    ),
    min_size=2, max_size=4,
)  # fmt: skip
ARRIVED: dict[str, Any] = {"sent_at": FRIDAY, "arrived_at": FRIDAY, "accepted_at": FRIDAY + 3}
PLAIN: dict[str, Any] = {
    "by": "A", "issued_on": FRIDAY, "is_signed": True, "has_paper_copy": False, "revoked_at": None, "to": {"B": ARRIVED},
}  # fmt: skip
# Rarely generated: a calendar change while a document moves to another day, and a change of a delivery alone.
OTHER_CALENDAR = [Change({1: PLAIN}, {}), Change({1: PLAIN | {"issued_on": 40, "to": {}}}, {}, is_day_off=True)]
OTHER_DELIVERY = [
    Change({1: PLAIN}, {}),
    Change({1: PLAIN | {"to": {"B": ARRIVED, "C": {**ARRIVED, "sent_at": 2}}}}, {}),
]


def _day(number: int | None) -> date | None:
    return None if number is None else DAY_ZERO + timedelta(days=number)


def _at(day: int | datetime | None) -> datetime | None:
    """22:00 local time of a day; an instant unchanged."""
    if day is None or isinstance(day, datetime):
        return day
    return datetime.combine(DAY_ZERO + timedelta(days=day), time(22), LOCAL)


def _document(key: int, document: dict[str, Any]) -> dict[str, Any]:
    return {
        "document_id": f"{key}", "issuing_organisation_id": document["by"], "number": "1", "notation": "UBND", "issued_on": _day(document["issued_on"]),
        "document_type": "official_letter", "is_signed": document["is_signed"], "has_paper_copy": document["has_paper_copy"],
        "revoked_at": _at(document["revoked_at"]), "source_updated_at": CHANGED,
    }  # fmt: skip


def _deliveries(key: int, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for recipient, delivery in document["to"].items():
        times = {name: _at(number) for name, number in delivery.items()}
        yield {
            "document_id": f"{key}", "recipient_organisation_id": recipient, "sender_organisation_id": document["by"],
            "issued_on": _day(document["issued_on"]), "status": "sent", "source_updated_at": CHANGED, **times,
        }  # fmt: skip


def _work_file(key: int, work_file: dict[str, Any]) -> dict[str, Any]:
    return {
        "work_file_id": f"{key}", "organisation_id": work_file["by"], "level": "commune", "opened_on": _day(work_file["opened_on"]),
        "is_electronic": work_file["is_electronic"], "source_updated_at": CHANGED,
    }  # fmt: skip


def _agencies(ended: int | None) -> list[dict[str, Any]]:
    return [
        {"organisation_id": name, "valid_from": date(2016, 4, 1), "name": name, "level": level, "kind": "department",
         "valid_to": _day(ended) if name == "B" else None, "is_current": True}
        for name, level in AGENCIES.items()
    ]  # fmt: skip


def _merge(transaction: Transaction, name: str, rows: list[dict[str, Any]], scope: str, snapshot_id: int) -> bool:
    """Merge rows into a shared table; whether this changed the table."""
    shared, touched = contract.load(name), changes.Changes()
    merge.stage_rows(transaction, shared, samples.arrow_rows(shared, rows))
    merge.merge_staged(transaction, shared, scope, snapshot_id, touched)
    return bool(touched.rows[name])


def _merge_reference_tables(transaction: Transaction, change: Change, snapshot_id: int) -> bool:
    """Merge agencies, calendar, definitions and reported figures; whether the reported figures changed."""
    _merge(transaction, "organisation", _agencies(change.ended), "true", snapshot_id)
    published = transaction.rows(f"select is_working_day from shared.working_day where day_on = '{MONDAY}'")
    if published != [(not change.is_day_off,)]:  # also before the first publication, without a row
        transaction.do(
            f"update record.working_day set is_working_day = {not change.is_day_off} where day_on = '{MONDAY}'"
        )
        reference_tables.merge_tables(transaction, snapshot_id, changes.Changes(), ["working_day"])
    reference_tables.merge_tables(
        transaction, snapshot_id, changes.Changes(), set(definitions.NAMES) - {"manual_indicator"}
    )
    reported = [
        {"indicator_id": indicator_id, "organisation_id": agency, "period": "quarter", "period_start": date(2026, 1, 1),
         "amount": amount, "unit": indicator_id.partition("_")[0], "told_by": "a report"}
        for indicator_id, agency, amount in change.reported
    ]  # fmt: skip
    return _merge(transaction, "manual_indicator", reported, "true", snapshot_id)


def _merge_changes(transaction: Transaction, change: Change, snapshot_id: int) -> bool:
    """Do what a publication does before it computes the indicators; whether the reported figures changed."""
    for table in TEMPORARY:
        transaction.do(f"drop table if exists pg_temp.{table}")
    is_redefined = _merge_reference_tables(transaction, change, snapshot_id)
    keys = ", ".join(f"'{key}'" for key in change.documents) or "''"
    documents = {key: document for key, document in change.documents.items() if document}
    in_scope = f"s.document_id in ({keys})"
    rows = [_document(key, document) for key, document in documents.items()]
    _merge(transaction, "document", rows, in_scope, snapshot_id)
    deliveries = [row for key, document in documents.items() for row in _deliveries(key, document)]
    _merge(transaction, "document_delivery", deliveries, in_scope, snapshot_id)
    keys = ", ".join(f"'{key}'" for key in change.files) or "''"
    work_files = [_work_file(key, work_file) for key, work_file in change.files.items() if work_file]
    _merge(transaction, "work_file", work_files, f"s.work_file_id in ({keys})", snapshot_id)
    transaction.do(
        "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, fetched_count, published_count) values "
        f"('documents.{snapshot_id}', 'documents', '{DAY_ZERO} 00:00+07', '{_day(change.reach)} 00:00+07', 'published', '', 1, 1)"
    )
    transaction.do("delete from ledger.quarantine")
    for number, (agency, kind, day) in enumerate(sorted(change.quarantined, key=repr)):
        organisation_id = f"'{agency}'" if agency else "null"
        transaction.do(
            "insert into ledger.quarantine (source, source_key, kind, rule_id, rule_version, reason, raw_pointer, record_hash, "
            "organisation_id, occurred_on, batch_id) "
            f"values ('documents', '{number}', '{kind}', 'R', '1', '', '', '', {organisation_id}, '{_day(day)}', 'documents.{snapshot_id}')"
        )
    compute.stage_periods(transaction)
    compute.stage_quarantined(transaction)
    return is_redefined


def _publish(transaction: Transaction, change: Change, snapshot_id: int) -> None:
    is_redefined = _merge_changes(transaction, change, snapshot_id)
    is_every = compute.update_sums(transaction, snapshot_id, is_all=is_redefined)
    scope = compute.recompute_scope("document_kpi", is_every)
    merge.merge_query(
        transaction, "document_kpi", compute.indicator_query("document_kpi"), snapshot_id, changes.Changes(), scope
    )


def _differing(transaction: Transaction) -> list[tuple[Any, ...]]:
    """The rows in which the stored indicators differ from a full computation."""
    for table in ("affected", "period_span", "period_movement", "period_balance"):
        transaction.do(f"drop table if exists pg_temp.{table}")
    transaction.do(sql.load("lgsp.indicators", "inputs/all_dossiers"))
    compute.stage_measures(transaction)
    shared = contract.load("document_kpi")
    merge.stage_query(transaction, shared, compute.indicator_query("document_kpi"))
    columns = ", ".join(shared.versioned_names)
    stored, computed = f"select {columns} from shared.document_kpi", f"select {columns} from new_document_kpi"
    return transaction.rows(f"({stored} except all {computed}) union all ({computed} except all {stored})")


def _value(transaction: Transaction, kpi_id: str, agency: str, level: str, period: str = "month") -> tuple[Any, ...]:
    """Numerator, denominator and value of the first such period."""
    (row,) = transaction.rows(
        "select numerator, denominator, value from shared.document_kpi where kpi_id = $1::text and organisation_id = $2::text "
        "and level = $3::text and period = $4::text order by period_start limit 1", kpi_id, agency, level, period,
    )  # fmt: skip
    return row


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
@example(changes=OTHER_CALENDAR)
@example(changes=OTHER_DELIVERY)
def test_updated_indicators_equal_a_full_computation(changes: list[Change], empty_store: Installation) -> None:
    with publishing(store.url(empty_store.settings)) as transaction:
        for snapshot_id, change in enumerate(changes, 1):
            _publish(transaction, change, snapshot_id)
            assert document_flows.count_differences(transaction) == 0
            assert transaction.rows(sql.load("lgsp.indicators", "document_flows/stored_rows")) == []
            assert _differing(transaction) == []


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
def test_indicators_equal_a_count_document_by_document(changes: list[Change], empty_store: Installation) -> None:
    with publishing(store.url(empty_store.settings)) as transaction:
        for snapshot_id, change in enumerate(changes, 1):
            _publish(transaction, change, snapshot_id)
        key = "kpi_id, organisation_id, period, period_start"
        rows = transaction.rows(
            f"select {key}, i.numerator, c.numerator, i.denominator, c.denominator from ({COUNTED}) c left join shared.document_kpi i using ({key}) "
            "where (i.numerator, i.denominator) is distinct from (c.numerator, c.denominator)"
        )
        assert rows == []


@pytest.mark.parametrize(
    ("arrived", "accepted", "is_in_time"),
    [
        ("2026-01-15 08:00", "2026-01-16 23:59", 1),  # a Thursday
        ("2026-01-15 08:00", "2026-01-17 00:00", 0),
        ("2026-01-15 23:59", "2026-01-18 08:00", 0),
        ("2026-01-16 08:00", "2026-01-16 09:00", 1),  # a Friday
        ("2026-01-16 08:00", "2026-01-17 08:00", 1),
        ("2026-01-16 08:00", "2026-01-18 08:00", 1),
        ("2026-01-16 23:59", "2026-01-19 23:59", 1),
        ("2026-01-16 23:59", "2026-01-20 00:00", 0),
        ("2026-01-17 00:00", "2026-01-19 23:59", 1),  # a Saturday
        ("2026-01-18 23:59", "2026-01-20 00:00", 0),
        ("2026-01-19 00:00", "2026-01-20 23:59", 1),
        ("2026-02-12 08:00", "2026-02-13 23:59", 1),  # the last day before Tết
        ("2026-02-12 08:00", "2026-02-14 08:00", 0),  # a day off before Tết
        ("2026-02-13 08:00", "2026-02-20 08:00", 1),  # a day of Tết
        ("2026-02-13 08:00", "2026-02-23 23:59", 1),  # the first day after Tết
        ("2026-02-17 08:00", "2026-02-23 23:59", 1),
        ("2026-02-17 08:00", "2026-02-24 00:00", 0),
        ("2026-02-13 08:00", "2026-02-24 08:00", 0),
        ("2026-01-16 08:00", None, 0),
    ],
)
def test_accepted_in_time_means_by_the_next_working_day(
    arrived: str, accepted: str | None, is_in_time: int, publish_transaction: Transaction
) -> None:
    at = {
        name: at and datetime.fromisoformat(f"{at}+07:00")
        for name, at in (("sent_at", arrived), ("arrived_at", arrived), ("accepted_at", accepted))
    }
    _publish(publish_transaction, Change({1: PLAIN | {"to": {"B": at}}}, {}), 1)
    assert _value(publish_transaction, "accepted_in_time", "B", "commune", "year") == (is_in_time, 1, is_in_time)


def test_a_revoked_document_is_received_but_needs_no_acceptance(publish_transaction: Transaction) -> None:
    late = {**ARRIVED, "accepted_at": 40}
    _publish(publish_transaction, Change({1: PLAIN | {"revoked_at": 9, "to": {"B": late}}, 2: PLAIN}, {}), 1)
    assert _value(publish_transaction, "received", "B", "commune") == (2, 1, 2)
    assert _value(publish_transaction, "accepted_in_time", "B", "commune") == (1, 1, 1)
    excluded = "select excluded_count from shared.document_kpi where kpi_id = 'accepted_in_time' and organisation_id = 'B' and period = 'month'"
    assert publish_transaction.one(f"{excluded} order by period_start limit 1") == 1


def test_a_document_is_sent_once_and_delivered_to_each_recipient(publish_transaction: Transaction) -> None:
    to = {"B": {**ARRIVED, "sent_at": 28}, "C": {**ARRIVED, "sent_at": 20}}  # 5 February, 28 January
    _publish(publish_transaction, Change({1: PLAIN | {"to": to}, 2: PLAIN | {"to": {}, "has_paper_copy": True}}, {}), 1)
    assert _value(publish_transaction, "sent", "A", "commune") == (2, 1, 2)
    assert _value(publish_transaction, "sent_deliveries", "A", "commune") == (1, 1, 1)
    assert _value(publish_transaction, "sent_deliveries", "ALL", "ALL", "quarter") == (2, 1, 2)
    assert _value(publish_transaction, "paperless", "ALL", "commune", "quarter") == (1, 2, 0.5)


def test_work_files_have_the_target_of_their_agencys_level(publish_transaction: Transaction) -> None:
    work_files: dict[int, dict[str, Any] | None] = {
        key: {"by": agency, "opened_on": 1, "is_electronic": key != 2} for key, agency in enumerate("AACC", 1)
    }
    _publish(publish_transaction, Change({}, work_files), 1)
    query = "select organisation_id, level, value, target from shared.document_kpi where kpi_id = 'work_file_electronic' and period = 'year' order by 1, 2"
    assert publish_transaction.rows(query) == [
        ("A", "commune", 0.5, 0.5), ("ALL", "ALL", 0.75, None), ("ALL", "commune", 0.5, 0.5), ("ALL", "province", 1.0, 0.9),
        ("B", "commune", None, 0.5), ("C", "province", 1.0, 0.9),
    ]  # fmt: skip


def test_an_implausible_figure_is_published_with_a_warning(publish_transaction: Transaction) -> None:
    _publish(publish_transaction, Change({}, {}), 1)
    publish_transaction.do("insert into shared.document (document_id, issuing_organisation_id, number, notation, issued_on, document_type, snapshot_id) "
            "select n::text, 'A', n::text, 'UBND', '2026-01-08', 'official_letter', 2 from generate_series(1, 38000) n")  # fmt: skip
    reported = (("hours_saved", "ALL", 3_000_000), ("vnd_saved", "ALL", 1_500_000_000))
    _publish(publish_transaction, Change({}, {}, reported=reported), 2)
    hours, vnd = (f"claimed_{unit}_per_document" for unit in ("hours", "vnd"))
    assert _value(publish_transaction, hours, "ALL", "ALL", "quarter") == (3_000_000, 38_000, pytest.approx(78.947368))
    expected_vnd = (1_500_000_000, 38_000, pytest.approx(39473.68421))
    assert _value(publish_transaction, vnd, "ALL", "ALL", "quarter") == expected_vnd
    query = "select kpi_id, organisation_id, level, is_plausible from shared.document_kpi where kpi_id like 'claimed%' order by 1"
    assert publish_transaction.rows(query) == [(hours, "ALL", "ALL", False), (vnd, "ALL", "ALL", True)]
    touched = changes.Changes()
    touched.add("document_kpi", ["2026-01"], 1)
    judgement = table_rules.judge(publish_transaction, 2, touched)  # a warning does not stop the publication
    (warning,) = [verdict for verdict in judgement.results if not verdict.is_passed]
    assert (warning.rule.id, warning.rule.severity, warning.blocks) == ("DOC_CLAIM_PLAUSIBLE", "warning", False)
    assert warning.sample_keys == ("claimed_hours_per_document ALL ALL quarter 2026-01-01",)


def test_the_data_clock_follows_documents_without_dossiers(publish_transaction: Transaction) -> None:
    _publish(publish_transaction, Change({1: PLAIN}, {}, reach=20), 1)
    assert publish_transaction.rows(
        "select distinct as_of, is_covered from period where period = 'month' and period_start = '2026-01-01'"
    ) == [(datetime(2026, 1, 27, 17, tzinfo=UTC), False)]
    publish_transaction.do("insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, fetched_count, published_count) "
            f"values ('one_stop_shop.1', 'one_stop_shop', '{DAY_ZERO} 00:00+07', '{_day(5)} 00:00+07', 'published', '', 1, 1)")  # fmt: skip
    _publish(publish_transaction, Change({}, {}, reach=30), 2)
    assert publish_transaction.one("select as_of from clock") == datetime(2026, 1, 12, 17, tzinfo=UTC)
