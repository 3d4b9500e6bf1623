"""Form II.06a and zero activity, counted dossier by dossier.

How the definitions are read where they leave a choice: the form has a row where anything was carried over or received;
only who was received can be finished or open in it; an agency is judged for activity while it is in force on any day
of the period, and offers anything on any; low activity is something below the threshold; a day in doubt makes no_data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date

from lgsp_province.defects import broken_feeds
from lgsp_province.world import agencies
from tests.recomputation.facts import Agency, Dossier, Facts
from tests.recomputation.periods import HALF_MONTH, Period, reached
from tests.recomputation.service import is_carried_over, is_in_force, is_open, is_overdue
from tests.recomputation.told import Definitions

Row = tuple[tuple[object, ...], dict[str, object]]
FORM = (
    "received_total", "received_online", "received_counter_postal", "received_carried_over", "finished_total",
    "finished_before_due", "finished_on_due", "finished_late", "open_total", "open_within_due", "open_late",
)  # fmt: skip


def form_06a(facts: Facts, told: Definitions) -> Iterator[Row]:
    """Every row of the form, by key."""
    for period in (p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH):
        found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for dossier in facts.dossiers:
            for name in _columns(dossier, period):
                found[dossier.agency, dossier.field][name] += 1
        for (agency, field_code), counts in found.items():
            values: dict[str, object] = {name: counts[name] for name in FORM}
            version = told.version("form_06a", period.last_day)
            values |= {"definition_version": version, "as_of": period.as_of}
            yield (agency, field_code, period.name, period.start), values


def _columns(dossier: Dossier, period: Period) -> Iterator[str]:
    is_old, is_new = is_carried_over(dossier, period), period.holds(dossier.received_on)
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
        yield f"finished_{_course(dossier)}"


def _course(dossier: Dossier) -> str:
    if dossier.done_on is None or dossier.due_on is None or dossier.done_on == dossier.due_on:
        return "on_due"
    return "before_due" if dossier.done_on < dossier.due_on else "late"


def _days_in_doubt(facts: Facts) -> dict[str | None, set[date]]:
    """The days of which something is missing, by agency; under None those of everybody."""
    found: dict[str | None, set[date]] = defaultdict(set)
    for _, agency, day in broken_feeds.missing_days(facts.world.feeds, facts.world.calendar):
        found[None if agency is None else agencies.load()[agency].new_code].add(day)
    return found


def zero_activity(facts: Facts, told: Definitions) -> Iterator[Row]:
    """Every row of the table, by key."""
    doubt = _days_in_doubt(facts)
    offered = defaultdict(list)
    for offering in facts.offerings:
        offered[offering.agency].append(offering)
    for period in reached(facts.first, facts.until):
        received: Counter[tuple[str, str]] = Counter()
        for dossier in facts.dossiers:
            if period.holds(dossier.received_on):
                received[dossier.agency, "any"] += 1
                received[dossier.agency, "online"] += dossier.channel == "online"
        for agency in facts.agencies:
            is_offering = any(
                max(one.valid_from, period.start) < min(one.valid_to or period.until, period.until)
                for one in offered[agency.id]
            )
            if not is_in_force(agency, period) or not is_offering:
                continue
            is_known = period.is_covered and not any(map(period.holds, doubt[None] | doubt[agency.id]))
            for channel in ("any", "online"):
                yield _activity(told, agency, period, channel, received[agency.id, channel], is_known)


def _activity(told: Definitions, agency: Agency, period: Period, channel: str, count: int, is_known: bool) -> Row:
    threshold = int(told.threshold("low_activity", f"{agency.level}/{period.name}", period.last_day) or 0)
    state = "no_data" if not is_known else "zero" if not count else "low" if count < threshold else "ok"
    return (agency.id, period.name, period.start, channel), {
        "dossier_count": count, "threshold": threshold, "state": state,
        "definition_version": told.version("zero_activity", period.last_day), "as_of": period.as_of,
    }  # fmt: skip
