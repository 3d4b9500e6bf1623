"""Generates the services of level 3 and 4 and their dossiers: Quảng Nam in the first half of 2022, and July."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np

from lgsp_province.scenarios import planting
from lgsp_province.scenarios.planting import Numbers, Plan
from lgsp_province.world import agencies, services
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.services import Catalogue, Service

# A service of level 3 or 4 is counted once at each agency that offers it. The denominator of the reported 24.36 % is
# not known: 341 of 1,400 fits. With the 59 services added in July there are the reported 1,459, 1,398 of them integrated.
JULY = date(2022, 7, 1)
OF_DEPARTMENTS, ADDED_IN_JULY, NOT_INTEGRATED = 1_079, 59, 61
AT_DISTRICTS, DISTRICT_SERVICES = 226, 13
COMMUNES, COMMUNE_SERVICES = 19, 5
ACTIVE = 341
RECEIVED, ONLINE = 10_000, 4_207
WARD, OF_WARD = "UBND phường Minh An", 800

_LAST_OF_WARD = date(2022, 6, 16)  # what the ward receives until then is finished in June
_IN_JULY, _INFORMING = 500, 400  # additional dossiers: those of July, and of services of level 2, which only inform
_VARIANTS = (
    "cấp mới",
    "cấp lại",
    "gia hạn",
    "sửa đổi, bổ sung",
    "thu hồi",
    "cấp đổi",
    "chuyển nhượng",
    "điều chỉnh",
    "xác nhận",
)


@cache
def catalogue() -> Catalogue:
    """1,459 services of level 3 and 4 as counted in July, and services of level 2."""
    listed: list[Service] = []
    pairs: list[tuple[Service, Agency]] = []

    def offer(service: Service, *offering: Agency) -> None:
        listed.append(replace(service, index=len(listed)))
        pairs.extend((listed[-1], agency) for agency in offering)

    all_agencies = agencies.before_merger()
    departments = [a for a in all_agencies if a.level == agencies.PROVINCE and a.index > 0]
    districts = [a for a in all_agencies if a.level == agencies.DISTRICT]
    for number, service in enumerate(_department_services()):
        offer(service, departments[number % len(departments)])
    for number, service in enumerate(_services_of_level(agencies.DISTRICT)[:DISTRICT_SERVICES]):
        offer(service, *districts[: AT_DISTRICTS - number * len(districts)])
    for service in _services_of_level(agencies.COMMUNE)[:COMMUNE_SERVICES]:
        offer(service, *communes())
    for informing, usual in enumerate(s for s in services.load() if s.online_level == 2):
        offer(usual, *(a for a in all_agencies if a.level == usual.agency_level and a.index % 3 == informing % 3))
    return Catalogue(tuple(listed), tuple(pairs))


def communes() -> list[Agency]:
    """The 19 communes that offer services of level 3 and 4, the ward first."""
    candidates = [a for a in agencies.before_merger() if a.level == agencies.COMMUNE and not a.is_silent]
    return sorted(candidates, key=lambda agency: agency.name != WARD)[:COMMUNES]


def _services_of_level(level: str) -> list[Service]:
    """The services of one agency level that exist from the start, made integrated and without end; most frequent first."""
    candidates = [s for s in services.load() if s.agency_level == level and s.online_level >= 3 and not s.is_vertical]
    ordered = sorted((s for s in candidates if s.replaces is None), key=lambda service: -service.weight)
    return [replace(service, is_integrated=True, valid_to=None, replaced_by=None) for service in ordered]


def _department_services() -> Iterator[Service]:
    models = _services_of_level(agencies.PROVINCE)
    for number in range(OF_DEPARTMENTS + ADDED_IN_JULY):
        model = models[number % len(models)]
        name = f"{model.name} ({_VARIANTS[number // len(models)]})"
        service = replace(
            model, code=f"3.{100_000 + number}", name=name, weight=1.0, is_integrated=number >= NOT_INTEGRATED
        )
        yield service if number < OF_DEPARTMENTS else replace(service, valid_from=JULY, integrated_on=JULY)


def generate_dossiers(seed: int, calendar: WorkCalendar, start: date, end: date) -> Dossiers:
    """10,000 dossiers of half a year at 341 services, 4,207 of them online; 800 at the ward, one of these late.

    In addition 500 dossiers of July, and 400 of services of level 2.
    """
    rng = np.random.default_rng([seed, 8])
    offerings = [(s, a) for s, a in catalogue().offerings if s.online_level >= 3]
    ward = [pair for pair in offerings if pair[1].name == WARD]
    others = [pair for pair in offerings if pair[1].name != WARD and pair[0].valid_from < JULY]
    used = [others[n] for n in rng.choice(len(others), ACTIVE - len(ward), replace=False)]
    half = planting.working_days(calendar, start, JULY)
    of_ward = _plan(rng, _spread(rng, ward, OF_WARD), planting.working_days(calendar, start, _LAST_OF_WARD))
    of_ward.is_late[:] = np.arange(OF_WARD) == OF_WARD // 2
    of_others = _plan(rng, _spread(rng, used, RECEIVED - OF_WARD), half)
    counted = planting.join_plans((of_ward, of_others))
    counted.is_online[rng.choice(RECEIVED, ONLINE, replace=False)] = True
    july = planting.working_days(calendar, JULY, end + timedelta(days=1))
    in_july = _plan(rng, [offerings[n] for n in rng.integers(0, len(offerings), _IN_JULY)], july)
    in_july.is_online[::2] = True
    level_2 = [pair for pair in catalogue().offerings if pair[0].online_level == 2 and pair[1].name != WARD]
    informing = _plan(rng, [level_2[n] for n in rng.integers(0, len(level_2), _INFORMING)], half)
    plan = planting.join_plans((counted, in_july, informing))
    return planting.generate_dossiers(seed, calendar, catalogue(), plan)


def _spread(rng: np.random.Generator, used: list[tuple[Service, Agency]], count: int) -> list[tuple[Service, Agency]]:
    """`count` offerings, one for each dossier: every offering at least once, some more often than others."""
    weight = rng.lognormal(0.0, 1.0, len(used))
    more = rng.choice(len(used), count - len(used), p=weight / weight.sum())
    return [*used, *(used[n] for n in more)]


def _plan(rng: np.random.Generator, offerings: list[tuple[Service, Agency]], days: list[int]) -> Plan:
    """One dossier per offering on a random day, none of them online, 2 % late."""
    count = len(offerings)
    agency: Numbers = np.array([a.index for _, a in offerings], np.int64)
    service: Numbers = np.array([s.index for s, _ in offerings], np.int64)
    is_online = np.zeros(count, np.bool_)
    return Plan(agency, service, rng.choice(np.array(days, np.int64), count), is_online, rng.random(count) < 0.02)
