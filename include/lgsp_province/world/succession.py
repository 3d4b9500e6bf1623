"""Who answers on the day: agencies and procedures that ended hand what comes later to those that took their place."""

from datetime import date
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lgsp.vietnam import territory_versions
from lgsp_province.world import agencies, people, services
from lgsp_province.world.calendar import Seconds, day_number, local_days

_Numbers = NDArray[np.int64]


def receiving(seed: int, agency: _Numbers, is_online: NDArray[np.bool_], submitted: Seconds) -> _Numbers:
    """The agency that receives each dossier on its day, when before the merger it would have been `agency`.

    The duties of a district went to the communes in it: one of them, by lot. A silent commune sends its people to
    a neighbour, and one that takes nothing online those who come online.
    """
    day = local_days(submitted)
    if not len(day) or int(day.max()) < day_number(territory_versions.FIRST_CHANGE):
        return agency
    after_first, after_merger = (
        day >= day_number(territory_versions.FIRST_CHANGE),
        day >= day_number(territory_versions.MERGER),
    )
    now = np.where(after_first, _heirs(territory_versions.FIRST_CHANGE)[agency], agency)
    now = np.where(after_merger, _heirs(territory_versions.MERGER)[now], now)
    lot = people.mix(np.arange(len(now), dtype=np.uint64) + np.uint64(seed * 131 + 29)).astype(np.int64) >> 8
    everyone = agencies.load()
    is_closed = np.array([a.level == agencies.DISTRICT or a.is_silent for a in everyone])
    refuses = is_closed[now] | (np.array([a.is_offline for a in everyone])[now] & is_online)
    regions = np.array([a.region for a in everyone])[now]
    for region, members in _open_communes().items():
        moved = np.flatnonzero(after_merger & refuses & (regions == region))
        now[moved] = members[lot[moved] % len(members)]
    return now


def homes(home: _Numbers, submitted: Seconds) -> _Numbers:
    """The commune (as its agency) in which each applicant lives on the day, when before the merger it was `home`."""
    day = local_days(submitted)
    now = np.where(
        day >= day_number(territory_versions.FIRST_CHANGE), _heirs(territory_versions.FIRST_CHANGE)[home], home
    )
    return np.where(day >= day_number(territory_versions.MERGER), _heirs(territory_versions.MERGER)[now], now)


def procedures(service: _Numbers, submitted: Seconds) -> _Numbers:
    """The procedure by which each dossier is handled on its day, when before any decision it was `service`."""
    day = local_days(submitted)
    for old in services.load():
        if old.valid_to is not None and old.replaced_by is not None:
            is_replaced = (service == old.index) & (day >= day_number(old.valid_to))
            service = np.where(is_replaced, old.replaced_by, service)
    return service


@cache
def _heirs(day: date) -> _Numbers:
    """For each agency the one that took its place on a day, itself when it went on."""
    ended = {a.index: a.successor for a in agencies.load() if a.valid_to == day and a.successor is not None}
    return np.array([ended.get(a.index, a.index) for a in agencies.load()])


@cache
def _open_communes() -> dict[str, _Numbers]:
    """The communes of July 2025 that take everything, by the district they lay in."""
    new = [
        a for a in agencies.load() if a.valid_from == territory_versions.MERGER and not a.is_silent and not a.is_offline
    ]
    return {region: np.array([a.index for a in new if a.region == region]) for region in {a.region for a in new}}
