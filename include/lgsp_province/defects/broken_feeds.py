"""Simulates broken feeds: data that an agency or a whole system stops sending while all others continue."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from lgsp_province.defects import eligibility
from lgsp_province.world import agencies
from lgsp_province.world.calendar import WorkCalendar, day_date, day_number, local_days
from lgsp_province.world.dossiers import ONLINE, Dossiers
from lgsp_province.world.lifecycles import ACCEPTED, NEVER
from lgsp_province.world.view import SystemView, View

ONE_STOP, PORTAL = "one_stop_shop", "online_services"
SILENT_DAYS = 15  # working days at the end of the world for which two agencies send nothing
SYSTEM_OUTAGE_DAYS = 2  # working days for which a system returns no data or is down


@dataclass(frozen=True, slots=True)
class BrokenFeed:
    """The data missing from one system, from one local day to another (inclusive).

    For an agency, the dossiers received on these days are missing. For the whole system (`agency` is None), the
    dossiers last changed on these days are missing: the system `is_down`, or returns empty lists.
    """

    system: str
    agency: int | None
    first_on: date
    last_on: date
    is_down: bool = False


def plan_feeds(spec: str, dossiers: Dossiers, calendar: WorkCalendar, start: date, end: date) -> tuple[BrokenFeed, ...]:
    """The broken feeds of a world for `none` or `all`.

    `all` breaks the feeds of two agencies at the end of the world, and two days of each dossier system before that.
    Raises ValueError when `spec` is unknown, or when the world is too short or too small to distinguish broken feeds
    from days without dossiers.
    """
    if spec == "none":
        return ()
    if spec != "all":
        raise ValueError(f"broken feeds must be 'none' or 'all', not {spec!r}")
    working_days = [
        day for day in range(day_number(start), day_number(end) + 1) if calendar.is_working[day - calendar.first]
    ]
    if len(working_days) < 2 * SILENT_DAYS:
        raise ValueError(
            f"{len(working_days)} working days are too few for broken feeds; at least {2 * SILENT_DAYS} are needed"
        )
    silent_days, days_before = working_days[-SILENT_DAYS:], working_days[-SILENT_DAYS - 2 * SYSTEM_OUTAGE_DAYS - 1 :]
    in_one_stop, in_both = _busiest_agencies(dossiers, silent_days, start, end)
    down_days, empty_days = days_before[:SYSTEM_OUTAGE_DAYS], days_before[SYSTEM_OUTAGE_DAYS : 2 * SYSTEM_OUTAGE_DAYS]
    return (
        BrokenFeed(ONE_STOP, in_one_stop, day_date(silent_days[0]), end),
        BrokenFeed(ONE_STOP, in_both, day_date(silent_days[0]), end),
        BrokenFeed(PORTAL, in_both, day_date(silent_days[0]), end),
        BrokenFeed(ONE_STOP, None, day_date(down_days[0]), day_date(down_days[-1]), is_down=True),
        BrokenFeed(PORTAL, None, day_date(empty_days[0]), day_date(empty_days[-1])),
    )


def _busiest_agencies(dossiers: Dossiers, days: list[int], start: date, end: date) -> tuple[int, int]:
    """The agency with the most online dossiers received on some days, and another with the most dossiers in both systems.

    No list has the first day of a department, so one that began after `start` seems to have been silent before.
    """
    is_in_period = np.isin(received_on(dossiers), days) & dossiers.in_one_stop
    is_online = is_in_period & (dossiers.channel == ONLINE)
    count = len(agencies.load())
    online = np.bincount(dossiers.agency[is_online], minlength=count)
    in_both_count = np.bincount(dossiers.agency[is_in_period & dossiers.in_portal], minlength=count)
    in_force = [a.index for a in agencies.in_force(end) if a.valid_from <= start or a.level != agencies.PROVINCE]
    first = max(in_force, key=lambda index: (int(online[index]), -index))
    second = max((index for index in in_force if index != first), key=lambda index: (int(in_both_count[index]), -index))
    if online[first] < SILENT_DAYS or in_both_count[second] < 2 * SILENT_DAYS:
        raise ValueError(
            "the busiest agencies have too few dossiers to distinguish a broken feed from days without dossiers"
        )
    return first, second


def received_on(dossiers: Dossiers) -> NDArray[np.int64]:
    """The local day number on which each dossier is accepted, or submitted if it is never accepted."""
    lifecycles = dossiers.lifecycles
    accepted = np.where(lifecycles.statuses[:, 1] == ACCEPTED, lifecycles.times[:, 1], NEVER)
    return local_days(np.where(accepted < NEVER, accepted, dossiers.submitted))


def with_broken_feeds(view: View, feeds: Iterable[BrokenFeed]) -> View:
    """Both systems with these feeds broken; the same view if there are none.

    A dossier missing from the one-stop-shop is also removed from the portal if the portal's record alone would result
    in different published values.
    """
    systems = {ONE_STOP: view.one_stop, PORTAL: view.portal}
    for feed in feeds:
        is_missing = _missing_dossiers(view, systems[feed.system], feed)
        systems[feed.system] = systems[feed.system].without_rows(np.flatnonzero(is_missing))
        if feed.system == ONE_STOP:
            is_distorted = ~eligibility.is_undistorted(view.dossiers) | view.marks.has("D09")
            systems[PORTAL] = systems[PORTAL].without_rows(
                np.flatnonzero(is_missing & view.dossiers.in_one_stop & is_distorted)
            )
    return replace(view, one_stop=systems[ONE_STOP], portal=systems[PORTAL])


def _missing_dossiers(view: View, system: SystemView, feed: BrokenFeed) -> NDArray[np.bool_]:
    if feed.agency is None:
        return _is_within(local_days(system.modified), feed)
    # a dossier that is not accepted yet shows the day of its submission
    is_in_period = _is_within(received_on(view.dossiers), feed) | _is_within(local_days(view.dossiers.submitted), feed)
    return np.asarray(is_in_period & (view.dossiers.agency == feed.agency), np.bool_)


def _is_within(day: NDArray[np.int64], feed: BrokenFeed) -> NDArray[np.bool_]:
    return np.asarray((day >= day_number(feed.first_on)) & (day <= day_number(feed.last_on)), np.bool_)


def missing_days(feeds: Iterable[BrokenFeed], calendar: WorkCalendar) -> Iterator[tuple[str, int | None, date]]:
    """The missing days, by system and agency (None for all agencies).

    For an agency, a gap begins and ends on working days.
    """
    for feed in feeds:
        days = range(day_number(feed.first_on), day_number(feed.last_on) + 1)
        working_days = [day for day in days if feed.agency is None or calendar.is_working[day - calendar.first]]
        yield from (
            (feed.system, feed.agency, day_date(day)) for day in days if working_days[0] <= day <= working_days[-1]
        )


def incomplete_days(feeds: Iterable[BrokenFeed], calendar: WorkCalendar) -> Mapping[int | None, NDArray[np.int64]]:
    """The numbers of the days with missing data, by agency; the key None applies to all agencies."""
    days_by_agency: dict[int | None, list[int]] = {}
    for _, agency, day in missing_days(feeds, calendar):
        days_by_agency.setdefault(agency, []).append(day_number(day))
    return {agency: np.unique(np.array(days, np.int64)) for agency, days in days_by_agency.items()}
