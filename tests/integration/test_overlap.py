"""The request of a Dag begins before its window, so that a change which the source stored late is not missed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lgsp import land
from lgsp.land.archive import Batch
from lgsp.schema import sources
from lgsp.window import Window
from tests.exhaustive import exhaustive
from tests.integration.conftest import WHOLE, Installation

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("source", ["one_stop_shop", *exhaustive("online_services")])
def test_records_of_the_margin_are_duplicates(installation: Installation, source: str) -> None:
    first = Window(WHOLE.start, WHOLE.start + timedelta(days=4))
    installation.ingest(source, first)
    installation.publish()
    (row,) = installation.query("select max(source_updated_at) as newest from record.dossier where source = %s", source)
    window = Window(row["newest"] + SECOND, row["newest"] + timedelta(hours=1))

    exact = land.run(installation.settings, source, window)
    overlapping = land.run(installation.settings, source, window, is_overlapping=True)
    counts = installation.query(
        "select batch_id, window_from, window_to, fetched_count, landing_path from ledger.batch where batch_id = any(%s) order by batch_id",
        [*exact, *overlapping],
    )
    assert counts[1]["fetched_count"] > counts[0]["fetched_count"]
    assert all((row["window_from"], row["window_to"]) == (window.start, window.end) for row in counts), (
        "the true window"
    )
    manifest = Batch.open(installation.settings.landing / counts[1]["landing_path"]).manifest
    margin = timedelta(minutes=sources.load(source).overlap_minutes)
    assert manifest["requested_from"] == (window.start - margin).isoformat()

    installation.process(overlapping)
    installation.publish()
    (batch,) = installation.query(
        "select fetched_count, superseded_count + duplicate_count as repeated, quarantined_count, ignored_count from ledger.batch where batch_id = %s",
        overlapping[0],
    )
    assert (
        batch["repeated"]
        >= counts[1]["fetched_count"] - counts[0]["fetched_count"] - batch["quarantined_count"] - batch["ignored_count"]
    )


def test_documents_are_requested_without_a_margin() -> None:
    assert sources.load("documents").overlap_minutes == 0
