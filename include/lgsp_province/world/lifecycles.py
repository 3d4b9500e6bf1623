"""Generates the lifecycle of each dossier: its events over time and its due dates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world.calendar import WORKING_DAY, Seconds, WorkCalendar

STATUSES = (
    "submitted",
    "accepted",
    "processing",
    "supplement_requested",
    "payment_requested",
    "suspended",
    "finished",
    "returned",
    "withdrawn",
    "not_accepted",
)
(
    SUBMITTED,
    ACCEPTED,
    PROCESSING,
    SUPPLEMENT,
    PAYMENT,
    SUSPENDED,
    FINISHED,
    RETURNED,
    WITHDRAWN,
    NOT_ACCEPTED,
) = range(10)
PAUSES = (SUPPLEMENT, PAYMENT, SUSPENDED)

NEVER = np.int64(2**61)
SLOTS = 7

_NORMAL, _PAUSED, _STOPPED, _WITHDRAWN, _REJECTED = range(5)
_SHARES = (0.0, 0.09, 0.004, 0.008, 0.02)
_PAUSE_KINDS, _PAUSE_SHARES = (SUPPLEMENT, PAYMENT, SUSPENDED), (0.6, 0.3, 0.1)


_Step = tuple[int | NDArray[np.int8], Seconds]


@dataclass(frozen=True, slots=True)
class Intake:
    """The input of `generate`, one row per dossier.

    `standard_days` is the processing time in working days, `late_share` the probability that the dossier
    is finished after its due date. A simple dossier is never paused, suspended or extended.
    """

    submitted: Seconds
    is_at_counter: NDArray[np.bool_]
    is_simple: NDArray[np.bool_]
    standard_days: Seconds
    late_share: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lifecycles:
    """The events of each dossier as matrices (dossier, slot), and its due dates.

    All instants are in seconds; unused slots hold NEVER, and a missing due date is -1.
    """

    times: NDArray[np.int64]
    statuses: NDArray[np.int8]
    due_first: Seconds
    due: Seconds
    amended_at: Seconds


def _kinds(rng: np.random.Generator, intake: Intake) -> NDArray[np.int64]:
    draw = rng.random(len(intake.submitted))
    kind = np.zeros(len(draw), np.int64)
    edge = 0.0
    for number, share in enumerate(_SHARES):
        kind[(draw >= edge) & (draw < edge + share)] = number
        edge += share
    kind[intake.is_simple & np.isin(kind, (_PAUSED, _STOPPED))] = _NORMAL
    kind[intake.is_at_counter & (kind == _REJECTED)] = _NORMAL
    return kind


def _accepted(rng: np.random.Generator, intake: Intake, calendar: WorkCalendar) -> Seconds:
    """The instant of acceptance: within minutes at the counter, within about one working day online and by post."""
    count = len(intake.submitted)
    at_counter = intake.submitted + rng.integers(120, 1200, count)
    wait = np.minimum(rng.exponential(5400, count), WORKING_DAY).astype(np.int64) + 120
    after_wait = calendar.from_working(calendar.to_working(intake.submitted) + wait)
    return np.where(intake.is_at_counter, at_counter, after_wait)


def _between(rng: np.random.Generator, start: Seconds, end: Seconds) -> Seconds:
    """Random working time between `start` and `end`, at least ten minutes after `start`."""
    share = rng.beta(1.6, 1.4, len(start)) * 0.97
    return np.asarray(start + np.maximum(600, (np.maximum(end - start, 0) * share).astype(np.int64)), np.int64)


@dataclass(frozen=True, slots=True)
class _Milestones:
    """The instants of all events that a dossier may have; its lifecycle uses some of them."""

    processing: Seconds
    paused: Seconds
    resumed: Seconds
    finished: Seconds
    returned: Seconds


def _due_dates(
    rng: np.random.Generator,
    calendar: WorkCalendar,
    accepted: Seconds,
    processing: Seconds,
    intake: Intake,
    kind: NDArray[np.int64],
) -> tuple[Seconds, Seconds, Seconds, Seconds, Seconds]:
    """First due date, current due date, instant of its amendment, start and end of the pause."""
    count = len(kind)
    first = calendar.due(accepted, intake.standard_days)
    started = calendar.to_working(processing)
    pause = _between(rng, started, started + (calendar.to_working(first) - started) // 2)
    pause_days = rng.integers(1, 13, count)
    resume = pause + pause_days * WORKING_DAY + rng.integers(0, WORKING_DAY, count)
    is_compensated = (kind == _PAUSED) & (rng.random(count) < 0.9)
    is_extended = (kind == _NORMAL) & ~intake.is_simple & (rng.random(count) < 0.015)
    midway = _between(rng, started, calendar.to_working(first))
    amended = np.where(is_compensated, resume, np.where(is_extended, midway, NEVER))
    extra = np.where(is_compensated, pause_days + 1, rng.integers(2, 11, count))
    is_amended = amended < NEVER
    due = np.where(is_amended, calendar.closing_time_after(first, extra), first)
    at = np.where(is_amended, calendar.from_working(np.where(is_amended, amended, 0)), NEVER)
    return first, due, at, calendar.from_working(pause), calendar.from_working(resume)


def _finish(
    rng: np.random.Generator, calendar: WorkCalendar, start: Seconds, due: Seconds, late: NDArray[np.float64]
) -> tuple[Seconds, Seconds]:
    count = len(start)
    started, due_worked = calendar.to_working(start), calendar.to_working(due)
    on_time = _between(rng, started, due_worked)
    overdue = np.maximum(due_worked, started) + rng.integers(WORKING_DAY // 3, 6 * WORKING_DAY, count)
    finished = np.where(rng.random(count) < late, overdue, on_time)
    returned_worked = finished + rng.exponential(0.7 * WORKING_DAY, count).astype(np.int64) + 300
    returned = calendar.from_working(returned_worked)
    returned[rng.random(count) < 0.03] = NEVER
    return calendar.from_working(finished), returned


def _place_in_slots(
    intake: Intake, kind: NDArray[np.int64], accepted: Seconds, milestones: _Milestones, pause: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Matrices of instants and statuses, filled by the kind of lifecycle."""
    count = len(kind)
    times = np.full((count, SLOTS), NEVER, np.int64)
    statuses = np.zeros((count, SLOTS), np.int8)
    opening: list[_Step] = [
        (SUBMITTED, intake.submitted),
        (ACCEPTED, accepted),
        (PROCESSING, milestones.processing),
    ]
    closing: list[_Step] = [(FINISHED, milestones.finished), (RETURNED, milestones.returned)]
    pause_steps: list[_Step] = [(pause, milestones.paused), (PROCESSING, milestones.resumed)]
    plans: dict[int, list[_Step]] = {
        _NORMAL: [*opening, *closing],
        _PAUSED: [*opening, *pause_steps, *closing],
        _STOPPED: [*opening, (SUSPENDED, milestones.paused)],
        _WITHDRAWN: [*opening, (WITHDRAWN, milestones.paused)],
        _REJECTED: [opening[0], (NOT_ACCEPTED, accepted)],
    }
    for number, plan in plans.items():
        rows = np.flatnonzero(kind == number)
        for slot, (status, when) in enumerate(plan):
            times[rows, slot] = when[rows]
            statuses[rows, slot] = status if isinstance(status, int) else status[rows]
    return times, statuses


def _enforce_order(times: NDArray[np.int64]) -> None:
    """Move every event to at least one minute after the previous one."""
    for slot in range(1, SLOTS):
        used = times[:, slot] < NEVER
        earliest = np.where(used, times[:, slot - 1] + 60, NEVER)
        np.maximum(times[:, slot], earliest, out=times[:, slot], where=used)


def generate_lifecycles(rng: np.random.Generator, intake: Intake, calendar: WorkCalendar) -> Lifecycles:
    """The lifecycle of every dossier."""
    kind = _kinds(rng, intake)
    count = len(kind)
    accepted = _accepted(rng, intake, calendar)
    processing = calendar.from_working(calendar.to_working(accepted) + rng.integers(60, 1800, count))
    first, due, amended_at, paused, resumed = _due_dates(rng, calendar, accepted, processing, intake, kind)
    start = np.where(kind == _PAUSED, resumed, processing)
    start = np.where((kind == _NORMAL) & (amended_at < NEVER), amended_at, start)
    finished, returned = _finish(rng, calendar, start, due, intake.late_share)
    milestones = _Milestones(processing, paused, resumed, finished, returned)
    pause = rng.choice(np.array(_PAUSE_KINDS, np.int8), count, p=_PAUSE_SHARES)
    times, statuses = _place_in_slots(intake, kind, accepted, milestones, pause)
    _enforce_order(times)
    may_have_due_date = kind != _REJECTED
    is_without_due_date = ~intake.is_simple & (amended_at == NEVER) & (rng.random(count) < 0.005)
    has_due = may_have_due_date & ~is_without_due_date
    return Lifecycles(times, statuses, np.where(has_due, first, -1), np.where(has_due, due, -1), amended_at)
