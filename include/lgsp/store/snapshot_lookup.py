"""Which published snapshot somebody means: the newest, or an older one that can still be told. Needs a reader's rights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from lgsp.errors import NothingPublished, SettingError
from lgsp.store.ledger import Connection

FIND = "select snapshot_id, published_at, as_of from shared.snapshot"


@dataclass(frozen=True)
class Shown:
    """A published snapshot: when it was published, how far its data reach, and whether the shared tables show it."""

    snapshot_id: int
    published_at: datetime
    as_of: datetime
    is_newest: bool


def find(connection: Connection, snapshot_id: int | None = None) -> Shown:
    """The newest snapshot unless one is named.

    Raises NothingPublished before the first one, SettingError when that one never was, its history was retired, or
    whoever asks may not read.
    """
    try:
        newest = connection.execute(f"{FIND} order by snapshot_id desc limit 1").fetchone()
        if newest is None:
            raise NothingPublished("nothing was published yet")
        wanted = newest["snapshot_id"] if snapshot_id is None else snapshot_id
        connection.execute("select history.held(%s::bigint)", [wanted])
        row = (
            newest
            if wanted == newest["snapshot_id"]
            else connection.execute(f"{FIND} where snapshot_id = %s", [wanted]).fetchone()
        )
    except psycopg.errors.UndefinedTable as error:
        raise NothingPublished(
            "nothing was published yet: the store has no shared tables, `lgsp init` makes them"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SettingError(
            f"{error.diag.message_primary}: the database user must be a member of lgsp_reader"
        ) from error
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.ObjectNotInPrerequisiteState) as error:
        raise SettingError(f"{error.diag.message_primary}; {error.diag.message_hint}") from error
    if row is None:
        raise SettingError(f"snapshot {wanted} was never published; shared.snapshot lists those that were")
    return Shown(row["snapshot_id"], row["published_at"], row["as_of"], wanted == newest["snapshot_id"])
