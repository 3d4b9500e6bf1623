"""Compare a batch with published history: the number of records per day and the share of empty values per field.

A day is compared with days of the same class that were read equally soon after their end. A field is compared with the
same field in batches that were read under similar conditions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from lgsp import config
from lgsp.harmonise.profile import BATCHES_OF_HISTORY
from lgsp.schema import sources
from lgsp.store import ledger
from lgsp.vietnam import working_days
from lgsp.window import Window, midnight

# Eight days of a class are two months of Tuesdays: enough to know the spread, few enough to follow a trend.
MAX_DAYS, MIN_HISTORY = 8, 4
# Four median deviations are about 2.7 standard deviations. The minimum spreads (shares of the median) prevent false
# alarms after a quiet month; for a mix of weekdays the minimum is larger, because Mondays bring more than Fridays.
MAX_DEVIATIONS, MIN_SPREAD, MIN_SPREAD_MIXED = 4, 0.05, 0.10
# Up to this many records on a day are never unusual. On Sundays the usual number is zero.
ALWAYS_USUAL = 20
# A day that is read within two days is complete. Later, records that changed again belong to a later day.
PROMPT = timedelta(days=2)
OUT_OF_ORDER = timedelta(days=4)  # parallel runs of a backfill finish out of order
HISTORY = timedelta(days=400)  # more than a year, so that Tết is compared with the previous Tết

# Only at Tết are offices closed for seven days in a row; there is less work in the weeks before and after.
LONG_HOLIDAY, NEAR_TET_DAYS = 7, 7
HOLIDAY, NEAR_TET, NEXT_TO_HOLIDAY, MAKE_UP = "holiday", "day near Tết", "day next to a holiday", "make-up day"
NEAR_HOLIDAY_DAYS = 2
# A year has few days of these classes, so their usual number is less certain and their bounds are wider.
IRREGULAR_CLASSES, IRREGULAR_FACTOR = (HOLIDAY, NEAR_TET, NEXT_TO_HOLIDAY, MAKE_UP), 2

MIN_RECORDS, MIN_POINTS = 200, 0.10
# A field that was rarely empty and is now mostly empty indicates a broken feed, given enough records.
RARELY_EMPTY, LIMIT_POINTS, LIMIT_RECORDS = 0.05, 0.50, 1000


@dataclass(frozen=True)
class Reading:
    """The number of records of a local day when it was first read, and how soon after the day that was."""

    day_on: date
    records: int
    is_prompt: bool = True  # its window ended within two days after the day, and no later window was read before
    is_live: bool = True  # read within two days by the clock, not by a backfill
    kinds: Mapping[str, int] = field(default_factory=dict)  # the number of records of each kind

    def of_kind(self, kind: str) -> Reading:
        """The same reading with the records of one kind only."""
        return replace(self, records=self.kinds.get(kind, 0), kinds={})

    def is_comparable_to(self, other: Reading) -> bool:
        """Whether both were read equally soon after their day."""
        return (self.is_prompt, self.is_live) == (other.is_prompt, other.is_live)


@dataclass(frozen=True)
class UsualRange:
    """The usual number of records on a day, and the days it was computed from (`basis`)."""

    low: int
    high: int
    middle: float
    basis: str
    is_read_as_early: bool = True  # no later than the compared days, so it lost no more records to later windows


@dataclass(frozen=True)
class DayVolume:
    """One whole local day of a batch and its usual range; `expected` is None without enough history."""

    day_on: date
    class_: str
    observed: int
    expected: UsualRange | None
    is_suspicious_zero: bool = False
    missing_kinds: tuple[str, ...] = ()  # as text; kinds without records on a day that has records of other kinds

    @property
    def is_unusual(self) -> bool:
        """Whether the day had fewer or more records than usual."""
        return self.expected is not None and not self.expected.low <= self.observed <= self.expected.high

    @property
    def description(self) -> str:
        """The expected and the observed number of records, as one line of text."""
        day = f"{self.day_on:%A} {self.day_on.day} {self.day_on:%B %Y}"
        if self.expected is None:
            return f"{day}: got {self.observed:,} (too few earlier days to compare)"
        usual, missing = self.expected, "".join(f", but no {kind}" for kind in self.missing_kinds)
        return f"{day}: expected {usual.low:,}–{usual.high:,}, got {self.observed:,}{missing} ({usual.basis})"


@dataclass(frozen=True)
class UnusualNulls:
    """A field that is empty unusually often, or unusually rarely, in a batch."""

    list: str
    field: str
    records: int
    rate: float
    usual: float
    batches: int
    is_limit: bool  # rarely empty before, mostly empty now

    @property
    def description(self) -> str:
        """The share of empty values now and in earlier batches, as one line of text."""
        return (
            f"{self.list}.{self.field}: empty in {self.rate:.0%} of {self.records:,} records, "
            f"usually in {self.usual:.0%} (median of {self.batches} batches)"
        )


@config.cached()
def class_of(day_on: date) -> str:
    """The class of days that a day is compared with: a kind of holiday or special day, else its weekday."""
    if not working_days.is_working(day_on):
        return HOLIDAY if any(working_days.day(day).is_holiday for day in _days_off(day_on)) else f"{day_on:%A}"
    nearby = [day_on + timedelta(days=n) for n in range(-NEAR_TET_DAYS, NEAR_TET_DAYS + 1)]
    if any(len(_days_off(day)) >= LONG_HOLIDAY for day in nearby):
        return NEAR_TET
    if working_days.day(day_on).is_swap_day:
        return MAKE_UP
    adjacent = [day_on + timedelta(days=n) for n in range(-NEAR_HOLIDAY_DAYS, NEAR_HOLIDAY_DAYS + 1)]
    days_off = {day_off for day in adjacent for day_off in _days_off(day)}
    return NEXT_TO_HOLIDAY if any(working_days.day(day).is_holiday for day in days_off) else f"{day_on:%A}"


@config.cached()
def _days_off(day_on: date) -> tuple[date, ...]:
    """The consecutive days off around a day, including it; empty for a working day."""
    first = last = day_on
    if working_days.is_working(day_on):
        return ()
    while not working_days.is_working(first - timedelta(days=1)):
        first -= timedelta(days=1)
    while not working_days.is_working(last + timedelta(days=1)):
        last += timedelta(days=1)
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def usual_range(reading: Reading, history: Sequence[Reading]) -> UsualRange | None:
    """The usual number of records on the day of a reading; None when the history has too few days.

    The lower bound is 0 for a holiday, and when the history has too few days that were read equally soon.
    """
    others = [other for other in history if other.day_on != reading.day_on]
    similar, name = _similar_days(reading.day_on, [other for other in others if other.is_comparable_to(reading)])
    is_comparable = reading.is_prompt and len(similar) >= MIN_HISTORY
    if not is_comparable:
        similar, name = _similar_days(reading.day_on, others)
    if len(similar) < MIN_HISTORY:
        return None
    counts = [other.records for other in similar]
    middle = median(counts)
    class_ = class_of(reading.day_on)
    min_spread = MIN_SPREAD if all(class_of(other.day_on) == class_ for other in similar) else MIN_SPREAD_MIXED
    spread = max(median(abs(count - middle) for count in counts), math.sqrt(middle), min_spread * middle)
    low, high = middle - MAX_DEVIATIONS * spread, middle + MAX_DEVIATIONS * spread
    if class_ in IRREGULAR_CLASSES:
        low, high = low / IRREGULAR_FACTOR, high * IRREGULAR_FACTOR
    is_read_as_early = reading.is_prompt and all(reading.is_live or not other.is_live for other in similar)
    if not is_comparable or class_ == HOLIDAY:
        low = 0
    basis = f"median of {len(similar)} {name} {middle:,.0f}"
    return UsualRange(max(0, math.floor(low)), max(ALWAYS_USUAL, math.ceil(high)), middle, basis, is_read_as_early)


def _similar_days(day_on: date, history: Sequence[Reading]) -> tuple[list[Reading], str]:
    """The nearest readings of the day's class with the name of the class; else of all working days or all days off."""
    class_, is_working = class_of(day_on), working_days.is_working(day_on)
    nearest = sorted(history, key=lambda reading: (abs(reading.day_on - day_on), reading.day_on))
    same_class = [reading for reading in nearest if class_of(reading.day_on) == class_][:MAX_DAYS]
    if len(same_class) >= MIN_HISTORY:
        return same_class, class_.replace("day ", "days ", 1) if class_.startswith("day ") else f"{class_}s"
    similar = [reading for reading in nearest if working_days.is_working(reading.day_on) == is_working
               and class_of(reading.day_on) not in IRREGULAR_CLASSES][:MAX_DAYS]  # fmt: skip
    return similar, "working days" if is_working else "days off"


def compare_days(readings: Iterable[Reading], history: Sequence[Reading], from_count: int) -> list[DayVolume]:
    """Each reading compared with the usual range of its day.

    A day without any records, or without records of one kind, is suspicious when it is a working day that usually has
    `from_count` or more. It is not when it was read later than the compared days: its records may have changed since.
    """
    readings = sorted(readings, key=lambda reading: reading.day_on)
    known = [*history, *readings]
    kinds = sorted({kind for reading in known for kind in reading.kinds})
    first_days = {kind: _first_day(reading.of_kind(kind) for reading in known) for kind in kinds}
    first_day, days = _first_day(known), []
    for reading in readings:
        usual = usual_range(reading, history)
        is_zero = _is_suspicious(reading, usual, first_day, from_count)
        missing = []
        for kind in kinds if reading.records and not all(reading.kinds.get(kind) for kind in kinds) else ():
            usual_of_kind = usual_range(reading.of_kind(kind), [other.of_kind(kind) for other in history])
            if usual_of_kind and _is_suspicious(reading.of_kind(kind), usual_of_kind, first_days[kind], from_count):
                missing.append(f"{kind} where {usual_of_kind.middle:,.0f} are usual")
        class_, is_suspicious = class_of(reading.day_on), is_zero or bool(missing)
        days.append(DayVolume(reading.day_on, class_, reading.records, usual, is_suspicious, tuple(missing)))
    return days


def _is_suspicious(reading: Reading, usual: UsualRange | None, first_day: date, from_count: int) -> bool:
    if reading.records or usual is None or not working_days.is_working(reading.day_on):
        return False
    return reading.day_on > first_day and usual.middle >= from_count and usual.is_read_as_early


def _first_day(readings: Iterable[Reading]) -> date:
    """The first day with records; before it the source may not have been in operation."""
    return min((reading.day_on for reading in readings if reading.records), default=date.max)


def day_volumes(connection: ledger.Connection, batch: ledger.Batch) -> list[DayVolume]:
    """The whole local days of a harmonised batch compared with their usual ranges.

    Days that were read before are left out: records that changed again have left them. Empty for a batch whose purpose
    is not `window`.
    """
    if batch.purpose != "window":
        return []
    rows = connection.execute(_READINGS, {"source": batch.source, "batch_id": batch.batch_id,
        "start": batch.window.start - HISTORY, "end": batch.window.end + HISTORY}).fetchall()  # fmt: skip
    own_rows = [row for row in rows if row["batch_id"] == batch.batch_id]
    first: dict[date, tuple[Reading, bool]] = {}
    for row in rows:  # in the order they were read: the first reading of a day counts
        if row["is_published"] and all(row["read_of"] != own["read_of"] for own in own_rows):
            for reading in _whole_days(row):
                first.setdefault(reading.day_on, (reading, row["is_counted"]))
    readings = [
        reading for row in own_rows if row["is_counted"] for reading in _whole_days(row) if reading.day_on not in first
    ]
    history = [reading for reading, is_counted in first.values() if is_counted]
    return compare_days(readings, history, sources.load(batch.source).volume["from_count"])


# A rebuilt batch was read when the bytes it was rebuilt from were read. Batches of older versions have no counts by
# day: their days count as read, but they are not used as history.
_READINGS = """
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


def _whole_days(row: dict[str, Any]) -> list[Reading]:
    """The readings of the whole local days in a batch's window."""
    window = Window(row["window_from"], row["window_to"])
    is_live = row["read_at"] <= window.end + PROMPT
    is_in_order = row["read_until"] is None or row["read_until"] <= window.end + OUT_OF_ORDER
    readings = []
    for day in window.days():
        if window.start <= midnight(day) and _end_of_day(day) <= window.end:
            kinds = row["days"].get(str(day), {})
            is_prompt = is_in_order and window.end <= _end_of_day(day) + PROMPT
            readings.append(Reading(day, sum(kinds.values()), is_prompt, is_live, kinds))
    return readings


def _end_of_day(day_on: date) -> datetime:
    return midnight(day_on + timedelta(days=1))


@dataclass(frozen=True)
class NullCount:
    """The number of records of a batch in which a field is empty."""

    list: str
    field: str
    records: int
    nulls: int

    @property
    def rate(self) -> float:
        """The share of records with an empty value, between 0 and 1."""
        return self.nulls / self.records if self.records else 0.0


def compare_nulls(nulls: NullCount, history: Sequence[float]) -> UnusualNulls | None:
    """Compare a field with its null rates in earlier batches; None when the rate is usual or there is too little data."""
    if nulls.records < MIN_RECORDS or len(history) < MIN_HISTORY:
        return None
    usual = median(history)
    spread = median(abs(rate - usual) for rate in history)
    if abs(nulls.rate - usual) <= max(MAX_DEVIATIONS * spread, MIN_POINTS):
        return None
    # one in ten earlier batches may have been broken; a rate that has been rising for several batches is not a broken feed
    high = sorted(history)[math.ceil(0.9 * len(history)) - 1]
    is_limit = high < RARELY_EMPTY and nulls.rate - usual >= LIMIT_POINTS and nulls.records >= LIMIT_RECORDS
    return UnusualNulls(nulls.list, nulls.field, nulls.records, nulls.rate, usual, len(history), is_limit)


def unusual_nulls(connection: ledger.Connection, batch: ledger.Batch) -> list[UnusualNulls]:
    """The fields of a harmonised batch that are empty unusually often or unusually rarely.

    Compared with the nearest published batches with a window of similar length that were read equally soon. Records
    that are read long after their day are mostly finished, so their late fields are rarely empty.
    """
    rows = connection.execute(_NULL_COUNTS, {"batch_id": batch.batch_id, "batches": BATCHES_OF_HISTORY, "prompt": PROMPT,
        "min_records": MIN_RECORDS}).fetchall()  # fmt: skip
    compared = (
        compare_nulls(NullCount(row["list"], row["field"], row["record_count"], row["null_count"]), row["rates"])
        for row in rows
    )
    return [unusual for unusual in compared if unusual]


_NULL_COUNTS = """
with read as (
    select b.batch_id, b.source, b.state, b.purpose, b.window_to, b.fetched_count, coalesce(o.batch_id, b.batch_id) as read_of,
        coalesce(o.created_at, b.created_at) <= b.window_to + %(prompt)s as is_live,
        b.window_to - b.window_from <= %(prompt)s + interval '1 day' as is_short
    from ledger.batch b left join ledger.batch o on o.batch_id = b.rebuilt_from
), this_batch as (select * from read where batch_id = %(batch_id)s and purpose = 'window'), comparable as materialized (
    select r.batch_id from read r, this_batch t
    where r.source = t.source and r.state = 'published' and r.purpose = 'window' and r.read_of <> t.read_of
        and r.is_live = t.is_live and r.is_short = t.is_short and r.fetched_count >= %(min_records)s
        and exists (select 1 from ledger.field_profile p where p.batch_id = r.batch_id)
    order by abs(extract(epoch from r.window_to - t.window_to)), r.batch_id limit %(batches)s
)
select f.list, f.field, f.record_count, f.null_count, array(
    select p.null_count::float8 / p.record_count from comparable join ledger.field_profile p using (batch_id)
    where p.list = f.list and p.field = f.field and p.record_count >= %(min_records)s) as rates
from this_batch join ledger.field_profile f using (batch_id)
where f.record_count >= %(min_records)s
order by f.list, f.field
"""
