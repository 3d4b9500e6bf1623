"""`lgsp sweep`: compares the keys that a source lists with the known ones, and repairs the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lgsp.cli.options import (
    by_option,
    handles_errors,
    json_option,
    parse_window,
    really_option,
    to_json,
    window_options,
)
from lgsp.schema import sources
from lgsp.settings import Settings

if TYPE_CHECKING:
    from lgsp.maintain.sweep import ListResult

JSON_KEYS = ("state", "compared", "missing", "changed", "deleted", "batch_ids", "sample_keys", "why")


@click.command("sweep")
@click.argument("source", type=click.Choice(sources.names()))
@window_options
@click.option("--thorough", "is_thorough", is_flag=True, help="Also read days on which the source's count equals ours.")
@click.option(
    "--accept-deletions",
    is_flag=True,
    help="Accept more deletions than usual, after the owner of the source confirmed them.",
)
@really_option
@by_option
@json_option
@handles_errors
def sweep(
    source: str, start: str, end: str, is_thorough: bool, accept_deletions: bool, is_meant: bool, who: str, is_json: bool
) -> None:  # fmt: skip
    """Find missed changes and deletions of a source.

    Reads changes again that earlier windows missed, and deletes records that the source has deleted. `lgsp publish`
    publishes the result. Exits with 3 when more records are deleted than usual or a check refused a batch, with 4 when
    the source failed. A range that is unlikely for the source needs --really.
    """
    from lgsp.maintain import sweep as sweeping

    span = parse_window(start, end)
    accepted_by = who if accept_deletions else None
    try:
        lists = sweeping.sweep_window(
            Settings.from_env(), source, span, is_thorough=is_thorough, accepted_by=accepted_by,
            confirmed_by=who if is_meant else None,
        )  # fmt: skip
    except sweeping.TooManyDeletions as error:
        _print_results(source, error.lists, is_json)
        raise
    _print_results(source, lists, is_json)


def _print_results(source: str, results: list[ListResult], is_json: bool) -> None:
    if is_json:
        lists = {result.name: {name: getattr(result, name) for name in JSON_KEYS} for result in results}
        click.echo(to_json({"source": source, "lists": lists}))
        return
    for result in results:
        click.echo(result)
