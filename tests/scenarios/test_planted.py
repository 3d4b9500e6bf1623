"""Tests that the worlds of the scenarios contain their planted figures before they are published, for any seed."""

from datetime import date
from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner

from lgsp_province import World
from lgsp_province.cli import province
from lgsp_province.scenarios import scenario
from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_number, local_days
from lgsp_province.world.dossiers import ONLINE, Dossiers
from lgsp_province.world.lifecycles import NEVER

ALL_AGENCIES = agencies.load()
WITHOUT_OWN_DOCUMENTS = [each.name for each in scenario.SCENARIOS if not each.generate_documents]
FIGURES = [
    ("QN-2021-06", "communes without a dossier", 24),
    ("QN-2021-06", "other agencies without a dossier", 0),
    ("QN-2021-06", "other agencies without an online dossier", 13),
    ("QN-2022-H1", "dossiers of level 3 and 4", 10_000),
    ("QN-2022-H1", "online dossiers of level 3 and 4", 4_207),
    ("QN-2022-H1", "services of level 3 and 4 with dossiers", 341),
    ("QN-2022-H1", "finished dossiers of the ward", 800),
    ("QN-2022-H1", "dossiers of the ward finished on time", 799),
    ("MERGER-2025", "new communes with 1 to 149 dossiers", 64),
    ("MERGER-2025", "new communes with 150 dossiers or more", 14),
]


@pytest.fixture(params=[1, 2, 9])
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@cache
def world(name: str, seed: int) -> World:
    return scenario.load(name).generate_world(seed)


def received_within(dossiers: Dossiers, first: date, end: date) -> np.ndarray:
    day = local_days(dossiers.lifecycles.times[:, 1])
    return (day >= day_number(first)) & (day < day_number(end))


def counts_by_agency(dossiers: Dossiers, which: np.ndarray) -> np.ndarray:
    return np.bincount(dossiers.agency[which], minlength=len(ALL_AGENCIES))


@cache
def figures(name: str, seed: int) -> dict[str, int]:
    compute = {"QN-2021-06": figures_2021_06, "QN-2022-H1": figures_2022_h1, "MERGER-2025": figures_merger}
    return compute[name](world(name, seed).dossiers)


def figures_2021_06(dossiers: Dossiers) -> dict[str, int]:
    week = received_within(dossiers, date(2021, 6, 10), date(2021, 6, 17))
    received = counts_by_agency(dossiers, week)
    online = counts_by_agency(dossiers, week & (dossiers.channel == ONLINE))
    in_force = agencies.in_force(date(2021, 6, 10))
    communes = [a.index for a in in_force if a.level == agencies.COMMUNE]
    others = [a.index for a in in_force if a.level != agencies.COMMUNE]
    return {
        "communes without a dossier": int((received[communes] == 0).sum()),
        "other agencies without a dossier": int((received[others] == 0).sum()),
        "other agencies without an online dossier": int((online[others] == 0).sum()),
    }


def figures_2022_h1(dossiers: Dossiers) -> dict[str, int]:
    levels = np.array([service.online_level for service in dossiers.catalogue.services])[dossiers.service]
    counted = received_within(dossiers, date(2022, 1, 1), date(2022, 7, 1)) & (levels >= 3)
    used = set(zip(dossiers.service[counted].tolist(), dossiers.agency[counted].tolist(), strict=True))
    ward = next(a.index for a in ALL_AGENCIES if a.name == "UBND phường Minh An")
    finished, due = local_days(dossiers.lifecycles.times[:, 3]), local_days(dossiers.lifecycles.due)
    of_ward = (dossiers.agency == ward) & (finished < day_number(date(2022, 7, 1)))
    return {
        "dossiers of level 3 and 4": int(counted.sum()),
        "online dossiers of level 3 and 4": int((dossiers.channel[counted] == ONLINE).sum()),
        "services of level 3 and 4 with dossiers": len(used),
        "finished dossiers of the ward": int(of_ward.sum()),
        "dossiers of the ward finished on time": int((of_ward & (finished <= due)).sum()),
    }


def figures_merger(dossiers: Dossiers) -> dict[str, int]:
    counts = half_month_counts(dossiers)
    return {
        "new communes with 1 to 149 dossiers": sum(0 < count < 150 for count in counts),
        "new communes with 150 dossiers or more": sum(count >= 150 for count in counts),
    }


def half_month_counts(dossiers: Dossiers) -> list[int]:
    """The dossiers that each new commune received in the first half of July 2025."""
    counts = counts_by_agency(dossiers, received_within(dossiers, date(2025, 7, 1), date(2025, 7, 16)))
    return [
        int(counts[a.index]) for a in ALL_AGENCIES if a.level == agencies.COMMUNE and a.valid_from == date(2025, 7, 1)
    ]


@pytest.mark.parametrize(("name", "figure", "value"), FIGURES)
def test_a_world_contains_its_planted_figures(name, figure, value, seed):
    assert figures(name, seed)[figure] == value


@pytest.mark.parametrize("count", [149, 150])
def test_new_communes_are_on_both_sides_of_the_threshold(count, seed):
    assert count in half_month_counts(world("MERGER-2025", seed).dossiers)


@pytest.mark.parametrize("name", WITHOUT_OWN_DOCUMENTS)
def test_planted_dossiers_are_accepted_that_day_and_progress(name, seed):
    times = world(name, seed).dossiers.lifecycles.times[:, :5]
    assert (local_days(times[:, 0]) == local_days(times[:, 1])).all()
    assert (np.diff(times, axis=1) > 0).all() and (times < NEVER).all()


@pytest.mark.parametrize("name", WITHOUT_OWN_DOCUMENTS)
def test_planted_dossiers_are_at_agencies_that_offer_the_service(name, seed):
    generated = world(name, seed)
    dossiers = generated.dossiers
    offered = {(service.index, agency.index) for service, agency in generated.catalogue.offerings}
    for service_index, agency_index, day in zip(
        dossiers.service.tolist(), dossiers.agency.tolist(), dossiers.code_days.tolist(), strict=True
    ):
        assert (service_index, agency_index) in offered
        for each in (generated.catalogue.services[service_index], ALL_AGENCIES[agency_index]):
            assert day_number(each.valid_from) <= day and (each.valid_to is None or day < day_number(each.valid_to))


@pytest.mark.parametrize("name", WITHOUT_OWN_DOCUMENTS)
def test_the_same_seed_plants_the_same_world(name, seed):
    dossiers, again = world(name, seed).dossiers, scenario.load(name).generate_world(seed).dossiers
    assert (dossiers.submitted == again.submitted).all() and (dossiers.traits == again.traits).all()


def test_broken_feeds_hide_one_week_of_one_busy_commune(seed):
    generated = world("QN-2021-06", seed)
    dossiers, view = generated.dossiers, generated.view(10**10)
    week = received_within(dossiers, date(2021, 6, 10), date(2021, 6, 17))
    hidden = week & (dossiers.agency == generated.feeds[0].agency)
    assert hidden.sum() == 30
    assert not view.one_stop.visible[hidden].any() and not view.portal.visible[hidden].any()
    assert view.one_stop.visible[~hidden].all()


def test_the_definition_files_of_a_scenario_are_written(tmp_path):
    result = CliRunner().invoke(province, ["scenario-files", "TN-2021-Q1", "--out", str(tmp_path)])
    assert result.exit_code == 0
    assert "hours_saved,ALL,quarter,2021-01-01,3000000" in (tmp_path / "manual_indicator.csv").read_text()


def test_an_unknown_scenario_is_refused_with_the_known_names():
    result = CliRunner().invoke(province, ["scenario-files", "QN-2019", "--out", "x"])
    assert result.exit_code == 1 and "TN-2021-Q1" in result.output
