"""Districts and communes before and after 1 July 2025, and who then had little to do."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from lgsp.vietnam import territory_versions
from lgsp_province.scenarios import planting
from lgsp_province.scenarios.planting import Plan
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers

FEW = 150  # from so many dossiers in half a month on a commune need not explain itself
BUSY_COMMUNES = 14  # of 78
_HALF = date(2025, 7, 16)
_ONLINE_EVERY = 3


def dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """Some before the merger at all agencies of then, and after it as many as each new commune is to have."""
    counts = _counts(np.random.default_rng([seed, 7]))
    spans = ((start, territory_versions.MERGER), (territory_versions.MERGER, _HALF), (_HALF, end + timedelta(days=1)))
    plan = planting.joined(
        each for first, until in spans for each in _plans(first, planting.worked(calendar, first, until), counts)
    )
    return planting.dossiers(seed, calendar, services.usual(), plan)


def _counts(rng: np.random.Generator) -> dict[int, int]:
    """How many dossiers each new commune receives in the first half of July; all some, the quiet ones a handful."""
    new = [a for a in agencies.load() if a.valid_from == territory_versions.MERGER]
    awake = [a.index for a in new if not a.is_silent]
    busy = rng.choice(awake, BUSY_COMMUNES, replace=False).tolist()
    counts = {a.index: int(rng.integers(2, 6) if a.is_silent else rng.integers(8, 30)) for a in new}
    counts |= {index: FEW + int(rng.integers(1, 30)) for index in busy}
    counts[busy[0]] = FEW
    counts[min(index for index in awake if index not in busy)] = FEW - 1
    return counts


def _plans(first: date, days: list[int], counts: dict[int, int]) -> Iterator[Plan]:
    offered = planting.offered(services.usual(), first)
    for agency in agencies.in_force(first):
        if agency.index not in offered or (agency.is_silent and first < territory_versions.MERGER):
            continue
        count = counts.get(agency.index, len(days) // 2)
        if first == _HALF:
            count = (count + 1) // 2
        every = 0 if agency.is_offline else _ONLINE_EVERY
        yield planting.received(agency, offered[agency.index], days, count, every)
