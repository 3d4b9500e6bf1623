"""The content of an index report: Index 766 of every agency in a month, a quarter or half a year."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from lgsp.errors import LgspError, NothingPublished
from lgsp.indicators.definitions.validate import GROUPS as GROUPS  # the same groups, in the order of the report
from lgsp.report import periods
from lgsp.report.snapshot_reader import Answer, Row, Snapshot
from lgsp.window import midnight

LEVELS = ("province", "district", "commune")


@dataclass(frozen=True)
class Index:
    """The index of a period as a snapshot tells it."""

    snapshot: Snapshot
    period: str
    start: date
    end: date
    total: Answer
    component: Answer
    legend: Answer
    definitions: Answer

    @property
    def answers(self) -> tuple[Answer, ...]:
        """All that was asked, in the order of the report."""
        return (self.total, self.component, self.legend, self.definitions)

    @property
    def as_of(self) -> datetime:
        """How far into the period the data reach."""
        at: datetime = self.total.first["as_of"]
        return at

    @property
    def is_over(self) -> bool:
        """Whether the data reach its end."""
        return self.as_of >= midnight(self.end)

    @property
    def province(self) -> Row | None:
        """The total of the whole province."""
        return next((row for row in self.total.rows if row["organisation_id"] == "ALL"), None)

    def ranked(self, level: str) -> list[Row]:
        """The agencies of a level, best first."""
        return [row for row in self.total.rows if row["level"] == level]

    @cached_property
    def of_agency(self) -> dict[str, list[Row]]:
        """The components of each agency."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.component.rows:
            found[row["organisation_id"]].append(row)
        return found

    @cached_property
    def groups(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Points, and points that could be had, of each agency in each group; a group that nothing tells of is not there."""
        found: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
        for row in self.component.rows:
            if row["points"] is not None:
                points, maximum = found[row["organisation_id"]].get(row["group_code"], (0.0, 0.0))
                found[row["organisation_id"]][row["group_code"]] = points + row["points"], maximum + row["maximum"]
        return found


def read(snapshot: Snapshot, period: str, start: date | None) -> Index:
    """The index of a period, by default of the newest whose end the data have reached.

    Raises SettingError for a day that begins no such period, NothingPublished where none
    is over, LgspError where the snapshot says nothing of the one that is asked for.
    """
    length = periods.interval(period)
    start = start or snapshot.ask("newest_index", period=period, length=length).first["period_start"]
    if start is None:
        raise NothingPublished(f"snapshot {snapshot.snapshot_id} holds no index of a {period} that is over")
    end = periods.end(period, start)
    total = snapshot.ask("index_total", period=period, start=start, end=end, length=length)
    if not total.rows:
        raise LgspError(f"snapshot {snapshot.snapshot_id} holds no index of the {period} of {start}")
    return Index(
        snapshot=snapshot,
        period=period,
        start=start,
        end=end,
        total=total,
        component=snapshot.ask("index_component", period=period, start=start, end=end),
        legend=snapshot.ask("legend", end=end),
        definitions=snapshot.ask("definitions", end=end),
    )
