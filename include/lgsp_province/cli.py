"""Defines the commands of `lgsp province`: serve a simulated province, write its truth, score the platform on it."""

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
from lgsp_province.scenarios import scenario
from lgsp_province.systems.serving import serving
from lgsp_province.world.calendar import LOCAL, midnight
from lgsp_province.world.world import SIZES, World

_DAY = click.DateTime(["%Y-%m-%d"])
_SCORE_START = datetime(2022, 4, 1)


@click.group()
def province() -> None:
    """Simulate a province: three source systems to test the platform with."""


def _range(size: str, first: datetime | None, until: datetime | None, days: int | None) -> tuple[date, date]:
    """The first and last local day of the world."""
    end = until.date() - timedelta(days=1) if until else datetime.now(LOCAL).date() - timedelta(days=1)
    start = first.date() if first else end - timedelta(days=(days or SIZES[size].days) - 1)
    if first and days:
        end = start + timedelta(days=days - 1)
    return start, end


_OPTIONS = (
    click.option("--size", type=click.Choice(list(SIZES)), default="demo", show_default=True),
    click.option("--seed", type=int, default=1, show_default=True, help="The same seed generates the same province."),
    click.option("--from", "first", type=_DAY, help="First local day of the world."),
    click.option("--until", type=_DAY, help="Freeze the clock at the start of this local day."),
    click.option("--days", type=click.IntRange(min=1), help="Length of the world in days, instead of --from."),
    click.option("--dossiers", type=click.IntRange(min=0), help="Number of dossiers, instead of the size's default."),
    click.option("--documents", type=click.IntRange(min=0), help="Number of documents, instead of the size's default."),
    click.option(
        "--defects",
        default="all",
        show_default=True,
        help="none, all, ids such as D01,D08, or all with ids that are off by default: all,D48.",
    ),
    click.option(
        "--scenario",
        "scenario_name",
        help="A world with planted figures; options other than --seed and --until are ignored.",
    ),
    click.option(
        "--feeds", type=click.Choice(["none", "all"]), default="none", show_default=True, help="Which feeds break."
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
    scenario_name: str | None,
) -> World:
    start, end = _range(size, first, until, days)
    try:
        if scenario_name:
            return scenario.load(scenario_name).generate_world(seed)
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
        raise click.BadParameter("--ports needs three ports: one_stop_shop, online_services, documents")
    return numbers[0], numbers[1], numbers[2]


def _announce(path: Path, connections: dict[str, Any], world: World) -> None:
    """Write the ready file atomically, so that a waiting process never reads an incomplete file."""
    urls = {name: f"{c['schema']}://{c['host']}:{c['port']}" for name, c in connections.items()}
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
@click.option(
    "--port-base", type=int, default=8801, show_default=True, help="First of three ports; 0 chooses free ports."
)
@click.option("--ports", help="Three ports, separated by commas, instead of --port-base.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="File to write when the servers listen.")
def serve(host: str, port_base: int, ports: str | None, ready_file: Path | None, **options: Any) -> None:
    """Run the three servers in the foreground until SIGTERM or Ctrl-C."""
    world = _generate(**options)
    until = options["until"]
    if options["scenario_name"] and not until:  # the clock of a scenario is frozen at its end
        until = datetime.combine(world.end + timedelta(days=1), datetime.min.time())
    as_of = until.replace(tzinfo=LOCAL) if until else None
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    gc.collect()
    gc.freeze()  # the world is never freed; collecting it again and again would slow down every page
    with serving(world, as_of=as_of, host=host, ports=_ports(ports, port_base)) as connections:
        for name, connection in connections.items():
            click.echo(f"{name}: {connection['schema']}://{connection['host']}:{connection['port']}")
        if ready_file:
            _announce(ready_file, connections, world)
        stopped.wait()


@province.command()
def scenarios() -> None:
    """List the scenarios and their planted figures."""
    for line in scenario.summary_lines():
        click.echo(line)


@province.command("scenario-files")
@click.argument("name")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder definitions of LGSP_CONFIG.",
)
def scenario_files(name: str, out: Path) -> None:
    """Write the definition files of a scenario: the figures that were reported, to compare with the computed ones."""
    try:
        written = scenario.load(name).write(out)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for path in written:
        click.echo(str(path))


@province.command()
@_world_options
@click.option("--as-of", "as_of", type=_DAY, help="The start of this local day; default: the end of the world.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def truth(as_of: datetime | None, out: Path, **options: Any) -> None:
    """Write the dataset that a correct pipeline would publish, as JSON and Parquet."""
    from lgsp_province.truth.truth import truth_of  # here, because pyarrow and pandas are slow to import

    world = _generate(**options)
    moment = as_of or options["until"]
    day = moment.date() if moment else world.end + timedelta(days=1)
    expected = truth_of(world, midnight(day))
    expected.write(out)
    click.echo(
        f"{out}: {expected.totals['dossiers']:,} dossiers, {expected.totals['documents']:,} documents as of {day}"
    )


@province.command()
@_world_options
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), help="Install into this empty folder and keep it."
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write the report to this file.")
def score(home: Path | None, is_json: bool, out: Path | None, **options: Any) -> None:
    """Publish a world with the real pipeline and compare the dataset with the truth; exit 1 if it misses an expectation."""
    # imported here, because the pipeline is slow to import
    from lgsp_province.score import score as scoring
    from lgsp_province.score import text_report

    if home and home.exists() and any(home.iterdir()):
        raise click.ClickException(f"{home} is not empty; give an empty or new folder as --home")
    if not (options["first"] or options["until"] or options["scenario_name"]):
        options["first"] = _SCORE_START  # a fixed day, so that the report is the same every day
        options["days"] = options["days"] or SIZES[options["size"]].days
    try:
        report = scoring.score_world(_generate(**options), home)
    except LgspError as error:
        raise click.ClickException(f"the world could not be published: {error}") from error
    text = report.as_json() if is_json else "\n".join(text_report.lines(report))
    if out:
        out.write_text(f"{text}\n", encoding="utf-8")
    click.echo(text)
    for missed in report.missed:
        click.echo(f"missed: {missed.name} is {missed.observed}, expected {missed.wanted}", err=True)
    if report.missed:
        raise SystemExit(1)
