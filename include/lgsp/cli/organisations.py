"""`lgsp organisations`: lists unknown spellings of agency names and records decisions about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from lgsp.cli.options import PASTED_AGENCY, PASTED_NUMBER, by_option, handles_errors, json_option, open_store, to_json
from lgsp.harmonise.organisations import review_queue
from lgsp.harmonise.organisations.review_queue import Review
from lgsp.schema import sources
from lgsp.store.ledger import Connection


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options of a decision: the review, the person and the reason."""
    command = click.option("--why", metavar="TEXT", help="The reason; it is recorded.")(command)
    return json_option(by_option(click.argument("review_id", type=PASTED_NUMBER)(handles_errors(command))))


@click.group("organisations")
def organisations() -> None:
    """Review unknown spellings of agency names."""


@organisations.command("review")
@click.option("--source", type=click.Choice(sources.names()), help="Show only spellings of this source.")
@click.option("--all", "is_whole", is_flag=True, help="Also show spellings that are decided.")
@json_option
@handles_errors
def review_(source: str | None, is_whole: bool, is_json: bool) -> None:
    """List the spellings that need a decision.

    Those with the most records come first.
    """
    with open_store() as (_, connection):
        reviews = review_queue.listing(connection, source, is_whole=is_whole)
    for item in reviews:
        if is_json:
            click.echo(to_json(asdict(item)))
        else:
            _show(item)
    if not reviews and not is_json:
        click.echo("no spelling needs a decision")


def _show(item: Review) -> None:
    since = f" since {item.first_seen_on}" if item.first_seen_on else ""
    click.echo(
        f"{item.review_id:>6} {item.source:<16} {item.state:<9} {item.record_count:>8,} records{since}  {item.alias}"
    )
    if item.state != "open":
        meaning = item.organisation_id or "no agency of the province"
        click.echo(f"       means {meaning}, decided by {item.decided_by}{f': {item.why}' if item.why else ''}")
        return
    for candidate in item.candidates:
        place = f" ({candidate.parent})" if candidate.parent else ""
        warning = "  ONLY ACCENTS DIFFER: these may be two agencies" if candidate.accent_only else ""
        click.echo(f"       {candidate.score:>5.1f} {candidate.organisation_id:<12} {candidate.name}{place}{warning}")


@organisations.command()
@_decision
@click.option(
    "--as",
    "organisation_id",
    type=PASTED_AGENCY,
    metavar="ORGANISATION_ID",
    help="The agency. Default: the best candidate.",
)
def accept(review_id: int, organisation_id: str | None, who: str, why: str | None, is_json: bool) -> None:
    """Record that a spelling means an agency."""
    with open_store() as (_, connection):
        _print_decision(connection, review_queue.accept(connection, review_id, organisation_id, who, why), is_json)


@organisations.command()
@_decision
def reject(review_id: int, who: str, why: str | None, is_json: bool) -> None:
    """Record that a spelling means no agency of the province. It is not listed again."""
    with open_store() as (_, connection):
        _print_decision(connection, review_queue.reject(connection, review_id, who, why), is_json)


def _print_decision(connection: Connection, item: Review, is_json: bool) -> None:
    spans = [str(window).split("..") for window in review_queue.windows(connection, item.review_id)]
    rebuild = [f"lgsp rebuild {item.source} --from {start} --to {end}" for start, end in spans]
    if is_json:
        click.echo(to_json({**asdict(item), "rebuild": rebuild}))
        return
    meaning = f"means {item.organisation_id}" if item.organisation_id else "means no agency of the province"
    click.echo(f"{item.alias} {meaning} in {item.source}, decided by {item.decided_by}")
    click.echo("the decision applies to batches harmonised from now on; to apply it to existing batches, run")
    for command in [*rebuild, "lgsp publish"]:
        click.echo(f"  {command}")


@organisations.command()
@handles_errors
def aliases() -> None:
    """Print the table of aliases as YAML.

    It contains all decisions. Commit it to the repository, so that other installations use them.
    """
    with open_store() as (_, connection):
        click.echo(review_queue.aliases_yaml(connection), nl=False)
