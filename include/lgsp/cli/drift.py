"""`lgsp drift`: in what the newest batches are unlike the description of their source, and unlike the batches before them."""

from __future__ import annotations

import click

from lgsp.check import baselines
from lgsp.check.drift import Finding, drift_of, newest_batches
from lgsp.cli.options import answering, as_json, as_text, store
from lgsp.schema import sources
from lgsp.store import ledger
from lgsp.store.ledger import Connection


@click.command()
@click.argument("source", type=click.Choice(sources.names()), required=False)
@click.option("--last", default=10, show_default=True, type=click.IntRange(1), help="So many batches of each source.")
@as_json
@answering
def drift(source: str | None, last: int, is_json: bool) -> None:
    """New, gone, respelled and retyped fields, unknown codes, fields that are empty and days that are full or bare
    unlike before, in the newest batches of SOURCE or of all, the newest first.
    """
    count = 0
    with store() as (_, connection):
        for name in [source] if source else sources.names():
            for batch_id in newest_batches(connection, name, last):
                found = findings(connection, batch_id)
                count += len(found)
                _show(name, found, is_json)
    if not count and not is_json:
        click.echo("nothing drifted")


def findings(connection: Connection, batch_id: str) -> list[Finding]:
    """What drifted in a batch, and its days with unusually many or few records."""
    batch = ledger.batch(connection, batch_id)
    days = [day for day in baselines.volumes(connection, batch) if day.is_unusual or day.is_suspicious_zero]
    return drift_of(connection, batch_id) + [
        Finding(batch_id, batch.window, "records", "unusual day", day.told) for day in days
    ]


def _show(source: str, found: list[Finding], is_json: bool) -> None:
    if found and not is_json:
        click.echo(f"{source} {found[0].window}  {found[0].batch_id}")
    for one in found:
        if is_json:
            said = {"source": source, "batch_id": one.batch_id, "from": one.window.start.isoformat(),
                    "to": one.window.end.isoformat(), "list": one.list, "what": one.what, "told": one.told}  # fmt: skip
            click.echo(as_text(said))
        else:
            click.echo(f"  {one.list:<12} {one.what:<16} {one.told}")
