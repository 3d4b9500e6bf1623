"""`lgsp webhooks`: events for the addresses of LGSP_WEBHOOKS."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lgsp.cli.options import FAILED, handles_errors, json_option, local_time, open_store, print_values, to_json
from lgsp.settings import Settings

if TYPE_CHECKING:
    from lgsp.maintain.webhooks import Deliveries


@click.group()
def webhooks() -> None:
    """Send and list events for the addresses of LGSP_WEBHOOKS."""


@webhooks.command()
@json_option
@handles_errors
def ping(is_json: bool) -> None:
    """Send an event without content to every address now.

    Exits with 1 when an address did not accept it.
    """
    from lgsp.maintain import webhooks as sending

    _show(sending.ping(Settings.from_env()), is_json)


@webhooks.command()
@json_option
@handles_errors
def deliver(is_json: bool) -> None:
    """Send the events that are due; the Dag `deliver_webhooks` does so every few minutes.

    Exits with 1 when an address did not accept one; it is sent again later.
    """
    from lgsp.maintain import webhooks as sending

    _show(sending.deliver(Settings.from_env()), is_json)


def _show(done: Deliveries, is_json: bool) -> None:
    if is_json:
        print_values(vars(done), is_json)
    else:
        click.echo(str(done))
    sys.exit(FAILED if done.problems else 0)


@webhooks.command(name="list")
@click.option("--last", default=20, show_default=True, type=click.IntRange(1), help="Number of events.")
@json_option
@handles_errors
def list_events(last: int, is_json: bool) -> None:
    """List the newest events of each address, and what became of them."""
    with open_store() as (settings, connection):
        hosts = {webhook.id: webhook.host for webhook in settings.webhooks}
        rows = connection.execute(
            "select event_id, target, type, occurred_at, state, attempt_count, next_attempt_at, last_result from ledger.outbox "
            "order by occurred_at desc, target limit %s",
            [last],
        ).fetchall()
    for row in rows:
        address = hosts.get(row["target"], "an address that is no longer set")
        if is_json:
            click.echo(to_json({**row, "host": hosts.get(row["target"])}))
        else:
            result = f" ({row['last_result']})" if row["last_result"] else ""
            again = f", again {local_time(row['next_attempt_at'])}" if row["state"] == "waiting" else ""
            click.echo(
                f"{local_time(row['occurred_at'])} {row['type']} to {address}: {row['state']} after "
                f"{row['attempt_count']} attempts{result}{again}"
            )
