"""Reference data: territories and the calendar, loaded once by `lgsp init` and corrected when they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg

from lgsp.schema import contract
from lgsp.vietnam import holiday_overrides, territory_versions

FIRST_DAY = date(2020, 1, 1)
SATURDAY = 5

if TYPE_CHECKING:
    LAST_DAY: date
else:

    def __getattr__(name: str) -> date:
        if name == "LAST_DAY":  # read when it is asked for: a broken override file must not break an import
            return last_day()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Day:
    """One local day of the calendar, as the shared table has it."""

    day_on: date
    is_working_day: bool
    name: str | None
    is_holiday: bool
    is_swap_day: bool
    is_saturday_counter: bool
    source: str
    legal_basis: str | None


def tables() -> dict[str, list[dict[str, Any]]]:
    """The rows of the reference tables that no source brings, without their lineage columns."""
    return {"admin_unit": _units(), "admin_unit_crosswalk": _crosswalk(), "working_day": _days()}


def load(connection: psycopg.Connection[Any], rows_of: Mapping[str, list[dict[str, Any]]]) -> None:
    """Stage the rows of reference tables; the next publication takes up what differs from what is published."""
    for name, rows in rows_of.items():
        told = [column for column in contract.load(name).columns if column.name not in contract.LINEAGE]
        columns = [column.name for column in told]
        connection.execute(f"create table if not exists record.{name} (like shared.{name} including comments)")
        for column in told:  # a store made before a column was added
            connection.execute(f"alter table record.{name} add column if not exists {column.name} {column.type}")
        connection.execute(f"alter table record.{name} alter snapshot_id drop not null")
        connection.execute(f"delete from record.{name}")
        with connection.cursor().copy(f"copy record.{name} ({', '.join(columns)}) from stdin") as copy:
            for row in rows:
                copy.write_row([row[column] for column in columns])


def _units() -> list[dict[str, Any]]:
    return [
        {
            "admin_unit_code": unit.code, "valid_from": unit.valid_from, "name": unit.name, "level": unit.level,
            "kind": unit.kind, "parent_code": unit.parent_code, "valid_to": unit.valid_to,
            "legal_basis": unit.legal_basis,
        }
        for unit in territory_versions.units()
    ]  # fmt: skip


def _crosswalk() -> list[dict[str, Any]]:
    return [
        {
            "from_code": line.from_code, "to_code": line.to_code, "effective_on": line.effective_on,
            "relation": line.relation, "is_default": line.is_default,
            "weight": line.weight, "legal_basis": line.legal_basis,
        }
        for line in territory_versions.crosswalk()
    ]  # fmt: skip


def confirmed_until() -> date:
    """The last day up to which holidays and swaps are announced; days after it are the library's forecast."""
    return holiday_overrides.load().confirmed_until


def last_day() -> date:
    """The last day of the calendar: the end of the year after the announced one, which promises may reach."""
    return date(confirmed_until().year + 1, 12, 31)


def _days() -> list[dict[str, Any]]:
    return [asdict(told) for told in calendar()]


@cache
def calendar() -> tuple[Day, ...]:
    """Every day of the calendar."""
    return tuple(day(FIRST_DAY + timedelta(days=n)) for n in range((last_day() - FIRST_DAY).days + 1))


def day(day_on: date) -> Day:
    """What the calendar says of a local day: an override where there is one, else the library."""
    names, worked_weekends = _official(day_on.year)
    override = holiday_overrides.load().days.get(day_on)
    is_weekend = day_on.weekday() >= SATURDAY
    is_working_day = day_on in worked_weekends or not (is_weekend or day_on in names)
    name = "Ngày làm bù" if day_on in worked_weekends else names.get(day_on)
    if override:
        is_working_day, name = override.is_working_day, override.name
    is_holiday = name is not None and not is_working_day
    return Day(
        day_on, is_working_day, name, is_holiday,
        is_swap_day=is_weekend and is_working_day,
        # D39: counters may receive (QĐ 14/2010/QĐ-TTg), so a receipt is in order though the day is not worked
        is_saturday_counter=day_on.weekday() == SATURDAY and not is_working_day and not is_holiday,
        source="override" if override else "library", legal_basis=override.legal_basis if override else None,
    )  # fmt: skip


@cache
def is_working(day_on: date) -> bool:
    """Whether offices are open on a local day."""
    return day(day_on).is_working_day


def holidays(years: Iterable[int]) -> dict[date, str]:
    """Public holidays, days in lieu and bridge days with their Vietnamese names."""
    wanted = set(years)
    official = {day_on for year in wanted for day_on in _official(year)[0]}
    announced = {day_on for day_on in holiday_overrides.load().days if day_on.year in wanted}
    days = (day(day_on) for day_on in sorted(official | announced))
    return {found.day_on: found.name for found in days if found.is_holiday and found.name}


@cache
def _official(year: int) -> tuple[dict[date, str], frozenset[date]]:
    """The library's holidays of a year, and the weekend days worked in exchange for a bridge day."""
    import holidays as library

    # a weekend late in the year may make up for a bridge day of the next
    near = library.country_holidays("VN", years=(year, year + 1), language="vi")
    names = {day_on: name for day_on, name in near.items() if day_on.year == year}
    return names, frozenset(day_on for day_on in near.weekend_workdays if day_on.year == year)
