"""What is published equals what really happened in the province, less what the truth says is in quarantine."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from lgsp_province import World
from lgsp_province.truth.truth import truth_of
from tests.integration.conftest import MIDNIGHT, Installation


@pytest.fixture(scope="module")
def truth(world: World) -> Any:
    return truth_of(world, int(MIDNIGHT.timestamp()))


def test_the_published_dossiers_are_the_true_ones(published: Installation, truth: Any) -> None:
    rows = published.query(
        "select d.*, (select count(*) from shared.dossier_event e where e.dossier_id = d.dossier_id) as event_count from shared.dossier d"
    )
    found, wanted = (
        {row["dossier_id"]: row for row in rows},
        {row["dossier_id"]: row for row in truth.dossiers.to_pylist()},
    )
    assert found.keys() == wanted.keys()
    pairs = {"organisation_id": "receiving_organisation_id"}
    for dossier_id, row in wanted.items():
        told = {
            name: found[dossier_id][pairs.get(name, name)] for name in row if pairs.get(name, name) in found[dossier_id]
        }
        assert told == {name: row[name] for name in told}, dossier_id


def test_the_totals_are_the_true_ones(published: Installation, truth: Any) -> None:
    tables = {
        "dossiers": "dossier",
        "documents": "document",
        "deliveries": "document_delivery",
        "events": "dossier_event",
        "work_files": "work_file",
    }
    found = {
        name: published.query(f"select count(*) as n from shared.{table}")[0]["n"] for name, table in tables.items()
    }
    assert found == {name: truth.totals[name] for name in tables}
    documents = {row["document_id"] for row in published.query("select document_id from shared.document")}
    assert documents == {row["document_id"] for row in truth.documents.to_pylist()}


def test_every_indicator_is_the_true_one(published: Installation, truth: Any) -> None:
    rows = published.query("select * from shared.service_kpi")
    found = {
        (r["kpi_id"], r["organisation_id"], r["level"], r["period"], r["period_start"]): (
            r["numerator"],
            r["denominator"],
            r["excluded_count"],
        )
        for r in rows
    }
    wanted = {
        (r["kpi_id"], r["organisation_id"], r["level"], r["period"], r["period_start"]): (
            r["numerator"],
            r["denominator"],
            r["excluded"],
        )
        for r in truth.indicators.to_pylist()
    }
    told = {key[0] for key in wanted}  # tests/recomputation has the others
    assert told == {"on_time", "online_share_all"}
    assert {key: value for key, value in found.items() if any(value) and key[0] in told} == {
        key: value for key, value in wanted.items() if any(value)
    }
    assert all(
        r["value"] is None if r["denominator"] == 0 else r["value"] == r["numerator"] / r["denominator"] for r in rows
    )


def test_silence_is_told_apart_from_what_is_not_known_yet(published: Installation, truth: Any) -> None:
    rows = published.query(
        "select * from shared.zero_activity where period_start <> %s or period <> 'week'", date(2026, 7, 30)
    )
    assert {row["state"] for row in rows} == {"no_data"}, "no other period has been covered to its end"
    rows = published.query(
        "select * from shared.zero_activity where period = 'week' and period_start = %s", date(2026, 7, 30)
    )
    found = {(r["organisation_id"], r["channel"]): (r["state"], r["dossier_count"]) for r in rows}
    wanted = {
        (r["organisation_id"], r["channel"]): (r["state"], r["dossier_count"])
        for r in truth.zero_activity.to_pylist()
        if (r["period"], r["period_start"]) == ("week", date(2026, 7, 30))
    }
    assert found == wanted


def test_the_quarantine_is_the_planted_one(published: Installation, truth: Any) -> None:
    rows = published.query("select distinct source, source_key from ledger.quarantine")
    assert {(row["source"], row["source_key"]) for row in rows} == {
        (r["source"], r["source_key"]) for r in truth.quarantined.to_pylist()
    }


def test_trial_records_are_counted_and_never_published(published: Installation, truth: Any) -> None:
    keys = {row["source_key"] for row in truth.ignored.to_pylist()}
    assert keys and not published.query("select 1 from shared.dossier_source where source_key = any(%s)", list(keys))
    assert published.query("select sum(ignored_count) as n from ledger.batch")[0]["n"] >= len(keys)


def test_linked_pairs_are_the_true_ones(published: Installation, truth: Any) -> None:
    rows = published.query(
        "select o.source_key as one_stop, p.source_key as portal from shared.dossier_source o join shared.dossier_source p using (dossier_id) "
        "where o.source = 'one_stop_shop' and p.source = 'online_services'"
    )
    wanted = {(row["one_stop_id"], row["portal_code"]): row["rule"] for row in truth.links.to_pylist()}
    assert {(row["one_stop"], row["portal"]) for row in rows} == wanted.keys()
    assert set(wanted.values()) == {"same_code", "other_code", "nation_code", "receipt"}, (
        "every kind of link is in the world"
    )


def test_every_record_that_came_is_in_exactly_one_place(published: Installation) -> None:
    for row in published.query("select * from ledger.batch"):
        placed = sum(
            row[f"{name}_count"] for name in ("published", "superseded", "duplicate", "quarantined", "ignored")
        )
        assert row["fetched_count"] == placed == row["declared_count"], row
