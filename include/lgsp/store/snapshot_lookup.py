"""Find a published snapshot: the newest, or an older one whose history is retained. Needs the role lgsp_reader."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from lgsp.errors import NothingPublished, SettingError
from lgsp.store.ledger import Connection

FIND = "select snapshot_id, published_at, as_of from shared.snapshot"


@dataclass(frozen=True)
class PublishedSnapshot:
    """A published snapshot; `as_of` is the time up to which its data reach."""

    snapshot_id: int
    published_at: datetime
    as_of: datetime
    is_newest: bool

    def table(self, name: str) -> str:
        """The SQL expression that reads a shared table as it was in this snapshot."""
        return f"shared.{name}" if self.is_newest else f"history.{name}_as_of({self.snapshot_id})"


def find(connection: Connection, snapshot_id: int | None = None) -> PublishedSnapshot:
    """A published snapshot by its id; the newest when no id is given.

    Raises NothingPublished before the first publication, and SettingError when the snapshot was never published, its
    history was retired, or the database user has no right to read.
    """
    try:
        newest = connection.execute(f"{FIND} order by snapshot_id desc limit 1").fetchone()
        if newest is None:
            raise NothingPublished("nothing was published yet: `lgsp publish` publishes the checked batches")
        number = newest["snapshot_id"] if snapshot_id is None else snapshot_id
        connection.execute("select history.held(%s::bigint)", [number])
        row = (
            newest
            if number == newest["snapshot_id"]
            else connection.execute(f"{FIND} where snapshot_id = %s", [number]).fetchone()
        )
    except psycopg.errors.UndefinedTable as error:
        raise NothingPublished(
            "nothing was published yet: the store has no shared tables, `lgsp init` creates them"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SettingError(
            f"{error.diag.message_primary}: the database user must be a member of lgsp_reader"
        ) from error
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.ObjectNotInPrerequisiteState) as error:
        raise SettingError(f"{error.diag.message_primary}; {error.diag.message_hint}") from error
    if row is None:
        raise SettingError(f"snapshot {number} was never published; shared.snapshot lists the published ones")
    return PublishedSnapshot(row["snapshot_id"], row["published_at"], row["as_of"], number == newest["snapshot_id"])
