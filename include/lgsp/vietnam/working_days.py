"""Builds the working calendar and loads the reference tables: territories, crosswalk and calendar (run by `lgsp init`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg

from lgsp import config
from lgsp.schema import contract
from lgsp.vietnam import holiday_overrides, territory_versions
from lgsp.vietnam.text import name_keys

FIRST_DAY = date(2020, 1, 1)
SATURDAY = 5

if TYPE_CHECKING:
    LAST_DAY: date
else:

    def __getattr__(name: str) -> date:
        if name == "LAST_DAY":  # computed on access: an invalid override file must not break the import
            return last_day()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Day:
    """One local day of the calendar, with the columns of the shared table."""

    day_on: date
    is_working_day: bool
    name: str | None
    is_holiday: bool
    is_swap_day: bool
    is_saturday_counter: bool
    source: str
    legal_basis: str | None


def tables() -> dict[str, list[dict[str, Any]]]:
    """The rows of the reference tables that come from no source, by table, without their lineage columns."""
    return {"admin_unit": _units(), "admin_unit_crosswalk": _crosswalk(), "working_day": _days()}


def load(connection: psycopg.Connection[Any], rows_by_table: Mapping[str, list[dict[str, Any]]]) -> None:
    """Stage the rows of reference tables; the next publication publishes the differences."""
    for name, rows in rows_by_table.items():
        loaded = [column for column in contract.load(name).columns if column.name not in contract.LINEAGE]
        columns = [column.name for column in loaded]
        connection.execute(f"create table if not exists record.{name} (like shared.{name} including comments)")
        for column in loaded:  # the store may be older than a column
            connection.execute(f"alter table record.{name} add column if not exists {column.name} {column.definition}")
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
            "legal_basis": unit.legal_basis, "name_sort": keys.name_sort, "name_search": keys.name_search,
        }
        for unit in territory_versions.units()
        for keys in (name_keys.of(unit.name),)
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
    """The last day for which holidays and swaps are announced; later days come from the library's forecast."""
    return holiday_overrides.load().confirmed_until


def last_day() -> date:
    """The last day of the calendar: the end of the year after the last announced one, because due days may lie in it."""
    return date(confirmed_until().year + 1, 12, 31)


def _days() -> list[dict[str, Any]]:
    return [asdict(each) for each in calendar()]


@config.cached()
def calendar() -> tuple[Day, ...]:
    """Every day of the calendar, from FIRST_DAY to `last_day()`."""
    return tuple(day(FIRST_DAY + timedelta(days=n)) for n in range((last_day() - FIRST_DAY).days + 1))


def day(day_on: date) -> Day:
    """The calendar entry of a local day: from its override when it has one, else from the library."""
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
        # D39: counters may open (QĐ 14/2010/QĐ-TTg), so a receipt on this day is correct although it is not a working day
        is_saturday_counter=day_on.weekday() == SATURDAY and not is_working_day and not is_holiday,
        source="override" if override else "library" if day_on <= confirmed_until() else "forecast", legal_basis=override.legal_basis if override else None,
    )  # fmt: skip


@config.cached()
def is_working(day_on: date) -> bool:
    """Whether offices are open on a local day."""
    return day(day_on).is_working_day


def holidays(years: Iterable[int]) -> dict[date, str]:
    """Public holidays, days in lieu and bridge days of some years, with their Vietnamese names."""
    wanted = set(years)
    official = {day_on for year in wanted for day_on in _official(year)[0]}
    overridden = {day_on for day_on in holiday_overrides.load().days if day_on.year in wanted}
    days = (day(day_on) for day_on in sorted(official | overridden))
    return {each.day_on: each.name for each in days if each.is_holiday and each.name}


@cache
def _official(year: int) -> tuple[dict[date, str], frozenset[date]]:
    """The library's holidays of a year, and the weekend days worked in exchange for bridge days."""
    import holidays as library

    # a weekend day late in the year may be worked in exchange for a bridge day of the next year
    two_years = library.country_holidays("VN", years=(year, year + 1), language="vi")
    names = {day_on: name for day_on, name in two_years.items() if day_on.year == year}
    return names, frozenset(day_on for day_on in two_years.weekend_workdays if day_on.year == year)
