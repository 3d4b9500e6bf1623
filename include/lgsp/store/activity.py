"""What runs now: batches whose stage has a live heartbeat, and the sessions that have the publish lock or wait for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from lgsp.store.heartbeat import ALIVE_SECONDS
from lgsp.store.transaction import PUBLISH_LOCK
from lgsp.window import LOCAL

# The stage that works on a batch in a state.
STAGES = {"landing": "land", "landed": "harmonise", "harmonised": "check"}

BATCHES = f"""
select batch_id, state, progress, coalesce(harmonised_at, landed_at, created_at) as since from ledger.batch
where state = any(%s) and heartbeat_at > clock_timestamp() - interval '{ALIVE_SECONDS} seconds'
order by created_at, batch_id
"""
# A waiting session renews its transaction, so its age is that of its connection.
SESSIONS = f"""
select pid, application_name, granted, case when granted then xact_start else backend_start end as since
from pg_locks join pg_stat_activity using (pid)
where relation = to_regclass('{PUBLISH_LOCK}') and pg_locks.database = (select oid from pg_database where datname = current_database())
    and mode in ('ExclusiveLock', 'AccessExclusiveLock') and pid <> pg_backend_pid()
order by granted desc, since, pid
"""
_NAME = re.compile(r"lgsp (?P<command>[a-z ]+?)(?: (?P<step>\d+/\d+ \w+))? (?P<pid>\d+)@(?P<host>.*)")


@dataclass(frozen=True)
class Activity:
    """One thing that runs: a stage of a batch, or a command with the publish lock or waiting for it.

    `what` is the stage or the command, `subject` the batch id or empty, `progress` what it has done or what it waits for,
    `process` its process and host.
    """

    what: str
    subject: str
    since: datetime | None
    progress: str
    process: str

    def __str__(self) -> str:
        since = f"since {self.since.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}" if self.since else ""
        return ", ".join(filter(None, [f"{self.what} {self.subject}".strip(), self.progress, since, self.process]))


def running(connection: psycopg.Connection[Any]) -> list[Activity]:
    """What runs now: the stages of batches, oldest batch first, then the holder of the publish lock, then who waits for it."""
    batches = [_of_batch(row) for row in connection.execute(BATCHES, [list(STAGES)]).fetchall()]
    return batches + [_of_session(row) for row in connection.execute(SESSIONS).fetchall()]


def _of_batch(row: dict[str, Any]) -> Activity:
    progress, _, process = (row["progress"] or "").rpartition("pid ")
    return Activity(
        STAGES[row["state"]], row["batch_id"], row["since"], progress.rstrip(", "), f"pid {process}" if process else ""
    )


def _of_session(row: dict[str, Any]) -> Activity:
    """The session of a command; of another program its application name."""
    name = _NAME.fullmatch(row["application_name"] or "")
    command = name["command"] if name else (row["application_name"] or "a session without a name")
    process = f"pid {name['pid']} on {name['host']}" if name else f"process {row['pid']} of the database"
    progress = f"step {name['step']}" if name and name["step"] else ""
    return Activity(command, "", row["since"], progress if row["granted"] else "waits for the publish lock", process)
