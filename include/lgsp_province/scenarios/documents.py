"""Generates the documents of the first quarter of 2021, and the reported savings of sending them electronically."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from lgsp_province.scenarios import planting
from lgsp_province.world import agencies, documents, services
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.document_data import DocumentData
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.registry import Registry

SENT = 38_012
_STATUS_EVERY = 200  # the recipient of one document in 200 reports statuses: each status costs one more call

FILES = {
    "manual_indicator.csv": (
        "indicator_id,organisation_id,period,period_start,amount,unit,told_by,note\n"
        "hours_saved,ALL,quarter,2021-01-01,3000000,hours,Báo cáo quý I năm 2021,khoảng 3 triệu giờ\n"
        "vnd_saved,ALL,quarter,2021-01-01,1500000000,vnd,Báo cáo quý I năm 2021,khoảng 1.5 tỷ đồng\n"
    )
}


def generate_documents(
    seed: int, calendar: WorkCalendar, start: date, end: date, rates: Mapping[str, float]
) -> DocumentData:
    """38,012 new documents, each to one recipient; none is revoked, replaced or a response to another one."""
    rng = random.Random(f"scenario documents {seed}")  # noqa: S311
    registry = Registry(rng, calendar)
    for sent_at in documents.sending_times(rng, calendar, start, end, SENT):
        registry.write(sent_at)
    issued = [replace(d, recipients=d.recipients[:1], responds_to=None) for d in registry.documents]
    return documents.exchange(seed, calendar, issued, rates, _STATUS_EVERY)


def generate_dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """One dossier every two working days at each district, so that the dossier systems have data of the whole quarter."""
    days = planting.working_days(calendar, start, date.fromordinal(end.toordinal() + 1))
    offered = planting.services_by_agency(services.default_catalogue(), start)
    districts = [a for a in agencies.in_force(start) if a.level == agencies.DISTRICT]
    plan = planting.join_plans(
        planting.plan_agency(a, offered[a.index], days, len(days) // 2, 0 if a.is_offline else 3) for a in districts
    )
    return planting.generate_dossiers(seed, calendar, services.default_catalogue(), plan)
