"""How dossiers live: each one's events in time, its promises and whether they were kept."""

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

_NORMAL, _PAUSED, _STOPPED, _WITHDRAWN, _REFUSED = range(5)
_SHARES = (0.0, 0.09, 0.004, 0.008, 0.02)
_PAUSE_KINDS, _PAUSE_SHARES = (SUPPLEMENT, PAYMENT, SUSPENDED), (0.6, 0.3, 0.1)


_Step = tuple[int | NDArray[np.int8], Seconds]


@dataclass(frozen=True, slots=True)
class Intake:
    """What a life starts from: when, where, how long it may take, and how simple it must stay."""

    submitted: Seconds
    is_at_counter: NDArray[np.bool_]
    is_simple: NDArray[np.bool_]
    standard_days: Seconds
    late_share: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lives:
    """Events as a matrix (dossier, slot), unused slots at NEVER, and the promises; -1 is no due date."""

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
    kind[intake.is_at_counter & (kind == _REFUSED)] = _NORMAL
    return kind


def _accepted(rng: np.random.Generator, intake: Intake, calendar: WorkCalendar) -> Seconds:
    """At the counter within minutes; online and by post within a working day."""
    count = len(intake.submitted)
    at_counter = intake.submitted + rng.integers(120, 1200, count)
    wait = np.minimum(rng.exponential(5400, count), WORKING_DAY).astype(np.int64) + 120
    later = calendar.from_working(calendar.to_working(intake.submitted) + wait)
    return np.where(intake.is_at_counter, at_counter, later)


def _between(rng: np.random.Generator, start: Seconds, end: Seconds) -> Seconds:
    """Working instants between two, early ones likelier; at least ten minutes after the first."""
    share = rng.beta(1.6, 1.4, len(start)) * 0.97
    return np.asarray(start + np.maximum(600, (np.maximum(end - start, 0) * share).astype(np.int64)), np.int64)


@dataclass(frozen=True, slots=True)
class _Course:
    """The instants a life may pass through, whether or not it does."""

    processing: Seconds
    paused: Seconds
    resumed: Seconds
    finished: Seconds
    returned: Seconds


def _promises(
    rng: np.random.Generator,
    calendar: WorkCalendar,
    accepted: Seconds,
    processing: Seconds,
    intake: Intake,
    kind: NDArray[np.int64],
) -> tuple[Seconds, Seconds, Seconds, Seconds, Seconds]:
    """First due, current due, when amended, and the pause: from, until."""
    count = len(kind)
    first = calendar.due(accepted, intake.standard_days)
    began = calendar.to_working(processing)
    pause = _between(rng, began, began + (calendar.to_working(first) - began) // 2)
    days_away = rng.integers(1, 13, count)
    resume = pause + days_away * WORKING_DAY + rng.integers(0, WORKING_DAY, count)
    is_compensated = (kind == _PAUSED) & (rng.random(count) < 0.9)
    is_extended = (kind == _NORMAL) & ~intake.is_simple & (rng.random(count) < 0.015)
    midway = _between(rng, began, calendar.to_working(first))
    amended = np.where(is_compensated, resume, np.where(is_extended, midway, NEVER))
    extra = np.where(is_compensated, days_away + 1, rng.integers(2, 11, count))
    is_amended = amended < NEVER
    due = np.where(is_amended, calendar.later(first, extra), first)
    at = np.where(is_amended, calendar.from_working(np.where(is_amended, amended, 0)), NEVER)
    return first, due, at, calendar.from_working(pause), calendar.from_working(resume)


def _finish(
    rng: np.random.Generator, calendar: WorkCalendar, start: Seconds, due: Seconds, late: NDArray[np.float64]
) -> tuple[Seconds, Seconds]:
    count = len(start)
    began, promised = calendar.to_working(start), calendar.to_working(due)
    on_time = _between(rng, began, promised)
    overdue = np.maximum(promised, began) + rng.integers(WORKING_DAY // 3, 6 * WORKING_DAY, count)
    finished = np.where(rng.random(count) < late, overdue, on_time)
    handed = finished + rng.exponential(0.7 * WORKING_DAY, count).astype(np.int64) + 300
    returned = calendar.from_working(handed)
    returned[rng.random(count) < 0.03] = NEVER
    return calendar.from_working(finished), returned


def _laid_out(
    intake: Intake, kind: NDArray[np.int64], accepted: Seconds, course: _Course, pause: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Put the instants into slots, by kind of life."""
    count = len(kind)
    times = np.full((count, SLOTS), NEVER, np.int64)
    statuses = np.zeros((count, SLOTS), np.int8)
    begin: list[_Step] = [
        (SUBMITTED, intake.submitted),
        (ACCEPTED, accepted),
        (PROCESSING, course.processing),
    ]
    ending: list[_Step] = [(FINISHED, course.finished), (RETURNED, course.returned)]
    away: list[_Step] = [(pause, course.paused), (PROCESSING, course.resumed)]
    plans: dict[int, list[_Step]] = {
        _NORMAL: [*begin, *ending],
        _PAUSED: [*begin, *away, *ending],
        _STOPPED: [*begin, (SUSPENDED, course.paused)],
        _WITHDRAWN: [*begin, (WITHDRAWN, course.paused)],
        _REFUSED: [begin[0], (NOT_ACCEPTED, accepted)],
    }
    for number, plan in plans.items():
        rows = np.flatnonzero(kind == number)
        for slot, (status, when) in enumerate(plan):
            times[rows, slot] = when[rows]
            statuses[rows, slot] = status if isinstance(status, int) else status[rows]
    return times, statuses


def _orderly(times: NDArray[np.int64]) -> None:
    """Make every event at least a minute later than the one before it."""
    for slot in range(1, SLOTS):
        used = times[:, slot] < NEVER
        earliest = np.where(used, times[:, slot - 1] + 60, NEVER)
        np.maximum(times[:, slot], earliest, out=times[:, slot], where=used)


def live(rng: np.random.Generator, intake: Intake, calendar: WorkCalendar) -> Lives:
    """Give every dossier its life."""
    kind = _kinds(rng, intake)
    count = len(kind)
    accepted = _accepted(rng, intake, calendar)
    processing = calendar.from_working(calendar.to_working(accepted) + rng.integers(60, 1800, count))
    first, due, amended_at, paused, resumed = _promises(rng, calendar, accepted, processing, intake, kind)
    start = np.where(kind == _PAUSED, resumed, processing)
    start = np.where((kind == _NORMAL) & (amended_at < NEVER), amended_at, start)
    finished, returned = _finish(rng, calendar, start, due, intake.late_share)
    course = _Course(processing, paused, resumed, finished, returned)
    pause = rng.choice(np.array(_PAUSE_KINDS, np.int8), count, p=_PAUSE_SHARES)
    times, statuses = _laid_out(intake, kind, accepted, course, pause)
    _orderly(times)
    is_promised = kind != _REFUSED
    is_boundless = ~intake.is_simple & (amended_at == NEVER) & (rng.random(count) < 0.005)
    has_due = is_promised & ~is_boundless
    return Lives(times, statuses, np.where(has_due, first, -1), np.where(has_due, due, -1), amended_at)
