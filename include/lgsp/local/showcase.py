"""Prints the end of the demo: addresses, logins, answered questions, and commands to try."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import psycopg

from lgsp import store
from lgsp.local import airflow_environment, province, reader_account
from lgsp.local.airflow_environment import PROJECT
from lgsp.local.stack import Stack
from lgsp.settings import Settings
from lgsp.store import readers

# An agency has one row in shared.organisation_current, and one per version in shared.organisation.
QUERIES = {
    "How many dossiers of each month were finished on time, how many came online, and how many services were used?": (
        "select kpi_id, period_start as month, numerator, denominator, round(100 * value::numeric, 2) as percent\n"
        "from shared.service_kpi where organisation_id = 'ALL' and level = 'ALL' and period = 'month'\n"
        "  and kpi_id in ('on_time', 'online_share', 'service_active') order by kpi_id, month"
    ),
    "How many agencies received no dossier (zero) or few (low) in the last whole week, and for how many is data missing (no_data)?": (
        "select o.level, z.channel, z.state, count(*) as agencies, min(o.name) as for_example\n"
        "from shared.zero_activity z join shared.organisation_current o using (organisation_id)\n"
        "where z.period = 'week' and z.period_start =\n"
        "  (select max(period_start) from shared.zero_activity where period = 'week' and state <> 'no_data')\n"
        "group by o.level, z.channel, z.state order by o.level, z.channel, z.state"
    ),
    "How many document deliveries are in each status, and how long did it take until half of them were accepted?": (
        "select status, count(*) as deliveries,\n"
        "  percentile_cont(0.5) within group (order by accepted_at - sent_at) as median_until_accepted\n"
        "from shared.document_delivery group by status order by deliveries desc"
    ),
}

BATCHES = (
    "select source, state, count(*) as batches,\n"
    "       min(window_from at time zone 'Asia/Ho_Chi_Minh') as from,\n"
    "       max(window_to at time zone 'Asia/Ho_Chi_Minh') as until\n"
    "from ledger.batch group by source, state order by source, state"
)

# An agency with late dossiers in the newest month that the data covers completely.
NUMBER_TO_EXPLAIN = """
select organisation_id, to_char(period_start, 'YYYY-MM') from shared.service_kpi
where kpi_id = 'on_time' and period = 'month' and organisation_id <> 'ALL' and denominator > 0
order by as_of at time zone 'Asia/Ho_Chi_Minh' >= period_start + interval '1 month' desc, numerator < denominator desc,
    period_start desc, denominator desc, organisation_id limit 1
"""

# A dossier that both systems have, if possible one on which they disagree.
DOSSIER_TO_EXPLAIN = """
select dossier_id from shared.dossier
order by in_one_stop and in_online_services desc, has_conflict desc, received_at desc nulls last, dossier_id limit 1
"""

ROW_TO_SHOW = (
    "select quarantine_id from ledger.quarantine where state = 'open' order by source_key = '?', quarantine_id limit 1"
)


def show(settings: Settings, running: Stack) -> None:
    """Print addresses and logins, three questions with their answers, and commands to try."""
    reader_url = reader_account.url(settings)
    current = settings.shared / "current"
    _show_addresses(settings, running, readers.address(settings) if settings.database_url else reader_url, current)
    for question, sql in QUERIES.items():
        click.echo(f"{question}\n\n{_indented(sql)}\n\n{_indented(_table(reader_url, sql))}\n")
    click.echo(
        f"The batches of each source, by state (ledger.batch):\n\n{_indented(_table(store.url(settings), BATCHES))}\n"
    )
    click.echo(f"Commands to try, in {PROJECT}:\n")
    for purpose, command in commands(settings):
        click.echo(f"{purpose}:\n{_indented(command)}")


def commands(settings: Settings) -> list[tuple[str, str]]:
    """What a reader can do next, each with a shell command that runs in the project's folder and on the demo's data."""
    with psycopg.connect(store.url(settings)) as connection:
        number = connection.execute(NUMBER_TO_EXPLAIN).fetchone()
        dossier = connection.execute(DOSSIER_TO_EXPLAIN).fetchone()
        row = connection.execute(ROW_TO_SHOW).fetchone()
    days = province.span(settings.home).days()
    parquet = f'pandas.read_parquet("{settings.shared}/current/dossier")'
    python = f'import pandas; print({parquet}.groupby("channel").size())'
    is_other_home = settings.home != PROJECT / ".lgsp"
    return [
        *([("Use the home of this demo", f"export LGSP_HOME={shlex.quote(str(settings.home))}")] if is_other_home else []),
        ("Show the newest snapshot, how current each source is, and what waits for a decision", "./lgsp status"),
        *_command("Show every dossier behind a published number", "./lgsp explain on_time --organisation {} --period {}", number),
        *_command("Show the source records and the landed bytes of a dossier", "./lgsp explain dossier {}", dossier),
        ("List the records that broke a rule", "./lgsp quarantine list"),
        *_command("Show why a record is in quarantine and what to do", "./lgsp quarantine show {}", row),
        ("Verify that SQL and files hold the same rows as were published and signed", "./lgsp verify"),
        ("Count the dossiers of the Parquet files in Python", f".venv/bin/python -c {shlex.quote(python)}"),
        ("Read two days again", f"make backfill FROM={days[-2]} TO={days[-1]} SOURCE=documents"),
        ("List all commands", "./lgsp --help"),
        ("Stop everything; the data stays, and `make demo` resumes", "make stop"),
        ("Stop everything and delete the data", "make clean-demo"),
    ]  # fmt: skip


def _command(purpose: str, template: str, values: tuple[Any, ...] | None) -> list[tuple[str, str]]:
    """The command with these values; none when the store has no such row."""
    return [(purpose, template.format(*(shlex.quote(str(value)) for value in values)))] if values else []


def _show_addresses(settings: Settings, running: Stack, reader_url: str, current: Path) -> None:
    passwords = airflow_environment.passwords(settings)
    click.echo(f"Airflow     {running.airflow_url}")
    for user, role in airflow_environment.USERS.items():
        click.echo(f"            {user:9} {passwords[user]}   ({role})")
    for page in sorted(settings.reports.glob("weekly/*/digest.vi.html"))[-1:]:
        click.echo(f"Report      {page}")
    click.echo(f"Data Docs   {running.airflow_url}/plugin/data-docs")
    click.echo(f"SQL         {reader_url}")
    click.echo(f"HTTP        {running.api_url}   (OData; user and password of SQL)")
    if secret := reader_account.secret(settings):
        example = f"curl -u {reader_account.USER}:{secret} '{running.api_url}dossier?$top=1'"
        click.echo(f"            {example}")
    click.echo(f"Parquet     {current}\n")


def _table(url: str, sql: str) -> str:
    """The result of a query as a text table."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql.encode())
        titles = [column.name for column in cursor.description or ()]
        rows = [["" if value is None else str(value) for value in row] for row in cursor.fetchall()]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [titles, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
