"""The first publication of a year: every statement visits few rows, although no table has statistics from before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pytest

from lgsp.store.transaction import Transaction
from lgsp.window import LOCAL, Window
from lgsp_province import World, serving
from tests.integration.conftest import Installation

FIRST, LAST = date(2025, 11, 1), date(2026, 10, 31)
# A join that compares all rows with all rows of this world visits hundreds of millions.
MOST_VISITED = 10_000_000
QUERY = re.compile(
    r"(?:--[^\n]*\n|\s)*(?:create temporary table \w+ on commit drop as|insert into new_\w+ \([^)]*\))\s+(?=with|select)"
)
EXPLAIN = """
create or replace function pg_temp.explained(query text) returns text language plpgsql as $$
declare plan text;
begin
    execute 'explain (analyze, timing off, buffers off, format json) ' || query into plan;
    return plan;
end $$
"""


@pytest.fixture(scope="module")
def connections() -> Iterator[dict[str, dict[str, Any]]]:
    """The connections of a province with 2,500 dossiers in a year."""
    world = World.generate("tiny", 3, FIRST, LAST, dossiers_count=2500, documents_count=0)
    with serving(world, as_of=datetime(2026, 11, 1, tzinfo=LOCAL)) as connections:
        yield connections


def _visited(node: dict[str, Any]) -> int:
    """The rows that a node of a plan and the nodes below it produced or removed."""
    removed = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    own = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return int(own + sum(_visited(child) for child in node.get("Plans", ())))


@pytest.mark.exhaustive
def test_no_statement_of_a_first_publication_compares_all_pairs(
    install: Callable[..., Installation], connections: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install(connections)
    for source in ("one_stop_shop", "online_services"):
        installation.ingest(source, Window.of_days(FIRST, LAST))
    visited: dict[str, int] = {}
    do = Transaction.do

    def explain(transaction: Transaction, statement: str, *parameters: Any) -> None:
        if not parameters and (match := QUERY.match(statement)):
            do(transaction, EXPLAIN)
            plan = transaction.one("select pg_temp.explained($1::text)", statement[match.end() :])
            visited[match[0].strip()[:200]] = _visited(json.loads(plan)[0]["Plan"])
        do(transaction, statement, *parameters)

    monkeypatch.setattr(Transaction, "do", explain)
    publication = installation.publish()
    assert publication is not None and publication.rows["service_kpi"] > 100_000
    assert len(visited) > 25 and sum(visited.values()) > 1_000_000
    assert {statement: rows for statement, rows in visited.items() if rows > MOST_VISITED} == {}
