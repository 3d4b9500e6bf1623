"""Reference data: territories and the calendar, loaded once by `lgsp init` and corrected when they change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from typing import Any

import psycopg

from lgsp import contract, territory

FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2027, 12, 31)


def tables() -> dict[str, list[dict[str, Any]]]:
    """The rows of the reference tables that no source brings, without their lineage columns."""
    return {"admin_unit": _units(), "admin_unit_crosswalk": _crosswalk(), "working_day": _days()}


def load(connection: psycopg.Connection[Any]) -> None:
    """Stage the reference rows; the next publication takes up what differs from what is published."""
    for name, rows in tables().items():
        columns = [column for column in contract.load(name).names if column not in contract.LINEAGE]
        connection.execute(f"create table if not exists record.{name} (like shared.{name} including comments)")
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
            "legal_basis": territory.BASIS[unit.valid_from],
        }
        for unit in territory.units()
    ]  # fmt: skip


def _crosswalk() -> list[dict[str, Any]]:
    return [
        {
            "from_code": line.from_code, "to_code": line.to_code, "effective_on": line.effective_on,
            "relation": line.relation, "is_default": line.is_default,
            "weight": None if line.relation == "split" else 1.0, "legal_basis": territory.BASIS[line.effective_on],
        }
        for line in territory.crosswalk()
    ]  # fmt: skip


def _days() -> list[dict[str, Any]]:
    names = holidays(range(FIRST_DAY.year, LAST_DAY.year + 1))
    days: Iterable[date] = (FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1))
    swapped = _swapped_days()
    return [
        {
            "day_on": day,
            "is_working_day": day in swapped or (day.weekday() < 5 and day not in names),
            "name": names.get(day) or ("Ngày làm bù" if day in swapped else None),
        }
        for day in days
    ]


def is_working(day: date) -> bool:
    """Whether offices are open on a local day."""
    return day in _swapped_days() or (day.weekday() < 5 and day not in holidays([day.year]))


def holidays(years: Iterable[int]) -> dict[date, str]:
    """Public holidays with their Vietnamese names."""
    import holidays as library

    return dict(library.country_holidays("VN", years=years, language="vi").items())


@cache
def _swapped_days() -> set[date]:
    """Saturdays worked in exchange for a bridge day."""
    import holidays as library

    return set(library.country_holidays("VN", years=range(FIRST_DAY.year, LAST_DAY.year + 1)).weekend_workdays)
