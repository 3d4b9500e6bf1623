"""Generates Quảng Nam until 16 June 2021: in the last week some agencies received no dossier, or none online."""

from collections.abc import Iterator
from datetime import date
from functools import cache

import numpy as np

from lgsp_province.defects.broken_feeds import ONE_STOP, PORTAL, BrokenFeed
from lgsp_province.scenarios import planting
from lgsp_province.scenarios.planting import Plan
from lgsp_province.world import agencies, services
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.services import Catalogue

FEEDS_BREAK_ON, LAST_ON = date(2021, 6, 10), date(2021, 6, 16)
BROKEN = next(a.index for a in agencies.before_merger() if a.name == "UBND phường Minh An")
FEEDS = tuple(BrokenFeed(system, BROKEN, FEEDS_BREAK_ON, LAST_ON) for system in (ONE_STOP, PORTAL))

_SIX_A_DAY = 6  # dossiers of the agency with broken feeds: enough that days without any are no coincidence
_ONLINE_EVERY = 3


@cache
def catalogue() -> Catalogue:
    """The default catalogue, with the services of the province's office added where an agency offers none online."""
    default = services.default_catalogue()
    own = [(s, a) for s, a in default.offerings if (s.index, a.index) not in default.taken_over]
    office = [service for service, agency in own if agency.code == "000.00.01.H47"]
    with_online = {agency.index for service, agency in own if service.online_level >= 3 and not service.is_vertical}
    without = [a for a in agencies.in_force(LAST_ON) if a.index not in with_online and not a.is_offline]
    return Catalogue(
        default.services, (*default.offerings, *((s, a) for a in without for s in office)), default.taken_over
    )


def generate_dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """At least one dossier on most days for every agency that is not silent, some of them online."""
    days = planting.working_days(calendar, start, date.fromordinal(end.toordinal() + 1))
    plan = planting.join_plans(_plans(np.random.default_rng([seed, 6]), start, days))
    return planting.generate_dossiers(seed, calendar, catalogue(), plan)


def _plans(rng: np.random.Generator, start: date, days: list[int]) -> Iterator[Plan]:
    offered = planting.services_by_agency(catalogue(), start)
    for agency in agencies.in_force(start):
        if not agency.is_silent:
            online = [s for s in offered[agency.index] if s.online_level >= 3] or offered[agency.index]
            count = _count(rng, agency, len(days))
            yield planting.plan_agency(agency, online, days, count, 0 if agency.is_offline else _ONLINE_EVERY)


def _count(rng: np.random.Generator, agency: Agency, days: int) -> int:
    if agency.index == BROKEN:
        return _SIX_A_DAY * days
    if agency.level == agencies.COMMUNE:
        return int(rng.integers(days // 2, days + 1))
    return int(rng.integers(2 * days, 3 * days))
