"""Fills gaps: reads the days that were never read, such as those of a downtime, newest first and one after the other."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from lgsp import check, harmonise, install, land, store
from lgsp.errors import BatchRefused, SourcePaused
from lgsp.settings import Settings
from lgsp.store.heartbeat import ALIVE_SECONDS
from lgsp.store.ledger import Connection
from lgsp.window import LOCAL, Window, local_day

log = logging.getLogger(__name__)

# The run that the schedule makes for a day, and its retries, come first.
SCHEDULED_HOURS = 3
# A run that has worked for so long starts no other day: the next run continues.
MOST_SECONDS = 1800.0

# The days from the installation's first reading on that no window covers. A window counts when it was landed, also where its
# batch was refused or taken back: a person decides whether it is read again. One that is being landed now counts too.
MISSING = f"""
with reading as (
    select window_from, window_to, created_at, fetched_count, batch_id from ledger.batch
    where source = %(source)s and purpose = 'window' and (landed_at is not null and state <> 'failed'
        or state = 'landing' and heartbeat_at > clock_timestamp() - interval '{ALIVE_SECONDS} seconds')
), first_reading as (
    select window_from as first_at from reading where fetched_count > 0 order by created_at, right(batch_id, 6) limit 1
), covered as (
    select range_agg(tstzrange(window_from, window_to)) as days from reading
)
select day_on::date as day_on
from first_reading, covered, generate_series((first_at at time zone %(zone)s)::date, %(until)s::date - 1, interval '1 day') as day_on
where not covered.days @> tstzrange(day_on::timestamp at time zone %(zone)s, (day_on::timestamp + interval '1 day') at time zone %(zone)s)
order by day_on desc
"""


@dataclass
class Filled:
    """The days of a source that were read, in the order of reading, the reasons of those refused, and those that are left."""

    source: str
    days: list[date] = field(default_factory=list)
    refused: dict[date, str] = field(default_factory=dict)
    left: list[date] = field(default_factory=list)
    paused: str | None = None

    def __str__(self) -> str:
        text = f"{self.source}: {len(self.days)} days that were never read were read, {len(self.left)} are left"
        text += f"; {self.paused}" if self.paused else ""
        return text + "".join(f"; {day} was refused: {why}" for day, why in self.refused.items())


def missing_days(connection: Connection, source_name: str, now: datetime) -> list[date]:
    """The local days that were never read, newest first: from the first reading of the source until its schedule is due."""
    until = local_day(now - timedelta(hours=SCHEDULED_HOURS))
    parameters = {"source": source_name, "zone": LOCAL.key, "until": until}
    return [row["day_on"] for row in connection.execute(MISSING, parameters).fetchall()]


def fill(
    settings: Settings, source_name: str, now: datetime | None = None, most_seconds: float = MOST_SECONDS
) -> Filled:
    """Read the missing days of a source, newest first, until its quiet hours begin or `most_seconds` are over.

    Each day is one window, as the schedule reads it, within the source's budget of requests. A refused day does not stop
    the others. Raises SourceFailed or SourceRefused as landing does: the days that were read before stay read.
    """
    install.ensure(settings)
    moment, started, filled = now or datetime.now(UTC), time.monotonic(), Filled(source_name)
    with store.connect(settings) as connection:
        filled.left = missing_days(connection, source_name, moment)
    while filled.left and time.monotonic() - started < most_seconds:
        day = filled.left[0]
        try:
            landed = land.run(settings, source_name, Window.of_days(day, day), is_overlapping=True)
            check.run(settings, harmonise.run(settings, landed))
            filled.days.append(day)
        except SourcePaused as error:
            filled.paused = str(error)
            break
        except BatchRefused as error:
            filled.refused[day] = str(error)
        filled.left.pop(0)
        log.info("%s", filled)
    return filled
