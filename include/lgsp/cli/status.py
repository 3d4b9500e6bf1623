"""`lgsp status`: shows the newest snapshot, how current each source is, the batches by state, and what needs a decision."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from lgsp import config, configure
from lgsp.check import completeness, freshness, quarantine
from lgsp.check.freshness import Freshness
from lgsp.cli.options import handles_errors, json_option, local_time, open_store, print_values
from lgsp.local import reader_account
from lgsp.publish import hold
from lgsp.settings import Settings
from lgsp.snapshots import pointer
from lgsp.store import activity, readers, url
from lgsp.store.ledger import Connection
from lgsp.vietnam import working_time
from lgsp.window import LOCAL

DAYS_OF_GAPS = 30


@click.command()
@json_option
@click.option(
    "--owner", "is_owner", is_flag=True, help="Show the address of the owner of the database, with its password."
)
@handles_errors
def status(is_json: bool, is_owner: bool) -> None:
    """Show the newest snapshot and the open work.

    Shows the address for readers, the batches by state, how current each source is, what runs now, and what needs a
    decision.
    """
    with open_store() as (settings, connection):
        address = url(settings) if is_owner else _readers_address(settings, connection)
        values, fresh = _values(settings, connection, address), freshness.measure(connection, datetime.now(UTC))
        now = activity.running(connection)
    values["fresh_until"] = {feed.source: feed.covered_until for feed in fresh if feed.covered_until}
    values["running"] = [asdict(work) for work in now]
    values["stale"] = [feed.source for feed in fresh if not feed.is_fresh]
    if is_json:
        print_values(values, is_json)
        return
    click.echo(
        f"snapshot {values['snapshot_id']}, published {local_time(values['published_at'])}, data as of {local_time(values['as_of'])}"
    )
    click.echo(f"SQL      {address}")
    click.echo(f"files    {settings.shared / 'current'}")
    for row in values["ledger"]:
        click.echo(
            f"  {row['source']:<18}{row['state']:<12}{row['batches']:>6} batches {row['records'] or 0:>10,} records"
        )
    for feed in fresh:
        click.echo(f"  {feed.source:<18}{_coverage(feed)}")
    click.echo(
        f"  {values['in_quarantine']} records in quarantine, {values['spellings_to_review']} spellings of agencies to review"
    )
    click.echo(
        f"  {values['missing_days']} agency days missing or late in the newest {DAYS_OF_GAPS} days"
        + ("; `lgsp completeness` lists them" if values["missing_days"] else "")
    )
    for work in now:
        click.echo(f"  runs now: {work}")
    for line in (
        values["on_hold"],
        values["lagging"],
        values["calendar"],
        *values["forgotten"],
        *_mistakes(values["config_mistakes"]),
    ):
        if line:
            click.echo(f"  {line}")


def _readers_address(settings: Settings, connection: Connection) -> str:
    """The address for readers; on an embedded server without any account that of its owner, the only login there is."""
    accounts = _first_row(connection, "select count(*) as n from ledger.reader")
    if settings.database_url or accounts["n"]:
        return readers.address(settings, reader_account.user(settings))
    return url(settings)


def _values(settings: Settings, connection: Connection, address: str) -> dict[str, Any]:
    newest = _first_row(
        connection, "select snapshot_id, published_at, as_of from ledger.publication order by 1 desc limit 1"
    )
    last_on = completeness.newest_day(connection)
    gaps = completeness.gaps(connection, None, last_on - timedelta(days=DAYS_OF_GAPS - 1), last_on) if last_on else []
    quarantined = _first_row(
        connection,
        f"select count(distinct (source, kind, source_key, record_hash)) as records from ledger.quarantine q where {quarantine.IS_WAITING}",
    )
    to_review = _first_row(
        connection,
        "select count(*) as spellings from ledger.organisation_worklist where state = 'open' and record_count > 0",
    )
    return {
        "snapshot_id": newest.get("snapshot_id"), "published_at": newest.get("published_at"), "as_of": newest.get("as_of"),
        "on_hold": hold.current_reason(settings), "lagging": _lagging(settings, newest.get("snapshot_id")),
        "database_url": address, "shared_root": str(settings.shared),
        "ledger": connection.execute(
            "select source, state, count(*) as batches, sum(fetched_count)::bigint as records from ledger.batch group by 1, 2 order by 1, 2"
        ).fetchall(),
        "in_quarantine": quarantined.get("records", 0), "spellings_to_review": to_review.get("spellings", 0),
        "config_hash": config.active().hash, "config_mistakes": configure.problems(settings),
        "missing_days": sum(gap.days for gap in gaps), "calendar": _calendar(newest.get("as_of")),
        "forgotten": [f"{aged.records} records of {aged.source} that broke {aged.rule_id} are in quarantine, the oldest for {aged.oldest_days} days"
                      for aged in quarantine.aged(connection)],
    }  # fmt: skip


def _first_row(connection: Connection, query: str) -> dict[str, Any]:
    return connection.execute(query).fetchone() or {}


def _mistakes(mistakes: list[str]) -> list[str]:
    """The warning that LGSP_CONFIG has mistakes, with all of them."""
    return (
        [f"LGSP_CONFIG has mistakes, an older copy ({config.active().hash}) is in use:", *mistakes] if mistakes else []
    )


def _coverage(feed: Freshness) -> str:
    if feed.covered_until is None:
        return "nothing was published yet"
    holes = f", with {len(feed.holes)} gaps before" if feed.holes else ""
    return f"data until {local_time(feed.covered_until)}{holes}{'' if feed.is_fresh else ' (STALE)'}"


def _lagging(settings: Settings, newest: int | None) -> str | None:
    """The warning that the files' pointer points to an older snapshot than SQL shows."""
    current = pointer.current(settings.shared)
    return (
        None
        if current == newest
        else f"readers of files see snapshot {current}: `lgsp recover` or the next publication switches the pointer"
    )


def _calendar(as_of: datetime | None) -> str | None:
    """The warning that the working calendar ends soon after the data."""
    day: date | None = as_of.astimezone(LOCAL).date() if as_of else None
    return working_time.horizon(day).warning if day else None
