"""A row's hash is the same number on both sides, whatever the size of what it says."""

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
        found = connection.execute(f"select {table.hash_sql('postgresql', ('value',))} as hash from {row}".encode()).fetchone()  # fmt: skip
    assert found == {"hash": duckdb.sql(f"select {table.hash_sql('duckdb', ('value',))} from {row}").fetchall()[0][0]}


def test_small_numbers_keep_twelve_places_and_great_ones_three() -> None:
    told = contract.load("document_kpi").hash_sql("duckdb", ("value",))
    small, other, great, near = (
        duckdb.sql(f"select {told} from (select {value!r}::double as value)").fetchall()
        for value in (0.1, 0.1 + 1e-11, 5e9, 5e9 + 0.01)
    )
    assert small != other and great != near
