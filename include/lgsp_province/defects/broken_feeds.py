"""Broken feeds on demand: what an agency or a whole system does not send any more, while everybody else goes on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from lgsp_province.defects import eligibility
from lgsp_province.world import agencies
from lgsp_province.world.calendar import WorkCalendar, day_date, day_number, local_days
from lgsp_province.world.dossiers import ONLINE, Dossiers
from lgsp_province.world.lives import ACCEPTED, NEVER
from lgsp_province.world.view import SystemView, View

ONE_STOP, PORTAL = "one_stop_shop", "online_services"
SILENT_DAYS = 15  # working days at the end of the world of which two agencies send nothing
LOST_DAYS = 2  # working days of which a system has nothing to say, or is not there to say it


@dataclass(frozen=True, slots=True)
class Feed:
    """What one system lacks, from one local day to another (inclusive).

    Of an agency: the dossiers received on these days. Of the whole system (`agency` is None): what changed last on
    these days; it `is_down`, or answers that there is nothing.
    """

    system: str
    agency: int | None
    first_on: date
    last_on: date
    is_down: bool = False


def planted(spec: str, dossiers: Dossiers, calendar: WorkCalendar, start: date, end: date) -> tuple[Feed, ...]:
    """The broken feeds of a world: `none`, or `all`: two agencies at its end, and two days of each system before that.

    Raises ValueError when the world is too short or too small to tell them from silence.
    """
    if spec == "none":
        return ()
    if spec != "all":
        raise ValueError(f"broken feeds are none or all, not {spec!r}")
    worked = [day for day in range(day_number(start), day_number(end) + 1) if calendar.is_working[day - calendar.first]]
    if len(worked) < 2 * SILENT_DAYS:
        raise ValueError(f"{len(worked)} working days are too few to break feeds: {2 * SILENT_DAYS} are needed")
    broken, lost = worked[-SILENT_DAYS:], worked[-SILENT_DAYS - 2 * LOST_DAYS - 1 :]
    in_one_stop, in_both = _busy(dossiers, broken, end)
    down, nothing = lost[:LOST_DAYS], lost[LOST_DAYS : 2 * LOST_DAYS]
    return (
        Feed(ONE_STOP, in_one_stop, day_date(broken[0]), end),
        Feed(ONE_STOP, in_both, day_date(broken[0]), end),
        Feed(PORTAL, in_both, day_date(broken[0]), end),
        Feed(ONE_STOP, None, day_date(down[0]), day_date(down[-1]), is_down=True),
        Feed(PORTAL, None, day_date(nothing[0]), day_date(nothing[-1])),
    )


def _busy(dossiers: Dossiers, days: list[int], end: date) -> tuple[int, int]:
    """The agency with the most online dossiers of some days, and another with the most in both systems."""
    is_then = np.isin(received_on(dossiers), days) & dossiers.in_one_stop
    is_online = is_then & (dossiers.channel == ONLINE)
    count = len(agencies.load())
    online = np.bincount(dossiers.agency[is_online], minlength=count)
    both = np.bincount(dossiers.agency[is_then & dossiers.in_portal], minlength=count)
    in_force = [agency.index for agency in agencies.in_force(end)]
    first = max(in_force, key=lambda index: (int(online[index]), -index))
    second = max((index for index in in_force if index != first), key=lambda index: (int(both[index]), -index))
    if online[first] < SILENT_DAYS or both[second] < 2 * SILENT_DAYS:
        raise ValueError("the busiest agencies have too few dossiers to tell a broken feed from silence")
    return first, second


def received_on(dossiers: Dossiers) -> NDArray[np.int64]:
    """The local day on which each dossier is received at last, else handed in."""
    lives = dossiers.lives
    accepted = np.where(lives.statuses[:, 1] == ACCEPTED, lives.times[:, 1], NEVER)
    return local_days(np.where(accepted < NEVER, accepted, dossiers.submitted))


def broken(view: View, feeds: Iterable[Feed]) -> View:
    """What both systems show when these feeds are broken; the same view without any.

    What the portal would then tell alone, and otherwise than it was, it does not have either.
    """
    systems = {ONE_STOP: view.one_stop, PORTAL: view.portal}
    for feed in feeds:
        gone = _gone(view, systems[feed.system], feed)
        systems[feed.system] = systems[feed.system].without(np.flatnonzero(gone))
        if feed.system == ONE_STOP:
            is_distorted = ~eligibility.is_plain(view.dossiers) | view.marks.has("D09")
            systems[PORTAL] = systems[PORTAL].without(np.flatnonzero(gone & view.dossiers.in_one_stop & is_distorted))
    return replace(view, one_stop=systems[ONE_STOP], portal=systems[PORTAL])


def _gone(view: View, system: SystemView, feed: Feed) -> NDArray[np.bool_]:
    if feed.agency is None:
        return _within(local_days(system.modified), feed)
    # who is not received yet shows the day it was handed in
    is_then = _within(received_on(view.dossiers), feed) | _within(local_days(view.dossiers.submitted), feed)
    return np.asarray(is_then & (view.dossiers.agency == feed.agency), np.bool_)


def _within(day: NDArray[np.int64], feed: Feed) -> NDArray[np.bool_]:
    return np.asarray((day >= day_number(feed.first_on)) & (day <= day_number(feed.last_on)), np.bool_)


def missing_days(feeds: Iterable[Feed], calendar: WorkCalendar) -> Iterator[tuple[str, int | None, date]]:
    """The days that are missing, by system and agency (None for all of them): a silence begins and ends on working days."""
    for feed in feeds:
        days = range(day_number(feed.first_on), day_number(feed.last_on) + 1)
        worked = [day for day in days if feed.agency is None or calendar.is_working[day - calendar.first]]
        yield from ((feed.system, feed.agency, day_date(day)) for day in days if worked[0] <= day <= worked[-1])


def doubt(feeds: Iterable[Feed], calendar: WorkCalendar) -> Mapping[int | None, NDArray[np.int64]]:
    """The numbers of the days of which something is missing, by agency; under None those of everybody."""
    found: dict[int | None, list[int]] = {}
    for _, agency, day in missing_days(feeds, calendar):
        found.setdefault(agency, []).append(day_number(day))
    return {agency: np.unique(np.array(days, np.int64)) for agency, days in found.items()}
