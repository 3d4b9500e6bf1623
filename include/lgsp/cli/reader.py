"""`lgsp reader`: accounts of the people and programs that read the shared tables."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time, timedelta

import click

from lgsp import install
from lgsp.cli.options import (
    DAY,
    PASTED_AGENCY,
    by_option,
    handles_errors,
    json_option,
    local_time,
    open_store,
    print_values,
    to_json,
)
from lgsp.settings import Settings
from lgsp.store import readers
from lgsp.store.readers import Account, Listed
from lgsp.window import LOCAL

agency_option = click.option(
    "--agency", "agencies", multiple=True, type=PASTED_AGENCY, metavar="ORGANISATION_ID",
    help="Show only the facts of this agency, of those below it and of its predecessors. Can be repeated.",
)  # fmt: skip
scope_option = click.option(
    "--scope", type=click.Choice((readers.INDICATORS, readers.ALL)), default=readers.ALL, show_default=True,
    help="Show the indicators and reference tables only, or all tables.",
)  # fmt: skip


@click.group("reader")
def reader() -> None:
    """Manage the accounts of readers."""


@reader.command()
@click.argument("name")
@agency_option
@scope_option
@click.option("--valid-until", "last_on", type=DAY, metavar="DAY", help="The last day on which it may log in.")
@click.option(
    "--connections", type=click.IntRange(1), default=readers.CONNECTIONS, show_default=True, metavar="N",
    help="The number of connections that it may open at the same time.",
)  # fmt: skip
@by_option
@json_option
@handles_errors
def add(
    name: str, agencies: tuple[str, ...], scope: str, last_on: date | None, connections: int, who: str, is_json: bool
) -> None:
    """Create an account for one person or program.

    Prints its password, which is shown this once. The password is also the token of the account.
    """
    settings = Settings.from_env()
    install.ensure(settings)
    until = datetime.combine(last_on + timedelta(days=1), time(), LOCAL) if last_on else None
    account = Account(name, scope, tuple(dict.fromkeys(agencies)), connections, until)
    _show_secret(settings, name, readers.add(settings, account, who), is_json)


@reader.command()
@click.argument("name")
@json_option
@handles_errors
def rotate(name: str, is_json: bool) -> None:
    """Give an account a new password, and end its sessions.

    Its limits are set again, and its login is created again when the server has lost it.
    """
    settings = Settings.from_env()
    install.ensure(settings)
    _show_secret(settings, name, readers.rotate(settings, name), is_json)


@reader.command()
@click.argument("name")
@agency_option
@scope_option
@handles_errors
def change(name: str, agencies: tuple[str, ...], scope: str) -> None:
    """Let an account see other rows, and end its sessions.

    Without options it sees all tables. Its password stays. A copy of earlier snapshots that it keeps over HTTP has to be read again.
    """
    settings = Settings.from_env()
    install.ensure(settings)
    is_changed = readers.change(settings, name, scope, tuple(dict.fromkeys(agencies)))
    click.echo(f"{name} sees other rows now" if is_changed else f"{name} sees these rows already")


@reader.command()
@click.argument("name")
@handles_errors
def remove(name: str) -> None:
    """End the sessions of an account and delete it."""
    settings = Settings.from_env()
    install.ensure(settings)
    readers.remove(settings, name)
    click.echo(f"{name} is removed")


@reader.command("list")
@json_option
@handles_errors
def list_(is_json: bool) -> None:
    """List the accounts.

    Shows the sessions of each, and the limits that its login has changed.
    """
    with open_store() as (settings, connection):
        accounts = readers.listing(settings, connection)
    for listed in accounts:
        if is_json:
            values = asdict(listed)
            click.echo(to_json(values.pop("account") | values))
        else:
            _show(listed)
    if not accounts and not is_json:
        click.echo("there are no accounts")


def _show(listed: Listed) -> None:
    account = listed.account
    scope = f"facts of {', '.join(account.agencies)}" if account.agencies else account.scope
    until = f", valid until {local_time(account.valid_until)}" if account.valid_until else ""
    click.echo(
        f"{account.name:<20} {scope:<24} {listed.sessions} of {account.connections} connections{until}; "
        f"created {local_time(listed.created_at)} by {listed.created_by}, rotated {local_time(listed.rotated_at)}"
    )
    for difference in listed.differences:
        click.echo(f"{'':<20} CHANGED: {difference}")


def _show_secret(settings: Settings, name: str, secret: str, is_json: bool) -> None:
    values = {
        "name": name,
        "password": secret,
        "psql": readers.address(settings, name),
        "psql_with_password": readers.address(settings, name, secret),
        "sqlalchemy": readers.address(settings, name, driver="postgresql+psycopg"),
        "sqlalchemy_with_password": readers.address(settings, name, secret, "postgresql+psycopg"),
    }
    print_values(values, is_json)
