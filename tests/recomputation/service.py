"""Ratios of service: for every period every dossier and every offering is asked, one after the other.

How the definitions are read where they leave a choice: what was due on the last day of the data is past due at their
end; an offering counts where it is in force on the last day the data reach; every level has its row, though it has no
agency any more, and an agency that ended has rows of what still counts anything; an indicator whose definition leaves
nothing out has nothing excluded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.recomputation.facts import Agency, Dossier, Facts, Offering
from tests.recomputation.periods import HALF_MONTH, Period, reached
from tests.recomputation.told import Definitions

MODES_SINCE = date(2022, 8, 15)
ALL = "ALL"
Pair = tuple[str, str]


@dataclass
class Counts:
    """What one agency did in one period."""

    numbers: Counter[str] = field(default_factory=Counter)
    used: dict[str, set[Pair]] = field(default_factory=lambda: defaultdict(set))

    def add(self, other: Counts) -> None:
        """Take another agency's in."""
        self.numbers.update(other.numbers)
        for name, pairs in other.used.items():
            self.used[name] |= pairs


def is_eligible(thing: Dossier | Offering, day: date) -> bool:
    """Whether a service of this level is one that can be asked for online, in the words of the day."""
    if day < MODES_SINCE:
        return thing.online_level >= 3
    return {2: "information", 3: "partial", 4: "full"}[thing.online_level] in ("partial", "full")


def is_open(dossier: Dossier, period: Period) -> bool:
    """Whether a dossier was received and not over at the end of the data in a period."""
    if dossier.received_on is None or dossier.received_on >= period.until:
        return False
    return dossier.ended_on is None or dossier.ended_on >= period.until


def is_carried_over(dossier: Dossier, period: Period) -> bool:
    """Whether a dossier was open when a period began."""
    if dossier.received_on is None or dossier.received_on >= period.start:
        return False
    return dossier.ended_on is None or dossier.ended_on >= period.start


def is_overdue(dossier: Dossier, period: Period) -> bool:
    """Whether an open dossier is past its due day, and nobody is waited for."""
    return dossier.due_on is not None and dossier.due_on < period.until and not dossier.is_paused(period.as_of)


def dossier_counts(dossiers: Iterable[Dossier], period: Period) -> dict[str, Counts]:
    """What the dossiers of each agency say of a period."""
    found: dict[str, Counts] = defaultdict(Counts)
    for dossier in dossiers:
        counts = found[dossier.agency]
        for name in _said(dossier, period):
            counts.numbers[name] += 1
        if period.holds(dossier.received_on):
            pair = (dossier.agency, dossier.service)
            names = {
                "any": True, "online": dossier.channel == "online", "fee": has_fee(dossier),
                "paid": has_fee(dossier) and dossier.is_paid_online,
            }  # fmt: skip
            for name, holds in names.items():
                if holds:
                    counts.used[name].add(pair)
    return found


def has_fee(dossier: Dossier) -> bool:
    """Whether there is anything to pay."""
    return dossier.fee is not None and dossier.fee > 0


def _said(dossier: Dossier, period: Period) -> Iterator[str]:
    if period.holds(dossier.received_on):
        yield from _received(dossier)
    if period.holds(dossier.done_on):
        yield from _finished(dossier)
    if dossier.is_closed and period.holds(dossier.closed_on):
        yield "excluded"
    if dossier.rating is not None and period.holds(dossier.done_on or dossier.received_on):
        yield "rated"
        if dossier.rating >= 4:
            yield "satisfied"
    if is_carried_over(dossier, period):
        yield "carried_over"
    if is_open(dossier, period):
        yield "open"
        yield "open_late" if is_overdue(dossier, period) else "open_within_due"


def _received(dossier: Dossier) -> Iterator[str]:
    assert dossier.received_on is not None
    is_online = dossier.channel == "online"
    yield "received"
    if is_online:
        yield "online"
    if is_eligible(dossier, dossier.received_on):
        yield "eligible"
        if is_online:
            yield "eligible_online"
    if has_fee(dossier):
        yield "fee"
        if dossier.is_paid_online:
            yield "paid"
    if dossier.is_on_portal:
        yield "synced"
    if dossier.is_digitised:
        yield "digitised"
        if dossier.is_reused:
            yield "reused"


def _finished(dossier: Dossier) -> Iterator[str]:
    assert dossier.done_on is not None
    yield "finished"
    if dossier.has_digital_result:
        yield "digital"
    if dossier.due_on is None:
        yield "no_due"
    else:
        yield "due"
        if dossier.done_on <= dossier.due_on:
            yield "on_time"
    if dossier.due_first_on is not None:
        yield "due_first"
        if dossier.done_on <= dossier.due_first_on:
            yield "on_time_first"


def add_offerings(counts: Counts, offerings: Iterable[Offering], period: Period) -> None:
    """Add what the offerings of one agency say of a period, once its dossiers are counted."""
    last = period.until - timedelta(days=1)
    for one in offerings:
        if not (one.valid_from <= last and (one.valid_to is None or last < one.valid_to)):
            continue
        pair, numbers = (one.agency, one.service), counts.numbers
        numbers["offered"] += 1
        if is_eligible(one, last):
            numbers["offered_eligible"] += 1
            numbers["active"] += pair in counts.used["any"]
            numbers["active_online"] += pair in counts.used["online"]
            numbers["integrated"] += one.integrated_on is not None and one.integrated_on <= last
            numbers["full"] += one.mode == "full"


def ratios(counts: Counts) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each indicator."""
    n, used = counts.numbers, counts.used
    return {
        "on_time": (n["on_time"], n["due"]),
        "on_time_first_due": (n["on_time_first"], n["due_first"]),
        "no_due": (n["no_due"], n["finished"]),
        "overdue_open": (n["open_late"], n["open"]),
        "progress_766": (n["on_time"] + n["open_within_due"], n["carried_over"] + n["received"]),
        "online_share": (n["eligible_online"], n["eligible"]),
        "online_share_all": (n["online"], n["received"]),
        "service_active": (n["active"], n["offered_eligible"]),
        "service_active_online": (n["active_online"], n["offered_eligible"]),
        "offered_online": (n["offered_eligible"], n["offered"]),
        "integrated_national": (n["integrated"], n["offered_eligible"]),
        "full_online": (n["full"], n["offered_eligible"]),
        "paid_online": (n["paid"], n["fee"]),
        "payment_active": (len(used["paid"]), len(used["fee"])),
        "digital_result": (n["digital"], n["finished"]),
        "digitised": (n["digitised"], n["received"]),
        "reused": (n["reused"], n["digitised"]),
        "synced": (n["synced"], n["received"]),
        "satisfied": (n["satisfied"], n["rated"]),
    }


def is_in_force(agency: Agency, period: Period) -> bool:
    """Whether an agency is there on any day the data reach in a period."""
    return agency.valid_from < period.until and (agency.valid_to is None or period.start < agency.valid_to)


def rolled_up(facts: Facts, period: Period, counts: dict[str, Counts]) -> dict[Pair, Counts]:
    """Counts by (agency, its level), (ALL, each level) and (ALL, ALL)."""
    found: dict[Pair, Counts] = {(ALL, level): Counts() for level in (ALL, *facts.levels)}
    for agency in facts.agencies:
        for key in ((agency.id, agency.level), (ALL, agency.level), (ALL, ALL)):
            found.setdefault(key, Counts()).add(counts.get(agency.id, Counts()))
    return found


def _counts(facts: Facts, period: Period) -> dict[str, Counts]:
    counts = dossier_counts(facts.dossiers, period)
    for one in facts.held:
        counts.setdefault(one.agency, Counts()).numbers["held"] += period.holds(one.day)
    offered: dict[str, list[Offering]] = defaultdict(list)
    for offering in facts.offerings:
        offered[offering.agency].append(offering)
    for agency, offerings in offered.items():
        add_offerings(counts.setdefault(agency, Counts()), offerings, period)
    return counts


def service_kpi(facts: Facts, told: Definitions) -> Iterator[tuple[tuple[object, ...], dict[str, object]]]:
    """Every row of the table, by key."""
    for period in (p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH):
        there = {ALL} | {agency.id for agency in facts.agencies if is_in_force(agency, period)}
        for (agency, level), mine in rolled_up(facts, period, _counts(facts, period)).items():
            held = mine.numbers["held"]
            for kpi_id, (numerator, denominator) in ratios(mine).items():
                version = told.version(kpi_id, period.last_day)
                excluded = mine.numbers["excluded"] if told.excludes(kpi_id, period.last_day) else 0
                if agency in there or denominator or excluded or held:
                    yield (kpi_id, agency, level, period.name, period.start, version), {
                        "numerator": numerator, "denominator": denominator,
                        "value": numerator / denominator if denominator else None,
                        "excluded_count": excluded, "quarantined_count": held, "as_of": period.as_of,
                    }  # fmt: skip
