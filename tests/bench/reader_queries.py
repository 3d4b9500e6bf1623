"""Measure what the indexes for readers give and cost: fifteen questions on generated tables, and the rows of a publication.

    python -m tests.bench.reader_queries --rows 1000000

The questions are in `reader_queries.yml`. The cost is that of inserting as many rows as a publication of ten days changes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psycopg
import yaml

from lgsp import install
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from tests.bench import cpu

QUESTIONS = Path(__file__).with_name("reader_queries.yml")
AGENCIES, PROCEDURES, CHANGED_SHARE = 300, 2000, 30
AGENCY = f"'H17.' || lpad(((n * 7919) % {AGENCIES})::text, 3, '0')"
DAY = "(date '2025-01-01' + ((n * 104729) % 361)::int)"  # a prime power: independent of the other numbers
INDEXES = (
    "dossier_receiving", "dossier_service", "dossier_due", "dossier_updated", "document_issuer", "document_delivery_recipient",
)  # fmt: skip

# Expressions over n, the number of the row; every other required column has a code, or a value of its type.
COLUMNS: dict[str, dict[str, str]] = {
    "dossier": {
        "dossier_id": f"{AGENCY} || '-250101-' || lpad(n::text, 7, '0')",
        "service_code": f"'1.' || lpad(((n * 7907) % {PROCEDURES})::text, 6, '0')",
        "receiving_organisation_id": AGENCY,
        "opened_on": DAY, "received_on": DAY, "due_on": f"{DAY} + 15", "channel": "'online'",
        "finished_on": f"case when n % 10 > 1 then {DAY} + 10 end",
        "status": "case when n % 10 > 1 then 'returned' when n % 20 > 1 then 'processing' else 'supplement_requested' end",
        "source_updated_at": f"({DAY} + make_interval(secs => (n * 31) % 86400)) at time zone 'Asia/Ho_Chi_Minh'",
        "snapshot_id": "1 + (n * 31) % 2000",
    },
    "dossier_event": {
        "dossier_id": f"{AGENCY} || '-250101-' || lpad(n::text, 7, '0')", "event_seq": "1", "status": "'accepted'",
        "organisation_id": AGENCY, "source": "'one_stop_shop'",
    },
    "document": {
        "document_id": f"{AGENCY} || ',2025/01/01,' || lpad(n::text, 7, '0') || '/UBND'",
        "issuing_organisation_id": AGENCY, "issued_on": DAY, "document_type": "'decision'",
    },
    "document_delivery": {
        "document_id": f"{AGENCY} || ',2025/01/01,' || lpad(n::text, 7, '0') || '/UBND'",
        "recipient_organisation_id": AGENCY, "status": "'completed'", "issued_on": DAY,
        "sent_at": f"{DAY}::timestamp at time zone 'Asia/Ho_Chi_Minh'",
    },
    "organisation_current": {
        "organisation_id": "'H17.' || lpad(n::text, 3, '0')", "name": "'Xã ' || n", "level": "'commune'",
    },
    "service_current": {"service_code": "'1.' || lpad(n::text, 6, '0')", "name": "'Thủ tục ' || n", "level": "'commune'"},
    "service_kpi": {
        "kpi_id": "case when n < 3600 then 'on_time' else 'indicator_' || n / 3600 end",
        "organisation_id": "'H17.' || lpad((n % 300)::text, 3, '0')", "level": "'commune'", "period": "'month'",
        "period_start": "(date '2025-01-01' + make_interval(months => (n / 300 % 12)::int))::date", "definition_version": "'1.0'",
    },
}  # fmt: skip
VALUES = {
    "text": "'x'", "boolean": "false", "integer": "0", "bigint": "0", "double precision": "0", "date": "date '2025-01-01'",
    "timestamptz": "timestamptz '2025-01-01 08:00+07'", "text[]": "'{}'",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL answers a query: the indexes it uses, the tables it reads as a whole, and the milliseconds it took."""

    indexes: frozenset[str]
    whole_tables: frozenset[str]
    milliseconds: float


def questions() -> list[dict[str, str]]:
    """The questions, each with the query and the index that answers it."""
    return list(yaml.safe_load(QUESTIONS.read_text(encoding="utf-8")))


def fill(connection: psycopg.Connection[Any], rows: int) -> None:
    """Fill an initialised store with this many dossiers, and documents and deliveries for a fifth of them."""
    counts = dict.fromkeys(COLUMNS, rows // 5) | {
        "dossier": rows, "dossier_event": rows, "organisation_current": AGENCIES, "service_current": PROCEDURES, "service_kpi": 68_400,
    }  # fmt: skip
    for name, count in counts.items():
        connection.execute(insert(name, 0, count))
        connection.execute(f"analyze {contract.load(name).storage}")


def insert(name: str, first: int, count: int) -> str:
    """The statement that inserts generated rows with the numbers from `first` on."""
    table = contract.load(name)
    required = [column for column in table.stored_columns if column.is_required or column.is_key]
    filled = {c.name: f"'{c.codes[0]}'" if c.codes else VALUES[c.type] for c in required}
    filled |= COLUMNS[name]
    return (
        f"insert into {table.storage} ({', '.join(filled)}) "
        f"select {', '.join(filled.values())} from generate_series({first}::bigint, {first + count - 1}) n"
    )


def plan(connection: psycopg.Connection[Any], query: str, is_run: bool = False) -> Plan:
    """The plan of a query; its time is 0 unless it is run."""
    row = connection.execute(f"explain (format json{', analyze' if is_run else ''}) {query}".encode()).fetchone()
    assert row is not None
    (top,) = row[0]
    nodes = list(_nodes(top["Plan"]))
    return Plan(
        frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
        top.get("Execution Time", 0.0),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


@click.command()
@click.option("--rows", default=1_000_000, show_default=True)
def main(rows: int) -> None:
    """Measure the questions, and the cost of the indexes, on a server of its own."""
    home = Path(tempfile.mkdtemp(prefix="lgsp-bench-"))
    server = Server(home)
    server.ensure()
    try:
        install.init(Settings.from_env({"LGSP_HOME": str(home), "LGSP_DATABASE_URL": server.url()}))
        with psycopg.connect(server.url(), autocommit=True) as connection:
            fill(connection, rows)
            for question in questions():
                answered = min(
                    (plan(connection, question["sql"], True) for _ in range(3)), key=lambda p: p.milliseconds
                )
                click.echo(
                    f"{answered.milliseconds:9.2f} ms  {question['question']}: {', '.join(sorted(answered.indexes))}"
                )
            _measure_cost(connection, home, rows)
    finally:
        server.stop()
        shutil.rmtree(home)


def _measure_cost(connection: psycopg.Connection[Any], home: Path, rows: int) -> None:
    """Report the CPU seconds of inserting changed rows, with the indexes and without them."""
    server, changed = cpu.postmaster(home), rows // CHANGED_SHARE
    seconds = {}
    for step, has_indexes in enumerate((True, False)):
        if not has_indexes:
            for name in INDEXES:
                connection.execute(f"drop index shared.{name}")
        connection.execute("checkpoint")
        before = cpu.server_seconds(server)
        for name in ("dossier", "document", "document_delivery"):
            count = changed if name == "dossier" else changed // 5
            connection.execute(insert(name, rows + step * changed, count))
        seconds[has_indexes] = cpu.server_seconds(server) - before
    click.echo(
        f"{changed:,} dossiers and their documents: {seconds[True]:.2f} CPU s with the indexes, {seconds[False]:.2f} without"
    )


if __name__ == "__main__":
    main()
