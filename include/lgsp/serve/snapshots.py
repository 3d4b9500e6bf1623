"""The snapshot that an answer is of: the newest, or the one that a request names as EPOCH-NUMBER."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from psycopg.sql import SQL, Composable, Identifier, Literal

from lgsp.serve import errors
from lgsp.serve.accounts import Account
from lgsp.serve.database import Connection
from lgsp.serve.errors import ApiError
from lgsp.serve.model import SNAPSHOT, EntitySet
from lgsp.store import views

COLUMNS = "snapshot_id, epoch, published_at, as_of, history_retired_at is not null, files_retired_at is not null"
NAME = re.compile(r"([0-9]{1,9})-([0-9]{1,18})")

# An agency, those below it and its predecessors, transitively; each as the newest version of the snapshot has it.
AGENCIES = """
with recursive newest as (
    select distinct on (organisation_id) organisation_id, parent_id, successor_id
    from {} r order by organisation_id, valid_from desc
), visible (organisation_id) as (
    select unnest({}::text[])
    union
    select n.organisation_id from visible v join newest n on v.organisation_id in (n.parent_id, n.successor_id)
)
select coalesce(array_agg(organisation_id order by organisation_id), '{{}}') from visible
"""


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot; `as_of` is the time up to which its data reach."""

    number: int
    epoch: int
    published_at: datetime
    as_of: datetime | None
    is_history_retired: bool
    are_files_retired: bool
    is_newest: bool = False

    @property
    def name(self) -> str:
        """Its name in addresses and headers."""
        return f"{self.epoch}-{self.number}"

    def rows(self, entity_set: EntitySet) -> Composable:
        """The SQL of the rows of a set in this snapshot, for a FROM clause."""
        if self.is_newest and entity_set.contract is not SNAPSHOT:
            return Identifier("shared", entity_set.name)
        if entity_set.view is not None:
            return SQL("(") + SQL(views.as_of(entity_set.view, self.number)) + SQL(")")
        if not entity_set.is_published:
            return SQL("(select * from shared.snapshot where snapshot_id <= {})").format(self.number)
        return SQL("{}({})").format(Identifier("history", f"{entity_set.name}_as_of"), Literal(self.number))

    def table_hash(self, connection: Connection, entity_set: EntitySet) -> str | None:
        """The content hash of a table in the manifest of this snapshot; None where it has none."""
        row = connection.execute(
            "select content_hash::text from ledger.publication_table where snapshot_id = %s and table_name = %s",
            [self.number, entity_set.name],
        ).fetchone()
        return row[0] if row else None


def check_published(connection: Connection, snapshot: Snapshot, entity_set: EntitySet) -> None:
    """Raise ApiError (404) when an older version of the program published a snapshot, without a set or what its view reads."""
    if snapshot.is_newest or entity_set.contract is SNAPSHOT:
        return
    tables = views.tables(entity_set.view) if entity_set.view else {entity_set.name}
    found = connection.execute(
        "select table_name from ledger.publication_table where snapshot_id = %s and table_name = any(%s)",
        [snapshot.number, sorted(tables)],
    ).fetchall()
    if missing := sorted(tables - {name for (name,) in found}):
        raise errors.not_found(
            f"snapshot {snapshot.name} was published without {', '.join(missing)}",
            f"lần công bố {snapshot.name} không có {', '.join(missing)}",
        )


def newest(connection: Connection) -> Snapshot:
    """The newest snapshot. Raises ApiError (503) before the first."""
    row = connection.execute(f"select {COLUMNS} from shared.snapshot order by snapshot_id desc limit 1").fetchone()
    if row is None:
        raise ApiError(
            "NoSnapshot", "nothing was published yet", "chưa có lần công bố nào", headers={"Retry-After": "60"}
        )
    return Snapshot(row[0], row[1], row[2], row[3], row[4], row[5], is_newest=True)


def named(connection: Connection, name: str, latest: Snapshot) -> Snapshot:
    """The snapshot with a name. Raises ApiError: 404 when it was never published, 410 when it is of another epoch."""
    match = NAME.fullmatch(name)
    if match is None:
        raise never_published(name)
    epoch, number = int(match[1]), int(match[2])
    if (epoch, number) == (latest.epoch, latest.number):
        return latest
    row = connection.execute(f"select {COLUMNS} from shared.snapshot where snapshot_id = %s", [number]).fetchone()
    if row is not None and row[1] == epoch:
        return Snapshot(*row)
    if 0 < epoch < latest.epoch:
        raise gone(f"snapshot {name} is of another epoch", f"lần công bố {name} thuộc thời kỳ khác", latest)
    raise never_published(name)


def check_retained(snapshot: Snapshot, latest: Snapshot, account: Account) -> None:
    """Raise ApiError (410) when the rows of a snapshot were retired, or an older one when the account could see other rows."""
    if snapshot.is_history_retired:
        raise gone(f"snapshot {snapshot.name} was retired", f"lần công bố {snapshot.name} đã bị xóa", latest)
    if not snapshot.is_newest and is_before_change(snapshot, account):
        raise scope_changed(snapshot, latest)


def is_before_change(snapshot: Snapshot, account: Account) -> bool:
    """Whether the account's scope changed after a snapshot."""
    return account.changed_at is not None and snapshot.published_at < account.changed_at


def scope_changed(snapshot: Snapshot, latest: Snapshot) -> ApiError:
    """The answer about a snapshot of which the account could see other rows."""
    return gone(
        f"the rows that your account may see changed after snapshot {snapshot.name}",
        f"phạm vi của tài khoản đã thay đổi sau lần công bố {snapshot.name}",
        latest,
    )


def gone(english: str, vietnamese: str, latest: Snapshot) -> ApiError:
    """The answer about a snapshot that cannot be read any more; the caller adds the address of the newest."""
    return ApiError("SnapshotGone", english, vietnamese, details={"NewestSnapshot": latest.name})


def never_published(name: str) -> ApiError:
    """The answer about a snapshot that never was."""
    return errors.not_found(f"snapshot {name[:40]} was never published", f"không có lần công bố {name[:40]}")


def agencies(
    connection: Connection, snapshot: Snapshot, account: Account, organisations: EntitySet
) -> list[str] | None:
    """The agencies whose facts an account may see in a snapshot, in order; None when it may see all."""
    if not account.agencies:
        return None
    query = SQL(AGENCIES).format(snapshot.rows(organisations), Literal(list(account.agencies)))
    row = connection.execute(query).fetchone()
    return list(row[0]) if row else []
