"""Tests the merger of 1 July 2025: communes with low activity, and the mapping of old territories to new ones."""

import pytest

from tests.scenarios.conftest import PublishedScenario

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]

FORTNIGHT = (
    "from shared.zero_activity z join shared.organisation o using (organisation_id) where period = 'half_month' "
    "and period_start = '2025-07-01' and channel = 'any' and o.level = 'commune' and o.valid_from = '2025-07-01'"
)


@pytest.fixture(scope="module")
def published(publish) -> PublishedScenario:
    return publish("MERGER-2025")


def test_64_of_78_new_communes_received_fewer_than_150_dossiers(published):
    rows = published.query(
        f"select state, count(*) as n, min(dossier_count) as least, max(dossier_count) as most {FORTNIGHT} group by 1"
    )
    by_state = {row["state"]: row for row in rows}
    assert {state: row["n"] for state, row in by_state.items()} == {"low": 64, "ok": 14}
    assert by_state["low"]["least"] > 0
    assert (by_state["low"]["most"], by_state["ok"]["least"]) == (149, 150)


def test_half_month_states_use_the_threshold_of_that_time(published):
    rows = published.query(f"select distinct threshold {FORTNIGHT}")
    assert [row["threshold"] for row in rows] == [150]


def test_counts_by_old_territory_map_to_counts_by_new_territory(published):
    by_old_territory = published.query(
        "select coalesce(x.to_code, case when d.received_on >= '2025-07-01' then d.admin_unit_code end) as code, count(*) as n "
        "from shared.dossier d left join shared.admin_unit_crosswalk x on x.from_code = d.admin_unit_code and x.is_default "
        "and x.effective_on = '2025-07-01' and d.received_on < '2025-07-01' group by 1 order by 1"
    )
    by_new_territory = published.query(
        "select admin_unit_code_now as code, count(*) as n from shared.dossier group by 1 order by 1"
    )
    assert by_old_territory == by_new_territory
    assert sum(row["n"] for row in by_new_territory) == len(published.world.dossiers)
    assert len([row for row in by_new_territory if row["code"] is not None]) > 78


def test_only_dossiers_of_dissolved_districts_have_no_territory(published):
    rows = published.query(
        "select o.level, count(*) as n, bool_and(d.received_on < '2025-07-01') as is_before from shared.dossier d "
        "join shared.organisation o on o.organisation_id = d.receiving_organisation_id and o.valid_from <= d.received_on "
        "and (o.valid_to is null or d.received_on < o.valid_to) where d.admin_unit_code_now is null group by 1"
    )
    assert [(row["level"], row["is_before"]) for row in rows] == [("district", True)]


def test_no_dossier_is_received_by_an_agency_not_in_force(published):
    (row,) = published.query(
        "select count(*) as n from shared.dossier d where not exists (select from shared.organisation o "
        "where o.organisation_id = d.receiving_organisation_id and o.valid_from <= d.received_on "
        "and (o.valid_to is null or d.received_on < o.valid_to))"
    )
    assert row["n"] == 0
