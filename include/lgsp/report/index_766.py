"""Read the content of an index report: Index 766 of every agency in a month, a quarter or a half-year."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from lgsp.errors import LgspError, NothingPublished
from lgsp.indicators import periods
from lgsp.indicators.definitions.validate import GROUPS as GROUPS  # the same groups, in the order of the report
from lgsp.report.snapshot_reader import QueryResult, Row, SnapshotReader
from lgsp.window import midnight

LEVELS = ("province", "district", "commune")


@dataclass(frozen=True)
class Index:
    """Index 766 of a period in a snapshot."""

    snapshot: SnapshotReader
    period: str
    start: date
    end: date
    total: QueryResult
    component: QueryResult
    legend: QueryResult
    definitions: QueryResult

    @property
    def results(self) -> tuple[QueryResult, ...]:
        """All query results, in the order of the report."""
        return (self.total, self.component, self.legend, self.definitions)

    @property
    def as_of(self) -> datetime:
        """The time up to which the data of the period reach."""
        at: datetime = self.total.first["as_of"]
        return at

    @property
    def is_over(self) -> bool:
        """Whether the data reach the end of the period."""
        return self.as_of >= midnight(self.end)

    @property
    def province(self) -> Row | None:
        """The total of the whole province; None when it has no index."""
        return next((row for row in self.total.rows if row["organisation_id"] == "ALL"), None)

    def ranked(self, level: str) -> list[Row]:
        """The agencies of a level, by rank."""
        return [row for row in self.total.rows if row["level"] == level]

    @cached_property
    def components_by_agency(self) -> dict[str, list[Row]]:
        """The components of each agency, by organisation_id."""
        components: dict[str, list[Row]] = defaultdict(list)
        for row in self.component.rows:
            components[row["organisation_id"]].append(row)
        return components

    @cached_property
    def groups(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Points and maximum of each agency in each group; groups without data are left out."""
        groups: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
        for row in self.component.rows:
            if row["points"] is not None:
                points, maximum = groups[row["organisation_id"]].get(row["group_code"], (0.0, 0.0))
                groups[row["organisation_id"]][row["group_code"]] = points + row["points"], maximum + row["maximum"]
        return groups


def read(snapshot: SnapshotReader, period: str, start: date | None) -> Index:
    """The index of a period, by default of the newest completed one.

    Raises SettingError when `start` is not the first day of such a period, NothingPublished when no period is
    completed, LgspError when the snapshot has no index of the requested period.
    """
    length = f"{periods.MONTHS[period]} months"
    start = start or snapshot.query("newest_index", period=period, length=length).first["period_start"]
    if start is None:
        raise NothingPublished(f"snapshot {snapshot.snapshot_id} has no index of a completed {period}")
    end = periods.end_of(period, start)
    total = snapshot.query("index_total", period=period, start=start, end=end, length=length)
    if not total.rows:
        raise LgspError(f"snapshot {snapshot.snapshot_id} has no index of the {period} of {start}")
    return Index(
        snapshot=snapshot,
        period=period,
        start=start,
        end=end,
        total=total,
        component=snapshot.query("index_component", period=period, start=start, end=end),
        legend=snapshot.query("legend", end=end),
        definitions=snapshot.query("definitions", end=end),
    )
