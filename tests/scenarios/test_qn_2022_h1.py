"""Tests the first half of 2022 in Quảng Nam: dossiers on time, dossiers online, services used and services integrated."""

import pytest

from tests.scenarios.conftest import PublishedScenario

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]

HALF, JUNE, JULY = ("half_year", "2022-01-01"), ("month", "2022-06-01"), ("month", "2022-07-01")


@pytest.fixture(scope="module")
def published(publish) -> PublishedScenario:
    return publish("QN-2022-H1")


def test_one_late_dossier_of_800_gives_99_875_percent_on_time(published):
    ward = published.organisation_id("UBND phường Minh An")
    assert published.ratio("on_time", *HALF, organisation_id=ward, level="commune") == (799, 800, 0.99875)
    (late,) = published.query(
        "select finished_on > due_on as is_late from shared.dossier where receiving_organisation_id = %s "
        "and not is_on_time and finished_on < '2022-07-01'",
        ward,
    )
    assert late["is_late"]


def test_4207_of_10000_dossiers_are_online(published):
    assert published.ratio("online_share", *HALF) == (4_207, 10_000, 0.4207)


def test_level_2_services_count_only_in_the_share_of_all(published):
    (row,) = published.query("select count(*) as n from shared.dossier where online_level = 2")
    assert row["n"] == 400
    assert published.ratio("online_share_all", *HALF)[:2] == (4_207, 10_400)


def test_341_of_1400_services_have_dossiers(published):
    numerator, denominator, value = published.ratio("service_active", *HALF)
    assert (numerator, denominator, round(100 * value, 2)) == (341, 1_400, 24.36)


def test_1398_of_1459_services_are_integrated_in_july(published):
    numerator, denominator, value = published.ratio("integrated_national", *JULY)
    assert (numerator, denominator, round(100 * value, 2)) == (1_398, 1_459, 95.82)


@pytest.mark.parametrize("period", [HALF, JUNE])
def test_services_added_in_july_do_not_count_before(published, period):
    assert published.ratio("integrated_national", *period)[:2] == (1_339, 1_400)


@pytest.mark.parametrize(("level", "services"), [("province", 1_138), ("district", 226), ("commune", 95)])
def test_each_level_has_the_reported_number_of_services(published, level, services):
    assert published.ratio("integrated_national", *JULY, level=level)[1] == services


@pytest.mark.parametrize(("table", "count"), [("ledger.quarantine", 0), ("shared.dossier", 10_900)])
def test_every_planted_dossier_is_published(published, table, count):
    (row,) = published.query(f"select count(*) as n from {table}")
    assert row["n"] == count
