"""`lgsp province`: run the simulated province, or write down its truth."""

import gc
import json
import os
import signal
import threading
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from lgsp import files
from lgsp.errors import LgspError
from lgsp_province.systems.serving import serving
from lgsp_province.world.calendar import LOCAL, midnight
from lgsp_province.world.world import SIZES, World

_DAY = click.DateTime(["%Y-%m-%d"])
_SCORED_FROM = datetime(2022, 4, 1)


@click.group()
def province() -> None:
    """The simulated province: three systems to try the platform on."""


def _range(size: str, first: datetime | None, until: datetime | None, days: int | None) -> tuple[date, date]:
    """The local days that the world fills before it goes on ahead."""
    end = until.date() - timedelta(days=1) if until else datetime.now(LOCAL).date() - timedelta(days=1)
    start = first.date() if first else end - timedelta(days=(days or SIZES[size].days) - 1)
    if first and days:
        end = start + timedelta(days=days - 1)
    return start, end


_OPTIONS = (
    click.option("--size", type=click.Choice(list(SIZES)), default="demo", show_default=True),
    click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same province."),
    click.option("--from", "first", type=_DAY, help="First local day of the world."),
    click.option("--until", type=_DAY, help="Freeze the clock at the beginning of this local day."),
    click.option("--days", type=click.IntRange(min=1), help="Length of the world, in place of --from."),
    click.option("--dossiers", type=click.IntRange(min=0), help="How many dossiers, in place of the size's."),
    click.option("--documents", type=click.IntRange(min=0), help="How many documents, in place of the size's."),
    click.option("--defects", default="all", show_default=True, help="none, all, or ids: D01,D08"),
    click.option("--scenario", help="A world with planted figures, in place of all options but --seed and --until."),
    click.option(
        "--feeds", type=click.Choice(["none", "all"]), default="none", show_default=True, help="Feeds that break."
    ),
)


def _world_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _generate(
    size: str,
    seed: int,
    first: datetime | None,
    until: datetime | None,
    days: int | None,
    dossiers: int | None,
    documents: int | None,
    defects: str,
    feeds: str,
    scenario: str | None,
) -> World:
    start, end = _range(size, first, until, days)
    try:
        if scenario:
            return World.scenario(scenario, seed)
        return World.generate(
            size,
            seed,
            start,
            end,
            dossiers_count=dossiers,
            documents_count=documents,
            defects_chosen=defects,
            broken_feeds=feeds,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _ports(ports: str | None, base: int) -> tuple[int, int, int]:
    if not ports:
        return (base, base + 1, base + 2) if base else (0, 0, 0)
    numbers = [int(part) for part in ports.split(",")]
    if len(numbers) != 3:
        raise click.BadParameter("three ports are needed, for one_stop_shop, online_services, documents")
    return numbers[0], numbers[1], numbers[2]


def _announce(path: Path, connections: dict[str, Any], world: World) -> None:
    """Write the ready file in one step, so that whoever waits for it never reads half of it."""
    urls = {name: f"http://{c['host']}:{c['port']}" for name, c in connections.items()}
    ready = {
        "pid": os.getpid(),
        "urls": urls,
        "connections": connections,
        "seed": world.seed,
        "from": world.start.isoformat(),
        "to": world.end.isoformat(),
    }
    files.replace(path, json.dumps(ready, ensure_ascii=False, indent=2).encode())


@province.command()
@_world_options
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port-base", type=int, default=8801, show_default=True, help="First of three ports; 0 takes free ones.")
@click.option("--ports", help="Three ports, comma separated, in place of --port-base.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written once the servers listen.")
def serve(host: str, port_base: int, ports: str | None, ready_file: Path | None, **options: Any) -> None:
    """Run the three servers in the foreground until SIGTERM or Ctrl-C."""
    world = _generate(**options)
    until = options["until"]
    if options["scenario"] and not until:  # a scenario stands still where it ends
        until = datetime.combine(world.end + timedelta(days=1), datetime.min.time())
    as_of = until.replace(tzinfo=LOCAL) if until else None
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    gc.collect()
    gc.freeze()  # the world never dies; collecting around it would slow every page
    with serving(world, as_of=as_of, host=host, ports=_ports(ports, port_base)) as connections:
        for name, connection in connections.items():
            click.echo(f"{name}: http://{connection['host']}:{connection['port']}")
        if ready_file:
            _announce(ready_file, connections, world)
        done.wait()


@province.command()
def scenarios() -> None:
    """List the worlds in which figures are planted, and which they are."""
    from lgsp_province.scenarios import scenario

    for line in scenario.told():
        click.echo(line)


@province.command("scenario-files")
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="For LGSP_DEFINITIONS.")
def scenario_files(name: str, out: Path) -> None:
    """Write the definitions that go with a scenario: what was reported, beside what is counted."""
    from lgsp_province.scenarios import scenario

    try:
        written = scenario.load(name).write(out)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for path in written:
        click.echo(str(path))


@province.command()
@_world_options
@click.option("--as-of", "as_of", type=_DAY, help="Beginning of this local day; without it, the end of the world.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def truth(as_of: datetime | None, out: Path, **options: Any) -> None:
    """Write what a perfect reader would publish, as JSON and Parquet."""
    world = _generate(**options)
    moment = as_of or options["until"]
    day = moment.date() if moment else world.end + timedelta(days=1)
    found = world.truth(midnight(day))
    found.write(out)
    click.echo(f"{out}: {found.totals['dossiers']:,} dossiers, {found.totals['documents']:,} documents as of {day}")


@province.command()
@_world_options
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Keep the installation here; new.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file too.")
def score(home: Path | None, is_json: bool, out: Path | None, **options: Any) -> None:
    """Publish a world with the real pipeline and say how right the dataset is; exit 1 where it is not."""
    from lgsp_province.score import score as scoring
    from lgsp_province.score import text_report

    if home and home.exists() and any(home.iterdir()):
        raise click.ClickException(f"{home} is not empty; give a new home")
    if not (options["first"] or options["until"] or options["scenario"]):
        options["first"] = _SCORED_FROM  # not today's: the same report on every day
        options["days"] = options["days"] or SIZES[options["size"]].days
    try:
        report = scoring.run(_generate(**options), home)
    except LgspError as error:
        raise click.ClickException(f"the world could not be published: {error}") from error
    text = report.as_json() if is_json else "\n".join(text_report.lines(report))
    if out:
        out.write_text(f"{text}\n", encoding="utf-8")
    click.echo(text)
    for missed in report.missed:
        click.echo(f"missed: {missed.name} is {missed.observed}, wanted {missed.wanted}", err=True)
    if report.missed:
        raise SystemExit(1)
