"""`lgsp completeness`: shows days without records of an agency and their reason, and confirms days without dossiers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta

import click

from lgsp.check import completeness as completing
from lgsp.check.completeness import StateCounts
from lgsp.cli.options import DAY, PASTED_AGENCY, decision_options, handles_errors, json_option, open_store, to_json
from lgsp.schema import sources

SHOWN_DAYS = 30

source_argument = click.argument("source", type=click.Choice(sources.names()), required=False)


class ShowByDefault(click.Group):
    """A group whose default command is `show`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; `show` is inserted when they start with no command."""
        is_named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_named else ["show", *args])


@click.group("completeness", cls=ShowByDefault)
def completeness() -> None:
    """Show and confirm days without records.

    Without a command, `show` is run.
    """


@completeness.command()
@source_argument
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First local day. Default: 30 days are shown.")
@click.option(
    "--to",
    "last",
    type=DAY,
    metavar="YYYY-MM-DD",
    help="Last local day (inclusive). Default: the newest day that a source covers.",
)
@click.option("--state", type=click.Choice(["missing", "late"]), help="Show only gaps in this state.")
@click.option("--organisation", type=PASTED_AGENCY, metavar="ORGANISATION_ID", help="Show only gaps of this agency.")
@json_option
@handles_errors
def show(
    source: str | None, first: date | None, last: date | None, state: str | None, organisation: str | None, is_json: bool
) -> None:  # fmt: skip
    """Show which records are missing or late, and why.

    Before the gaps, the number of agency days in each state is printed for each source.
    """
    with open_store() as (_, connection):
        newest = completing.newest_day(connection) or date.today()
        until = last or newest
        since = first or until - timedelta(days=SHOWN_DAYS - 1)
        state_counts = completing.count_states(connection, source, since, until)
        gaps = completing.gaps(connection, source, since, until, state, organisation)
    if is_json:
        days = [asdict(counts) for counts in state_counts]
        click.echo(to_json({"from": since, "to": until, "days": days, "gaps": [asdict(gap) for gap in gaps]}))
        return
    click.echo(f"{since} to {until}, agency days:")
    for counts in state_counts:
        click.echo(_counts_line(counts))
    for line in completing.gap_lines(gaps):
        click.echo(line)
    if not gaps:
        click.echo("no records are missing or late")


def _counts_line(counts: StateCounts) -> str:
    return (
        f"  {counts.source:<18}{counts.received:>8,} received {counts.zero:>8,} zero {counts.missing:>7,} missing "
        f"{counts.late:>7,} late"
    )


@completeness.command()
@click.argument("source", type=click.Choice(sources.names()))
@click.argument("organisation_id", type=PASTED_AGENCY)
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", required=True, help="First local day without records.")
@click.option(
    "--to", "last", type=DAY, metavar="YYYY-MM-DD", required=True, help="Last local day without records (inclusive)."
)
@decision_options
@json_option
@handles_errors
def confirm(source: str, organisation_id: str, first: date, last: date, who: str, why: str, is_json: bool) -> None:
    """Confirm that an agency had no records on some days.

    The days get the state `zero` instead of `missing`.
    """
    if last < first:
        raise click.BadParameter("the period ends before it begins", param_hint="--from/--to")
    with open_store() as (settings, _):
        gaps = completing.confirm_silence(settings, source, organisation_id, first, last, who, why)
    if is_json:
        values = {"source": source, "organisation_id": organisation_id, "by": who}
        click.echo(to_json({**values, "gaps": [asdict(gap) for gap in gaps]}))
        return
    click.echo(
        f"{organisation_id} had no records in {source} from {first:%Y-%m-%d} to {last:%Y-%m-%d}, confirmed by {who}"
    )
    click.echo("the next publication updates shared.zero_activity")
    for line in completing.gap_lines(gaps):
        click.echo(f"  still {line}")
