"""Linking merges the records of a dossier by the role and the rank of their sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lgsp.errors import ContractError
from lgsp.publish import link_dossiers, merge
from lgsp.schema import contract, records, sources

DAY = datetime(2026, 8, 3, 2, tzinfo=UTC)
TYPES = {
    "text": pa.string(), "text[]": pa.list_(pa.string()), "boolean": pa.bool_(), "integer": pa.int32(), "bigint": pa.int64(),
    "timestamptz": pa.timestamp("us", "UTC"),
}  # fmt: skip


@pytest.fixture
def second_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further source of the role portal, with a rank below the first one's."""
    portal = sources.load("online_services")
    every = [sources.load("one_stop_shop"), portal, replace(portal, name="second_portal", rank=2)]
    monkeypatch.setattr(sources, "every", lambda: every)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in UTC."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def _record(source: str, **columns: Any) -> dict[str, Any]:
    row = dict.fromkeys(records.DOSSIER.columns)
    row |= {
        "source": source, "source_key": f"{source}-1", "source_updated_at": DAY, "content_hash": source, "batch_id": f"{source}.1",
        "source_code": "H47-260803-0001", "is_deleted": False, "service_code": "UNKNOWN", "receiving_organisation_id": "H47.01",
        "channel": "unknown", "status": "accepted", "received_at": DAY, "events": "[]", "quality_flags": [],
    }  # fmt: skip
    return row | columns


def _linked(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    schema = pa.schema([(name, TYPES[type_]) for name, type_ in records.DOSSIER.columns.items()])
    link_dossiers.derive(con, pa.Table.from_pylist(list(rows), schema=schema))
    dossiers: list[dict[str, Any]] = con.sql("select * from dossier").to_arrow_table().to_pylist()
    return dossiers


@pytest.mark.usefixtures("second_portal")
def test_two_portals_give_one_row_for_each_dossier(con: duckdb.DuckDBPyConnection) -> None:
    (dossier,) = _linked(con, _record("one_stop_shop"), _record("online_services"), _record("second_portal"))
    assert dossier["dossier_id"] == "H47-260803-0001"
    assert dossier["in_one_stop"] and dossier["in_online_services"]


@pytest.mark.usefixtures("second_portal")
def test_the_lower_rank_wins_attribute_by_attribute(con: duckdb.DuckDBPyConnection) -> None:
    first = _record("online_services", service_code="UNKNOWN", satisfaction=None, fee_vnd=100)
    second = _record("second_portal", service_code="1.000001", satisfaction=5, fee_vnd=200)
    (dossier,) = _linked(con, first, second)
    assert (dossier["fee_vnd"], dossier["satisfaction"], dossier["service_code"]) == (100, 5, "1.000001")


def test_the_one_stop_shop_leads(con: duckdb.DuckDBPyConnection) -> None:
    portal = _record("online_services", fee_vnd=200, is_identity_verified=True)
    (dossier,) = _linked(con, _record("one_stop_shop", fee_vnd=100), portal)
    assert (dossier["fee_vnd"], dossier["is_identity_verified"]) == (100, True)


def test_a_column_that_nothing_fills_names_its_contract() -> None:
    shared = contract.load("dossier")
    with pytest.raises(ContractError, match=r"contracts/dossier\.yml: nothing fills dossier_id, service_code, "):
        merge.stage_rows(None, shared, pa.table({"dossier_id": ["a"]}).select([]))  # type: ignore[arg-type]
