"""One record that the store refuses goes to quarantine; all others are published."""

from __future__ import annotations

import math

import pytest

from lgsp import store
from lgsp.errors import StoreRefused
from lgsp.maintain import verify
from lgsp.publish import culprit
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation


def _refuse(installation: Installation, table: str, column: str, value: str) -> None:
    """Make the store refuse a value of a column, which no check foresees."""
    with store.connect(installation.settings) as connection:
        connection.execute(f"alter table {table} add constraint unforeseen check ({column} is distinct from '{value}')")


def _key(installation: Installation, kind: str, place: int) -> str:
    """The key of a record that waits to be published."""
    source = "documents" if kind == "document" else "one_stop_shop"
    (batch,) = installation.query(
        "select batch_id, source, accepted_count, purpose from ledger.batch where source = %s", source
    )
    keys = [
        key for name, key in culprit._keys(installation.settings, culprit.CheckedBatch(*batch.values())) if name == kind
    ]
    return keys[place % len(keys)]


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("dossier", 311),
        *exhaustive(("dossier", 0), ("document", -1)),
    ],
)
def test_a_record_that_the_store_refuses_stops_no_other(
    kind: str, place: int, checked_copy: Installation, published: Installation
) -> None:
    key = _key(checked_copy, kind, place)
    _refuse(checked_copy, f"record.{kind}", "source_key", key)
    assert checked_copy.publish() is not None
    held = checked_copy.query(
        "select source_key, kind, rule_id, reason from ledger.quarantine where rule_id = 'STORE_REFUSES'"
    )
    assert [(row["source_key"], row["kind"]) for row in held] == [(key, kind)]
    assert "unforeseen" in held[0]["reason"]
    rows = f"select source, source_key from record.{kind} order by 1, 2"
    expected = [row for row in published.query(rows) if row["source_key"] != key]
    assert checked_copy.query(rows) == expected
    assert checked_copy.query("select count(*) as n from ledger.batch where state = 'published'") == [{"n": 3}]
    assert checked_copy.query("select * from ledger.conservation where lost_count <> 0") == []
    assert all(proof.is_equal for proof in verify.verify_snapshot(checked_copy.settings)[1])


@pytest.mark.exhaustive
def test_a_row_of_a_list_that_the_store_refuses_stops_no_record(checked_copy: Installation) -> None:
    _refuse(checked_copy, "record.service", "source_key", _key(checked_copy, "service", 7))
    assert checked_copy.publish() is not None
    held = checked_copy.query("select kind from ledger.quarantine where rule_id = 'STORE_REFUSES'")
    assert held == [{"kind": "service"}] * 2, "two systems list it"
    assert checked_copy.query("select count(*) > 500 as is_published from shared.dossier") == [{"is_published": True}]


@pytest.mark.exhaustive
def test_a_batch_whose_records_fail_only_together_is_refused(checked_copy: Installation) -> None:
    with store.connect(checked_copy.settings) as connection:
        connection.execute("create unique index unforeseen on record.document ((left(source, 0)))")
        connection.execute(
            "update ledger.quarantine set state = 'redriven', redriven_in = (select batch_id from ledger.batch where source = 'documents') "
            "where quarantine_id = (select min(quarantine_id) from ledger.quarantine)"
        )
    assert checked_copy.publish() is not None
    (refused,) = checked_copy.query("select source, why from ledger.batch where state = 'refused'")
    assert refused["source"] == "documents" and "no single record is the cause" in refused["why"]
    assert checked_copy.query("select count(*) as n from shared.document") == [{"n": 0}]
    (held,) = checked_copy.query("select state, redriven_in from ledger.quarantine order by quarantine_id limit 1")
    assert held == {"state": "open", "redriven_in": None}, "nothing passed in a refused batch"


@pytest.mark.exhaustive
def test_an_error_without_a_culprit_sets_nothing_aside(
    checked_copy: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.connect(checked_copy.settings) as connection:
        connection.execute("alter table ledger.publication add constraint unforeseen check (snapshot_id < 0)")
    with pytest.raises(StoreRefused, match="unforeseen"):
        checked_copy.publish()
    assert checked_copy.query("select distinct state from ledger.batch") == [{"state": "checked"}]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
def test_the_culprit_is_found_by_halves(count: int) -> None:
    for bad in {0, count // 2, count - 1}:
        attempts = []

        def fails(part: object, bad: int = bad, attempts: list[object] = attempts) -> str | None:
            attempts.append(part)
            return "refused" if bad in part else None  # type: ignore[operator]

        assert culprit._find(range(count), fails) == (bad, "refused")
        assert len(attempts) <= math.ceil(math.log2(count)) + 1


def test_no_culprit_is_found_where_every_attempt_succeeds() -> None:
    assert culprit._find(range(9), lambda part: None) is None
