"""`lgsp status`: the ledger, the newest snapshot, how far each source's data reaches, and what waits for somebody."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from lgsp.check import completeness, freshness, quarantine
from lgsp.check.freshness import Freshness
from lgsp.cli.options import answering, as_json, local, store, tell
from lgsp.publish import hold
from lgsp.settings import Settings
from lgsp.snapshots import pointer
from lgsp.store import url
from lgsp.store.ledger import Connection
from lgsp.vietnam import working_time
from lgsp.window import LOCAL

DAYS_OF_GAPS = 30


@click.command()
@as_json
@answering
def status(is_json: bool) -> None:
    """The ledger, the newest snapshot, how fresh each source's data is, and what waits for a decision."""
    with store() as (settings, connection):
        told, fresh = _told(settings, connection), freshness.freshness(connection, datetime.now(UTC))
    told["fresh_until"] = {one.source: one.covered_until for one in fresh if one.covered_until}
    told["stale"] = [one.source for one in fresh if not one.is_fresh]
    if is_json:
        tell(told, is_json)
        return
    click.echo(
        f"snapshot {told['snapshot_id']}, published {local(told['published_at'])}, data as of {local(told['as_of'])}"
    )
    click.echo(f"files    {settings.shared / 'current'}")
    for row in told["ledger"]:
        click.echo(
            f"  {row['source']:<18}{row['state']:<12}{row['batches']:>6} batches {row['records'] or 0:>10,} records"
        )
    for one in fresh:
        click.echo(f"  {one.source:<18}{_reach(one)}")
    click.echo(
        f"  {told['in_quarantine']} records in quarantine, {told['spellings_to_review']} spellings of agencies wait for a decision"
    )
    click.echo(
        f"  {told['missing_days']} days of agencies are missing or late of the newest {DAYS_OF_GAPS}"
        + ("; `lgsp completeness` shows them" if told["missing_days"] else "")
    )
    for line in (told["on_hold"], told["lagging"], told["calendar"], *told["forgotten"]):
        if line:
            click.echo(f"  {line}")


def _told(settings: Settings, connection: Connection) -> dict[str, Any]:
    newest = _one(connection, "select snapshot_id, published_at, as_of from ledger.publication order by 1 desc limit 1")
    last_on = completeness.newest_day(connection)
    gaps = completeness.gaps(connection, None, last_on - timedelta(days=DAYS_OF_GAPS - 1), last_on) if last_on else []
    held = _one(
        connection,
        f"select count(distinct (source, kind, source_key, record_hash)) as records from ledger.quarantine q where {quarantine.WAITS}",
    )
    asked = _one(
        connection,
        "select count(*) as spellings from ledger.organisation_worklist where state = 'open' and record_count > 0",
    )
    return {
        "snapshot_id": newest.get("snapshot_id"), "published_at": newest.get("published_at"), "as_of": newest.get("as_of"),
        "on_hold": hold.on_hold(settings), "lagging": _lagging(settings, newest.get("snapshot_id")),
        "database_url": url(settings), "shared_root": str(settings.shared),
        "ledger": connection.execute(
            "select source, state, count(*) as batches, sum(fetched_count)::bigint as records from ledger.batch group by 1, 2 order by 1, 2"
        ).fetchall(),
        "in_quarantine": held.get("records", 0), "spellings_to_review": asked.get("spellings", 0),
        "missing_days": sum(gap.days for gap in gaps), "calendar": _calendar(newest.get("as_of")),
        "forgotten": [f"{aged.records} rows of {aged.source} that broke {aged.rule_id} wait since {aged.oldest_days} days"
                      for aged in quarantine.aged(connection)],
    }  # fmt: skip


def _one(connection: Connection, query: str) -> dict[str, Any]:
    return connection.execute(query).fetchone() or {}


def _reach(one: Freshness) -> str:
    if one.covered_until is None:
        return "nothing was published yet"
    holes = f", with {len(one.holes)} holes before" if one.holes else ""
    return f"data reaches {local(one.covered_until)}{holes}{'' if one.is_fresh else ' (STALE)'}"


def _lagging(settings: Settings, newest: int | None) -> str | None:
    """Whether the readers of files are led to an older snapshot than SQL shows."""
    now = pointer.current(settings.shared)
    return (
        None
        if now == newest
        else f"readers of files see snapshot {now}: `lgsp recover`, or the next publication, leads them on"
    )


def _calendar(as_of: datetime | None) -> str | None:
    """The warning of a working calendar that ends soon, seen from the data's day."""
    day: date | None = as_of.astimezone(LOCAL).date() if as_of else None
    return working_time.horizon(day).warning if day else None
