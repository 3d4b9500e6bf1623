"""`lgsp config`: checks the province's own files, shows where each value comes from, and what was made with other values."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from lgsp.cli.options import FAILED, handles_errors, json_option, open_store, to_json
from lgsp.config import activate, active, folder
from lgsp.config.copies import Copies
from lgsp.configure import outdated, values
from lgsp.configure.acceptance import check as find_mistakes
from lgsp.configure.values import Value
from lgsp.settings import Settings

SHIPPED = "shipped"


@click.group()
def config() -> None:
    """Check, show and compare the province's own files in LGSP_CONFIG."""


@config.command()
@click.argument(
    "folder_path", metavar="[FOLDER]", required=False, type=click.Path(file_okay=False, exists=True, path_type=Path)
)
@handles_errors
def check(folder_path: Path | None) -> None:
    """Check a folder as a whole, by default LGSP_CONFIG.

    Prints each mistake in one line: file, line, and what would be right. Nothing is put in use. Exits with 1 when there is
    a mistake.
    """
    settings = Settings.from_env()
    if folder_path is not None:
        settings = Settings.from_env({**settings.environment, "LGSP_CONFIG": str(folder_path), "LGSP_DEFINITIONS": ""})
    contents = folder.read(settings)
    mistakes = () if contents.is_empty else find_mistakes(Copies(settings.home), contents)
    for mistake in mistakes:
        click.echo(mistake)
    if mistakes:
        click.echo(f"mistakes in {settings.config}: {len(mistakes)}", err=True)
        sys.exit(FAILED)
    click.echo(f"files without mistakes: {len(contents.files)}")


@config.command()
@click.argument("text", required=False, default="")
@click.option("--all", "is_all", is_flag=True, help="Also the values of the program.")
@json_option
@handles_errors
def show(text: str, is_all: bool, is_json: bool) -> None:
    """Show the values in use whose file or key contains TEXT, and where each comes from.

    By default only those of LGSP_CONFIG, each with the program's value that it replaces.
    """
    shipped, own = (
        values.by_key(values.of_program()),
        values.by_key(values.of_copy(activate(Settings.from_env()))),
    )
    keys = sorted({**(shipped if is_all else {}), **own})
    for key in keys:
        value = own.get(key) or shipped[key]
        if text.lower() not in f"{value.file} {value}".lower():
            continue
        origin = f"{value.file}:{value.line}" if key in own else SHIPPED
        before = shipped[key].text if key in own and key in shipped else None
        if is_json:
            click.echo(to_json({**asdict(value), "origin": origin, "shipped": before}))
        else:
            file = "" if key in own else f"{value.file}: "
            click.echo(f"{origin:<44} {file}{value}{_replaces(value, before)}")


def _replaces(value: Value, before: str | None) -> str:
    return "" if before is None or before == value.text else f"  ({SHIPPED}: {before})"


@config.command()
@json_option
@handles_errors
def diff(is_json: bool) -> None:
    """Show what differs from the program, and which batches were harmonised with other values.

    Each group of batches comes with the command that derives their rows again. A publication derives by itself what the
    calendar, successions, aliases and definitions change.
    """
    with open_store() as (settings, connection):
        shipped = values.by_key(values.of_program())
        own = values.of_copy(active())
        batches = outdated.find(settings, connection)
    for value in own:
        before = shipped[value.key].text if value.key in shipped else None
        if is_json:
            click.echo(to_json({**asdict(value), "shipped": before}))
        elif before != value.text:
            click.echo(f"{value.file}:{value.line}  {value}{_replaces(value, before)}")
    for group in batches:
        if is_json:
            click.echo(to_json({**asdict(group), "window": str(group.window)}))
        else:
            click.echo(f"{group.source}: {group.batches} batches of {group.window} had other values of {', '.join(group.files)}: run `{group.command}`")  # fmt: skip
    if not own and not batches and not is_json:
        click.echo("nothing differs from the program")
