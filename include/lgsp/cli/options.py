"""Shared by all `lgsp` commands: options, exit codes, and the conversion of errors to one line on standard error."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import Any

import click

from lgsp import install
from lgsp.errors import BatchRefused, LgspError, SourceFailed, SourceRefused, UnlikelyWindow
from lgsp.settings import Settings
from lgsp.store import connect, decisions, disk
from lgsp.store.ledger import Connection
from lgsp.vietnam import pasted
from lgsp.window import LOCAL, Window

FAILED, REFUSED, SOURCE_FAILED = 1, 3, 4

json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


class Pasted(click.ParamType[Any]):
    """An id, also as it is pasted from Word, Excel or an e-mail: with blanks, quotes, invisible characters or dashes."""

    name = "id"

    def __init__(self, normal_form: Callable[[str], str] = str) -> None:
        self._normal_form = normal_form

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id as it would be typed."""
        return self._normal_form(pasted.code(value))


class PastedNumber(Pasted):
    """The number of a row or snapshot, also as it is pasted."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Fails when the text is none."""
        number: Any = pasted.code(str(value)).lstrip("#")
        return click.INT.convert(number, param, ctx)


class Day(click.ParamType[Any]):
    """A local day: 2022-06-01, or in a Vietnamese form: 01/06/2022. A form that could be another day is refused."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The day as a date. Fails with the reason when the text is none."""
        if isinstance(value, date):
            return value
        try:
            return pasted.day(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _agency_id(code: str) -> str:
    """The id of an agency by its code in the old or the new style; any other text as it is."""
    from lgsp.harmonise.organisations.directory import identify

    identity = identify(code)
    return identity[0] if identity else code


PASTED, PASTED_KEY, PASTED_NUMBER, DAY = Pasted(), Pasted(pasted.key), PastedNumber(), Day()
PASTED_RULE, PASTED_AGENCY = Pasted(str.upper), Pasted(_agency_id)


def handles_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Convert the package's errors to a line on standard error and an exit code: 2 unlikely window, 3 refused, 4 source failed, else 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except UnlikelyWindow as error:
            raise click.UsageError(str(error)) from None
        except LgspError as error:
            click.echo(f"lgsp: {error}", err=True)
            source_failed = isinstance(error, (SourceFailed, SourceRefused))
            sys.exit(REFUSED if isinstance(error, BatchRefused) else SOURCE_FAILED if source_failed else FAILED)
        except BrokenPipeError:  # the reader of our output has ended
            raise
        except OSError as error:  # of a folder that no stage works in
            click.echo(f"lgsp: {disk.failure(error, Settings.from_env().home)}", err=True)
            sys.exit(FAILED)

    return wrapped


def window_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--from` and `--to` of a half-open window. A date alone is its local midnight."""
    command = click.option(
        "--to", "end", required=True, metavar="TIME", help="End of the window (exclusive), in ISO 8601."
    )(command)
    return click.option(
        "--from", "start", required=True, metavar="TIME",
        help="Start of the window (inclusive), in ISO 8601 or as 01/06/2022. A date alone is its local midnight.",
    )(command)  # fmt: skip


really_option = click.option(
    "--really",
    "is_meant",
    is_flag=True,
    help="Read the window although it is unlikely for the source; your name is recorded.",
)

by_option = click.option(
    "--by", "who", metavar="NAME", default=lambda: current_user(), help="Who decides. Default: the current user."
)


def decision_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--by` and `--why` of a decision; both are recorded."""
    return by_option(click.option("--why", required=True, metavar="TEXT", help="The reason; it is recorded.")(command))


def current_user() -> str:
    """The name of the current user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        return f"uid {os.getuid()}"


def parse_window(start: str, end: str) -> Window:
    """The window of `--from` and `--to`. Raises click.BadParameter when they are not a window."""
    try:
        return Window(pasted.instant(start), pasted.instant(end))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from/--to") from None


@contextmanager
def open_store() -> Iterator[tuple[Settings, Connection]]:
    """The settings and a connection to the database, which is created or upgraded first when necessary."""
    settings = Settings.from_env()
    install.ensure(settings)
    with connect(settings) as connection:
        yield settings, connection
    with connect(settings) as connection:
        decisions.write_journal(settings, connection)


def to_json(value: Any) -> str:
    """The value as JSON on one line; what JSON has no type for becomes text."""
    return json.dumps(value, default=str, ensure_ascii=False)


def print_values(values: dict[str, Any], is_json: bool) -> None:
    """Print values as JSON, or as one `name: value` line each."""
    if is_json:
        click.echo(to_json(values))
    else:
        for name, value in values.items():
            click.echo(f"{name}: {value}")


def local_time(value: Any) -> str:
    """An instant in local time to the minute; `never` for None."""
    return value.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M") if value else "never"
