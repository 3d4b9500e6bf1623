"""Tests that the benchmarks compare like with like: every side reads the same records and loads them all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from lgsp import land, store
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp_province import World, serving
from tests.bench import dlt_pipelines, dlt_province, peers, throughput
from tests.integration.conftest import FIRST, MIDNIGHT, SOURCES, WHOLE

SPAN = ("--from", str(FIRST), "--to", "2026-08-10")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The variables for an empty store, and for a province with a NUL in a message, without the defects that a plain loop cannot read."""
    world = World.generate(
        "tiny", 61, FIRST, date(2026, 8, 10),
        dossiers_count=300, documents_count=40, defects_chosen={"poison": 0, "D42": 0, "D37": 0.1},
    )  # fmt: skip
    with serving(world, as_of=MIDNIGHT) as connections, throughput.store_of(connections) as variables:
        yield variables


@pytest.fixture(scope="module")
def floor(environment: dict[str, str]) -> peers.Cost:
    """The cost of the plain loop, which has copied all records."""
    return peers.measure("floor", environment, *SPAN)


def _rows(environment: dict[str, str], statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(store.url(Settings.from_env(environment))) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload]


def test_the_plain_loop_reads_what_landing_reads(environment: dict[str, str], floor: peers.Cost) -> None:
    settings = Settings.from_env(environment)
    with store.connect(settings) as connection:
        batches = [
            ledger.batch(connection, batch_id) for source in SOURCES for batch_id in land.run(settings, source, WHOLE)
        ]
    landed = {batch.source: batch.counts["fetched_count"] for batch in batches}
    assert dict(_rows(environment, "select source, count(*) from public.floor group by source")) == landed
    assert floor.records == sum(landed.values())


def test_dlt_loads_every_record_into_both_outputs(environment: dict[str, str], floor: peers.Cost) -> None:
    cost = peers.measure("dlt", environment, *SPAN)
    settings = Settings.from_env(environment)
    assert cost.records == floor.records
    with_nul = (
        "select count(*) from public.floor where record like '%UTF-16%'"  # the loop copies them without their NULs
    )
    assert _rows(environment, with_nul)[0][0] > 0
    assert cost.python > 0 and cost.postgresql > 0
    distinct = _rows(environment, "select count(distinct (source, key)) from public.floor")
    loaded = dlt_pipelines.rows_in_postgresql(settings, dlt_pipelines.BEST)
    assert sum(loaded[name] for name in dlt_province.RECORDS) == distinct[0][0]
    files = settings.home / "dlt" / "files" / dlt_pipelines.BEST / "one_stop_dossier"
    ids = [row["id"] for path in files.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert sorted(ids) == sorted(
        key for (key,) in _rows(environment, "select key from public.floor where source = 'one_stop_shop'")
    )


@pytest.mark.exhaustive
def test_dlt_in_its_default_form_loads_every_record(environment: dict[str, str], floor: peers.Cost) -> None:
    assert peers.measure("dlt-default", environment, *SPAN).records == floor.records
    (edxml,) = _rows(environment, f"select count(edxml) from {dlt_pipelines.DEFAULT}.edoc")
    assert edxml[0] == dlt_pipelines.rows_in_postgresql(Settings.from_env(environment), dlt_pipelines.DEFAULT)["edoc"]


def test_the_report_has_the_median_and_the_ratio_of_each_side() -> None:
    costs = {
        "lgsp": [peers.Cost(10, 3.0, 1.0, 5.0, 100), peers.Cost(10, 5.0, 3.0, 9.0, 100), peers.Cost(10, 6.0, 4.0, 9.0, 100)],
        "dlt": [peers.Cost(10, 3.0, 1.0, 5.0, 100)],
    }  # fmt: skip
    ours, theirs = peers.report(costs)
    assert "8.0 CPU s (5.0 Python, 3.0 PostgreSQL)" in ours and "lgsp / lgsp: 1.00" in ours
    assert "4.0 CPU s" in theirs and "lgsp / dlt: 2.00" in theirs


def test_an_unknown_side_is_refused() -> None:
    assert CliRunner().invoke(peers.main, ["one", "spark"]).exit_code == 2


def test_unknown_fields_become_columns_and_nested_values_json() -> None:
    table = dlt_province.table([{"a": "x", "n": [1]}, {"a": None, "new": 2}])
    assert table.to_pylist() == [{"a": "x", "n": "[1]", "new": None}, {"a": None, "n": None, "new": "2"}]
