"""`lgsp organisations`: the spellings of agencies that nobody knows, and what people decide they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from lgsp.cli.options import answering, as_json, as_text, by, store
from lgsp.harmonise.organisations import review_queue
from lgsp.harmonise.organisations.review_queue import Review
from lgsp.schema import sources
from lgsp.store.ledger import Connection


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """The review a decision is about, who takes it, and why."""
    command = click.option("--why", metavar="TEXT", help="The reason, for whoever asks later.")(command)
    return as_json(by(click.argument("review_id", type=int)(answering(command))))


@click.group("organisations")
def organisations() -> None:
    """Spellings of agencies that nobody knows, and what people decide they mean."""


@organisations.command("review")
@click.option("--source", type=click.Choice(sources.names()), help="Only of this source.")
@click.option("--all", "is_whole", is_flag=True, help="Also what was decided.")
@as_json
@answering
def review_(source: str | None, is_whole: bool, is_json: bool) -> None:
    """The spellings that wait for a decision, those with the most records first."""
    with store() as (_, connection):
        listed = review_queue.listing(connection, source, is_whole=is_whole)
    for one in listed:
        if is_json:
            click.echo(as_text(asdict(one)))
        else:
            _show(one)
    if not listed and not is_json:
        click.echo("nothing waits for a decision")


def _show(one: Review) -> None:
    since = f" since {one.first_seen_on}" if one.first_seen_on else ""
    click.echo(f"{one.review_id:>6} {one.source:<16} {one.state:<9} {one.record_count:>8,} records{since}  {one.alias}")
    if one.state != "open":
        meaning = one.organisation_id or "no agency of ours"
        click.echo(f"       means {meaning}, said {one.decided_by}{f': {one.why}' if one.why else ''}")
        return
    for candidate in one.candidates:
        place = f" ({candidate.parent})" if candidate.parent else ""
        warning = "  ONLY ACCENTS DIFFER: these may be two agencies" if candidate.accent_only else ""
        click.echo(f"       {candidate.score:>5.1f} {candidate.organisation_id:<12} {candidate.name}{place}{warning}")


@organisations.command()
@_decision
@click.option("--as", "organisation_id", metavar="ORGANISATION_ID", help="The agency; by default the best candidate.")
def accept(review_id: int, organisation_id: str | None, who: str, why: str | None, is_json: bool) -> None:
    """Decide that a spelling means an agency."""
    with store() as (_, connection):
        _tell(connection, review_queue.accept(connection, review_id, organisation_id, who, why), is_json)


@organisations.command()
@_decision
def reject(review_id: int, who: str, why: str | None, is_json: bool) -> None:
    """Decide that a spelling means no agency of ours; it is not asked about again."""
    with store() as (_, connection):
        _tell(connection, review_queue.reject(connection, review_id, who, why), is_json)


def _tell(connection: Connection, one: Review, is_json: bool) -> None:
    spans = [str(window).split("..") for window in review_queue.windows(connection, one.review_id)]
    again = [f"lgsp rebuild {one.source} --from {start} --to {end}" for start, end in spans]
    if is_json:
        click.echo(as_text({**asdict(one), "rebuild": again}))
        return
    meaning = f"means {one.organisation_id}" if one.organisation_id else "means no agency of ours"
    click.echo(f"{one.alias} {meaning} in {one.source}, decided by {one.decided_by}")
    click.echo("batches harmonised from now on follow it; for those that hold it already, run")
    for command in [*again, "lgsp publish"]:
        click.echo(f"  {command}")


@organisations.command()
@answering
def aliases() -> None:
    """The alias table in force, decisions included, as YAML to keep in git."""
    with store() as (_, connection):
        click.echo(review_queue.aliases_yaml(connection), nl=False)
