"""Who received nothing: Quảng Nam in the week to 17 June 2021."""

from collections.abc import Iterator
from datetime import date
from functools import cache

import numpy as np

from lgsp_province.defects.broken_feeds import ONE_STOP, PORTAL, Feed
from lgsp_province.scenarios import planting
from lgsp_province.scenarios.planting import Plan
from lgsp_province.world import agencies, services
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.services import Catalogue

BROKE_ON, LAST_ON = date(2021, 6, 10), date(2021, 6, 16)
BROKEN = next(a.index for a in agencies.before_merger() if a.name == "UBND phường Minh An")
FEEDS = tuple(Feed(system, BROKEN, BROKE_ON, LAST_ON) for system in (ONE_STOP, PORTAL))

_SIX_A_DAY = 6  # of the broken one: enough that its silence is no accident
_ONLINE_EVERY = 3


@cache
def catalogue() -> Catalogue:
    """The usual one; who has nothing that could come online there gets what the province's office has."""
    usual = services.usual()
    office = [service for service, agency in usual.offerings if agency.code == "000.00.01.H47"]
    able = {
        agency.index for service, agency in usual.offerings if service.online_level >= 3 and not service.is_vertical
    }
    unable = [a for a in agencies.before_merger() if a.index not in able and not a.is_offline]
    return Catalogue(usual.services, (*usual.offerings, *((s, a) for a in unable for s in office)))


def dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """Everybody who is not silent has at least one dossier on most days of each week, online ones among them."""
    days = planting.worked(calendar, start, date.fromordinal(end.toordinal() + 1))
    plan = planting.joined(_plans(np.random.default_rng([seed, 6]), start, days))
    return planting.dossiers(seed, calendar, catalogue(), plan)


def _plans(rng: np.random.Generator, start: date, days: list[int]) -> Iterator[Plan]:
    offered = planting.offered(catalogue(), start)
    for agency in agencies.in_force(start):
        if not agency.is_silent:
            able = [s for s in offered[agency.index] if s.online_level >= 3] or offered[agency.index]
            count = _count(rng, agency, len(days))
            yield planting.received(agency, able, days, count, 0 if agency.is_offline else _ONLINE_EVERY)


def _count(rng: np.random.Generator, agency: Agency, days: int) -> int:
    if agency.index == BROKEN:
        return _SIX_A_DAY * days
    if agency.level == agencies.COMMUNE:
        return int(rng.integers(days // 2, days + 1))
    return int(rng.integers(2 * days, 3 * days))
