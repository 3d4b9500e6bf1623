"""Generates the agencies' dossiers before and after the merger of 1 July 2025, most new communes with few dossiers."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from lgsp.vietnam import territory_versions
from lgsp_province.scenarios import planting
from lgsp_province.scenarios.planting import Plan
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers

FEW = 150  # a commune that receives fewer dossiers in half a month has low activity
BUSY_COMMUNES = 14  # of 78
_HALF = date(2025, 7, 16)
_ONLINE_EVERY = 3


def generate_dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """Dossiers at all agencies in force before the merger, and after it the planned number at each new commune."""
    counts = _counts(np.random.default_rng([seed, 7]))
    spans = ((start, territory_versions.MERGER), (territory_versions.MERGER, _HALF), (_HALF, end + timedelta(days=1)))
    plan = planting.join_plans(
        each for first, until in spans for each in _plans(first, planting.working_days(calendar, first, until), counts)
    )
    return planting.generate_dossiers(seed, calendar, services.default_catalogue(), plan)


def _counts(rng: np.random.Generator) -> dict[int, int]:
    """The number of dossiers that each new commune receives in the first half of July: at least two each."""
    new = [a for a in agencies.load() if a.valid_from == territory_versions.MERGER and a.level == agencies.COMMUNE]
    not_silent = [a.index for a in new if not a.is_silent]
    busy = rng.choice(not_silent, BUSY_COMMUNES, replace=False).tolist()
    counts = {a.index: int(rng.integers(2, 6) if a.is_silent else rng.integers(8, 30)) for a in new}
    counts |= {index: FEW + int(rng.integers(1, 30)) for index in busy}
    counts[busy[0]] = FEW
    counts[min(index for index in not_silent if index not in busy)] = FEW - 1
    return counts


def _plans(first: date, days: list[int], counts: dict[int, int]) -> Iterator[Plan]:
    offered = planting.services_by_agency(services.default_catalogue(), first)
    for agency in agencies.in_force(first):
        if agency.index not in offered or (agency.is_silent and first < territory_versions.MERGER):
            continue
        count = counts.get(agency.index, len(days) // 2)
        if first == _HALF:
            count = (count + 1) // 2
        every = 0 if agency.is_offline else _ONLINE_EVERY
        yield planting.plan_agency(agency, offered[agency.index], days, count, every)
