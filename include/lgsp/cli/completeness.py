"""`lgsp completeness`: which agencies sent nothing, whether that is silence or a broken feed, and an operator's word on it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta

import click

from lgsp.check import completeness as completing
from lgsp.check.completeness import Tally
from lgsp.cli.options import answering, as_json, as_text, decision, store
from lgsp.schema import sources

DAY = click.DateTime(["%Y-%m-%d"])
SHOWN_DAYS = 30

source_argument = click.argument("source", type=click.Choice(sources.names()), required=False)


class ShowByDefault(click.Group):
    """A group of which `show` is meant where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, with `show` put before those that name no command."""
        is_named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_named else ["show", *args])


@click.group("completeness", cls=ShowByDefault)
def completeness() -> None:
    """Who sent nothing on which day: silence, a day that was not read, or a feed that broke."""


@completeness.command()
@source_argument
@click.option("--from", "first", type=DAY, help="First local day; without it, 30 days are shown.")
@click.option(
    "--to", "last", type=DAY, help="Last local day, inclusive; without it, the newest that any source covers."
)
@click.option("--state", type=click.Choice(["missing", "late"]), help="Only these.")
@click.option("--organisation", metavar="ORGANISATION_ID", help="Only of this agency.")
@as_json
@answering
def show(
    source: str | None, first: datetime | None, last: datetime | None, state: str | None, organisation: str | None, is_json: bool
) -> None:  # fmt: skip
    """What is missing or late, and why; with the days of agencies in each state before it."""
    with store() as (_, connection):
        newest = completing.newest_day(connection) or date.today()
        until = last.date() if last else newest
        since = first.date() if first else until - timedelta(days=SHOWN_DAYS - 1)
        tallies = completing.tally(connection, source, since, until)
        gaps = completing.gaps(connection, source, since, until, state, organisation)
    if is_json:
        told = {"from": since, "to": until, "days": [asdict(t) for t in tallies], "gaps": [asdict(g) for g in gaps]}
        click.echo(as_text(told))
        return
    click.echo(f"{since} to {until}, days of agencies:")
    for tally in tallies:
        click.echo(_tallied(tally))
    for line in completing.told(gaps):
        click.echo(line)
    if not gaps:
        click.echo("nothing is missing or late")


def _tallied(tally: Tally) -> str:
    return (
        f"  {tally.source:<18}{tally.received:>8,} received {tally.zero:>8,} zero {tally.missing:>7,} missing "
        f"{tally.late:>7,} late"
    )


@completeness.command()
@click.argument("source", type=click.Choice(sources.names()))
@click.argument("organisation_id")
@click.option("--from", "first", type=DAY, required=True, help="First local day of the silence.")
@click.option("--to", "last", type=DAY, required=True, help="Its last local day, inclusive.")
@decision
@as_json
@answering
def confirm(
    source: str, organisation_id: str, first: datetime, last: datetime, who: str, why: str, is_json: bool
) -> None:
    """Say that an agency had nothing to send: the days are zeros from then on."""
    if last < first:
        raise click.BadParameter("the silence ends before it begins", param_hint="--from/--to")
    with store() as (settings, _):
        left = completing.confirm(settings, source, organisation_id, first.date(), last.date(), who, why)
    if is_json:
        told = {"source": source, "organisation_id": organisation_id, "by": who, "gaps": [asdict(gap) for gap in left]}
        click.echo(as_text(told))
        return
    click.echo(f"{organisation_id} was silent in {source} from {first:%Y-%m-%d} to {last:%Y-%m-%d}, says {who}")
    click.echo("shared.zero_activity follows with the next publication")
    for line in completing.told(left):
        click.echo(f"  still {line}")
