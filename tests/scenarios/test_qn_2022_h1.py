"""The first half of 2022 in Quảng Nam: promises kept, dossiers online, services used and services integrated."""

import pytest

from tests.scenarios.conftest import Told

pytestmark = pytest.mark.slow

HALF, JULY = ("half_year", "2022-01-01"), ("month", "2022-07-01")


@pytest.fixture(scope="module")
def told(publish) -> Told:
    return publish("QN-2022-H1")


def test_one_late_dossier_of_800_makes_99_875_percent_on_time(told):
    ward = told.organisation("UBND phường Minh An")
    assert told.ratio("on_time", *HALF, organisation_id=ward, level="commune") == (799, 800, 0.99875)
    (late,) = told.query(
        "select finished_on > due_on as is_late from shared.dossier where receiving_organisation_id = %s "
        "and not is_on_time and finished_on < '2022-07-01'",
        ward,
    )
    assert late["is_late"]


def test_4207_of_10000_dossiers_came_online(told):
    assert told.ratio("online_share", *HALF) == (4_207, 10_000, 0.4207)


def test_dossiers_of_services_that_only_inform_count_in_the_share_of_all_alone(told):
    (row,) = told.query("select count(*) as n from shared.dossier where online_level = 2")
    assert row["n"] == 400
    assert told.ratio("online_share_all", *HALF)[:2] == (4_207, 10_400)


def test_341_of_1400_services_were_used(told):
    numerator, denominator, value = told.ratio("service_active", *HALF)
    assert (numerator, denominator, round(100 * value, 2)) == (341, 1_400, 24.36)


def test_1398_of_1459_services_are_integrated_in_july(told):
    numerator, denominator, value = told.ratio("integrated_national", *JULY)
    assert (numerator, denominator, round(100 * value, 2)) == (1_398, 1_459, 95.82)


def test_what_came_in_july_does_not_count_in_june(told):
    assert told.ratio("integrated_national", *HALF)[:2] == (1_339, 1_400)
    assert told.ratio("integrated_national", "month", "2022-06-01")[:2] == (1_339, 1_400)


@pytest.mark.parametrize(("level", "services"), [("province", 1_138), ("district", 226), ("commune", 95)])
def test_the_services_of_each_level_are_those_that_were_reported(told, level, services):
    assert told.ratio("integrated_national", *JULY, level=level)[1] == services


def test_nothing_planted_is_held_back(told):
    (row,) = told.query("select count(*) as n from ledger.quarantine")
    assert row["n"] == 0
    (row,) = told.query("select count(*) as n from shared.dossier")
    assert row["n"] == 10_900
