"""Recomputes form II.06a and zero activity, dossier by dossier.

Where the definitions leave a choice: the form has a row if a dossier was carried over or received; only received dossiers
are finished or open in it; zero activity has a row for an agency that is in force on some day of the period and has an
offering on some day of it; low activity means at least one dossier, but fewer than the threshold; a day with missing
records makes the state no_data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date

from lgsp_province.defects import broken_feeds
from lgsp_province.world import agencies
from tests.recomputation.definitions import Definitions
from tests.recomputation.facts import Agency, Dossier, Facts
from tests.recomputation.periods import HALF_MONTH, Period, reached
from tests.recomputation.service import ALL, is_carried_over, is_in_force, is_open, is_overdue

Row = tuple[tuple[object, ...], dict[str, object]]
FORM = (
    "received_total", "received_online", "received_counter_postal", "received_carried_over", "finished_total",
    "finished_before_due", "finished_on_due", "finished_late", "open_total", "open_within_due", "open_late",
)  # fmt: skip


def form_06a(facts: Facts, definitions: Definitions) -> Iterator[Row]:
    """Every row of the form, by key."""
    for period in (p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH):
        counts_by_key: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for dossier in facts.dossiers:
            for name in _columns(dossier, period):
                counts_by_key[dossier.agency, dossier.field][name] += 1
        for (agency, field_code), counts in [*counts_by_key.items()]:
            for key in ((agency, ALL), (ALL, field_code), (ALL, ALL)):
                counts_by_key[key].update(counts)
        for (agency, field_code), counts in counts_by_key.items():
            values: dict[str, object] = {name: counts[name] for name in FORM}
            version = definitions.version("form_06a", period.last_day)
            values |= {"definition_version": version, "as_of": period.as_of}
            yield (agency, field_code, period.name, period.start), values


def _columns(dossier: Dossier, period: Period) -> Iterator[str]:
    is_old, is_new = is_carried_over(dossier, period), period.contains(dossier.received_on)
    if not (is_old or is_new):
        return
    yield "received_total"
    if is_old:
        yield "received_carried_over"
    else:
        yield "received_online" if dossier.channel == "online" else "received_counter_postal"
    if is_open(dossier, period):
        yield "open_total"
        yield "open_late" if is_overdue(dossier, period) else "open_within_due"
    else:
        yield "finished_total"
        yield f"finished_{_timing(dossier)}"


def _timing(dossier: Dossier) -> str:
    if dossier.completed_on is None or dossier.due_on is None or dossier.completed_on == dossier.due_on:
        return "on_due"
    return "before_due" if dossier.completed_on < dossier.due_on else "late"


def _incomplete_days(facts: Facts) -> dict[str | None, set[date]]:
    """The days of which records are missing or in quarantine, by agency; the key None stands for all agencies."""
    days: dict[str | None, set[date]] = defaultdict(set)
    for _, agency, day in broken_feeds.missing_days(facts.world.feeds, facts.world.calendar):
        days[None if agency is None else agencies.load()[agency].new_code].add(day)
    for record in facts.quarantined_dossiers:
        days[record.agency].add(record.day)
    return days


def zero_activity(facts: Facts, definitions: Definitions) -> Iterator[Row]:
    """Every row of the table, by key."""
    incomplete = _incomplete_days(facts)
    offered = defaultdict(list)
    for offering in facts.offerings:
        offered[offering.agency].append(offering)
    for period in reached(facts.first, facts.until):
        received: Counter[tuple[str, str]] = Counter()
        for dossier in facts.dossiers:
            if period.contains(dossier.received_on):
                received[dossier.agency, "any"] += 1
                received[dossier.agency, "online"] += dossier.channel == "online"
        for agency in facts.agencies:
            is_offering = any(
                max(offering.valid_from, period.start) < min(offering.valid_to or period.until, period.until)
                for offering in offered[agency.id]
            )
            has_ended = agency.valid_to is not None and agency.valid_to <= period.start
            if not (has_ended and received[agency.id, "any"]) and not (is_in_force(agency, period) and is_offering):
                continue
            is_complete = period.is_covered and not any(map(period.contains, incomplete[None] | incomplete[agency.id]))
            for channel in ("any", "online"):
                yield _activity(definitions, agency, period, channel, received[agency.id, channel], is_complete)


def _activity(
    definitions: Definitions, agency: Agency, period: Period, channel: str, count: int, is_complete: bool
) -> Row:
    threshold = int(definitions.threshold("low_activity", f"{agency.level}/{period.name}", period.last_day) or 0)
    state = "no_data" if not is_complete else "zero" if not count else "low" if count < threshold else "ok"
    return (agency.id, period.name, period.start, channel), {
        "dossier_count": count, "threshold": threshold, "state": state,
        "definition_version": definitions.version("zero_activity", period.last_day), "as_of": period.as_of,
    }  # fmt: skip
