"""`lgsp drift`: shows how the newest batches differ from their source's description and from earlier batches."""

from __future__ import annotations

import click

from lgsp.check import baselines
from lgsp.check.drift import Finding, find_drift, newest_batches
from lgsp.cli.options import handles_errors, json_option, open_store, to_json
from lgsp.schema import sources
from lgsp.store import ledger
from lgsp.store.ledger import Connection


@click.command()
@click.argument("source", type=click.Choice(sources.names()), required=False)
@click.option("--last", default=10, show_default=True, type=click.IntRange(1), help="Number of batches per source.")
@json_option
@handles_errors
def drift(source: str | None, last: int, is_json: bool) -> None:
    """Show changes in the data that a source sends.

    Compares the newest batches with the description of their source and with earlier batches. Lists fields that are
    new, missing, in another letter case or of another type, unknown codes, fields that are empty more often than
    before, and days with unusually many or few records. By default all sources are shown, the newest batch first.
    """
    count = 0
    with open_store() as (_, connection):
        for name in [source] if source else sources.names():
            for batch_id in newest_batches(connection, name, last):
                findings = batch_findings(connection, batch_id)
                count += len(findings)
                _show(name, findings, is_json)
    if not count and not is_json:
        click.echo("no drift found")


def batch_findings(connection: Connection, batch_id: str) -> list[Finding]:
    """The drift of a batch, and its days with unusually many or few records."""
    batch = ledger.batch(connection, batch_id)
    days = [day for day in baselines.day_volumes(connection, batch) if day.is_unusual or day.is_suspicious_zero]
    return find_drift(connection, batch_id) + [
        Finding(batch_id, batch.window, "records", "unusual day", day.description) for day in days
    ]


def _show(source: str, findings: list[Finding], is_json: bool) -> None:
    if findings and not is_json:
        click.echo(f"{source} {findings[0].window}  {findings[0].batch_id}")
    for finding in findings:
        if is_json:
            window = {"from": finding.window.start.isoformat(), "to": finding.window.end.isoformat()}
            click.echo(to_json({
                "source": source, "batch_id": finding.batch_id, **window, "list": finding.list, "what": finding.change,
                "told": finding.description,
            }))  # fmt: skip
        else:
            click.echo(f"  {finding.list:<12} {finding.change:<16} {finding.description}")
