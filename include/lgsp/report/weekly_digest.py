"""The content of a weekly digest: what a snapshot says of one week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from lgsp.errors import LgspError, NothingPublished, SettingError
from lgsp.report import periods
from lgsp.report.snapshot_reader import Answer, Row, Snapshot
from lgsp.window import midnight

LISTS = ("no_online", "silent", "no_data", "late", "moved")
WEEKS_OF_TREND, WEEKS_OF_HEAT = 26, 12
# The cut is on Thursday, the first day of the next week.
CUT_ISO_WEEKDAY = 4


@dataclass(frozen=True)
class Week:
    """A week as a snapshot tells it; every answer brings the statement that gives it again."""

    snapshot: Snapshot
    start: date
    coverage: Answer
    headline: Answer
    lists: dict[str, Answer]
    trend: Answer
    levels: Answer
    weeks: Answer
    map: Answer | None
    map_period: Row
    legend: Answer
    definitions: Answer

    @property
    def end(self) -> date:
        """The day after its last one."""
        return self.start + timedelta(days=7)

    @property
    def as_of(self) -> datetime:
        """How far into it the data reach."""
        at: datetime = self.coverage.first["as_of"]
        return at

    @property
    def is_over(self) -> bool:
        """Whether the data reach its end."""
        return self.as_of >= midnight(self.end)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """All that was asked, in the order of the report."""
        asked = (self.coverage, self.headline, self.trend, self.levels, *self.lists.values(), self.weeks, self.map)
        return tuple(answer for answer in (*asked, self.legend, self.definitions) if answer is not None)


def read(snapshot: Snapshot, start: date | None) -> Week:
    """A week, by default the newest whose end the data have reached.

    Raises SettingError for a day that begins no week, NothingPublished where none
    is over, LgspError where the snapshot says nothing of the one that is asked for.
    """
    start = start or snapshot.ask("newest_week").first["period_start"]
    if start is None:
        raise NothingPublished(f"snapshot {snapshot.snapshot_id} holds no week that is over")
    if start.isoweekday() != CUT_ISO_WEEKDAY:
        raise SettingError(f"{start} begins no week: weeks are cut on Thursday, this one begins on {week_of(start)}")
    end = start + timedelta(days=7)
    coverage = snapshot.ask("coverage", start=start)
    if not coverage.first["agencies"]:
        raise LgspError(f"snapshot {snapshot.snapshot_id} says nothing of the week of {start}")
    trend = snapshot.ask("trend", start=start, first=start - timedelta(weeks=WEEKS_OF_TREND - 1))
    period = snapshot.ask("map_period", end=end).rows
    return Week(
        snapshot=snapshot,
        start=start,
        coverage=coverage,
        headline=snapshot.ask("section", "headline", start=start, end=end, section="headline"),
        lists={name: snapshot.ask("section", name, start=start, end=end, section=name) for name in LISTS},
        trend=trend,
        levels=snapshot.ask("levels", start=start),
        weeks=snapshot.ask(
            "weeks", start=start, end=end, first=start - timedelta(weeks=WEEKS_OF_HEAT - 1), kpi=share(trend)
        ),
        map=_map(snapshot, period[0]) if period else None,
        map_period=period[0] if period else {},
        legend=snapshot.ask("legend", end=end),
        definitions=snapshot.ask("definitions", end=end),
    )


def share(trend: Answer) -> str:
    """Which share of online dossiers a snapshot knows: of the services offered online, in older ones of all."""
    known = {row["kpi_id"] for row in trend.rows}
    return "online_share_all" if known == {"online_share_all"} else "online_share"


def week_of(day: date) -> date:
    """The first day of the week that a day lies in."""
    return day - timedelta(days=(day.isoweekday() - CUT_ISO_WEEKDAY) % 7)


def _map(snapshot: Snapshot, told: Row) -> Answer:
    period, start = told["period"], told["period_start"]
    return snapshot.ask("map", period=period, start=start, end=periods.end(period, start), metric=told["metric"])
