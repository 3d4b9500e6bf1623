"""Measure how fresh the data of each source is: the end of its published windows, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from lgsp.schema import sources
from lgsp.store.ledger import Connection
from lgsp.window import LOCAL, Window


@dataclass(frozen=True)
class Freshness:
    """Until when a source is covered, how long ago that is, and which periods before it were not read (`holes`)."""

    source: str
    covered_until: datetime | None
    newest_record_on: date | None
    behind: timedelta | None
    holes: tuple[tuple[datetime, datetime], ...]
    is_fresh: bool

    def __str__(self) -> str:
        if self.covered_until is None:
            return f"{self.source}: nothing was published yet"
        hours = round((self.behind or timedelta()) / timedelta(hours=1))
        holes = ", ".join(str(Window(*hole)) for hole in self.holes)
        text = f"{self.source}: data reaches {self.covered_until.astimezone(LOCAL):%Y-%m-%d %H:%M}, {hours} hours ago"
        return f"{text}; not read: {holes}" if holes else text


def measure(connection: Connection, now: datetime) -> list[Freshness]:
    """The freshness of each source at the time `now`; `is_fresh` compares it with the hours in its `source.yml`.

    Only the end of the published windows counts: reading an old day again does not make a source fresh. Windows before the
    first one with records do not count: what lies between is no gap.
    """
    rows = connection.execute(
        "select source, (select array_agg(lower(r) order by r) from unnest(ranges) r) as starts, (select array_agg(upper(r) order by r) from unnest(ranges) r) as ends "
        "from (select source, range_agg(tstzrange(window_from, window_to)) "
        "* tstzmultirange(tstzrange(coalesce(min(window_from) filter (where fetched_count > 0), '-infinity'), null)) as ranges from ledger.batch "
        "where state = 'published' and purpose = 'window' group by source) covered"
    ).fetchall()
    # counted days, because there are millions of records; a day after the end of its window is a typing error
    newest = connection.execute(
        "select source, max(day_on) as day_on from ledger.batch_day join ledger.batch using (batch_id) where state = 'published' "
        "and purpose <> 'sweep' and day_on::timestamp at time zone 'Asia/Ho_Chi_Minh' < window_to group by source"
    ).fetchall()
    newest_on = {row["source"]: row["day_on"] for row in newest}
    spans = {row["source"]: (row["starts"], row["ends"]) for row in rows}
    return [_freshness(name, *spans.get(name, ([], [])), newest_on.get(name), now) for name in sources.names()]


def _freshness(
    source: str, starts: list[datetime], ends: list[datetime], newest: date | None, now: datetime
) -> Freshness:
    until = ends[-1] if ends else None
    behind = now - until if until else None
    holes = tuple(zip(ends[:-1], starts[1:], strict=True))
    limit = timedelta(hours=sources.load(source).freshness["hours"])
    return Freshness(source, until, newest, behind, holes, behind is not None and behind <= limit)
