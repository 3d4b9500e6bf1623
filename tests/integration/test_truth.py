"""Tests that the published dataset equals the truth of the world, without its quarantined and ignored records."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from lgsp_province import World
from lgsp_province.truth.truth import truth_of
from tests.integration.conftest import MIDNIGHT, Installation


@pytest.fixture(scope="module")
def truth(world: World) -> Any:
    """The true dossiers, totals, indicators and quarantined records of the world."""
    return truth_of(world, int(MIDNIGHT.timestamp()))


def test_the_published_dossiers_equal_the_true_ones(published: Installation, truth: Any) -> None:
    rows = published.query(
        "select d.*, (select count(*) from shared.dossier_event e where e.dossier_id = d.dossier_id) as event_count from shared.dossier d"
    )
    actual = {row["dossier_id"]: row for row in rows}
    expected = {row["dossier_id"]: row for row in truth.dossiers.to_pylist()}
    assert actual.keys() == expected.keys()
    for dossier_id, row in expected.items():
        published_row = actual[dossier_id] | {"organisation_id": actual[dossier_id]["receiving_organisation_id"]}
        compared = row.keys() & published_row.keys()
        assert {n: published_row[n] for n in compared} == {n: row[n] for n in compared}, dossier_id


def test_the_totals_equal_the_true_ones(published: Installation, truth: Any) -> None:
    tables = {
        "dossiers": "dossier",
        "documents": "document",
        "deliveries": "document_delivery",
        "events": "dossier_event",
        "work_files": "work_file",
    }
    actual = {
        name: published.query(f"select count(*) as n from shared.{table}")[0]["n"] for name, table in tables.items()
    }
    assert actual == {name: truth.totals[name] for name in tables}
    documents = {row["document_id"] for row in published.query("select document_id from shared.document")}
    assert documents == {row["document_id"] for row in truth.documents.to_pylist()}


def test_every_indicator_equals_the_true_one(published: Installation, truth: Any) -> None:
    rows = published.query("select * from shared.service_kpi")
    actual = {_indicator_key(r): (r["numerator"], r["denominator"], r["excluded_count"]) for r in rows}
    expected = {
        _indicator_key(r): (r["numerator"], r["denominator"], r["excluded"]) for r in truth.indicators.to_pylist()
    }
    compared = {key[0] for key in expected}  # tests/recomputation has the others
    assert compared == {"on_time", "online_share_all"}
    assert {key: value for key, value in actual.items() if any(value) and key[0] in compared} == {
        key: value for key, value in expected.items() if any(value)
    }
    assert all(
        r["value"] is None if r["denominator"] == 0 else r["value"] == r["numerator"] / r["denominator"] for r in rows
    )


def _indicator_key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("kpi_id", "organisation_id", "level", "period", "period_start"))


def test_zero_activity_differs_from_incomplete_data(published: Installation, truth: Any) -> None:
    rows = published.query(
        "select * from shared.zero_activity where period_start <> %s or period <> 'week'", date(2026, 7, 30)
    )
    assert {row["state"] for row in rows} == {"no_data"}, "no other period is covered to its end"
    rows = published.query(
        "select * from shared.zero_activity where period = 'week' and period_start = %s", date(2026, 7, 30)
    )
    actual = {(r["organisation_id"], r["channel"]): (r["state"], r["dossier_count"]) for r in rows}
    expected = {
        (r["organisation_id"], r["channel"]): (r["state"], r["dossier_count"])
        for r in truth.zero_activity.to_pylist()
        if (r["period"], r["period_start"]) == ("week", date(2026, 7, 30))
    }
    assert actual == expected


def test_the_planted_records_are_quarantined(published: Installation, truth: Any) -> None:
    rows = published.query("select distinct source, source_key from ledger.quarantine")
    assert {(row["source"], row["source_key"]) for row in rows} == {
        (r["source"], r["source_key"]) for r in truth.quarantined.to_pylist()
    }


def test_trial_records_are_counted_and_never_published(published: Installation, truth: Any) -> None:
    keys = {row["source_key"] for row in truth.ignored.to_pylist()}
    assert keys and not published.query("select 1 from shared.dossier_source where source_key = any(%s)", list(keys))
    assert published.query("select sum(ignored_count) as n from ledger.batch")[0]["n"] >= len(keys)


def test_the_linked_pairs_equal_the_true_ones(published: Installation, truth: Any) -> None:
    rows = published.query(
        "select o.source_key as one_stop, p.source_key as portal from shared.dossier_source o join shared.dossier_source p using (dossier_id) "
        "where o.source = 'one_stop_shop' and p.source = 'online_services'"
    )
    expected = {(row["one_stop_id"], row["portal_code"]): row["rule"] for row in truth.links.to_pylist()}
    assert {(row["one_stop"], row["portal"]) for row in rows} == expected.keys()
    assert set(expected.values()) == {"same_code", "other_code", "nation_code", "receipt"}, "the world has every rule"


def test_every_received_record_is_counted_exactly_once(published: Installation) -> None:
    for row in published.query("select * from ledger.batch"):
        outcomes = ("published", "superseded", "duplicate", "quarantined", "ignored")
        counted = sum(row[f"{name}_count"] for name in outcomes)
        assert row["fetched_count"] == counted == row["declared_count"], row
