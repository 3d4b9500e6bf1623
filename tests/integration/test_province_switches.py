"""Tests the platform against switches of the simulated province that are off by default: D48, D49 and D50."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime

import pytest

from lgsp import store
from lgsp.settings import Settings
from lgsp.window import LOCAL
from lgsp_province import World
from lgsp_province.defects.rates import RATES
from lgsp_province.score import score
from lgsp_province.systems import undelivered
from lgsp_province.truth.truth import truth_of
from lgsp_province.world.calendar import instant
from tests.integration.conftest import with_short_catalogue

pytestmark = pytest.mark.exhaustive

FIRST, LAST, MIDNIGHT = date(2022, 4, 4), date(2022, 4, 17), datetime(2022, 4, 18, tzinfo=LOCAL)
THROUGH_MARCH = date(2025, 2, 20), date(2025, 3, 9), datetime(2025, 3, 10, tzinfo=LOCAL)


@pytest.fixture(scope="module")
def world() -> World:
    """Some 250 dossiers, many with one code of the other system, and documents that are never delivered."""
    generated = World.generate(
        "tiny",
        19,
        FIRST,
        LAST,
        dossiers_count=250,
        documents_count=130,
        defects_chosen=_only({"D49": 0.2, "D50": 0.04}),
    )
    return with_short_catalogue(generated)


def _only(rates: dict[str, float]) -> dict[str, float]:
    return dict.fromkeys(RATES, 0.0) | rates


@pytest.fixture(scope="module")
def settings(world: World) -> Iterator[Settings]:
    """An installation that has published the world."""
    with score.published_installation(world, MIDNIGHT) as installed:
        yield installed


def _query(settings: Settings, statement: str) -> list[dict[str, object]]:
    with store.connect(settings) as connection:
        return connection.execute(statement).fetchall()


def test_the_dataset_is_the_true_one(settings: Settings, world: World) -> None:
    report = score.compare(settings, world, MIDNIGHT)
    assert report.missed == [] and report.wrong_without_defect == {}
    for defect in ("D49", "D50"):
        assert report.defects[defect].planted and report.defects[defect].share == 1, defect


def test_a_code_of_dozens_of_dossiers_links_none(settings: Settings, world: World) -> None:
    named = {
        row["source_key"]
        for row in truth_of(world, instant(MIDNIGHT)).defects.to_pylist()
        if row["defect"] == "D49" and row["source"] == "online_services" and row["outcome"] == "flagged"
    }
    rows = _query(
        settings,
        "select s.dossier_id, s.source, s.source_key, d.quality_flags from shared.dossier_source s join shared.dossier d using (dossier_id)",
    )
    flags = Counter(flag for row in rows if row["source_key"] in named for flag in row["quality_flags"])
    assert flags["DOS_HUB_CODE"] > 12 and flags["DOS_OTHER_CODE"] > 5
    portal_records = Counter(row["dossier_id"] for row in rows if row["source"] == "online_services")
    assert max(portal_records.values()) == 1, "no two dossiers are linked"


def test_undelivered_documents_wait_in_quarantine(settings: Settings, world: World) -> None:
    true = {d.doc_id: undelivered.kind(d) for d in world.document_data.documents if "D50" in d.defects}
    listed = {m.doc_id for m in world.document_data.messages if m.created_at < instant(MIDNIGHT)}
    assert {true[doc_id] for doc_id in true.keys() & listed} == set(undelivered.KINDS)
    rows = _query(settings, "select source_key from ledger.quarantine where source = 'documents' and state = 'open'")
    assert {row["source_key"] for row in rows} == true.keys() & listed
    published = _query(settings, "select document_id from shared.document")
    assert {row["document_id"] for row in published} == set(
        truth_of(world, instant(MIDNIGHT)).documents["document_id"].to_pylist()
    )


def test_dossiers_keep_agencies_that_the_lists_dropped() -> None:
    first, last, midnight = THROUGH_MARCH
    world = World.generate(
        "tiny", 1, first, last, dossiers_count=300, documents_count=20, defects_chosen=_only({"D48": 1.0, "D21": 0.05})
    )
    with score.published_installation(world, midnight) as settings:
        report = score.compare(settings, world, midnight)
        ended = _query(
            settings,
            "select valid_to, is_current, successor_id from shared.organisation where organisation_id = 'H47.04'",
        )
    assert report.missed == []
    assert report.defects["D48"].planted.total() > 10 and report.defects["D48"].share == 1
    (row,) = ended
    assert row["valid_to"] is not None and not row["is_current"] and row["successor_id"] == "H47.05"
