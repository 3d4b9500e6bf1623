"""Maps agencies and procedures that ended to their successors on the day of a dossier."""

from datetime import date
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lgsp.vietnam import territory_versions
from lgsp_province.world import agencies, people, services
from lgsp_province.world.calendar import Seconds, day_number, local_days

_Numbers = NDArray[np.int64]


def receiving_agencies(seed: int, agency: _Numbers, is_online: NDArray[np.bool_], submitted: Seconds) -> _Numbers:
    """The agency that receives each dossier on the day of submission; `agency` is the one before the mergers of 2025.

    From the merger of the province on, a district's dossiers go to a randomly chosen commune in its territory. The same applies
    to all dossiers of a silent commune, and to the online dossiers of an offline commune.
    """
    day = local_days(submitted)
    if not len(day) or int(day.max()) < day_number(agencies.days_of_change()[0]):
        return agency
    current = _current(agency, day)
    after_merger = day >= day_number(territory_versions.MERGER)
    random_number = (
        people.splitmix64(np.arange(len(current), dtype=np.uint64) + np.uint64(seed * 131 + 29)).astype(np.int64) >> 8
    )
    all_agencies = agencies.load()
    accepts_nothing = np.array([a.level == agencies.DISTRICT or a.is_silent for a in all_agencies])
    is_refused = accepts_nothing[current] | (np.array([a.is_offline for a in all_agencies])[current] & is_online)
    regions = np.array([a.region for a in all_agencies])[current]
    for region, members in _open_communes().items():
        moved = np.flatnonzero(after_merger & is_refused & (regions == region))
        current[moved] = members[random_number[moved] % len(members)]
    return current


def home_communes(home: _Numbers, submitted: Seconds) -> _Numbers:
    """The home commune (agency index) of each applicant on the day of submission; `home` is the one before the mergers."""
    return _current(home, local_days(submitted))


def _current(agency: _Numbers, day: _Numbers) -> _Numbers:
    """The agencies that have the duties of others on given days; an agency that ended without a successor stays."""
    for change in agencies.days_of_change():
        agency = np.where(day >= day_number(change), _successors(change)[agency], agency)
    return agency


def valid_procedures(service: _Numbers, submitted: Seconds) -> _Numbers:
    """The procedure in force for each dossier on the day of submission; `service` is the original one."""
    day = local_days(submitted)
    for old in services.load():
        if old.valid_to is not None and old.replaced_by is not None:
            is_replaced = (service == old.index) & (day >= day_number(old.valid_to))
            service = np.where(is_replaced, old.replaced_by, service)
    return service


@cache
def _successors(day: date) -> _Numbers:
    """For each agency, its successor on a day; the agency itself if it did not end."""
    ended = {a.index: a.successor for a in agencies.load() if a.valid_to == day and a.successor is not None}
    return np.array([ended.get(a.index, a.index) for a in agencies.load()])


@cache
def _open_communes() -> dict[str, _Numbers]:
    """The communes of July 2025 that accept all dossiers, by the district that contained them."""
    new = [
        a
        for a in agencies.load()
        if a.valid_from == territory_versions.MERGER
        and a.level == agencies.COMMUNE
        and not (a.is_silent or a.is_offline)
    ]
    return {region: np.array([a.index for a in new if a.region == region]) for region in {a.region for a in new}}
