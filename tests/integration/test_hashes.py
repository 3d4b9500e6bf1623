"""The hash of a row is the same number in PostgreSQL and DuckDB, for numbers of any size."""

from __future__ import annotations

import duckdb
import pytest

from lgsp import store
from lgsp.schema import contract
from tests.integration.conftest import Installation

VALUES = [0.0, 0.99875, 1 / 3, 89.995, 999_999.5, 1_000_000.25, 9_375_000.0, 1.5e9, 3.2e15, -2.5]


@pytest.mark.parametrize("value", VALUES)
def test_a_number_of_any_size_has_one_hash(published: Installation, value: float) -> None:
    table = contract.load("document_kpi")
    row = f"(select {value!r}::double precision as value) t"
    with store.connect(published.settings) as connection:
        row_in_sql = connection.execute(f"select {table.hash_sql('postgresql', ('value',))} as hash from {row}".encode()).fetchone()  # fmt: skip
    assert row_in_sql == {
        "hash": duckdb.sql(f"select {table.hash_sql('duckdb', ('value',))} from {row}").fetchall()[0][0]
    }


def test_the_hash_keeps_12_decimals_of_small_and_3_of_large() -> None:
    hash_sql = contract.load("document_kpi").hash_sql("duckdb", ("value",))
    small, small_other, large, large_other = (
        duckdb.sql(f"select {hash_sql} from (select {value!r}::double as value)").fetchall()
        for value in (0.1, 0.1 + 1e-11, 5e9, 5e9 + 0.01)
    )
    assert small != small_other and large != large_other
