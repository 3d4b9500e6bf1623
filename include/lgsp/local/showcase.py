"""What a person wants after the demo: where to look, what to ask, and how to stop."""

from __future__ import annotations

from pathlib import Path

import click
import psycopg

from lgsp import store
from lgsp.local import airflow_environment, reader_account
from lgsp.local.stack import Stack
from lgsp.settings import Settings

QUERIES = {
    "How punctual is the province, how much comes online, and how many services are used, month by month?": (
        "select kpi_id, period_start as month, numerator, denominator, round(100 * value::numeric, 2) as percent\n"
        "from shared.service_kpi where organisation_id = 'ALL' and level = 'ALL' and period = 'month'\n"
        "  and kpi_id in ('on_time', 'online_share', 'service_active') order by kpi_id, month"
    ),
    "Who received nothing in the last whole week: silence, told apart from a feed that is late?": (
        "select o.level, z.channel, z.state, count(*) as agencies, min(o.name) as for_example\n"
        "from shared.zero_activity z join shared.organisation o using (organisation_id)\n"
        "where z.period = 'week' and z.period_start =\n"
        "  (select max(period_start) from shared.zero_activity where period = 'week' and state <> 'no_data')\n"
        "group by o.level, z.channel, z.state order by o.level, z.channel, z.state"
    ),
    "How far do documents get at their recipients?": (
        "select status, count(*) as deliveries,\n"
        "  percentile_cont(0.5) within group (order by accepted_at - sent_at) as median_until_accepted\n"
        "from shared.document_delivery group by status order by deliveries desc"
    ),
}


LEDGER = (
    "select source, state, count(*) as batches,\n"
    "       min(window_from at time zone 'Asia/Ho_Chi_Minh') as from,\n"
    "       max(window_to at time zone 'Asia/Ho_Chi_Minh') as until\n"
    "from ledger.batch group by source, state order by source, state"
)


def show(settings: Settings, running: Stack) -> None:
    """Print addresses, logins, three questions with their answers, and how to stop."""
    address = reader_account.url(settings)
    current = settings.shared / "current"
    _addresses(settings, running, address, current)
    for question, sql in QUERIES.items():
        click.echo(f"{question}\n\n{_indented(sql)}\n\n{_indented(_answer(address, sql))}\n")
    click.echo("The same rows in Python:\n")
    click.echo(_indented(
        "import pandas as pd\n"
        f'dossiers = pd.read_parquet("{current}/dossier")\n'
        'print(dossiers.groupby("channel").size())'
    ))  # fmt: skip
    click.echo(f"\nWhat the ledger says\n\n{_indented(_answer(store.url(settings), LEDGER))}")
    click.echo("\nNext        make status · make backfill FROM= TO= [SOURCE=] · make stop · make clean-demo")


def _addresses(settings: Settings, running: Stack, address: str, current: Path) -> None:
    passwords = airflow_environment.passwords(settings)
    click.echo(f"Airflow     {running.airflow_url}")
    for user, role in airflow_environment.USERS.items():
        click.echo(f"            {user:9} {passwords[user]}   ({role})")
    for page in sorted(settings.reports.glob("weekly/*/digest.vi.html"))[-1:]:
        click.echo(f"Report      {page}")
    click.echo(f"Data Docs   {running.airflow_url}/plugin/data-docs")
    click.echo(f"SQL         {address}")
    click.echo(f"Parquet     {current}\n")


def _answer(address: str, sql: str) -> str:
    with psycopg.connect(address) as connection:
        cursor = connection.execute(sql.encode())
        titles = [column.name for column in cursor.description or ()]
        rows = [["" if value is None else str(value) for value in row] for row in cursor.fetchall()]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [titles, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
