"""Indicators of the clean world: numerators and denominators by agency, level and period."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, day_date, day_number, local_days
from lgsp_province.world.dossiers import ONLINE
from lgsp_province.world.services import Catalogue

if TYPE_CHECKING:
    from lgsp_province.truth.truth import Published

_MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
PERIODS = ("week", *_MONTHS)


def period_start(days: Seconds, period: str) -> Seconds:
    """The day on which each day's period begins. Weeks begin on Thursday, as 1970 did."""
    if period == "week":
        return days // 7 * 7
    span = _MONTHS[period]
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return (months // span * span).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def period_end(start: int, period: str) -> int:
    """The day after a period's last."""
    return int(period_start(np.array([start + (7 if period == "week" else _MONTHS[period] * 31)]), period)[0])


def _facts(
    found: "Published",
) -> list[tuple[str, Seconds, NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]]:
    """Per indicator and role: the day that counts, which dossiers, their numerator and weight."""
    has_due = found.due >= 0
    received = found.received >= 0
    ones, zeros = np.ones(len(found.rows), np.int64), np.zeros(len(found.rows), np.int64)
    return [
        (
            "on_time",
            local_days(found.finished),
            (found.finished >= 0) & has_due,
            found.is_on_time.astype(np.int64),
            ones,
        ),
        ("on_time", local_days(found.closed), found.closed >= 0, zeros, zeros),
        (
            "online_share_all",
            local_days(found.received),
            received,
            (found.channel == ONLINE).astype(np.int64),
            ones,
        ),
    ]


def rates(found: "Published") -> pa.Table:
    """`on_time` and `online_share_all`; for the province, each level, and each agency."""
    frames = []
    for kpi, day, applies, numerator, weight in _facts(found):
        for period in PERIODS:
            counted = pd.DataFrame(
                {
                    "agency": found.agency[applies],
                    "period_start": period_start(day[applies], period),
                    "numerator": numerator[applies],
                    "denominator": weight[applies],
                    "excluded": 1 - weight[applies],
                }
            )
            sums = counted.groupby(["agency", "period_start"]).sum().reset_index()
            frames.append(sums.assign(kpi_id=kpi, period=period))
    facts = pd.concat(frames)
    everyone = agencies.load()
    facts["organisation_id"] = np.array([a.new_code for a in everyone])[facts["agency"]]
    facts["level"] = np.array([agencies.LEVELS[a.level] for a in everyone])[facts["agency"]]
    whole = facts.assign(organisation_id="ALL")
    everything = pd.concat([facts, whole, whole.assign(level="ALL")])
    keys = ["kpi_id", "organisation_id", "level", "period", "period_start"]
    sums = everything.groupby(keys)[["numerator", "denominator", "excluded"]].sum().reset_index()
    table = pa.Table.from_pandas(sums, preserve_index=False)
    start = table["period_start"].cast(pa.int32()).cast(pa.date32())
    return table.set_column(table.schema.get_field_index("period_start"), "period_start", start)


def zero_activity(
    found: "Published", catalogue: Catalogue, first: date, as_of: int, doubt: Mapping[int | None, Seconds] | None = None
) -> pa.Table:
    """For every whole period and every agency that is in force and offers anything in it: dossiers received, by any
    channel and online; for every agency in force where nobody offers anything.

    `doubt` are the days of which records are missing, by agency; under None those of every agency.
    """
    offered = _offered(catalogue)
    today = int(local_days(np.array([as_of]))[0])
    all_days = np.arange(day_number(first), today)
    received = found.received >= 0
    day = local_days(found.received)
    columns: dict[str, list[object]] = {
        name: [] for name in ("organisation_id", "period", "period_start", "channel", "dossier_count", "state")
    }
    for period in PERIODS:
        for start in np.unique(period_start(all_days, period)).tolist():
            end = period_end(start, period)
            if start < day_number(first) or end > today:
                continue
            within = received & (day >= start) & (day < end)
            begins, ends = day_date(start), day_date(end)
            offering = {agency for agency, since, until in offered if max(since, begins) < min(until, ends)}
            everyone = [
                a
                for a in agencies.load()
                if a.valid_from < ends
                and (a.valid_to is None or a.valid_to > begins)
                and (not offering or a.index in offering)
            ]
            places = np.array([agency.index for agency in everyone])
            in_doubt = _in_doubt(doubt or {}, start, end)
            for channel, counted in (("any", within), ("online", within & (found.channel == ONLINE))):
                counts = np.bincount(found.agency[counted], minlength=len(agencies.load()))[places].tolist()
                columns["organisation_id"] += [a.new_code for a in everyone]
                columns["period"] += [period] * len(everyone)
                columns["period_start"] += [date.fromordinal(start + date(1970, 1, 1).toordinal())] * len(everyone)
                columns["channel"] += [channel] * len(everyone)
                columns["dossier_count"] += counts
                columns["state"] += [
                    "no_data" if None in in_doubt or a.index in in_doubt else "ok" if count else "zero"
                    for a, count in zip(everyone, counts, strict=True)
                ]
    return pa.table(columns)


def _offered(catalogue: Catalogue) -> set[tuple[int, date, date]]:
    """Which agencies offer something from which day until which."""
    return {
        (a.index, max(s.valid_from, a.valid_from), min(s.valid_to or date.max, a.valid_to or date.max))
        for s, a in catalogue.offerings
    }


def _in_doubt(doubt: Mapping[int | None, Seconds], start: int, end: int) -> set[int | None]:
    """Whose records of some days of a period are missing."""
    return {agency for agency, days in doubt.items() if bool(((days >= start) & (days < end)).any())}
