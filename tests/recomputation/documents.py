"""Recomputes the document indicators, document by document.

Where the definitions leave a choice: a document counts once, for its issuer, on the day it was first sent; a delivery
counts for its sender on the day it was sent to that recipient, and for the recipient on the day it arrived; accepted in time
means until the first working day after the day of arrival; every indicator of an agency counts all of its quarantined
documents and work files as quarantined; a figure reported for ALL is one of the whole province.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from lgsp_province.world.calendar import LOCAL
from tests.recomputation.definitions import Definitions
from tests.recomputation.facts import UNKNOWN, Facts
from tests.recomputation.periods import HALF_MONTH, Period, reached
from tests.recomputation.service import ALL, is_in_force

Row = tuple[tuple[object, ...], dict[str, object]]
CLAIMS = {"claimed_hours_per_document": "hours_saved", "claimed_vnd_per_document": "vnd_saved"}


@dataclass(frozen=True)
class Fact:
    """Something that an agency did on a day, and the counters that it increases."""

    agency: str
    day: date
    counts: frozenset[str]


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(LOCAL).date()


def document_facts(facts: Facts) -> Iterator[Fact]:
    """The facts of documents, deliveries and work files."""
    out_of_force = set()
    for row in facts.truth.documents.to_pylist():
        if row["revoked_at"] or row["replaced_by_document_id"]:
            out_of_force.add(row["document_id"])
        counts = {"sent"} | {
            n for n, applies in (("paperless", not row["has_paper_copy"]), ("signed", row["is_signed"])) if applies
        }
        sent_on = _day(row["sent_at"])
        assert sent_on is not None
        yield Fact(row["issuing_organisation_id"], sent_on, frozenset(counts))
    next_working_day = cache(lambda day: _next_working_day(facts, day))
    for row in facts.truth.deliveries.to_pylist():
        sent_on, arrived_on, accepted_on = (_day(row[f"{step}_at"]) for step in ("sent", "arrived", "accepted"))
        assert sent_on is not None
        yield Fact(row["sender_organisation_id"], sent_on, frozenset({"sent_deliveries"}))
        if arrived_on is None:
            continue
        counts = {"received"}
        if row["document_id"] in out_of_force:
            counts.add("out_of_force")
        else:
            counts.add("to_accept")
            if accepted_on is not None and accepted_on <= next_working_day(arrived_on):
                counts.add("accepted")
        yield Fact(row["recipient_organisation_id"], arrived_on, frozenset(counts))
    for row in facts.truth.work_files.to_pylist():
        counts = {"file", "file_electronic"} if row["is_electronic"] else {"file"}
        yield Fact(row["organisation_id"], row["opened_on"], frozenset(counts))


def _next_working_day(facts: Facts, day: date) -> date:
    day += timedelta(days=1)
    while not facts.is_working_day(day):
        day += timedelta(days=1)
    return day


def _rolled_up(facts: Facts, period: Period, all_facts: list[Fact]) -> dict[tuple[str, str], Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for fact in all_facts:
        if period.contains(fact.day):
            counts[fact.agency].update(fact.counts)
    sums: dict[tuple[str, str], Counter[str]] = {(ALL, level): Counter() for level in (ALL, *facts.levels)}
    sums[ALL, ALL].update(counts[UNKNOWN])
    for agency in facts.agencies:
        of_agency = counts[agency.id]
        if is_in_force(agency, period) or of_agency:
            for key in ((agency.id, agency.level), (ALL, agency.level), (ALL, ALL)):
                sums.setdefault(key, Counter()).update(of_agency)
    return sums


def document_kpi(facts: Facts, definitions: Definitions) -> Iterator[Row]:
    """Every row of the table, by key."""
    all_facts = list(document_facts(facts))
    all_facts += [Fact(each.agency, each.day, frozenset({"quarantined"})) for each in facts.quarantined_documents]
    for period in (p for p in reached(facts.first, facts.until) if p.name != HALF_MONTH):
        for (agency, level), counts in _rolled_up(facts, period, all_facts).items():
            ratios = _ratios(counts) | dict(_claims(definitions, agency, level, period, counts["sent"]))
            for kpi_id, (numerator, denominator) in ratios.items():
                value = numerator / denominator if denominator else None
                limit = definitions.threshold("implausible_above", kpi_id, period.last_day)
                target = definitions.threshold("target", f"{kpi_id}/{level}", period.last_day)
                yield (kpi_id, agency, level, period.name, period.start), {
                    "numerator": numerator, "denominator": denominator, "value": value,
                    "unit": definitions.indicators[kpi_id]["unit"], "target": None if target is None else float(target),
                    "is_plausible": limit is None or value is None or value <= float(limit),
                    "excluded_count": counts["out_of_force"] if definitions.excludes(kpi_id, period.last_day) else 0,
                    "quarantined_count": counts["quarantined"],
                    "definition_version": definitions.version(kpi_id, period.last_day), "as_of": period.as_of,
                }  # fmt: skip


def _ratios(counts: Counter[str]) -> dict[str, tuple[int, int]]:
    return {
        "sent": (counts["sent"], 1),
        "sent_deliveries": (counts["sent_deliveries"], 1),
        "received": (counts["received"], 1),
        "paperless": (counts["paperless"], counts["sent"]),
        "signed": (counts["signed"], counts["sent"]),
        "accepted_in_time": (counts["accepted"], counts["to_accept"]),
        "work_file_electronic": (counts["file_electronic"], counts["file"]),
    }


def _claims(
    definitions: Definitions, agency: str, level: str, period: Period, sent: int
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Reported figures: those of an agency in its own row, those of the province in the row of all levels."""
    for kpi_id, name in CLAIMS.items():
        key = (name, agency, period.name, period.start.isoformat())
        for row in definitions.reported:
            is_own_row = agency != ALL or level == ALL
            if (
                is_own_row
                and tuple(row[c] for c in ("indicator_id", "organisation_id", "period", "period_start")) == key
            ):
                yield kpi_id, (int(row["amount"]), sent)
