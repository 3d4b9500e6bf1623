"""Lists the administrative procedures, the agencies that offer them, and which procedure replaced which."""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

from lgsp.vietnam import territory_versions
from lgsp_province.world import agencies
from lgsp_province.world.agencies import Agency

DATA = Path(str(files("lgsp_province"))) / "data"
_DATA = DATA / "services.csv"
_CHANGES = DATA / "service_changes.csv"
_CATALOGUE_VALID_FROM = date(2018, 7, 1)
_COMMON = 12  # services that every commune offers


@dataclass(frozen=True, slots=True)
class Service:
    """One procedure; `is_vertical` procedures are handled only in the portal, not in the one-stop-shop.

    From `valid_to` on, it is handled as the procedure `replaced_by`; `replaces` points back.
    Both are indexes into `load()`.
    """

    index: int
    code: str
    name: str
    field_code: str
    field_name: str
    online_level: int
    agency_level: str
    standard_days: int
    department: str
    fee_vnd: int
    weight: float
    is_vertical: bool
    is_integrated: bool
    integrated_on: date
    valid_from: date = _CATALOGUE_VALID_FROM
    valid_to: date | None = None
    replaced_by: int | None = None
    replaces: int | None = None

    @property
    def wire_id(self) -> str:
        """The internal id of the procedure in the one-stop-shop."""
        return f"60aa0b12{self.index:016x}"


def _service(index: int, row: dict[str, str]) -> Service:
    level = int(row["online_level"])
    return Service(
        index,
        row["code"],
        row["name"],
        row["field_code"],
        row["field_name"],
        level,
        row["agency_level"],
        int(row["standard_days"]),
        row["department"],
        int(row["fee_vnd"]),
        float(row["weight"]),
        row["is_vertical"] == "1",
        level >= 3 and index % 24 != 7,
        date(2020, 3, 2) + timedelta(days=7 * (index % 60)),
    )


@dataclass(frozen=True)
class Catalogue:
    """Procedures in a fixed order, with the agencies that offer each of them.

    Dossiers refer to a procedure by its index in `services`. `taken_over` has the days from which an agency offers the
    procedures of a predecessor, by the indexes of procedure and agency.
    """

    services: tuple[Service, ...]
    offerings: tuple[tuple[Service, Agency], ...]
    taken_over: Mapping[tuple[int, int], date] = field(default_factory=dict)

    def offered_from(self, service: Service, agency: Agency) -> date:
        """The day from which an agency offers a procedure."""
        taken_over = self.taken_over.get((service.index, agency.index), date.min)
        return max(service.valid_from, agency.valid_from, taken_over)

    def listed(self, day: date) -> list[Service]:
        """The procedures in the systems' lists on a day: those in force and those abolished by then."""
        return [service for service in self.services if service.valid_from <= day]

    def offered(self, day: date) -> list[tuple[Service, Agency]]:
        """The (procedure, agency) pairs in the portal's list on a day, including those that ended by then."""
        return [pair for pair in self.offerings if self.offered_from(*pair) <= day]


@functools.cache
def load() -> tuple[Service, ...]:
    """All procedures in a fixed order: the original ones, then those that replaced some of them (D35)."""
    with _DATA.open(encoding="utf-8", newline="") as file:
        services = [_service(index, row) for index, row in enumerate(csv.DictReader(file))]
    by_code = {service.code: service.index for service in services}
    with _CHANGES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            old, day = services[by_code[row["code"]]], date.fromisoformat(row["effective_on"])
            integrated_on = max(day, old.integrated_on)
            new = replace(
                old,
                index=len(services),
                code=row["new_code"],
                weight=0.0,
                valid_from=day,
                integrated_on=integrated_on,
                replaces=old.index,
            )
            services[old.index] = replace(old, valid_to=day, replaced_by=new.index)
            services.append(new)
    return tuple(services)


@functools.cache
def _departments(number: str) -> Mapping[int, date]:
    """The department with a number and its successors, by index, with the day from which each has its duties."""
    department = next(a for a in agencies.load() if a.code == f"000.00.{number}.H47")
    since = {department.index: department.valid_from}
    while department.successor is not None and department.valid_to is not None:
        since[department.successor] = department.valid_to
        department = agencies.load()[department.successor]
    return since


def _is_offered(service: Service, agency: Agency, common: set[int]) -> bool:
    if agency.level == agencies.PROVINCE:
        return service.agency_level == agencies.PROVINCE and agency.index in _departments(service.department)
    if agency.valid_from == territory_versions.MERGER:  # the communes of July 2025 took over the districts' procedures
        return service.agency_level in (agencies.COMMUNE, agencies.DISTRICT)
    if service.agency_level != agency.level:
        return False
    number = service.index if service.replaces is None else service.replaces
    if agency.level == agencies.COMMUNE and number not in common:
        return (number * 7 + agency.index * 3) % 5 < 2
    return True


@functools.cache
def offerings() -> tuple[tuple[Service, Agency], ...]:
    """Every service at every agency that offers it."""
    commune = [s for s in load() if s.agency_level == agencies.COMMUNE and s.replaces is None]
    common = {s.index for s in sorted(commune, key=lambda s: -s.weight)[:_COMMON]}
    return tuple(
        (service, agency) for agency in agencies.load() for service in load() if _is_offered(service, agency, common)
    )


@functools.cache
def default_catalogue() -> Catalogue:
    """The catalogue of a world that does not define its own."""
    taken_over = {
        (service.index, agency.index): since
        for service, agency in offerings()
        if agency.level == agencies.PROVINCE
        and (since := _departments(service.department)[agency.index]) > agency.valid_from
    }
    return Catalogue(load(), offerings(), taken_over)
