"""Dossiers as a scenario wants them: who receives what, how and on which day, and who is late; the rest is made up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world import agencies, people
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, WORKING_DAY, Seconds, WorkCalendar, day_date, day_number
from lgsp_province.world.dossiers import COUNTER, ONLINE, Dossiers, sequences
from lgsp_province.world.lives import ACCEPTED, FINISHED, NEVER, PROCESSING, RETURNED, SLOTS, SUBMITTED, Lives
from lgsp_province.world.services import Catalogue, Service

_MORNING, _AFTERNOON = (
    (7.3, 11.2),
    (13.5, 14.5),
)  # hours; all of it is accepted that day, before a same-day service ends
_LATER = WORKING_DAY // 2

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Columns of equal length: agency and service by their places, the local day received, by number."""

    agency: Numbers
    service: Numbers
    day: Numbers
    is_online: NDArray[np.bool_]
    is_late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.agency)

    def taken(self, order: Numbers) -> "Plan":
        """The same dossiers in another order."""
        return Plan(*(getattr(self, column.name)[order] for column in fields(self)))


def received(agency: Agency, offered: Sequence[Service], days: Sequence[int], count: int, online_every: int) -> Plan:
    """So many dossiers of one agency, spread evenly over days, of all its services in turn.

    Every `online_every`th comes online where its service takes that; 0 is none.
    """
    number = np.arange(count)
    service = np.array([each.index for each in offered], np.int64)[number % len(offered)]
    takes_online = np.array([each.online_level >= 3 for each in offered])[number % len(offered)]
    is_online = (number % online_every == 0) & takes_online if online_every else np.zeros(count, np.bool_)
    day = np.array(days, np.int64)[number * len(days) // max(count, 1)]
    return Plan(np.full(count, agency.index), service, day, is_online, number % 40 == 39)


def joined(plans: Iterable[Plan]) -> Plan:
    """All dossiers of some plans."""
    told = list(plans)
    return Plan(*(np.concatenate([getattr(plan, column.name) for plan in told]) for column in fields(Plan)))


def worked(calendar: WorkCalendar, first: date, end: date) -> list[int]:
    """The numbers of the working days from one day to before another."""
    days = range((end - first).days)
    return [day_number(first) + n for n in days if calendar.is_open(first + timedelta(days=n))]


def offered(catalogue: Catalogue, day: date) -> dict[int, list[Service]]:
    """What each agency offers on a day by its place, procedures that the portal alone handles left out."""
    found: dict[int, list[Service]] = {}
    for service, agency in catalogue.offerings:
        is_there = service.valid_from <= day and (service.valid_to is None or day < service.valid_to)
        if is_there and not service.is_vertical:
            found.setdefault(agency.index, []).append(service)
    return found


def dossiers(seed: int, calendar: WorkCalendar, catalogue: Catalogue, plan: Plan) -> Dossiers:
    """The planned dossiers: accepted on the day they come in, finished on time unless late, never withdrawn or deleted."""
    rng = np.random.default_rng([seed, 5])
    within = rng.random(len(plan))
    hours = np.where(
        rng.random(len(plan)) < 0.6,
        _MORNING[0] + within * (_MORNING[1] - _MORNING[0]),
        _AFTERNOON[0] + within * (_AFTERNOON[1] - _AFTERNOON[0]),
    )
    submitted = plan.day * DAY + (hours * 3600).astype(np.int64) - LOCAL_OFFSET
    order = np.argsort(submitted, kind="stable")
    plan, submitted = plan.taken(order), submitted[order]
    count = len(plan)
    numbers = np.arange(count, dtype=np.uint64)
    applicant = people.mix(people.mix(numbers + np.uint64(seed * 1_000_003)) % np.uint64(max(1, count * 3 // 5)))
    return Dossiers(
        submitted=submitted,
        agency=plan.agency.astype(np.int16),
        service=plan.service.astype(np.int16),
        channel=np.where(plan.is_online, ONLINE, COUNTER).astype(np.int8),
        applicant=applicant,
        is_firm=(applicant % np.uint64(17)) == 0,
        home=_homes(rng, plan),
        traits=people.mix(numbers + np.uint64(seed * 7919 + 13)),
        sequence=sequences(plan.agency, submitted),
        in_one_stop=np.ones(count, np.bool_),
        in_portal=plan.is_online | (rng.random(count) < 0.5),
        sync_delay=rng.integers(60, 600, count),
        deleted_at=np.full(count, NEVER),
        lives=_lives(rng, calendar, submitted, _standard_days(catalogue, plan), plan.is_late),
        catalogue=catalogue,
    )


def _standard_days(catalogue: Catalogue, plan: Plan) -> Seconds:
    return np.array([service.standard_days for service in catalogue.services], np.int64)[plan.service]


def _lives(
    rng: np.random.Generator,
    calendar: WorkCalendar,
    submitted: Seconds,
    standard_days: Seconds,
    is_late: NDArray[np.bool_],
) -> Lives:
    count = len(submitted)
    accepted = submitted + rng.integers(120, 1200, count)
    due = calendar.due(accepted, standard_days)
    began, promised = calendar.to_working(accepted), calendar.to_working(due)
    processing = calendar.from_working(began + 300)
    in_time = began + 900 + (rng.random(count) * 0.9 * (promised - began - 1800)).astype(np.int64)
    finished = np.where(is_late, promised + rng.integers(_LATER, 4 * WORKING_DAY, count), in_time)
    returned = calendar.from_working(finished + rng.integers(600, WORKING_DAY, count))
    times = np.full((count, SLOTS), NEVER, np.int64)
    steps = (submitted, accepted, processing, calendar.from_working(finished), returned)
    times[:, : len(steps)] = np.stack(steps, axis=1)
    statuses = np.zeros((count, SLOTS), np.int8)
    statuses[:, : len(steps)] = (SUBMITTED, ACCEPTED, PROCESSING, FINISHED, RETURNED)
    return Lives(times, statuses, due, due.copy(), np.full(count, NEVER))


def _homes(rng: np.random.Generator, plan: Plan) -> NDArray[np.int16]:
    """Where applicants live: in the commune they turn to, or in any that there is on the day."""
    everyone = agencies.load()
    home = plan.agency.copy()
    is_elsewhere = np.array([agency.level != agencies.COMMUNE for agency in everyone])[home]
    for day in np.unique(plan.day[is_elsewhere]).tolist():
        there = [a.index for a in agencies.in_force(day_date(day)) if a.level == agencies.COMMUNE]
        members = np.flatnonzero(is_elsewhere & (plan.day == day))
        home[members] = rng.choice(there, len(members))
    return home.astype(np.int16)
