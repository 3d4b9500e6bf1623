"""`lgsp sweep`: what a source has, compared key by key with what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lgsp.cli.options import answering, as_json, as_text, by, window, window_options
from lgsp.schema import sources
from lgsp.settings import Settings

if TYPE_CHECKING:
    from lgsp.maintain.sweep import Swept

TOLD = ("state", "compared", "missing", "changed", "deleted", "batch_ids", "sample_keys", "why")


@click.command("sweep")
@click.argument("source", type=click.Choice(sources.names()))
@window_options
@click.option("--thorough", "is_thorough", is_flag=True, help="Also read days on which only the count was compared.")
@click.option("--accept-deletions", is_flag=True, help="Believe it when more is gone than usual: the source was asked.")
@by
@as_json
@answering
def sweep(
    source: str, start: str, end: str, is_thorough: bool, accept_deletions: bool, who: str, is_json: bool
) -> None:
    """Find what the windows of SOURCE missed, read it again, and let go what it deleted.

    Exit 0 when it was swept, 3 when too much is gone to be believed or a check refused what was read again, 4 when
    the source failed. `lgsp publish` makes it public.
    """
    from lgsp.maintain import sweep as sweeping

    span = window(start, end)
    accepted_by = who if accept_deletions else None
    try:
        lists = sweeping.run(Settings.from_env(), source, span, is_thorough=is_thorough, accepted_by=accepted_by)
    except sweeping.Stopped as stopped:
        _tell(source, stopped.lists, is_json)
        raise
    _tell(source, lists, is_json)


def _tell(source: str, lists: list[Swept], is_json: bool) -> None:
    if is_json:
        told = {one.name: {name: getattr(one, name) for name in TOLD} for one in lists}
        click.echo(as_text({"source": source, "lists": told}))
        return
    for one in lists:
        click.echo(one)
