"""How fresh the data of each source is: how far it is covered without a gap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from lgsp.schema import sources
from lgsp.store.ledger import Connection
from lgsp.window import LOCAL, Window


@dataclass(frozen=True)
class Freshness:
    """How far a source's data reaches, how long ago that is, and what was left out on the way."""

    source: str
    covered_until: datetime | None
    newest_record_on: date | None
    behind: timedelta | None
    holes: tuple[tuple[datetime, datetime], ...]
    is_fresh: bool

    def __str__(self) -> str:
        if self.covered_until is None:
            return f"{self.source}: nothing was ever published"
        hours = round((self.behind or timedelta()) / timedelta(hours=1))
        holes = ", ".join(str(Window(*hole)) for hole in self.holes)
        reached = (
            f"{self.source}: data reaches {self.covered_until.astimezone(LOCAL):%Y-%m-%d %H:%M}, {hours} hours ago"
        )
        return f"{reached}; not read: {holes}" if holes else reached


def freshness(connection: Connection, now: datetime) -> list[Freshness]:
    """How far the data of each source reaches, seen from an instant; fresh within the hours its `source.yml` allows.

    What counts is the end of what published windows cover: reading an old day again makes nothing fresh.
    """
    rows = connection.execute(
        "select source, (select array_agg(lower(r) order by r) from unnest(told) r) as begins, (select array_agg(upper(r) order by r) from unnest(told) r) as ends "
        "from (select source, range_agg(tstzrange(window_from, window_to)) as told from ledger.batch "
        "where state = 'published' and purpose = 'window' group by source) covered"
    ).fetchall()
    # by day: there are millions of records; a day past its window is a misspelt one
    newest = connection.execute(
        "select source, max(day_on) as day_on from ledger.batch_day join ledger.batch using (batch_id) where state = 'published' "
        "and purpose <> 'sweep' and day_on::timestamp at time zone 'Asia/Ho_Chi_Minh' < window_to group by source"
    ).fetchall()
    newest_on = {row["source"]: row["day_on"] for row in newest}
    spans = {row["source"]: (row["begins"], row["ends"]) for row in rows}
    return [_freshness(name, *spans.get(name, ([], [])), newest_on.get(name), now) for name in sources.names()]


def _freshness(
    source: str, begins: list[datetime], ends: list[datetime], newest: date | None, now: datetime
) -> Freshness:
    until = ends[-1] if ends else None
    behind = now - until if until else None
    holes = tuple(zip(ends[:-1], begins[1:], strict=True))
    limit = timedelta(hours=sources.load(source).freshness["hours"])
    return Freshness(source, until, newest, behind, holes, behind is not None and behind <= limit)
