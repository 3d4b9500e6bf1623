"""The command `lgsp`: does the work of the Dags without Airflow, for tests, debugging and other programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from lgsp import files, install, store
from lgsp.cli import publish as publishing
from lgsp.cli.adopt import adopt
from lgsp.cli.backup import backup, drill, restore
from lgsp.cli.batch import batch
from lgsp.cli.completeness import completeness
from lgsp.cli.config import config
from lgsp.cli.drift import drift
from lgsp.cli.encoding import use_utf8
from lgsp.cli.explain import explain
from lgsp.cli.local import commands as runtime
from lgsp.cli.options import (
    current_user,
    handles_errors,
    json_option,
    parse_window,
    print_values,
    really_option,
    window_options,
)
from lgsp.cli.organisations import organisations
from lgsp.cli.quarantine import quarantine
from lgsp.cli.reader import reader
from lgsp.cli.report import report
from lgsp.cli.serve import serve
from lgsp.cli.status import status
from lgsp.cli.sweep import sweep
from lgsp.cli.webhooks import webhooks
from lgsp.errors import ContractError, LgspError
from lgsp.schema import sources
from lgsp.settings import Settings


class Commands(click.Group):
    """The commands of this package and of installed packages with the entry-point group `lgsp.commands`."""

    def main(self, args: Sequence[str] | None = None, *arguments: Any, **options: Any) -> Any:
        """Run the command of the process in UTF-8, whatever its locale; with `args`, run them as they are."""
        if args is None:
            use_utf8()
        return super().main(args, *arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *entry_points(group="lgsp.commands").names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with a name, or None. A command of another package is imported only now."""
        if command := super().get_command(ctx, cmd_name):
            return command
        for entry in entry_points(group="lgsp.commands", name=cmd_name):
            loaded: click.Command = entry.load()
            return loaded
        return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Log what is being done.")
def main(verbose: bool) -> None:
    """Build and publish the shared dataset of a Vietnamese province.

    The dataset integrates the province's one-stop shop, its online public services and its document system.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)


@main.command()
@handles_errors
def init() -> None:
    """Create or upgrade the database.

    Creates schemas, roles and reference data. Safe to repeat.
    """
    install.init(Settings.from_env())
    click.echo("initialised")


@main.command()
@click.argument("source", type=click.Choice(sources.names()))
@window_options
@really_option
@json_option
@handles_errors
def run(source: str, start: str, end: str, is_meant: bool, is_json: bool) -> None:
    """Read, harmonise and check one window of a source.

    `lgsp publish` publishes the result. A window that is unlikely for the source needs --really. Exits with 3 when a check refused the batch, with 4 when the source failed.
    """
    from lgsp import land
    from lgsp.land import bounds

    settings, window = Settings.from_env(), parse_window(start, end)
    install.ensure(settings)
    confirmed_by = bounds.confirm(settings, source, window, current_user() if is_meant else None)
    _harmonise_and_check(settings, land.run(settings, source, window, confirmed_by=confirmed_by), is_json)


@main.command()
@click.argument("source", type=click.Choice(sources.names()))
@window_options
@json_option
@handles_errors
def rebuild(source: str, start: str, end: str, is_json: bool) -> None:
    """Harmonise and check landed data of a source again.

    Use it after a mapping, a code list or a rule was changed. No request is sent to the source. `lgsp publish`
    publishes the result. Exits with 3 when a check refused the batch.
    """
    from lgsp import land

    settings = Settings.from_env()
    install.ensure(settings)
    batch_ids = land.open_rebuild_batches(settings, source, parse_window(start, end))
    if not batch_ids:
        raise LgspError(f"no data of {source} was landed for this window: read it with `lgsp run {source}`")
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
        print_values({"batch_id": batch_ids[0] if len(batch_ids) == 1 else None, "batch_ids": batch_ids,
               "state": states[0] if len(states) == 1 else states, **counts,
               "why": "; ".join(batch.why for batch in batches if batch.why) or None}, is_json)  # fmt: skip


@main.command()
def dictionary() -> None:
    """Print the data dictionary in Markdown."""
    from lgsp.schema import dictionary as data_dictionary

    click.echo(data_dictionary.markdown(), nl=False)


@main.command("contract-versions")
@click.argument("committed", type=click.Path(dir_okay=False, path_type=Path))
@handles_errors
def contract_versions(committed: Path) -> None:
    """Write the file with what readers of each table depend on.

    Fails, and changes nothing, when a contract was changed since the file was written and its version was not raised.
    """
    from lgsp.schema import compatibility

    before = compatibility.parse(committed.read_text(encoding="utf-8")) if committed.exists() else {}
    after = compatibility.current()
    if problems := compatibility.problems(before, after):
        raise ContractError("; ".join(problems))
    files.replace(committed, compatibility.encode(after).encode())


main.add_command(adopt)
main.add_command(backup)
main.add_command(batch)
main.add_command(completeness)
main.add_command(config)
main.add_command(drift)
main.add_command(drill)
main.add_command(explain)
main.add_command(organisations)
main.add_command(quarantine)
main.add_command(reader)
main.add_command(report)
main.add_command(restore)
main.add_command(serve)
main.add_command(status)
main.add_command(sweep)
main.add_command(webhooks)
for command in (*publishing.commands, *runtime.commands.values()):
    main.add_command(command)

if __name__ == "__main__":
    main()
