"""Compares the keys that a source lists with the keys that were read before, list by list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from lgsp import sql
from lgsp.land.reader import Keys
from lgsp.schema import records
from lgsp.schema.sources import SweptList
from lgsp.sql import quoted
from lgsp.store.ledger import Connection
from lgsp.vietnam.personal_data import mask_key
from lgsp.window import Window


@dataclass(frozen=True)
class ComparedList:
    """How one list of a source is compared, from the `sweep` part of its source.yml.

    `kinds` are its kinds of record, `by` is the time that places a record in the range. `absent` is `look_up` (a record
    that is not listed is requested individually), `deleted` (a record that is not listed is deleted) or `report`
    (records of this list are never deleted). `keeps` are the columns that a tombstone keeps.
    """

    source: str
    name: str
    kinds: tuple[str, ...]
    by: str
    absent: str
    keeps: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, source: str, name: str, config: SweptList) -> ComparedList:
        """The list as its source.yml configures it."""
        lists = {key: tuple(config[key]) for key in ("kinds", "keeps") if key in config}
        return cls(source=source, name=name, by=config["by"], absent=config["absent"], **lists)


@dataclass(frozen=True)
class Absent:
    """A stored record that the source does not list: its kind, its newest known change, and the columns to keep."""

    kind: str
    source_key: str
    changed_at: datetime
    kept_columns: dict[str, Any] = field(default_factory=dict)


@dataclass
class Difference:
    """How a source's list differs from what is known: keys with their change times, and the records that are absent."""

    missing: dict[str, datetime] = field(default_factory=dict)  # listed, not known
    changed: dict[str, datetime] = field(default_factory=dict)  # listed with a newer change than the known one
    returned: dict[str, datetime] = field(
        default_factory=dict
    )  # listed again after a tombstone, with an old change time
    deleted_at: dict[str, datetime] = field(default_factory=dict)  # of the returned keys: the time of the tombstone
    absent: list[Absent] = field(default_factory=list)
    undated: dict[str, datetime | None] = field(
        default_factory=dict
    )  # listed without a change time, or with one in the future; the time of the tombstone, if a sweep found it deleted
    unread: int = 0  # changed outside every published window: not missed, only not read yet
    undelivered: int = 0  # read again before, but no record with their key came

    def times_to_read_again(self) -> list[datetime]:
        """The change times that must be read again, in order."""
        return sorted({*self.missing.values(), *self.changed.values(), *self.returned.values()})


# The newest batch that read a key again counts only while it may still publish, or has published, what it read.
DIFFERS = """
select l.source_key, l.changed_at, k.changed_at as known_at, s.changed_at as deleted_at, b.state as read_again from listed l
left join lateral (
    select max(changed_at) as changed_at, count(*) as keys from known where source_key in (l.source_key, l.masked_key)
) k on true
left join stored s on s.source_key = l.source_key and s.is_inferred and s.changed_at = k.changed_at
left join ledger.swept_record r
    on r.source = %(source)s and r.list = %(list)s and r.source_key = l.masked_key and r.changed_at >= l.changed_at
left join ledger.batch b on b.batch_id = r.batch_id and b.state in ('checked', 'published')
where (k.keys = 0 or l.changed_at > k.changed_at or s.is_inferred) and l.changed_at < %(due_until)s and l.changed_at <@ %(covered)s::tstzmultirange
"""

# What published windows cover: only there an unknown key was missed; outside them it was not read yet.
COVERED = """
select coalesce(range_agg(tstzrange(window_from, window_to)), '{}')::text as covered from ledger.batch
where source = %s and purpose = 'window' and state = 'published'
"""


def load_known_keys(connection: Connection, compared: ComparedList) -> None:
    """Copy what is known of a list now into the temporary tables `stored` and `known` of this connection."""
    kept_columns = ", ".join(compared.keeps)
    each_kind = [
        f"select {quoted(kind)} as kind, source_key, source_updated_at as changed_at, {compared.by} as by_at, batch_id, "
        f"{'coalesce(is_deleted, false)' if 'is_deleted' in records.KINDS[kind].columns else 'false'} as is_deleted"
        f"{f', {kept_columns}' if kept_columns else ''} from record.{kind} where source = {quoted(compared.source)}"
        for kind in compared.kinds
    ]
    kinds = f"array[{', '.join(map(quoted, compared.kinds))}]"
    for table in ("listed", "stored", "known"):
        connection.execute(f"drop table if exists pg_temp.{table}")
    parts = {"records": "\n    union all ".join(each_kind), "source": quoted(compared.source), "kinds": kinds}
    connection.execute(sql.load("lgsp.maintain", "keys_known", **parts))


def known_counts_by_day(connection: Connection, span: Window) -> dict[date, int]:
    """How many known keys changed last on each local day of a span; a deletion that a sweep inferred is not a change."""
    rows = connection.execute(
        "select (k.changed_at at time zone 'Asia/Ho_Chi_Minh')::date as day, count(*) as count from known k "
        "where k.changed_at >= %s and k.changed_at < %s "
        "and not exists (select 1 from stored s where s.source_key = k.source_key and s.is_inferred and s.changed_at = k.changed_at) group by 1",
        [span.start, span.end],
    )
    return {row["day"]: row["count"] for row in rows.fetchall()}


def count_records(connection: Connection, compared: ComparedList, span: Window) -> int:
    """How many stored records, not deleted, lie in a span."""
    row = connection.execute(
        f"select count(*) as count from stored s join known k using (source_key) where not s.is_deleted and {_placed_by(compared)} <@ tstzrange(%s, %s)",
        [span.start, span.end],
    ).fetchone()
    return int(row["count"]) if row else 0


def compare(connection: Connection, compared: ComparedList, keys: Keys, due_until: datetime) -> Difference:
    """How the keys that a source listed differ from the known ones. Changes since `due_until` are not due yet."""
    with connection.cursor().copy("copy listed (source_key, masked_key, changed_at) from stdin") as copy:
        for key, changed_at in keys.change_times.items():
            copy.write_row([key, key, changed_at])
        for key in keys.undated:
            copy.write_row([key, key, None])
    connection.execute("analyze listed")
    unknown = connection.execute(
        "select source_key from listed l where not exists (select 1 from known k where k.source_key = l.source_key)"
    )
    masked = [(mask_key(row["source_key"]), row["source_key"]) for row in unknown.fetchall()]
    with connection.cursor() as cursor:
        cursor.executemany(
            "update listed set masked_key = %s where source_key = %s", [pair for pair in masked if pair[0] != pair[1]]
        )
    difference = Difference()
    covered = _scalar(connection, COVERED, [compared.source])
    difference.unread = _scalar(
        connection,
        "select count(*) from listed l where not l.changed_at <@ %s::tstzmultirange and l.changed_at < %s "
        "and not exists (select 1 from known k where k.source_key in (l.source_key, l.masked_key) and k.changed_at >= l.changed_at)",
        [covered, due_until],
    )
    parameters = {"source": compared.source, "list": compared.name, "due_until": due_until, "covered": covered}
    for row in connection.execute(DIFFERS, parameters):
        key, changed_at = row["source_key"], row["changed_at"]
        if row["deleted_at"] is not None and changed_at <= row["deleted_at"]:
            difference.returned[key], difference.deleted_at[key] = changed_at, row["deleted_at"]
        elif row["read_again"]:
            difference.undelivered += row["read_again"] == "published"
        elif row["known_at"] is None:
            difference.missing[key] = changed_at
        else:
            difference.changed[key] = changed_at
    undated = connection.execute(
        "select l.source_key, max(s.changed_at) filter (where s.is_inferred) as deleted_at from listed l left join stored s using (source_key) "
        "where l.changed_at is null group by 1"
    )
    difference.undated = {row["source_key"]: row["deleted_at"] for row in undated}
    difference.absent = _absent(connection, compared, keys.spans)
    return difference


def _scalar(connection: Connection, query: str, parameters: Sequence[Any]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return next(iter(row.values())) if row else None


def record_reading(
    connection: Connection, compared: ComparedList, difference: Difference, read: Sequence[tuple[Window, str]]
) -> None:
    """Record in the ledger which keys were read again, with their change time, by which batch."""
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


def _absent(connection: Connection, compared: ComparedList, spans: list[Window]) -> list[Absent]:
    within = "{" + ",".join(f"[{span.start.isoformat()},{span.end.isoformat()})" for span in spans) + "}"
    rows = connection.execute(
        f"select s.*, k.changed_at as known_at from stored s join known k using (source_key) "
        f"where not s.is_deleted and {_placed_by(compared)} <@ %s::tstzmultirange "
        "and not exists (select 1 from listed l where l.source_key = s.source_key) order by s.kind, s.source_key",
        [within],
    )
    return [
        Absent(row["kind"], row["source_key"], row["known_at"], {name: row[name] for name in compared.keeps})
        for row in rows.fetchall()
    ]


def _placed_by(compared: ComparedList) -> str:
    """The time that places a stored record in a range. For the change time it is the newest known change of the key."""
    return "k.changed_at" if compared.by == "source_updated_at" else "s.by_at"
