"""Administrative procedures and who offers them."""

import csv
import functools
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lgsp.province import agencies
from lgsp.province.agencies import Agency

_DATA = Path(__file__).parent / "data" / "services.csv"
_COMMON = 12  # services that every commune offers


@dataclass(frozen=True, slots=True)
class Service:
    """One procedure; `is_vertical` ones are handled outside the one-stop, in the portal only."""

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

    @property
    def wire_id(self) -> str:
        """The one-stop's internal id of the procedure."""
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


@functools.cache
def load() -> tuple[Service, ...]:
    """The catalogue, in a fixed order."""
    with _DATA.open(encoding="utf-8", newline="") as file:
        return tuple(_service(index, row) for index, row in enumerate(csv.DictReader(file)))


def _is_offered(service: Service, agency: Agency, common: set[int]) -> bool:
    if service.agency_level != agency.level:
        return False
    if agency.level == agencies.PROVINCE:
        return agency.code == f"000.00.{service.department}.H47"
    if agency.level == agencies.COMMUNE and service.index not in common:
        return (service.index * 7 + agency.index * 3) % 5 < 2
    return True


@functools.cache
def offerings() -> tuple[tuple[Service, Agency], ...]:
    """Every service at every agency that offers it."""
    commune = [service for service in load() if service.agency_level == agencies.COMMUNE]
    common = {s.index for s in sorted(commune, key=lambda s: -s.weight)[:_COMMON]}
    return tuple(
        (service, agency) for agency in agencies.load() for service in load() if _is_offered(service, agency, common)
    )
