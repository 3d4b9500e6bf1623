"""Decides whether a window is likely for a source: one that was probably mistyped is read only when a person confirms it.

A window is unlikely when it begins before the source had records, begins longer ago than `windows.reach_back_days` of its
`source.yml`, or ends after today.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from lgsp import store
from lgsp.errors import UnlikelyWindow
from lgsp.schema import sources
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.store.ledger import Connection
from lgsp.window import Window, local_day, midnight

# What was read need not be all that the source has: so many days before the first known record are likely too, and always
# those that a sweep compares.
DAYS_BEFORE_KNOWN = 120
CONFIRM = "add --really (make backfill: REALLY=1; Airflow: `really`)"

# The first day with records of a source. One record in a thousand may have a mistyped day.
FIRST_DAY = """
select day_on from (
    select day_on, sum(sum(record_count)) over (order by day_on) as until_then, sum(sum(record_count)) over () as records
    from ledger.received_day where source = %s and record_count > 0 group by day_on
) counted where until_then > records / 1000.0 order by day_on limit 1
"""


def confirm(
    settings: Settings, source_name: str, window: Window, confirmed_by: str | None = None, now: datetime | None = None
) -> str | None:
    """Who confirmed the window, for the ledger; None when it is likely and nobody had to.

    `now` is by default the current time. Raises UnlikelyWindow, which names the bound, when `confirmed_by` is None and the
    window is unlikely. No request is sent to the source.
    """
    source = sources.load(source_name)
    with store.connect(settings) as connection:
        reason = doubt(source, window, now or datetime.now(UTC), first_known_day(connection, source_name))
    if reason is None:
        return None
    if confirmed_by is None:
        raise UnlikelyWindow(f"{source_name} {window} {reason}; nothing was read. If it is meant, {CONFIRM}")
    return confirmed_by


def doubt(source: Source, window: Window, now: datetime, first_known_on: date | None) -> str | None:
    """Why a window is unlikely at the time `now`; None when it is likely. `first_known_on`: the first day with records."""
    first_on, file = source.windows.get("first_record_on"), f"sources/{source.name}/source.yml"
    if window.end > midnight(local_day(now) + timedelta(days=1)):
        return f"ends in the future, after {local_day(now)}"
    if first_on is not None and window.start < midnight(first_on):
        return f"begins before {first_on}, the day of the first record (`windows.first_record_on` in {file})"
    if window.start < now - timedelta(days=source.windows["reach_back_days"]):
        return f"begins more than {source.windows['reach_back_days']} days ago (`windows.reach_back_days` in {file})"
    if first_on is None and first_known_on is not None:
        days = max(DAYS_BEFORE_KNOWN, source.sweep["range_days"] if source.sweep else 0)
        if window.start < midnight(first_known_on - timedelta(days=days)):
            return f"begins more than {days} days before {first_known_on}, the day of the first record that was read"
    return None


def first_known_day(connection: Connection, source_name: str) -> date | None:
    """The first local day with published records of a source; None when none was published."""
    row = connection.execute(FIRST_DAY, [source_name]).fetchone()
    return row["day_on"] if row else None
