"""`lgsp sweep`: what a source has, compared key by key with what is known of it."""

from __future__ import annotations

import getpass
import json
import os
import sys
from typing import TYPE_CHECKING

import click

from lgsp import sources
from lgsp.errors import BatchRefused, LgspError, SourceFailed, SourceRefused
from lgsp.settings import Settings
from lgsp.window import Window

if TYPE_CHECKING:
    from lgsp.sweep import Swept

FAILED, REFUSED, SOURCE_FAILED = 1, 3, 4
TOLD = ("state", "compared", "missing", "changed", "deleted", "batch_ids", "sample_keys", "why")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


@click.command("sweep")
@click.argument("source", type=click.Choice(sources.names()))
@click.option(
    "--from", "start", required=True, metavar="ISO", help="Begin of the range; its whole local days are swept."
)
@click.option("--to", "end", required=True, metavar="ISO", help="End of the range, exclusive.")
@click.option("--thorough", "is_thorough", is_flag=True, help="Also read days on which only the count was compared.")
@click.option("--accept-deletions", is_flag=True, help="Believe it when more is gone than usual: the source was asked.")
@click.option("--by", "who", metavar="NAME", default=_user, help="Who accepts the deletions; by default the user.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
def sweep(
    source: str, start: str, end: str, is_thorough: bool, accept_deletions: bool, who: str, is_json: bool
) -> None:
    """Find what the windows of SOURCE missed, read it again, and let go what it deleted.

    Exit 0 when it was swept, 3 when too much is gone to be believed or a check refused what was read again, 4 when
    the source failed. `lgsp publish` makes it public.
    """
    from lgsp import sweep as sweeping

    try:
        span = Window.of(start, end)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from/--to") from None
    accepted_by = who if accept_deletions else None
    try:
        lists = sweeping.run(Settings.from_env(), source, span, is_thorough=is_thorough, accepted_by=accepted_by)
        _tell(source, lists, is_json)
    except LgspError as error:
        if isinstance(error, sweeping.Stopped):
            _tell(source, error.lists, is_json)
        click.echo(f"lgsp: {error}", err=True)
        source_failed = isinstance(error, (SourceFailed, SourceRefused))
        sys.exit(REFUSED if isinstance(error, BatchRefused) else SOURCE_FAILED if source_failed else FAILED)


def _tell(source: str, lists: list[Swept], is_json: bool) -> None:
    if is_json:
        told = {one.name: {name: getattr(one, name) for name in TOLD} for one in lists}
        click.echo(json.dumps({"source": source, "lists": told}, default=str, ensure_ascii=False))
        return
    for one in lists:
        click.echo(one)
