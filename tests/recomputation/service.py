"""Recomputes the service indicators: for every period, dossier by dossier and offering by offering.

Where the definitions leave a choice: a dossier due on the last day of the data is overdue at their end; an offering counts
if it is in force on the last day of the data; every level has a row, even without an agency; a former agency has a row only
where something is counted; an indicator whose definition excludes nothing has an excluded count of zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.recomputation.definitions import Definitions
from tests.recomputation.facts import Agency, Dossier, Facts, Offering
from tests.recomputation.periods import HALF_MONTH, Period, reached

MODES_SINCE = date(2022, 8, 15)
ALL = "ALL"
Pair = tuple[str, str]


@dataclass
class Counts:
    """The counts of one agency in one period."""

    numbers: Counter[str] = field(default_factory=Counter)
    used: dict[str, set[Pair]] = field(default_factory=lambda: defaultdict(set))

    def add(self, other: Counts) -> None:
        """Add the counts of another agency."""
        self.numbers.update(other.numbers)
        for name, pairs in other.used.items():
            self.used[name] |= pairs


def is_eligible(item: Dossier | Offering, day: date) -> bool:
    """Whether a service of this level can be requested online, in the terms that apply on the day."""
    if day < MODES_SINCE:
        return item.online_level >= 3
    return {2: "information", 3: "partial", 4: "full"}[item.online_level] in ("partial", "full")


def is_open(dossier: Dossier, period: Period) -> bool:
    """Whether a dossier was received and had not ended at the end of the data in a period."""
    if dossier.received_on is None or dossier.received_on >= period.until:
        return False
    return dossier.ended_on is None or dossier.ended_on >= period.until


def is_carried_over(dossier: Dossier, period: Period) -> bool:
    """Whether a dossier was open at the start of a period."""
    if dossier.received_on is None or dossier.received_on >= period.start:
        return False
    return dossier.ended_on is None or dossier.ended_on >= period.start


def is_overdue(dossier: Dossier, period: Period) -> bool:
    """Whether an open dossier is past its due day and not paused."""
    return dossier.due_on is not None and dossier.due_on < period.until and not dossier.is_paused(period.as_of)


def dossier_counts(dossiers: Iterable[Dossier], period: Period) -> dict[str, Counts]:
    """The counts of each agency's dossiers in a period."""
    counts_by_agency: dict[str, Counts] = defaultdict(Counts)
    for dossier in dossiers:
        counts = counts_by_agency[dossier.agency]
        for name in _counters(dossier, period):
            counts.numbers[name] += 1
        if period.contains(dossier.received_on):
            pair = (dossier.agency, dossier.service)
            names = {
                "any": True, "online": dossier.channel == "online", "fee": has_fee(dossier),
                "paid": has_fee(dossier) and dossier.is_paid_online,
            }  # fmt: skip
            for name, applies in names.items():
                if applies:
                    counts.used[name].add(pair)
    return counts_by_agency


def has_fee(dossier: Dossier) -> bool:
    """Whether a fee is due."""
    return dossier.fee is not None and dossier.fee > 0


def _counters(dossier: Dossier, period: Period) -> Iterator[str]:
    if period.contains(dossier.received_on):
        yield from _received(dossier)
    if period.contains(dossier.completed_on):
        yield from _finished(dossier)
    if dossier.is_closed and period.contains(dossier.closed_on):
        yield "excluded"
    if dossier.rating is not None and period.contains(dossier.completed_on or dossier.received_on):
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
    assert dossier.completed_on is not None
    yield "finished"
    if dossier.has_digital_result:
        yield "digital"
    if dossier.due_on is None:
        yield "no_due"
    else:
        yield "due"
        if dossier.completed_on <= dossier.due_on:
            yield "on_time"
    if dossier.due_first_on is not None:
        yield "due_first"
        if dossier.completed_on <= dossier.due_first_on:
            yield "on_time_first"


def add_offerings(counts: Counts, offerings: Iterable[Offering], period: Period) -> None:
    """Add the counts of one agency's offerings in a period; its dossiers must already be counted."""
    last = period.until - timedelta(days=1)
    for offering in offerings:
        if not (offering.valid_from <= last and (offering.valid_to is None or last < offering.valid_to)):
            continue
        pair, numbers = (offering.agency, offering.service), counts.numbers
        numbers["offered"] += 1
        if is_eligible(offering, last):
            numbers["offered_eligible"] += 1
            numbers["active"] += pair in counts.used["any"]
            numbers["active_online"] += pair in counts.used["online"]
            numbers["integrated"] += offering.integrated_on is not None and offering.integrated_on <= last
            numbers["full"] += offering.mode == "full"


def ratios(counts: Counts) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each indicator."""
    n, used = counts.numbers, counts.used
    return {
        "on_time": (n["on_time"], n["due"]),
        "on_time_first_due": (n["on_time_first"], n["due_first"]),
        "no_due": (n["no_due"], n["finished"]),
        "overdue_open": (n["open_late"], n["open"]),
        "progress_766": (n["on_time"] + n["no_due"] + n["open_within_due"], n["carried_over"] + n["received"]),
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
    """Whether an agency is in force on any day of a period before the end of its data."""
    return agency.valid_from < period.until and (agency.valid_to is None or period.start < agency.valid_to)


def rolled_up(facts: Facts, period: Period, counts: dict[str, Counts]) -> dict[Pair, Counts]:
    """Counts by (agency, its level), (ALL, each level) and (ALL, ALL)."""
    sums: dict[Pair, Counts] = {(ALL, level): Counts() for level in (ALL, *facts.levels)}
    for agency in facts.agencies:
        for key in ((agency.id, agency.level), (ALL, agency.level), (ALL, ALL)):
            sums.setdefault(key, Counts()).add(counts.get(agency.id, Counts()))
    return sums


def _counts(facts: Facts, period: Period) -> dict[str, Counts]:
    counts = dossier_counts(facts.dossiers, period)
    for record in facts.quarantined_dossiers:
        counts.setdefault(record.agency, Counts()).numbers["quarantined"] += period.contains(record.day)
    offered: dict[str, list[Offering]] = defaultdict(list)
    for offering in facts.offerings:
        offered[offering.agency].append(offering)
    for agency, offerings in offered.items():
        add_offerings(counts.setdefault(agency, Counts()), offerings, period)
    return counts


def service_kpi(facts: Facts, definitions: Definitions) -> Iterator[tuple[tuple[object, ...], dict[str, object]]]:
    """Every row of the table, by key."""
    for period in (p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH):
        in_force = {ALL} | {agency.id for agency in facts.agencies if is_in_force(agency, period)}
        for (agency, level), of_agency in rolled_up(facts, period, _counts(facts, period)).items():
            quarantined = of_agency.numbers["quarantined"]
            for kpi_id, (numerator, denominator) in ratios(of_agency).items():
                version = definitions.version(kpi_id, period.last_day)
                excluded = of_agency.numbers["excluded"] if definitions.excludes(kpi_id, period.last_day) else 0
                if agency in in_force or denominator or excluded or quarantined:
                    yield (kpi_id, agency, level, period.name, period.start, version), {
                        "numerator": numerator, "denominator": denominator,
                        "value": numerator / denominator if denominator else None,
                        "excluded_count": excluded, "quarantined_count": quarantined, "as_of": period.as_of,
                    }  # fmt: skip
