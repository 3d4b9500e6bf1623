"""Read the content of a weekly digest from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from lgsp.errors import LgspError, NothingPublished, SettingError
from lgsp.indicators import periods
from lgsp.report.snapshot_reader import QueryResult, Row, SnapshotReader
from lgsp.window import midnight

LISTS = ("no_online", "silent", "no_data", "late", "moved")
WEEKS_OF_TREND, WEEKS_OF_HEAT = 26, 12


@dataclass(frozen=True)
class Week:
    """The data of a week in a snapshot, as query results."""

    snapshot: SnapshotReader
    start: date
    coverage: QueryResult
    headline: QueryResult
    lists: dict[str, QueryResult]
    trend: QueryResult
    levels: QueryResult
    weeks: QueryResult
    map: QueryResult | None
    map_period: Row
    legend: QueryResult
    definitions: QueryResult

    @property
    def end(self) -> date:
        """The day after the last day of the week."""
        return self.start + timedelta(days=7)

    @property
    def as_of(self) -> datetime:
        """The time up to which the data of the week reach."""
        at: datetime = self.coverage.first["as_of"]
        return at

    @property
    def is_over(self) -> bool:
        """Whether the data reach the end of the week."""
        return self.as_of >= midnight(self.end)

    @cached_property
    def results(self) -> tuple[QueryResult, ...]:
        """All query results, in the order of the report."""
        sections = (self.coverage, self.headline, self.trend, self.levels, *self.lists.values(), self.weeks, self.map)
        return tuple(result for result in (*sections, self.legend, self.definitions) if result is not None)


def read(snapshot: SnapshotReader, start: date | None) -> Week:
    """The data of a week, by default of the newest completed one.

    Raises SettingError when `start` is not the first day of a week, NothingPublished when no week is completed,
    LgspError when the snapshot has no data for the requested week.
    """
    start = start or snapshot.query("newest_week").first["period_start"]
    if start is None:
        raise NothingPublished(f"snapshot {snapshot.snapshot_id} has no completed week")
    if not periods.is_start("week", start):
        raise SettingError(
            f"{start} is not the first day of a week: weeks begin on Thursday, this week begins on {periods.week_start(start)}"
        )
    end = start + timedelta(days=7)
    coverage = snapshot.query("coverage", start=start)
    if not coverage.first["agencies"]:
        raise LgspError(f"snapshot {snapshot.snapshot_id} has no data for the week of {start}")
    trend = snapshot.query("trend", start=start, first=start - timedelta(weeks=WEEKS_OF_TREND - 1))
    period = snapshot.query("map_period", end=end).rows
    return Week(
        snapshot=snapshot,
        start=start,
        coverage=coverage,
        headline=snapshot.query("section", "headline", start=start, end=end, section="headline"),
        lists={name: snapshot.query("section", name, start=start, end=end, section=name) for name in LISTS},
        trend=trend,
        levels=snapshot.query("levels", start=start),
        weeks=snapshot.query(
            "weeks", start=start, end=end, first=start - timedelta(weeks=WEEKS_OF_HEAT - 1), kpi=online_share_kpi(trend)
        ),
        map=_map(snapshot, period[0]) if period else None,
        map_period=period[0] if period else {},
        legend=snapshot.query("legend", end=end),
        definitions=snapshot.query("definitions", end=end),
    )


def online_share_kpi(trend: QueryResult) -> str:
    """The online share that the snapshot has: of services offered online, in older snapshots of all dossiers."""
    known = {row["kpi_id"] for row in trend.rows}
    return "online_share_all" if known == {"online_share_all"} else "online_share"


def _map(snapshot: SnapshotReader, map_period: Row) -> QueryResult:
    period, start = map_period["period"], map_period["period_start"]
    return snapshot.query(
        "map", period=period, start=start, end=periods.end_of(period, start), metric=map_period["metric"]
    )
