"""Computes the indicators of the truth: numerators and denominators by agency, level and period."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lgsp_province.truth.dossiers import PublishedDossiers
from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, day_date, day_number, local_days
from lgsp_province.world.dossiers import ONLINE
from lgsp_province.world.services import Catalogue

_MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
PERIODS = ("week", *_MONTHS)


def period_start(days: Seconds, period: str) -> Seconds:
    """The day number on which the period of each day starts. Weeks start on Thursday: day 0 was a Thursday."""
    if period == "week":
        return days // 7 * 7
    span = _MONTHS[period]
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return (months // span * span).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def period_end(start: int, period: str) -> int:
    """The day number after the last day of a period."""
    return int(period_start(np.array([start + (7 if period == "week" else _MONTHS[period] * 31)]), period)[0])


def _facts(
    dossiers: PublishedDossiers,
) -> list[tuple[str, Seconds, NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]]:
    """Indicator id, the day that counts, which dossiers count, their numerators and their denominators.

    A dossier with denominator 0 is counted as excluded.
    """
    has_due = dossiers.due >= 0
    is_received = dossiers.received >= 0
    ones, zeros = np.ones(len(dossiers.rows), np.int64), np.zeros(len(dossiers.rows), np.int64)
    return [
        (
            "on_time",
            local_days(dossiers.finished),
            (dossiers.finished >= 0) & has_due,
            dossiers.is_on_time.astype(np.int64),
            ones,
        ),
        ("on_time", local_days(dossiers.closed), dossiers.closed >= 0, zeros, zeros),
        (
            "online_share_all",
            local_days(dossiers.received),
            is_received,
            (dossiers.channel == ONLINE).astype(np.int64),
            ones,
        ),
    ]


def rates(dossiers: PublishedDossiers) -> pa.Table:
    """`on_time` and `online_share_all` of the province, of each level and of each agency, by period."""
    frames = []
    for kpi, day, applies, numerator, denominator in _facts(dossiers):
        for period in PERIODS:
            counts = pd.DataFrame(
                {
                    "agency": dossiers.agency[applies],
                    "period_start": period_start(day[applies], period),
                    "numerator": numerator[applies],
                    "denominator": denominator[applies],
                    "excluded": 1 - denominator[applies],
                }
            )
            sums = counts.groupby(["agency", "period_start"]).sum().reset_index()
            frames.append(sums.assign(kpi_id=kpi, period=period))
    by_agency = pd.concat(frames)
    all_agencies = agencies.load()
    by_agency["organisation_id"] = np.array([a.new_code for a in all_agencies])[by_agency["agency"]]
    by_agency["level"] = np.array([agencies.LEVELS[a.level] for a in all_agencies])[by_agency["agency"]]
    by_level = by_agency.assign(organisation_id="ALL")
    every_row = pd.concat([by_agency, by_level, by_level.assign(level="ALL")])
    keys = ["kpi_id", "organisation_id", "level", "period", "period_start"]
    sums = every_row.groupby(keys)[["numerator", "denominator", "excluded"]].sum().reset_index()
    table = pa.Table.from_pandas(sums, preserve_index=False)
    start = table["period_start"].cast(pa.int32()).cast(pa.date32())
    return table.set_column(table.schema.get_field_index("period_start"), "period_start", start)


def zero_activity(
    dossiers: PublishedDossiers,
    catalogue: Catalogue,
    first: date,
    as_of: int,
    incomplete_days: Mapping[int | None, Seconds] | None = None,
) -> pa.Table:
    """Dossiers received, by any channel and online, for every whole period and every agency that is in force in it
    and offers a service in it; in a period without any offering, for every agency in force.

    `incomplete_days` are the day numbers of which records are missing, by agency; the key None stands for all agencies.
    """
    offered = _offered(catalogue)
    today = int(local_days(np.array([as_of]))[0])
    all_days = np.arange(day_number(first), today)
    is_received = dossiers.received >= 0
    day = local_days(dossiers.received)
    columns: dict[str, list[object]] = {
        name: [] for name in ("organisation_id", "period", "period_start", "channel", "dossier_count", "state")
    }
    for period in PERIODS:
        for start in np.unique(period_start(all_days, period)).tolist():
            end = period_end(start, period)
            if start < day_number(first) or end > today:
                continue
            in_period = is_received & (day >= start) & (day < end)
            start_date, end_date = day_date(start), day_date(end)
            offering = {agency for agency, since, until in offered if max(since, start_date) < min(until, end_date)}
            listed = [
                a
                for a in agencies.load()
                if a.valid_from < end_date
                and (a.valid_to is None or a.valid_to > start_date)
                and (not offering or a.index in offering)
            ]
            indexes = np.array([agency.index for agency in listed])
            incomplete = _incomplete_agencies(incomplete_days or {}, start, end)
            for channel, is_counted in (("any", in_period), ("online", in_period & (dossiers.channel == ONLINE))):
                counts = np.bincount(dossiers.agency[is_counted], minlength=len(agencies.load()))[indexes].tolist()
                columns["organisation_id"] += [a.new_code for a in listed]
                columns["period"] += [period] * len(listed)
                columns["period_start"] += [start_date] * len(listed)
                columns["channel"] += [channel] * len(listed)
                columns["dossier_count"] += counts
                columns["state"] += [
                    "no_data" if None in incomplete or a.index in incomplete else "ok" if count else "zero"
                    for a, count in zip(listed, counts, strict=True)
                ]
    return pa.table(columns)


def _offered(catalogue: Catalogue) -> set[tuple[int, date, date]]:
    """Agency index, first day and end day (exclusive) of every offering."""
    return {
        (a.index, catalogue.offered_from(s, a), min(s.valid_to or date.max, a.valid_to or date.max))
        for s, a in catalogue.offerings
    }


def _incomplete_agencies(incomplete_days: Mapping[int | None, Seconds], start: int, end: int) -> set[int | None]:
    """The agencies with a missing day in `[start, end)`."""
    return {agency for agency, days in incomplete_days.items() if bool(((days >= start) & (days < end)).any())}
