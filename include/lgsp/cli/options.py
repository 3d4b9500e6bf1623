"""What all commands of `lgsp` share: options, exit codes, and how an error becomes a line on standard error."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from lgsp import install
from lgsp.errors import BatchRefused, LgspError, SourceFailed, SourceRefused
from lgsp.settings import Settings
from lgsp.store import connect
from lgsp.store.ledger import Connection
from lgsp.window import LOCAL, Window

FAILED, REFUSED, SOURCE_FAILED = 1, 3, 4

as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")


def answering(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the package's errors into a line on standard error and an exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LgspError as error:
            click.echo(f"lgsp: {error}", err=True)
            source_failed = isinstance(error, (SourceFailed, SourceRefused))
            sys.exit(REFUSED if isinstance(error, BatchRefused) else SOURCE_FAILED if source_failed else FAILED)

    return wrapped


def window_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--from` and `--to` as a half-open window; a bare date is its local midnight."""
    command = click.option("--to", "end", required=True, metavar="ISO", help="End of the window, exclusive.")(command)
    return click.option(
        "--from", "start", required=True, metavar="ISO", help="Begin of the window; a bare date is local midnight."
    )(command)


by = click.option("--by", "who", metavar="NAME", default=lambda: user(), help="Who decides; by default the user.")


def decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--by` and `--why`: who decides something, and the reason for whoever asks later."""
    return by(click.option("--why", required=True, metavar="TEXT", help="The reason, for whoever asks later.")(command))


def user() -> str:
    """Who calls."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def window(start: str, end: str) -> Window:
    """The window that `--from` and `--to` mean."""
    try:
        return Window.of(start, end)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from/--to") from None


@contextmanager
def store() -> Iterator[tuple[Settings, Connection]]:
    """The settings and a connection to the store, which is as this version wants it."""
    settings = Settings.from_env()
    install.ensure(settings)
    with connect(settings) as connection:
        yield settings, connection


def as_text(told: Any) -> str:
    """JSON for programs, on one line."""
    return json.dumps(told, default=str, ensure_ascii=False)


def tell(told: dict[str, Any], is_json: bool) -> None:
    """Print facts by name, for people or for programs."""
    if is_json:
        click.echo(as_text(told))
    else:
        for name, value in told.items():
            click.echo(f"{name}: {value}")


def local(value: Any) -> str:
    """An instant as people of the province say it."""
    return value.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M") if value else "never"
