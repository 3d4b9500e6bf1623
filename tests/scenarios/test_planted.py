"""The scenarios' worlds hold what they promise before anybody reads them, whatever the seed."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from click.testing import CliRunner

from lgsp_province import World
from lgsp_province.cli import province
from lgsp_province.scenarios import scenario
from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_number, local_days
from lgsp_province.world.dossiers import ONLINE, Dossiers
from lgsp_province.world.lives import NEVER

EVERYONE = agencies.load()
SMALL = [each.name for each in scenario.SCENARIOS if not each.papers]


@pytest.fixture(scope="module", params=[1, 2, 9])
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def within(dossiers: Dossiers, first: date, end: date) -> np.ndarray:
    day = local_days(dossiers.lives.times[:, 1])
    return (day >= day_number(first)) & (day < day_number(end))


@pytest.mark.parametrize("name", SMALL)
def test_every_planted_dossier_is_accepted_that_day_and_goes_on_in_order(name, seed):
    dossiers = World.scenario(name, seed).dossiers
    times = dossiers.lives.times[:, :5]
    assert (local_days(times[:, 0]) == local_days(times[:, 1])).all()
    assert (np.diff(times, axis=1) > 0).all() and (times < NEVER).all()


@pytest.mark.parametrize("name", SMALL)
def test_every_planted_dossier_is_asked_of_an_agency_in_force_that_offers_the_procedure(name, seed):
    world = World.scenario(name, seed)
    offered = {(service.index, agency.index) for service, agency in world.catalogue.offerings}
    for service, place, at in zip(
        world.dossiers.service.tolist(), world.dossiers.agency.tolist(), world.dossiers.code_days.tolist(), strict=True
    ):
        procedure, agency = world.catalogue.services[service], EVERYONE[place]
        assert (service, place) in offered
        for one in (procedure, agency):
            assert day_number(one.valid_from) <= at and (one.valid_to is None or at < day_number(one.valid_to))


def test_the_same_seed_plants_the_same_world(seed):
    one, same = (World.scenario("MERGER-2025", seed).dossiers for _ in range(2))
    assert (one.submitted == same.submitted).all() and (one.traits == same.traits).all()


def test_the_week_of_june_2021_has_13_without_online_and_24_communes_without_any(seed):
    dossiers = World.scenario("QN-2021-06", seed).dossiers
    week = within(dossiers, date(2021, 6, 10), date(2021, 6, 17))
    received = np.bincount(dossiers.agency[week], minlength=len(EVERYONE))
    online = np.bincount(dossiers.agency[week & (dossiers.channel == ONLINE)], minlength=len(EVERYONE))
    there = agencies.in_force(date(2021, 6, 10))
    assert Counter(a.level == agencies.COMMUNE for a in there if not received[a.index]) == {True: 24}
    assert sum(not online[a.index] for a in there if a.level != agencies.COMMUNE) == 13


def test_the_broken_feeds_of_june_2021_hide_a_week_of_a_busy_commune(seed):
    world = World.scenario("QN-2021-06", seed)
    view, broken = world.view(10**10), world.feeds[0].agency
    hidden = within(world.dossiers, date(2021, 6, 10), date(2021, 6, 17)) & (world.dossiers.agency == broken)
    assert hidden.sum() == 30
    assert not view.one_stop.visible[hidden].any() and not view.portal.visible[hidden].any()
    assert view.one_stop.visible[~hidden].all()


def test_the_first_half_of_2022_has_its_numerators_and_denominators(seed):
    world = World.scenario("QN-2022-H1", seed)
    dossiers, services = world.dossiers, world.catalogue.services
    half = within(dossiers, date(2022, 1, 1), date(2022, 7, 1))
    is_counted = np.array([s.online_level >= 3 for s in services])[dossiers.service] & half
    used = set(zip(dossiers.service[is_counted].tolist(), dossiers.agency[is_counted].tolist(), strict=True))
    assert (int((dossiers.channel[is_counted] == ONLINE).sum()), int(is_counted.sum()), len(used)) == (
        4_207,
        10_000,
        341,
    )
    ward = next(a.index for a in EVERYONE if a.name == "UBND phường Minh An")
    finished, due = local_days(dossiers.lives.times[:, 3]), local_days(dossiers.lives.due)
    of_ward = (dossiers.agency == ward) & (finished < day_number(date(2022, 7, 1)))
    assert (int((of_ward & (finished <= due)).sum()), int(of_ward.sum())) == (799, 800)


def test_the_two_weeks_after_the_merger_have_64_quiet_communes_to_the_last_dossier(seed):
    dossiers = World.scenario("MERGER-2025", seed).dossiers
    counts = np.bincount(
        dossiers.agency[within(dossiers, date(2025, 7, 1), date(2025, 7, 16))], minlength=len(EVERYONE)
    )
    new = [int(counts[a.index]) for a in EVERYONE if a.valid_from == date(2025, 7, 1)]
    assert (sum(0 < n < 150 for n in new), sum(n >= 150 for n in new)) == (64, 14)
    assert {149, 150} <= set(new)


def test_what_goes_with_a_scenario_is_written_where_it_is_wanted(tmp_path):
    done = CliRunner().invoke(province, ["scenario-files", "TN-2021-Q1", "--out", str(tmp_path)])
    assert (
        done.exit_code == 0
        and "hours_saved,ALL,quarter,2021-01-01,3000000" in (tmp_path / "manual_indicator.csv").read_text()
    )


def test_an_unknown_scenario_is_told_with_those_there_are():
    done = CliRunner().invoke(province, ["scenario-files", "QN-2019", "--out", "x"])
    assert done.exit_code == 1 and "TN-2021-Q1" in done.output
