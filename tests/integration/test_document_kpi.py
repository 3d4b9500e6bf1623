"""What the document system says: counted anew where papers changed, as counting everything says, and held against what was reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lgsp import sql, store
from lgsp.indicators import compute, definitions, document_flows
from lgsp.publish import merge, reference_tables, table_rules
from lgsp.schema import contract
from lgsp.snapshots import changes
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import Transaction, publishing
from lgsp.window import LOCAL
from tests.integration.conftest import Installation, installed

BEGIN = date(2026, 1, 8)  # a Thursday
FRIDAY = 8  # 16 January
MONDAY = date(2026, 1, 19)
CHANGED = datetime(2026, 1, 1, tzinfo=UTC)
TEMPORARY = ("clock", "period", "held", "affected", "part", "tally", "standing")
AGENCIES = {"A": "commune", "B": "commune", "C": "province"}
# Each definition once more, of papers one by one: plain enough to be believed.
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
    """What one publication finds changed; days are counted from BEGIN."""

    documents: dict[int, dict[str, Any] | None]
    files: dict[int, dict[str, Any] | None]
    reach: int = 60
    ended: int | None = None
    held: frozenset[tuple[str | None, str, int]] = frozenset()
    is_day_off: bool = False
    claims: tuple[tuple[str, str, int], ...] = ()


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
        held=st.frozensets(
            st.tuples(st.none() | SENDERS, st.sampled_from(["document", "work_file", "dossier"]), st.integers(0, 50)), max_size=2
        ),
        is_day_off=st.booleans(),
        claims=st.sampled_from([(), (("hours_saved", "ALL", 90),), (("vnd_saved", "B", 1000), ("hours_saved", "C", 1))]),
    ),
    min_size=2, max_size=4,
)  # fmt: skip
ARRIVED: dict[str, Any] = {"sent_at": FRIDAY, "arrived_at": FRIDAY, "accepted_at": FRIDAY + 3}
PLAIN: dict[str, Any] = {
    "by": "A", "issued_on": FRIDAY, "is_signed": True, "has_paper_copy": False, "revoked_at": None, "to": {"B": ARRIVED},
}  # fmt: skip
# Rare in what is drawn: another calendar while a document leaves its day, and a delivery that changes without its document.
OTHER_CALENDAR = [Change({1: PLAIN}, {}), Change({1: PLAIN | {"issued_on": 40, "to": {}}}, {}, is_day_off=True)]
OTHER_DELIVERY = [
    Change({1: PLAIN}, {}),
    Change({1: PLAIN | {"to": {"B": ARRIVED, "C": {**ARRIVED, "sent_at": 2}}}}, {}),
]


@pytest.fixture(scope="module")
def empty(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """A store in which nothing was published."""
    return installed(server, tmp_path_factory.mktemp("papers"), quiet_province)


@pytest.fixture
def turn(empty: Installation) -> Iterator[Transaction]:
    """A turn of which nothing remains."""
    with publishing(store.url(empty.settings)) as transaction:
        yield transaction


def _day(number: int | None) -> date | None:
    return None if number is None else BEGIN + timedelta(days=number)


def _at(told: int | datetime | None) -> datetime | None:
    """An instant, or ten at night of a day in Việt Nam."""
    if told is None or isinstance(told, datetime):
        return told
    return datetime.combine(BEGIN + timedelta(days=told), time(22), LOCAL)


def _document(key: int, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "document_id": f"{key}", "issuing_organisation_id": told["by"], "number": "1", "notation": "UBND", "issued_on": _day(told["issued_on"]),
        "document_type": "official_letter", "is_signed": told["is_signed"], "has_paper_copy": told["has_paper_copy"],
        "revoked_at": _at(told["revoked_at"]), "source_updated_at": CHANGED,
    }  # fmt: skip


def _deliveries(key: int, told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for recipient, delivery in told["to"].items():
        times = {name: _at(number) for name, number in delivery.items()}
        yield {
            "document_id": f"{key}", "recipient_organisation_id": recipient, "sender_organisation_id": told["by"],
            "issued_on": _day(told["issued_on"]), "status": "sent", "source_updated_at": CHANGED, **times,
        }  # fmt: skip


def _work_file(key: int, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "work_file_id": f"{key}", "organisation_id": told["by"], "level": "commune", "opened_on": _day(told["opened_on"]),
        "is_electronic": told["is_electronic"], "source_updated_at": CHANGED,
    }  # fmt: skip


def _agencies(ended: int | None) -> list[dict[str, Any]]:
    return [
        {"organisation_id": name, "valid_from": date(2016, 4, 1), "name": name, "level": level, "kind": "department",
         "valid_to": _day(ended) if name == "B" else None, "is_current": True}
        for name, level in AGENCIES.items()
    ]  # fmt: skip


def _merge(turn: Transaction, name: str, rows: list[dict[str, Any]], scope: str, snapshot_id: int) -> bool:
    """Whether it changed anything."""
    shared, touched = contract.load(name), changes.Changes()
    merge.stage_rows(turn, shared, pa.Table.from_pylist(rows, schema=shared.arrow_schema()))
    merge.merge_staged(turn, shared, scope, snapshot_id, touched)
    return bool(touched.rows[name])


def _lists(turn: Transaction, change: Change, snapshot_id: int) -> bool:
    """Agencies, calendar and definitions; whether the definitions are others."""
    _merge(turn, "organisation", _agencies(change.ended), "true", snapshot_id)
    if turn.one(f"select is_working_day from shared.working_day where day_on = '{MONDAY}'") is not (
        not change.is_day_off
    ):
        turn.do(f"update record.working_day set is_working_day = {not change.is_day_off} where day_on = '{MONDAY}'")
        reference_tables.merge_tables(turn, snapshot_id, changes.Changes(), ["working_day"])
    reference_tables.merge_tables(turn, snapshot_id, changes.Changes(), set(definitions.NAMES) - {"manual_indicator"})
    claims = [
        {"indicator_id": indicator_id, "organisation_id": agency, "period": "quarter", "period_start": date(2026, 1, 1),
         "amount": amount, "unit": indicator_id.partition("_")[0], "told_by": "a report"}
        for indicator_id, agency, amount in change.claims
    ]  # fmt: skip
    return _merge(turn, "manual_indicator", claims, "true", snapshot_id)


def _facts(turn: Transaction, change: Change, snapshot_id: int) -> bool:
    """What a publication has done when the indicators' turn comes; whether the definitions are others."""
    for table in TEMPORARY:
        turn.do(f"drop table if exists pg_temp.{table}")
    is_redefined = _lists(turn, change, snapshot_id)
    keys = ", ".join(f"'{key}'" for key in change.documents) or "''"
    told = {key: document for key, document in change.documents.items() if document}
    in_scope = f"s.document_id in ({keys})"
    _merge(turn, "document", [_document(key, document) for key, document in told.items()], in_scope, snapshot_id)
    deliveries = [row for key, document in told.items() for row in _deliveries(key, document)]
    _merge(turn, "document_delivery", deliveries, in_scope, snapshot_id)
    keys = ", ".join(f"'{key}'" for key in change.files) or "''"
    work_files = [_work_file(key, told) for key, told in change.files.items() if told]
    _merge(turn, "work_file", work_files, f"s.work_file_id in ({keys})", snapshot_id)
    turn.do(
        "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path) values "
        f"('documents.{snapshot_id}', 'documents', '{BEGIN} 00:00+07', '{_day(change.reach)} 00:00+07', 'published', '')"
    )
    turn.do("delete from ledger.quarantine")
    for number, (agency, kind, day) in enumerate(sorted(change.held, key=repr)):
        whose = f"'{agency}'" if agency else "null"
        turn.do(
            "insert into ledger.quarantine (source, source_key, kind, rule_id, rule_version, reason, raw_pointer, record_hash, "
            "organisation_id, occurred_on, batch_id) "
            f"values ('documents', '{number}', '{kind}', 'R', '1', '', '', '', {whose}, '{_day(day)}', 'documents.{snapshot_id}')"
        )
    compute.stage_periods(turn)
    compute.stage_quarantined(turn)
    return is_redefined


def _publish(turn: Transaction, change: Change, snapshot_id: int) -> None:
    is_redefined = _facts(turn, change, snapshot_id)
    is_every = compute.begin(turn, snapshot_id, is_all=is_redefined)
    scope = compute.scope("document_kpi", is_every)
    merge.merge_query(turn, "document_kpi", compute.query("document_kpi"), snapshot_id, changes.Changes(), scope)


def _differing(turn: Transaction) -> list[tuple[Any, ...]]:
    """The rows that computing everything gives otherwise."""
    for table in ("affected", "part", "tally", "standing"):
        turn.do(f"drop table if exists pg_temp.{table}")
    turn.do(sql.load("lgsp.indicators", "inputs/all_dossiers"))
    compute.prepare(turn)
    shared = contract.load("document_kpi")
    merge.stage_query(turn, shared, compute.query("document_kpi"))
    columns = ", ".join(shared.data_names)
    known, made = f"select {columns} from shared.document_kpi", f"select {columns} from new_document_kpi"
    return turn.rows(f"({known} except all {made}) union all ({made} except all {known})")


def _value(turn: Transaction, kpi_id: str, agency: str, level: str, period: str = "month") -> tuple[Any, ...]:
    """Numerator, denominator and value of the first such period."""
    (row,) = turn.rows(
        "select numerator, denominator, value from shared.document_kpi where kpi_id = $1::text and organisation_id = $2::text "
        "and level = $3::text and period = $4::text order by period_start limit 1", kpi_id, agency, level, period,
    )  # fmt: skip
    return row


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
@example(changes=OTHER_CALENDAR)
@example(changes=OTHER_DELIVERY)
def test_what_is_counted_where_papers_changed_is_what_counting_everything_says(
    changes: list[Change], empty: Installation
) -> None:
    with publishing(store.url(empty.settings)) as turn:
        for snapshot_id, change in enumerate(changes, 1):
            _publish(turn, change, snapshot_id)
            assert document_flows.differing(turn) == 0
            assert turn.rows(sql.load("lgsp.indicators", "document_flows/stored_rows")) == []
            assert _differing(turn) == []


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
def test_an_indicator_counts_what_counting_the_papers_one_by_one_gives(
    changes: list[Change], empty: Installation
) -> None:
    with publishing(store.url(empty.settings)) as turn:
        for snapshot_id, change in enumerate(changes, 1):
            _publish(turn, change, snapshot_id)
        key = "kpi_id, organisation_id, period, period_start"
        rows = turn.rows(
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
def test_what_arrives_is_accepted_in_time_until_the_end_of_the_next_working_day(
    arrived: str, accepted: str | None, is_in_time: int, turn: Transaction
) -> None:
    at = {
        name: at and datetime.fromisoformat(f"{at}+07:00")
        for name, at in (("sent_at", arrived), ("arrived_at", arrived), ("accepted_at", accepted))
    }
    _publish(turn, Change({1: PLAIN | {"to": {"B": at}}}, {}), 1)
    assert _value(turn, "accepted_in_time", "B", "commune", "year") == (is_in_time, 1, is_in_time)


def test_a_revoked_document_was_received_but_nobody_had_to_accept_it(turn: Transaction) -> None:
    late = {**ARRIVED, "accepted_at": 40}
    _publish(turn, Change({1: PLAIN | {"revoked_at": 9, "to": {"B": late}}, 2: PLAIN}, {}), 1)
    assert _value(turn, "received", "B", "commune") == (2, 1, 2)
    assert _value(turn, "accepted_in_time", "B", "commune") == (1, 1, 1)
    excluded = "select excluded_count from shared.document_kpi where kpi_id = 'accepted_in_time' and organisation_id = 'B' and period = 'month'"
    assert turn.one(f"{excluded} order by period_start limit 1") == 1


def test_a_document_is_sent_once_and_delivered_to_each_recipient(turn: Transaction) -> None:
    to = {"B": {**ARRIVED, "sent_at": 28}, "C": {**ARRIVED, "sent_at": 20}}  # 5 February, 28 January
    _publish(turn, Change({1: PLAIN | {"to": to}, 2: PLAIN | {"to": {}, "has_paper_copy": True}}, {}), 1)
    assert _value(turn, "sent", "A", "commune") == (2, 1, 2)
    assert _value(turn, "sent_deliveries", "A", "commune") == (1, 1, 1)
    assert _value(turn, "sent_deliveries", "ALL", "ALL", "quarter") == (2, 1, 2)
    assert _value(turn, "paperless", "ALL", "commune", "quarter") == (1, 2, 0.5)


def test_work_files_are_held_against_the_target_of_their_agency_s_level(turn: Transaction) -> None:
    work_files: dict[int, dict[str, Any] | None] = {
        key: {"by": agency, "opened_on": 1, "is_electronic": key != 2} for key, agency in enumerate("AACC", 1)
    }
    _publish(turn, Change({}, work_files), 1)
    told = "select organisation_id, level, value, target from shared.document_kpi where kpi_id = 'work_file_electronic' and period = 'year' order by 1, 2"
    assert turn.rows(told) == [
        ("A", "commune", 0.5, 0.5), ("ALL", "ALL", 0.75, None), ("ALL", "commune", 0.5, 0.5), ("ALL", "province", 1.0, 0.9),
        ("B", "commune", None, 0.5), ("C", "province", 1.0, 0.9),
    ]  # fmt: skip


def test_what_was_reported_is_told_beside_the_data_and_warned_about_where_it_cannot_be_true(turn: Transaction) -> None:
    _publish(turn, Change({}, {}), 1)
    turn.do("insert into shared.document (document_id, issuing_organisation_id, number, notation, issued_on, document_type, snapshot_id) "
            "select n::text, 'A', n::text, 'UBND', '2026-01-08', 'official_letter', 2 from generate_series(1, 38000) n")  # fmt: skip
    _publish(turn, Change({}, {}, claims=(("hours_saved", "ALL", 3_000_000), ("vnd_saved", "ALL", 1_500_000_000))), 2)
    hours, vnd = (f"claimed_{unit}_per_document" for unit in ("hours", "vnd"))
    assert _value(turn, hours, "ALL", "ALL", "quarter") == (3_000_000, 38_000, pytest.approx(78.947368))
    assert _value(turn, vnd, "ALL", "ALL", "quarter") == (1_500_000_000, 38_000, pytest.approx(39473.68421))
    claimed = "select kpi_id, organisation_id, level, is_plausible from shared.document_kpi where kpi_id like 'claimed%' order by 1"
    assert turn.rows(claimed) == [(hours, "ALL", "ALL", False), (vnd, "ALL", "ALL", True)]
    touched = changes.Changes()
    touched.add("document_kpi", ["2026-01"], 1)
    judgement = table_rules.judge(turn, 2, touched)  # a warning does not stop the publication
    (warned,) = [verdict for verdict in judgement.results if not verdict.is_passed]
    assert (warned.rule.id, warned.rule.severity, warned.blocks) == ("DOC_CLAIM_PLAUSIBLE", "warning", False)
    assert warned.sample_keys == ("claimed_hours_per_document ALL ALL quarter 2026-01-01",)


def test_where_only_documents_are_read_they_tell_the_time(turn: Transaction) -> None:
    _publish(turn, Change({1: PLAIN}, {}, reach=20), 1)
    assert turn.rows(
        "select distinct as_of, is_covered from period where period = 'month' and period_start = '2026-01-01'"
    ) == [(datetime(2026, 1, 27, 17, tzinfo=UTC), False)]
    turn.do("insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path) "
            f"values ('one_stop_shop.1', 'one_stop_shop', '{BEGIN} 00:00+07', '{_day(5)} 00:00+07', 'published', '')")  # fmt: skip
    _publish(turn, Change({}, {}, reach=30), 2)
    assert turn.one("select as_of from clock") == datetime(2026, 1, 12, 17, tzinfo=UTC)
