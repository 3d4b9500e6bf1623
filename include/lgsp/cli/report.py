"""`lgsp report`: the weekly digest and the index reports, written as a page and a workbook."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lgsp import report as reports
from lgsp.cli.options import answering, as_json, as_text
from lgsp.report import Report
from lgsp.settings import Settings

DAY = click.DateTime(["%Y-%m-%d"])


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which language, which snapshot, and where to."""
    command = click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), help="Write here, not into the home."
    )(command)
    command = click.option(
        "--snapshot", "snapshot_id", type=int, help="As this snapshot told it; the newest without it."
    )(command)
    return click.option("--language", type=click.Choice(reports.LANGUAGES), default="vi", show_default=True)(command)


@click.group("report")
def report() -> None:
    """The digest of a week, or Index 766 of a month, a quarter or half a year, from one snapshot."""


@report.command()
@click.option("--week", type=DAY, help="Its first day, a Thursday; the newest whole week without it.")
@report_options
@as_json
@answering
def weekly(week: datetime | None, language: str, snapshot_id: int | None, out: Path | None, is_json: bool) -> None:
    """What a leader should read each week, as HTML and XLSX."""
    _tell(reports.weekly(Settings.from_env(), week.date() if week else None, language, snapshot_id, out), is_json)


@report.command()
@click.option("--period", type=click.Choice(reports.PERIODS), default="month", show_default=True)
@click.option("--start", type=DAY, help="Its first day; the newest whole period without it.")
@report_options
@as_json
@answering
def index(
    period: str, start: datetime | None, language: str, snapshot_id: int | None, out: Path | None, is_json: bool
) -> None:
    """Index 766 of every agency, with its components, ranks and classes, as HTML and XLSX."""
    first = start.date() if start else None
    _tell(reports.index(Settings.from_env(), period, first, language, snapshot_id, out), is_json)


def _tell(done: Report, is_json: bool) -> None:
    if is_json:
        told = {"period": done.period, "period_start": done.period_start, "snapshot_id": done.snapshot_id}
        click.echo(as_text({**told, "paths": [str(path) for path in done.paths]}))
        return
    for path in done.paths:
        click.echo(path)
