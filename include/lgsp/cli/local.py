"""`lgsp demo`, `up`, `down`, `ps`, `backfill` and `pools`: run Airflow and the other services on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

import click

from lgsp import install, store
from lgsp.cli.options import DAY, current_user, really_option
from lgsp.errors import LgspError, UnlikelyWindow
from lgsp.land import bounds
from lgsp.local import airflow_environment, lifecycle, stack
from lgsp.local import backfill as backfills
from lgsp.local import demo as demonstration
from lgsp.settings import Settings
from lgsp.store import activity
from lgsp.store.embedded_postgres import Server
from lgsp.window import LOCAL, Window


@click.group()
def commands() -> None:
    """Run Airflow and its services on this machine."""


@commands.command()
def demo() -> None:
    """Simulate a province and publish its dataset.

    Starts a simulated province and Airflow, publishes 90 days, and prints addresses, logins and commands to try.
    """
    with _errors_end_command():
        demonstration.demo(Settings.from_env(), _progress())


@commands.command()
def up() -> None:
    """Start Airflow and its services.

    The sources are those of the AIRFLOW_CONN_* variables.
    """
    settings = Settings.from_env()
    with _errors_end_command():
        running = lifecycle.up(settings)
        click.echo(f"{running.airflow_url}  admin / {airflow_environment.passwords(settings)['admin']}")
        click.echo(f"{running.api_url}  accounts: lgsp reader add")


@commands.command()
def down() -> None:
    """Stop Airflow and its services; the data stays."""
    was_up = lifecycle.down(Settings.from_env())
    click.echo("stopped" if was_up else "nothing was running")


@commands.command()
def ps() -> None:
    """List the services, the addresses of the UI and the read API, and what runs now.

    Of what runs the stage, the progress, the process and its start are shown. Exits with 1 when Airflow is not ready; prints the reason when it failed.
    """
    settings = Settings.from_env()
    current = stack.load(settings.home)
    phase = current.phase if current.is_up() or current.phase in (stack.STOPPED, stack.FAILED) else "crashed"
    click.echo(f"{phase}  {f'{current.airflow_url}  {current.api_url}' if current.is_up() else ''}".rstrip())
    for child in current.children:
        click.echo(f"  {child.name:14} {child.pid:>8}  {'running' if child.is_running() else 'ended'}  {child.log}")
    if current.reason:
        click.echo(current.reason)
    for work in _running(settings):
        click.echo(f"  runs now: {work}")
    raise SystemExit(0 if phase == stack.READY else 1)


@commands.command()
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", required=True, help="First local day.")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", required=True, help="Last local day (inclusive).")
@click.option("--source", default="all", show_default=True, help="A source, or all.")
@really_option
def backfill(first: date, last: date, source: str, is_meant: bool) -> None:
    """Read and publish past days through Airflow.

    Waits until the days are published. Days that are unlikely for a source need --really. Exits with 1 and names the missing days when a day was not published.
    """
    with _errors_end_command():
        settings, days = Settings.from_env(), backfills.days_to_fetch(first, last, source, _today())
        install.ensure(settings)
        for name in days.sources:
            bounds.confirm(settings, name, Window.of_days(first, last), current_user() if is_meant else None)
        backfills.backfill(settings, days, _progress(), is_meant=is_meant)


@commands.command()
def pools() -> None:
    """Print the pools that the Dags need.

    The output is JSON for `airflow pools import`.
    """
    import json

    pools = {
        name: {"slots": slots, "description": "", "include_deferred": False}
        for name, slots in airflow_environment.pools().items()
    }
    click.echo(json.dumps(pools, indent=1))


def _running(settings: Settings) -> list[activity.Activity]:
    """What runs now; nothing when there is no store, or its server is stopped: it is not started for this."""
    if not settings.database_url and not Server(settings.home).is_running():
        return []
    try:
        with store.connect(settings) as connection:
            row = connection.execute("select to_regclass('ledger.batch') is not null as exists").fetchone()
            return activity.running(connection) if row and row["exists"] else []
    except LgspError as error:
        click.echo(f"  {error}", err=True)
        return []


def _today() -> date:
    return datetime.now(LOCAL).date()


def _progress() -> Callable[[str], None]:
    """Prints progress lines with the seconds since now."""
    started = time.monotonic()
    return lambda line: click.echo(f"{time.monotonic() - started:6.1f} s  {line}")


@contextmanager
def _errors_end_command() -> Iterator[None]:
    try:
        yield
    except UnlikelyWindow as error:
        raise click.UsageError(str(error)) from None
    except (LgspError, ValueError) as error:
        raise click.ClickException(str(error)) from error
