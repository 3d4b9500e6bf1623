"""`lgsp report`: writes the weekly digest and the Index 766 report as HTML and XLSX files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from lgsp import report as reports
from lgsp.cli.options import DAY, PASTED_NUMBER, handles_errors, json_option, to_json
from lgsp.report import Report
from lgsp.settings import Settings


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of all reports: language, snapshot and output folder."""
    command = click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), help="Output folder. Default: LGSP_HOME/reports."
    )(command)
    command = click.option(
        "--snapshot", "snapshot_id", type=PASTED_NUMBER, help="Snapshot to report on. Default: the newest."
    )(command)
    return click.option(
        "--language",
        type=click.Choice(reports.LANGUAGES),
        default="vi",
        show_default=True,
        help="Language of the report.",
    )(command)


@click.group("report")
def report() -> None:
    """Write the weekly digest or the Index 766 report."""


@report.command()
@click.option(
    "--week", type=DAY, metavar="YYYY-MM-DD", help="First day of the week, a Thursday. Default: the newest whole week."
)
@report_options
@json_option
@handles_errors
def weekly(week: date | None, language: str, snapshot_id: int | None, out: Path | None, is_json: bool) -> None:
    """Write the weekly digest as HTML and XLSX.

    The digest is for the leaders of the province.
    """
    _print_paths(reports.weekly(Settings.from_env(), week, language, snapshot_id, out), is_json)


@report.command()
@click.option("--period", type=click.Choice(reports.PERIODS), default="month", show_default=True, help="Kind of period.")  # fmt: skip
@click.option(
    "--start", type=DAY, metavar="YYYY-MM-DD", help="First day of the period. Default: the newest whole period."
)
@report_options
@json_option
@handles_errors
def index(
    period: str, start: date | None, language: str, snapshot_id: int | None, out: Path | None, is_json: bool
) -> None:
    """Write the Index 766 report as HTML and XLSX.

    It has the components, the rank and the class of every agency.
    """
    _print_paths(reports.index(Settings.from_env(), period, start, language, snapshot_id, out), is_json)


def _print_paths(written: Report, is_json: bool) -> None:
    if is_json:
        values = {"period": written.period, "period_start": written.period_start, "snapshot_id": written.snapshot_id}
        click.echo(to_json({**values, "paths": [str(path) for path in written.paths]}))
        return
    for path in written.paths:
        click.echo(path)
