"""Documents instead of paper: the first quarter of 2021, and what was said to be saved by it."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from lgsp_province.scenarios import planting
from lgsp_province.world import agencies, documents, services
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.papers import Papers
from lgsp_province.world.registry import Registry

SENT = 38_012
_TOLD_OF = 200  # of one in so many documents the recipient reports: each report is one more call

FILES = {
    "manual_indicator.csv": (
        "indicator_id,organisation_id,period,period_start,amount,unit,told_by,note\n"
        "hours_saved,ALL,quarter,2021-01-01,3000000,hours,Báo cáo quý I năm 2021,khoảng 3 triệu giờ\n"
        "vnd_saved,ALL,quarter,2021-01-01,1500000000,vnd,Báo cáo quý I năm 2021,khoảng 1.5 tỷ đồng\n"
    )
}


def papers(seed: int, calendar: WorkCalendar, start: date, end: date, rates: Mapping[str, float]) -> Papers:
    """So many new documents, each to one recipient, none of them recalled, replaced or about another."""
    rng = random.Random(f"scenario documents {seed}")  # noqa: S311
    registry = Registry(rng, calendar)
    for sent_at in documents.sending_times(rng, calendar, start, end, SENT):
        registry.write(sent_at)
    written = [replace(d, recipients=d.recipients[:1], responds_to=None) for d in registry.documents]
    return documents.carried(seed, calendar, written, rates, _TOLD_OF)


def dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """One a day at each district: the dossier systems must have told of the quarter before it is over."""
    days = planting.worked(calendar, start, date.fromordinal(end.toordinal() + 1))
    offered = planting.offered(services.usual(), start)
    districts = [a for a in agencies.in_force(start) if a.level == agencies.DISTRICT]
    plan = planting.joined(
        planting.received(a, offered[a.index], days, len(days) // 2, 0 if a.is_offline else 3) for a in districts
    )
    return planting.dossiers(seed, calendar, services.usual(), plan)
