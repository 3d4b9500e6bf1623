"""What is usual: how many records a day brings and how often a field is empty, learnt from what was published.

A day is compared with days of its class read as soon after it; a field with the same field in batches read alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from statistics import median
from typing import Any

from lgsp.harmonise.profile import BATCHES_OF_HISTORY
from lgsp.schema import sources
from lgsp.store import ledger
from lgsp.vietnam import working_days
from lgsp.window import Window, midnight

# Eight days of a class are two months of Tuesdays: enough to know the spread, few enough to follow a change.
NEAREST, FEWEST = 8, 4
# Four median deviations are about 2.7 standard ones; the floors keep a calm month from making the next one odd.
# Mondays bring more than Fridays: learnt from days of several classes, the bounds are wider.
DEVIATIONS, LEAST_SHARE, LEAST_SHARE_MIXED = 4, 0.05, 0.10
# So few records on a day say nothing, whatever was usual: on Sundays nothing is usual.
NEVER_MANY = 20
# Read within two days, a day is whole: later, records that changed again have left it.
PROMPT = timedelta(days=2)
OVERTAKEN = timedelta(days=4)  # the runs of a backfill overtake each other
REMEMBERED = timedelta(days=400)  # a year back, so that Tết is compared with the Tết before

# Only Tết closes offices for so many days on end; work is slow in the week before it and the week after.
LONG_BREAK, NEAR = 7, 7
HOLIDAY, NEAR_TET, BESIDE_HOLIDAY, MAKE_UP = "holiday", "day near Tết", "day beside a holiday", "make-up day"
NEAR_HOLIDAY = 2
# Days unlike others: too few a year to know them well, so their bounds are wider.
UNSTEADY, WIDER = (HOLIDAY, NEAR_TET, BESIDE_HOLIDAY, MAKE_UP), 2

FEWEST_RECORDS, FEWEST_POINTS = 200, 0.10
# A field that was nearly always there and is now mostly gone is a broken feed, once there are enough records to say so.
HARDLY_EVER, LIMIT_POINTS, LIMIT_RECORDS = 0.05, 0.50, 1000


@dataclass(frozen=True)
class Reading:
    """How many records a local day had when it was first read, and how soon that was."""

    day_on: date
    records: int
    is_prompt: bool = True  # its window ended within two days after it, and windows of later days were not read before
    is_live: bool = True  # by the clock: not a backfill
    kinds: Mapping[str, int] = field(default_factory=dict)  # how many of them are of which kind

    def only(self, kind: str) -> Reading:
        """The same day as if it had brought nothing else."""
        return replace(self, records=self.kinds.get(kind, 0), kinds={})

    def is_like(self, other: Reading) -> bool:
        """Whether both were read equally soon after their day."""
        return (self.is_prompt, self.is_live) == (other.is_prompt, other.is_live)


@dataclass(frozen=True)
class Range:
    """How many records are usual on a day, and from which days that is known."""

    low: int
    high: int
    middle: float
    basis: str
    is_due: bool = True  # the day was read no later than those: it had lost no more of its records to later days


@dataclass(frozen=True)
class Day:
    """One whole local day of a batch beside what is usual for it; without history no bounds."""

    day_on: date
    class_: str
    observed: int
    expected: Range | None
    is_suspicious_zero: bool = False
    lacks: tuple[str, ...] = ()  # of which kinds nothing came beside others that did, and what is usual of them

    @property
    def is_unusual(self) -> bool:
        """Whether the day had fewer or more records than usual."""
        return self.expected is not None and not self.expected.low <= self.observed <= self.expected.high

    @property
    def told(self) -> str:
        """What was expected and what came, for people."""
        shown = f"{self.day_on:%A} {self.day_on.day} {self.day_on:%B %Y}"
        if self.expected is None:
            return f"{shown}: got {self.observed:,} (too few days are known to say what is usual)"
        said, but = self.expected, "".join(f", but no {kind}" for kind in self.lacks)
        return f"{shown}: expected {said.low:,}–{said.high:,}, got {self.observed:,}{but} ({said.basis})"


@dataclass(frozen=True)
class Null:
    """A field that is empty unusually often, or unusually seldom, in a batch."""

    list: str
    field: str
    records: int
    rate: float
    usual: float
    batches: int
    is_limit: bool  # hardly ever empty before, now mostly

    @property
    def told(self) -> str:
        """How often the field is empty and how often it was, for people."""
        return (
            f"{self.list}.{self.field}: empty in {self.rate:.0%} of {self.records:,} records, "
            f"usually in {self.usual:.0%} (median of {self.batches} batches)"
        )


@cache
def class_of(day_on: date) -> str:
    """The class of days that a day is compared with."""
    if not working_days.is_working(day_on):
        return HOLIDAY if any(working_days.day(day).is_holiday for day in _break(day_on)) else f"{day_on:%A}"
    if any(len(_break(day_on + timedelta(days=n))) >= LONG_BREAK for n in range(-NEAR, NEAR + 1)):
        return NEAR_TET
    if working_days.day(day_on).is_swap_day:
        return MAKE_UP
    beside = {day for n in range(-NEAR_HOLIDAY, NEAR_HOLIDAY + 1) for day in _break(day_on + timedelta(days=n))}
    return BESIDE_HOLIDAY if any(working_days.day(day).is_holiday for day in beside) else f"{day_on:%A}"


@cache
def _break(day_on: date) -> tuple[date, ...]:
    """The days on end, with this one, on which offices are closed; none for a day that is worked."""
    first = last = day_on
    if working_days.is_working(day_on):
        return ()
    while not working_days.is_working(first - timedelta(days=1)):
        first -= timedelta(days=1)
    while not working_days.is_working(last + timedelta(days=1)):
        last += timedelta(days=1)
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def expected(read: Reading, history: Sequence[Reading]) -> Range | None:
    """How many records are usual on the day of a reading; None while too few days are known.

    There is no lower bound for a holiday, nor where no days are known that were read as soon after them.
    """
    others = [other for other in history if other.day_on != read.day_on]
    learnt, name = _learnt(read.day_on, [other for other in others if other.is_like(read)])
    is_comparable = read.is_prompt and len(learnt) >= FEWEST
    if not is_comparable:
        learnt, name = _learnt(read.day_on, others)
    if len(learnt) < FEWEST:
        return None
    counts = [other.records for other in learnt]
    middle = median(counts)
    class_ = class_of(read.day_on)
    least = LEAST_SHARE if all(class_of(other.day_on) == class_ for other in learnt) else LEAST_SHARE_MIXED
    spread = max(median(abs(count - middle) for count in counts), math.sqrt(middle), least * middle)
    low, high = middle - DEVIATIONS * spread, middle + DEVIATIONS * spread
    if class_ in UNSTEADY:
        low, high = low / WIDER, high * WIDER
    is_due = read.is_prompt and all(read.is_live or not other.is_live for other in learnt)
    if not is_comparable or class_ == HOLIDAY:
        low = 0
    basis = f"median of {len(learnt)} {name} {middle:,.0f}"
    return Range(max(0, math.floor(low)), max(NEVER_MANY, math.ceil(high)), middle, basis, is_due)


def _learnt(day_on: date, history: Sequence[Reading]) -> tuple[list[Reading], str]:
    """The readings to learn from, and what their days are called: of the day's class, else of all days like it."""
    class_, is_working = class_of(day_on), working_days.is_working(day_on)
    near = sorted(history, key=lambda read: (abs(read.day_on - day_on), read.day_on))
    own = [read for read in near if class_of(read.day_on) == class_][:NEAREST]
    if len(own) >= FEWEST:
        return own, class_.replace("day ", "days ", 1) if class_.startswith("day ") else f"{class_}s"
    alike = [read for read in near if working_days.is_working(read.day_on) == is_working
             and class_of(read.day_on) not in UNSTEADY][:NEAREST]  # fmt: skip
    return alike, "working days" if is_working else "days off"


def judged(reads: Iterable[Reading], history: Sequence[Reading], from_count: int) -> list[Day]:
    """Each reading beside what is usual for its day.

    Nothing at all, or nothing of one kind, is suspicious on a working day that usually brings `from_count` or more; not
    when it was read later than the days that say so, as all it had may have changed again since.
    """
    reads = sorted(reads, key=lambda read: read.day_on)
    known = [*history, *reads]
    kinds = sorted({kind for read in known for kind in read.kinds})
    begun = {kind: _begun(read.only(kind) for read in known) for kind in kinds}
    from_on, days = _begun(known), []
    for read in reads:
        usual = expected(read, history)
        is_zero = _is_suspicious(read, usual, from_on, from_count)
        lacks = []
        for kind in kinds if read.records and not all(read.kinds.get(kind) for kind in kinds) else ():
            own = expected(read.only(kind), [other.only(kind) for other in history])
            if own and _is_suspicious(read.only(kind), own, begun[kind], from_count):
                lacks.append(f"{kind} where {own.middle:,.0f} are usual")
        days.append(Day(read.day_on, class_of(read.day_on), read.records, usual, is_zero or bool(lacks), tuple(lacks)))
    return days


def _is_suspicious(read: Reading, usual: Range | None, begun: date, from_count: int) -> bool:
    if read.records or usual is None or not working_days.is_working(read.day_on):
        return False
    return read.day_on > begun and usual.middle >= from_count and usual.is_due


def _begun(reads: Iterable[Reading]) -> date:
    """The first day with records: before it the source may not have been there yet."""
    return min((read.day_on for read in reads if read.records), default=date.max)


def volumes(connection: ledger.Connection, batch: ledger.Batch) -> list[Day]:
    """The whole local days of a harmonised batch beside what is usual for them.

    A day that was read before is left out: records that changed again have rightly left it. Nothing is said of a
    batch that is no window of changes.
    """
    if batch.purpose != "window":
        return []
    rows = connection.execute(_READ, {"source": batch.source, "batch_id": batch.batch_id,
        "start": batch.window.start - REMEMBERED, "end": batch.window.end + REMEMBERED}).fetchall()  # fmt: skip
    mine = [row for row in rows if row["batch_id"] == batch.batch_id]
    first: dict[date, tuple[Reading, bool]] = {}
    for row in rows:  # in the order they were read: a day is what its first reading said
        if row["is_published"] and all(row["read_of"] != own["read_of"] for own in mine):
            for read in _readings(row):
                first.setdefault(read.day_on, (read, row["is_counted"]))
    reads = [read for row in mine if row["is_counted"] for read in _readings(row) if read.day_on not in first]
    history = [read for read, is_counted in first.values() if is_counted]
    return judged(reads, history, sources.load(batch.source).volume["from_count"])


# A rebuilt batch is as old as the bytes it was rebuilt from. Batches of older versions counted no days: they teach
# nothing, but their days were read.
_READ = """
with read as (
    select batch_id, created_at, max(window_to) filter (where purpose = 'window' and state not in ('landing', 'failed'))
        over (order by created_at groups between unbounded preceding and 1 preceding) as read_until
    from ledger.batch where source = %(source)s
)
select b.batch_id, b.window_from, b.window_to, b.state = 'published' as is_published, o.batch_id as read_of,
    o.created_at as read_at, o.read_until,
    exists (select 1 from ledger.field_profile p where p.batch_id = b.batch_id) as is_counted,
    (select coalesce(json_object_agg(day_on, kinds), '{}') from (select day_on, json_object_agg(kind, record_count) as kinds
        from ledger.batch_day d where d.batch_id = b.batch_id group by day_on) d) as days
from ledger.batch b join read o on o.batch_id = coalesce(b.rebuilt_from, b.batch_id)
where b.source = %(source)s and b.purpose = 'window' and (b.state = 'published' or b.batch_id = %(batch_id)s)
    and b.window_to > %(start)s and b.window_from < %(end)s
order by read_at, b.created_at, b.batch_id
"""


def _readings(row: dict[str, Any]) -> list[Reading]:
    """The whole local days of a batch's window as it was read."""
    window = Window(row["window_from"], row["window_to"])
    is_live = row["read_at"] <= window.end + PROMPT
    is_in_order = row["read_until"] is None or row["read_until"] <= window.end + OVERTAKEN
    reads = []
    for day in window.days():
        if window.start <= midnight(day) and _end(day) <= window.end:
            kinds = row["days"].get(str(day), {})
            is_prompt = is_in_order and window.end <= _end(day) + PROMPT
            reads.append(Reading(day, sum(kinds.values()), is_prompt, is_live, kinds))
    return reads


def _end(day_on: date) -> datetime:
    return midnight(day_on + timedelta(days=1))


@dataclass(frozen=True)
class Share:
    """How many records of a batch a field was empty in."""

    list: str
    field: str
    records: int
    nulls: int

    @property
    def rate(self) -> float:
        """Empty records as a part of all."""
        return self.nulls / self.records if self.records else 0.0


def unusual_null(share: Share, history: Sequence[float]) -> Null | None:
    """A field that is empty unusually often or seldom beside its rates in earlier batches; None when it is as usual."""
    if share.records < FEWEST_RECORDS or len(history) < FEWEST:
        return None
    usual = median(history)
    spread = median(abs(rate - usual) for rate in history)
    if abs(share.rate - usual) <= max(DEVIATIONS * spread, FEWEST_POINTS):
        return None
    # of ten batches one may have been broken before; where it rises from batch to batch it is no break
    high = sorted(history)[math.ceil(0.9 * len(history)) - 1]
    is_limit = high < HARDLY_EVER and share.rate - usual >= LIMIT_POINTS and share.records >= LIMIT_RECORDS
    return Null(share.list, share.field, share.records, share.rate, usual, len(history), is_limit)


def nulls(connection: ledger.Connection, batch: ledger.Batch) -> list[Null]:
    """The fields of a harmonised batch that are empty unusually often or seldom.

    Compared with the last published batches that were read alike, of days or of longer windows, soon or late: what was
    read long after its days is mostly finished, so fields that come last are seldom empty there.
    """
    rows = connection.execute(_SHARES, {"batch_id": batch.batch_id, "batches": BATCHES_OF_HISTORY, "prompt": PROMPT,
        "fewest": FEWEST_RECORDS}).fetchall()  # fmt: skip
    found = (
        unusual_null(Share(row["list"], row["field"], row["record_count"], row["null_count"]), row["rates"])
        for row in rows
    )
    return [null for null in found if null]


_SHARES = """
with read as (
    select b.batch_id, b.source, b.state, b.purpose, b.window_to, b.fetched_count, coalesce(o.batch_id, b.batch_id) as read_of,
        coalesce(o.created_at, b.created_at) <= b.window_to + %(prompt)s as is_live,
        b.window_to - b.window_from <= %(prompt)s + interval '1 day' as is_short
    from ledger.batch b left join ledger.batch o on o.batch_id = b.rebuilt_from
), mine as (select * from read where batch_id = %(batch_id)s and purpose = 'window'), alike as materialized (
    select r.batch_id from read r, mine
    where r.source = mine.source and r.state = 'published' and r.purpose = 'window' and r.read_of <> mine.read_of
        and r.is_live = mine.is_live and r.is_short = mine.is_short and r.fetched_count >= %(fewest)s
        and exists (select 1 from ledger.field_profile p where p.batch_id = r.batch_id)
    order by abs(extract(epoch from r.window_to - mine.window_to)), r.batch_id limit %(batches)s
)
select f.list, f.field, f.record_count, f.null_count, array(
    select p.null_count::float8 / p.record_count from alike join ledger.field_profile p using (batch_id)
    where p.list = f.list and p.field = f.field and p.record_count >= %(fewest)s) as rates
from mine join ledger.field_profile f using (batch_id)
where f.record_count >= %(fewest)s
order by f.list, f.field
"""
