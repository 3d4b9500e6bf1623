"""The commands that run the stack: demo, up, down, ps, backfill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

import click

from lgsp.errors import LgspError
from lgsp.local import airflow_environment, lifecycle, stack
from lgsp.local import backfill as backfills
from lgsp.local import demo as demonstration
from lgsp.settings import Settings
from lgsp.window import LOCAL


@click.group()
def commands() -> None:
    """Airflow and all it needs, on this machine."""


@commands.command()
def demo() -> None:
    """From nothing to a published dataset, then what to look at."""
    with _failing_loudly():
        demonstration.demo(Settings.from_env(), _clock())


@commands.command()
def up() -> None:
    """Start Airflow against the sources that AIRFLOW_CONN_* name."""
    settings = Settings.from_env()
    with _failing_loudly():
        running = lifecycle.up(settings)
        click.echo(f"{running.airflow_url}  admin / {airflow_environment.passwords(settings)['admin']}")


@commands.command()
def down() -> None:
    """Stop everything of this home; data stays."""
    was_up = lifecycle.down(Settings.from_env())
    click.echo("stopped" if was_up else "nothing was running")


@commands.command()
def ps() -> None:
    """What runs, where it answers, and why it is down if it is."""
    found = stack.load(Settings.from_env().home)
    phase = found.phase if found.is_up() or found.phase in (stack.STOPPED, stack.FAILED) else "dead"
    click.echo(f"{phase}  {found.airflow_url if found.is_up() else ''}".rstrip())
    for child in found.children:
        click.echo(f"  {child.name:14} {child.pid:>8}  {'runs' if child.is_alive() else 'ended'}  {child.log}")
    if found.reason:
        click.echo(found.reason)
    raise SystemExit(0 if phase == stack.READY else 1)


@commands.command()
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First local day.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Last local day, included.")
@click.option("--source", default="all", show_default=True, help="One source, or all.")
def backfill(first: datetime, last: datetime, source: str) -> None:
    """Fetch past local days and prove that each was published; exit 1 names the days that were not."""
    with _failing_loudly():
        days = backfills.wanted(first.date(), last.date(), source, _today())
        backfills.backfill(Settings.from_env(), days, _clock())


@commands.command()
def pools() -> None:
    """The pools the Dags need, as `airflow pools import` reads them."""
    import json

    told = {
        name: {"slots": slots, "description": "", "include_deferred": False}
        for name, slots in airflow_environment.pools().items()
    }
    click.echo(json.dumps(told, indent=1))


def _today() -> date:
    return datetime.now(LOCAL).date()


def _clock() -> Callable[[str], None]:
    began = time.monotonic()
    return lambda line: click.echo(f"{time.monotonic() - began:6.1f} s  {line}")


@contextmanager
def _failing_loudly() -> Iterator[None]:
    try:
        yield
    except (LgspError, ValueError) as error:
        raise click.ClickException(str(error)) from error
