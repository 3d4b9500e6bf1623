"""`lgsp`: the same work the Dags do, without Airflow; for tests, debugging and other people's programs."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import entry_points

import click

from lgsp import install, store
from lgsp.cli import publish as publishing
from lgsp.cli.batch import batch
from lgsp.cli.completeness import completeness
from lgsp.cli.drift import drift
from lgsp.cli.explain import explain
from lgsp.cli.local import commands as runtime
from lgsp.cli.options import answering, as_json, tell, window, window_options
from lgsp.cli.organisations import organisations
from lgsp.cli.quarantine import quarantine
from lgsp.cli.report import report
from lgsp.cli.status import status
from lgsp.cli.sweep import sweep
from lgsp.errors import LgspError
from lgsp.schema import sources
from lgsp.settings import Settings


class Commands(click.Group):
    """The commands of this package, and those that installed packages add under the entry-point group `lgsp.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*super().list_commands(ctx), *entry_points(group="lgsp.commands").names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name; one of another package is imported now."""
        if command := super().get_command(ctx, cmd_name):
            return command
        for entry in entry_points(group="lgsp.commands", name=cmd_name):
            loaded: click.Command = entry.load()
            return loaded
        return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Say what is being done.")
def main(verbose: bool) -> None:
    """One shared dataset of a Vietnamese province, from three systems that do not talk to each other."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)


@main.command()
@answering
def init() -> None:
    """Create or upgrade schemas, roles and reference data; safe to repeat."""
    install.init(Settings.from_env())
    click.echo("initialised")


@main.command()
@click.argument("source", type=click.Choice(sources.names()))
@window_options
@as_json
@answering
def run(source: str, start: str, end: str, is_json: bool) -> None:
    """Take one window of SOURCE through land, harmonise and check.

    Exit 0 when it was checked, 3 when a check refused it, 4 when the source failed.
    """
    from lgsp import land

    settings = Settings.from_env()
    install.ensure(settings)
    _harmonise_and_check(settings, land.run(settings, source, window(start, end)), is_json)


@main.command()
@click.argument("source", type=click.Choice(sources.names()))
@window_options
@as_json
@answering
def rebuild(source: str, start: str, end: str, is_json: bool) -> None:
    """Harmonise and check again what was landed of SOURCE before, with the source off."""
    from lgsp import land

    settings = Settings.from_env()
    install.ensure(settings)
    batch_ids = land.landed(settings, source, window(start, end))
    if not batch_ids:
        raise LgspError(f"nothing of {source} was landed for this window: `lgsp run {source}` fetches it")
    _harmonise_and_check(settings, batch_ids, is_json)


def _harmonise_and_check(settings: Settings, batch_ids: list[str], is_json: bool) -> None:
    from lgsp import check, harmonise
    from lgsp.store import ledger

    try:
        check.run(settings, harmonise.run(settings, batch_ids))
    finally:
        with store.connect(settings) as connection:
            batches = [ledger.batch(connection, batch_id) for batch_id in batch_ids]
        counts = {name: sum(batch.counts[name] for batch in batches) for name in ledger.COUNTS}
        states = sorted({batch.state for batch in batches})
        tell({"batch_id": batch_ids[0] if len(batch_ids) == 1 else None, "batch_ids": batch_ids,
               "state": states[0] if len(states) == 1 else states, **counts,
               "why": "; ".join(batch.why for batch in batches if batch.why) or None}, is_json)  # fmt: skip


@main.command()
def dictionary() -> None:
    """The data dictionary, as Markdown."""
    from lgsp.schema import dictionary as words

    click.echo(words.markdown(), nl=False)


main.add_command(batch)
main.add_command(completeness)
main.add_command(drift)
main.add_command(explain)
main.add_command(organisations)
main.add_command(quarantine)
main.add_command(report)
main.add_command(status)
main.add_command(sweep)
for command in (*publishing.commands, *runtime.commands.values()):
    main.add_command(command)

if __name__ == "__main__":
    main()
