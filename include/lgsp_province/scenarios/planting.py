"""Generates the dossiers of a scenario: agency, service, day, channel and lateness are planned, other values are random."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world import agencies, people
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, WORKING_DAY, Seconds, WorkCalendar, day_date, day_number
from lgsp_province.world.dossiers import COUNTER, ONLINE, Dossiers, sequence_numbers
from lgsp_province.world.lifecycles import ACCEPTED, FINISHED, NEVER, PROCESSING, RETURNED, SLOTS, SUBMITTED, Lifecycles
from lgsp_province.world.services import Catalogue, Service

# Hours in which dossiers are submitted: early enough to be accepted that day, before a same-day service ends.
_MORNING, _AFTERNOON = (7.3, 11.2), (13.5, 14.5)
_LEAST_DELAY = WORKING_DAY // 2  # working seconds that a late dossier is finished after its due time

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Planned dossiers, as columns of equal length: agency and service by index, and the local day number of receipt."""

    agency: Numbers
    service: Numbers
    day: Numbers
    is_online: NDArray[np.bool_]
    is_late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.agency)

    def reordered(self, order: Numbers) -> "Plan":
        """The same dossiers in another order."""
        return Plan(*(getattr(self, column.name)[order] for column in fields(self)))


def plan_agency(
    agency: Agency, services: Sequence[Service], days: Sequence[int], count: int, online_every: int
) -> Plan:
    """`count` dossiers of one agency, spread evenly over the days and over its services.

    Every `online_every`th dossier is online if its service allows that; 0 means none. Every 40th is late.
    """
    number = np.arange(count)
    service = np.array([each.index for each in services], np.int64)[number % len(services)]
    allows_online = np.array([each.online_level >= 3 for each in services])[number % len(services)]
    is_online = (number % online_every == 0) & allows_online if online_every else np.zeros(count, np.bool_)
    day = np.array(days, np.int64)[number * len(days) // max(count, 1)]
    return Plan(np.full(count, agency.index), service, day, is_online, number % 40 == 39)


def join_plans(plans: Iterable[Plan]) -> Plan:
    """One plan with the dossiers of all plans."""
    parts = list(plans)
    return Plan(*(np.concatenate([getattr(plan, column.name) for plan in parts]) for column in fields(Plan)))


def working_days(calendar: WorkCalendar, first: date, end: date) -> list[int]:
    """The day numbers of the working days from `first` to before `end`."""
    days = range((end - first).days)
    return [day_number(first) + n for n in days if calendar.is_open(first + timedelta(days=n))]


def services_by_agency(catalogue: Catalogue, day: date) -> dict[int, list[Service]]:
    """The services offered on a day, by agency index; services that only the portal handles are left out."""
    offered: dict[int, list[Service]] = {}
    for service, agency in catalogue.offerings:
        is_valid = catalogue.offered_from(service, agency) <= day and (
            service.valid_to is None or day < service.valid_to
        )
        if is_valid and not service.is_vertical:
            offered.setdefault(agency.index, []).append(service)
    return offered


def generate_dossiers(seed: int, calendar: WorkCalendar, catalogue: Catalogue, plan: Plan) -> Dossiers:
    """The planned dossiers.

    Each is accepted on the day it is submitted, finished on time unless the plan marks it as late, and never withdrawn
    or deleted.
    """
    rng = np.random.default_rng([seed, 5])
    within = rng.random(len(plan))
    hours = np.where(
        rng.random(len(plan)) < 0.6,
        _MORNING[0] + within * (_MORNING[1] - _MORNING[0]),
        _AFTERNOON[0] + within * (_AFTERNOON[1] - _AFTERNOON[0]),
    )
    submitted = plan.day * DAY + (hours * 3600).astype(np.int64) - LOCAL_OFFSET
    order = np.argsort(submitted, kind="stable")
    plan, submitted = plan.reordered(order), submitted[order]
    count = len(plan)
    numbers = np.arange(count, dtype=np.uint64)
    applicant = people.splitmix64(
        people.splitmix64(numbers + np.uint64(seed * 1_000_003)) % np.uint64(max(1, count * 3 // 5))
    )
    return Dossiers(
        submitted=submitted,
        agency=plan.agency.astype(np.int16),
        service=plan.service.astype(np.int16),
        channel=np.where(plan.is_online, ONLINE, COUNTER).astype(np.int8),
        applicant=applicant,
        is_firm=(applicant % np.uint64(17)) == 0,
        home=_homes(rng, plan),
        traits=people.splitmix64(numbers + np.uint64(seed * 7919 + 13)),
        sequence=sequence_numbers(plan.agency, submitted),
        in_one_stop=np.ones(count, np.bool_),
        in_portal=plan.is_online | (rng.random(count) < 0.5),
        sync_delay=rng.integers(60, 600, count),
        deleted_at=np.full(count, NEVER),
        lifecycles=_lifecycles(rng, calendar, submitted, _standard_days(catalogue, plan), plan.is_late),
        catalogue=catalogue,
    )


def _standard_days(catalogue: Catalogue, plan: Plan) -> Seconds:
    return np.array([service.standard_days for service in catalogue.services], np.int64)[plan.service]


def _lifecycles(
    rng: np.random.Generator,
    calendar: WorkCalendar,
    submitted: Seconds,
    standard_days: Seconds,
    is_late: NDArray[np.bool_],
) -> Lifecycles:
    count = len(submitted)
    accepted = submitted + rng.integers(120, 1200, count)
    due = calendar.due(accepted, standard_days)
    accepted_work, due_work = calendar.to_working(accepted), calendar.to_working(due)
    processing = calendar.from_working(accepted_work + 300)
    on_time = accepted_work + 900 + (rng.random(count) * 0.9 * (due_work - accepted_work - 1800)).astype(np.int64)
    finished = np.where(is_late, due_work + rng.integers(_LEAST_DELAY, 4 * WORKING_DAY, count), on_time)
    returned = calendar.from_working(finished + rng.integers(600, WORKING_DAY, count))
    times = np.full((count, SLOTS), NEVER, np.int64)
    steps = (submitted, accepted, processing, calendar.from_working(finished), returned)
    times[:, : len(steps)] = np.stack(steps, axis=1)
    statuses = np.zeros((count, SLOTS), np.int8)
    statuses[:, : len(steps)] = (SUBMITTED, ACCEPTED, PROCESSING, FINISHED, RETURNED)
    return Lifecycles(times, statuses, due, due.copy(), np.full(count, NEVER))


def _homes(rng: np.random.Generator, plan: Plan) -> NDArray[np.int16]:
    """The commune where each applicant lives: the receiving commune, otherwise any commune in force on that day."""
    all_agencies = agencies.load()
    home = plan.agency.copy()
    is_elsewhere = np.array([agency.level != agencies.COMMUNE for agency in all_agencies])[home]
    for day in np.unique(plan.day[is_elsewhere]).tolist():
        communes = [a.index for a in agencies.in_force(day_date(day)) if a.level == agencies.COMMUNE]
        members = np.flatnonzero(is_elsewhere & (plan.day == day))
        home[members] = rng.choice(communes, len(members))
    return home.astype(np.int16)
