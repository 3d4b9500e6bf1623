"""Thái Nguyên's documents of the first quarter of 2021, and what was said to be saved by them."""

import pytest

from tests.scenarios.conftest import Told

pytestmark = pytest.mark.slow

QUARTER = {"period": "quarter", "period_start": "2021-01-01"}


@pytest.fixture(scope="module")
def told(publish) -> Told:
    return publish("TN-2021-Q1")


def test_38012_documents_were_sent(told):
    row = told.of("document_kpi", kpi_id="sent", **QUARTER)
    assert (row["numerator"], row["denominator"], row["value"]) == (38_012, 1, 38_012)
    assert told.of("document_kpi", kpi_id="sent_deliveries", **QUARTER)["numerator"] == 38_012


def test_seventy_nine_hours_saved_on_one_document_cannot_be(told):
    row = told.of("document_kpi", kpi_id="claimed_hours_per_document", **QUARTER)
    assert (row["numerator"], row["denominator"], row["is_plausible"]) == (3_000_000, 38_012, False)
    assert round(row["value"], 1) == 78.9


def test_forty_thousand_dong_saved_on_one_document_can(told):
    row = told.of("document_kpi", kpi_id="claimed_vnd_per_document", **QUARTER)
    assert (round(row["value"]), row["is_plausible"]) == (39_461, True)


def test_the_figure_that_cannot_be_warns(told):
    rows = told.query(
        "select severity, failed_count from ledger.check_result where rule_id = 'DOC_CLAIM_PLAUSIBLE' and failed_count > 0"
    )
    assert [(row["severity"], row["failed_count"]) for row in rows] == [("warning", 1)]
