"""Comparison: the keys a source has of a list, beside what is known of them; what differs, key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from lgsp import sql
from lgsp.land.reader import Keys
from lgsp.schema import records
from lgsp.sql import quoted
from lgsp.store.ledger import Connection
from lgsp.vietnam.personal_data import mask_key
from lgsp.window import Window


@dataclass(frozen=True)
class List:
    """How one list of a source is compared: its kinds of record, by which time, and what proves a deletion.

    `absent` is `look_up` (the record asked for by itself is not there), `deleted` (the list alone proves it) or
    `report` (nothing of this list is ever deleted).
    """

    source: str
    name: str
    kinds: tuple[str, ...]
    by: str
    absent: str
    keeps: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: str, name: str, told: Mapping[str, Any]) -> List:
        """The list as its source's description tells it."""
        lists = {key: tuple(told[key]) for key in ("kinds", "keeps") if key in told}
        return cls(source=source, name=name, by=told["by"], absent=told["absent"], **lists)


@dataclass(frozen=True)
class Absent:
    """A record of ours that the source does not list: of which kind, and its newest change that we know."""

    kind: str
    source_key: str
    changed_at: datetime
    told: dict[str, Any] = field(default_factory=dict)


@dataclass
class Difference:
    """What the source has and we do not (with its change time), what it has newer, what came back, and what it lacks."""

    missing: dict[str, datetime] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)
    returned: dict[str, datetime] = field(default_factory=dict)  # came back with an old time of change
    buried_at: dict[str, datetime] = field(default_factory=dict)  # of what came back: the time of its tombstone
    absent: list[Absent] = field(default_factory=list)
    unread: int = 0  # changed where no published window reaches: nobody missed them
    undelivered: int = 0  # were read again before, and what came was nothing that bears their key

    def again(self) -> list[datetime]:
        """The change times that must be read again."""
        return sorted({*self.missing.values(), *self.changed.values(), *self.returned.values()})


# The newest batch that read a key again counts only while it may still bring, or has brought, what it read.
DIFFERS = """
select l.source_key, l.changed_at, k.changed_at as known_at, h.changed_at as buried_at, b.state as read_again from listed l
left join lateral (
    select max(changed_at) as changed_at, count(*) as keys from known where source_key in (l.source_key, l.named)
) k on true
left join held h on h.source_key = l.source_key and h.is_inferred and h.changed_at = k.changed_at
left join ledger.swept_record s
    on s.source = %(source)s and s.list = %(list)s and s.source_key = l.named and s.changed_at >= l.changed_at
left join ledger.batch b on b.batch_id = s.batch_id and b.state in ('checked', 'published')
where (k.keys = 0 or l.changed_at > k.changed_at or h.is_inferred) and l.changed_at < %(due_until)s and l.changed_at <@ %(covered)s::tstzmultirange
"""

# What published windows cover: only there a key that is not known was missed; all else was not read yet.
COVERED = """
select coalesce(range_agg(tstzrange(window_from, window_to)), '{}')::text as covered from ledger.batch
where source = %s and purpose = 'window' and state = 'published'
"""


def begin(connection: Connection, compared: List) -> None:
    """Gather what is known of a list, as of now, into temporary tables of this connection."""
    kept = ", ".join(compared.keeps)
    each = [
        f"select {quoted(kind)} as kind, source_key, source_updated_at as changed_at, {compared.by} as by_at, batch_id, "
        f"{'coalesce(is_deleted, false)' if 'is_deleted' in records.KINDS[kind].columns else 'false'} as is_deleted"
        f"{f', {kept}' if kept else ''} from record.{kind} where source = {quoted(compared.source)}"
        for kind in compared.kinds
    ]
    kinds = f"array[{', '.join(map(quoted, compared.kinds))}]"
    for table in ("listed", "held", "known"):
        connection.execute(f"drop table if exists pg_temp.{table}")
    parts = {"records": "\n    union all ".join(each), "source": quoted(compared.source), "kinds": kinds}
    connection.execute(sql.load("lgsp.maintain", "keys_known", **parts))


def known_by_day(connection: Connection, span: Window) -> dict[date, int]:
    """How many keys we know to have changed last on each local day of a span; a deletion that we inferred is no change."""
    rows = connection.execute(
        "select (k.changed_at at time zone 'Asia/Ho_Chi_Minh')::date as day, count(*) as count from known k "
        "where k.changed_at >= %s and k.changed_at < %s "
        "and not exists (select 1 from held h where h.source_key = k.source_key and h.is_inferred and h.changed_at = k.changed_at) group by 1",
        [span.start, span.end],
    )
    return {row["day"]: row["count"] for row in rows.fetchall()}


def living(connection: Connection, compared: List, span: Window) -> int:
    """How many records we have in a span."""
    row = connection.execute(
        f"select count(*) as count from held h join known k using (source_key) where not h.is_deleted and {_in_range(compared)} <@ tstzrange(%s, %s)",
        [span.start, span.end],
    ).fetchone()
    return int(row["count"]) if row else 0


def of(connection: Connection, compared: List, keys: Keys, due_until: datetime) -> Difference:
    """How the keys a source listed differ from what is known; what changed since `due_until` is not due yet."""
    with connection.cursor().copy("copy listed (source_key, named, changed_at) from stdin") as copy:
        for key, changed_at in keys.changed.items():
            copy.write_row([key, key, changed_at])
    connection.execute("analyze listed")
    unknown = connection.execute(
        "select source_key from listed l where not exists (select 1 from known k where k.source_key = l.source_key)"
    )
    named = [(mask_key(row["source_key"]), row["source_key"]) for row in unknown.fetchall()]
    with connection.cursor() as cursor:
        cursor.executemany("update listed set named = %s where source_key = %s", [it for it in named if it[0] != it[1]])
    difference = Difference()
    covered = _one(connection, COVERED, [compared.source])
    difference.unread = _one(
        connection,
        "select count(*) from listed l where not l.changed_at <@ %s::tstzmultirange and l.changed_at < %s "
        "and not exists (select 1 from known k where k.source_key in (l.source_key, l.named) and k.changed_at >= l.changed_at)",
        [covered, due_until],
    )
    asked = {"source": compared.source, "list": compared.name, "due_until": due_until, "covered": covered}
    for row in connection.execute(DIFFERS, asked):
        key, changed_at = row["source_key"], row["changed_at"]
        if row["buried_at"] is not None and changed_at <= row["buried_at"]:
            difference.returned[key], difference.buried_at[key] = changed_at, row["buried_at"]
        elif row["read_again"]:
            difference.undelivered += row["read_again"] == "published"
        elif row["known_at"] is None:
            difference.missing[key] = changed_at
        else:
            difference.changed[key] = changed_at
    difference.absent = _absent(connection, compared, keys.spans)
    return difference


def _one(connection: Connection, query: str, parameters: Sequence[Any]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return next(iter(row.values())) if row else None


def remember(
    connection: Connection, compared: List, difference: Difference, read: Sequence[tuple[Window, str]]
) -> None:
    """Keep which keys were read again, as of which change, by the batch of which window."""
    rows = []
    for key, changed_at in {**difference.missing, **difference.changed}.items():
        batch_id = next(batch_id for window, batch_id in read if window.start <= changed_at < window.end)
        rows.append([compared.source, compared.name, mask_key(key), changed_at, batch_id])
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.swept_record (source, list, source_key, changed_at, batch_id) values (%s, %s, %s, %s, %s) "
            "on conflict (source, list, source_key) do update set changed_at = excluded.changed_at, batch_id = excluded.batch_id",
            rows,
        )


def _absent(connection: Connection, compared: List, spans: list[Window]) -> list[Absent]:
    within = "{" + ",".join(f"[{span.start.isoformat()},{span.end.isoformat()})" for span in spans) + "}"
    rows = connection.execute(
        f"select h.*, k.changed_at as known_at from held h join known k using (source_key) "
        f"where not h.is_deleted and {_in_range(compared)} <@ %s::tstzmultirange "
        "and not exists (select 1 from listed l where l.source_key = h.source_key) order by h.kind, h.source_key",
        [within],
    )
    return [
        Absent(row["kind"], row["source_key"], row["known_at"], {name: row[name] for name in compared.keeps})
        for row in rows.fetchall()
    ]


def _in_range(compared: List) -> str:
    """The time by which a record of ours lies in a range; by its change, the newest one that came counts."""
    return "k.changed_at" if compared.by == "source_updated_at" else "h.by_at"
