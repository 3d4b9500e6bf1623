"""Tests Thái Nguyên's documents of the first quarter of 2021, and the savings that were reported for them."""

import pytest

from tests.scenarios.conftest import PublishedScenario

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]

QUARTER = {"period": "quarter", "period_start": "2021-01-01"}


@pytest.fixture(scope="module")
def published(publish) -> PublishedScenario:
    return publish("TN-2021-Q1")


def test_38012_documents_were_sent(published):
    row = published.row("document_kpi", kpi_id="sent", **QUARTER)
    assert (row["numerator"], row["denominator"], row["value"]) == (38_012, 1, 38_012)
    assert published.row("document_kpi", kpi_id="sent_deliveries", **QUARTER)["numerator"] == 38_012


def test_79_hours_saved_per_document_are_implausible(published):
    row = published.row("document_kpi", kpi_id="claimed_hours_per_document", **QUARTER)
    assert (row["numerator"], row["denominator"], row["is_plausible"]) == (3_000_000, 38_012, False)
    assert round(row["value"], 1) == 78.9


def test_39461_vnd_saved_per_document_are_plausible(published):
    row = published.row("document_kpi", kpi_id="claimed_vnd_per_document", **QUARTER)
    assert (round(row["value"]), row["is_plausible"]) == (39_461, True)


def test_one_warning_reports_the_implausible_figure(published):
    rows = published.query(
        "select severity, failed_count from ledger.check_result where rule_id = 'DOC_CLAIM_PLAUSIBLE' and failed_count > 0"
    )
    assert [(row["severity"], row["failed_count"]) for row in rows] == [("warning", 1)]
