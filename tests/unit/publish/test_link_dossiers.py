"""Linking merges the records of a dossier by the role and the rank of their sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lgsp.errors import ContractError
from lgsp.publish import merge
from lgsp.schema import contract, sources
from tests.unit.publish.linking import DAY, linked, record

pytestmark = pytest.mark.slow


@pytest.fixture
def second_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further source of the role portal, with a rank below the first one's."""
    portal = sources.load("online_services")
    every = [sources.load("one_stop_shop"), portal, replace(portal, name="second_portal", rank=2)]
    monkeypatch.setattr(sources, "every", lambda: every)


@pytest.mark.usefixtures("second_portal")
def test_two_portals_give_one_row_for_each_dossier(con: duckdb.DuckDBPyConnection) -> None:
    (dossier,) = linked(con, record("one_stop_shop"), record("online_services"), record("second_portal"))
    assert dossier["dossier_id"] == "H47-260803-0001"
    assert dossier["in_one_stop"] and dossier["in_online_services"]


@pytest.mark.usefixtures("second_portal")
def test_the_lower_rank_wins_attribute_by_attribute(con: duckdb.DuckDBPyConnection) -> None:
    first = record("online_services", service_code="UNKNOWN", satisfaction=None, fee_vnd=100)
    second = record("second_portal", service_code="1.000001", satisfaction=5, fee_vnd=200)
    (dossier,) = linked(con, first, second)
    assert (dossier["fee_vnd"], dossier["satisfaction"], dossier["service_code"]) == (100, 5, "1.000001")


def test_the_one_stop_shop_leads(con: duckdb.DuckDBPyConnection) -> None:
    portal = record("online_services", fee_vnd=200, is_identity_verified=True)
    (dossier,) = linked(con, record("one_stop_shop", fee_vnd=100), portal)
    assert (dossier["fee_vnd"], dossier["is_identity_verified"]) == (100, True)


def test_an_empty_field_of_the_one_stop_shop_hides_no_value(con: duckdb.DuckDBPyConnection) -> None:
    one_stop = record(
        "one_stop_shop", channel="unknown", online_level=None, fee_vnd=0, finished_at=None, status="processing"
    )
    portal = record(
        "online_services", channel="postal", online_level=4, fee_vnd=200, finished_at=DAY, status="finished"
    )
    (dossier,) = linked(con, one_stop, portal)
    assert (dossier["channel"], dossier["online_level"], dossier["online_mode"]) == ("postal", 4, "full")
    assert dossier["fee_vnd"] == 0, "a zero is a value"
    assert (dossier["status"], dossier["finished_at"]) == ("processing", None), (
        "dates and status are those of the one-stop shop"
    )


def _portal(number: int, **columns: Any) -> dict[str, Any]:
    code = f"H47-260803-{number:04}"
    return record("online_services", **{"source_key": code, "source_code": code, "content_hash": code} | columns)


def _ids(dossiers: list[dict[str, Any]]) -> list[str]:
    return sorted(dossier["dossier_id"] for dossier in dossiers)


HUB = "H47-200101-0001"


@pytest.mark.parametrize("count", [6, 40])
def test_a_code_of_many_dossiers_links_none(count: int, con: duckdb.DuckDBPyConnection) -> None:
    dossiers = linked(con, *(_portal(n, other_code=HUB) for n in range(count)))
    assert len(dossiers) == count
    assert all(dossier["quality_flags"] == ["DOS_HUB_CODE"] for dossier in dossiers)


def test_a_code_of_five_records_is_an_identity(con: duckdb.DuckDBPyConnection) -> None:
    (dossier,) = linked(con, *(_portal(n, other_code=HUB) for n in range(5)))
    assert dossier["quality_flags"] == []


def test_records_that_also_share_a_receipt_count_once(con: duckdb.DuckDBPyConnection) -> None:
    same = [_portal(n, other_code=HUB, receipt_key="BN-1") for n in range(4)]
    assert len(linked(con, *same, *(_portal(n, other_code=HUB) for n in range(4, 8)))) == 1


def test_dossiers_with_a_hub_keep_their_own_pairs(con: duckdb.DuckDBPyConnection) -> None:
    pairs = [
        side for n in range(20)
        for side in (
            _portal(n, other_code=HUB),
            record("one_stop_shop", source_key=f"o{n:02}", content_hash=f"o{n}", source_code=f"H47-260803-{n:04}", other_code=HUB),
        )
    ]  # fmt: skip
    dossiers = linked(con, *pairs)
    assert _ids(dossiers) == [f"H47-260803-{n:04}" for n in range(20)]
    assert all(dossier["in_one_stop"] and dossier["in_online_services"] for dossier in dossiers)


def test_the_owner_of_a_hub_keeps_its_code_as_id(con: duckdb.DuckDBPyConnection) -> None:
    owner = _portal(0, source_key=HUB, source_code=HUB)
    assert HUB in _ids(linked(con, owner, *(_portal(n, other_code=HUB) for n in range(1, 9))))


def test_records_with_one_own_code_get_their_keys_as_ids(con: duckdb.DuckDBPyConnection) -> None:
    rows = [record("one_stop_shop", source_key=f"k{n}", content_hash=f"k{n}", source_code=HUB) for n in range(7)]
    assert _ids(linked(con, *rows)) == [f"k{n}" for n in range(7)]


@pytest.mark.parametrize("newest", [0, 1])
def test_the_id_of_two_portal_records_does_not_move(newest: int, con: duckdb.DuckDBPyConnection) -> None:
    changed = [DAY, DAY.replace(hour=3)]
    first = _portal(2, source_updated_at=changed[newest])
    second = _portal(1, source_updated_at=changed[1 - newest], other_code="H47-260803-0002")
    (dossier,) = linked(con, first, second)
    assert dossier["dossier_id"] == "H47-260803-0002", "the code that the other names"


def test_a_column_that_nothing_fills_names_its_contract() -> None:
    shared = contract.load("dossier")
    with pytest.raises(ContractError, match=r"contracts/dossier\.yml: nothing fills dossier_id, service_code, "):
        merge.stage_rows(None, shared, pa.table({"dossier_id": ["a"]}).select([]))  # type: ignore[arg-type]


CODE = "H47.20.25-260803-0001"
STYLES = [CODE, "000.25.20.H47-260803-0001", "h47.20.25-260803-0001", "H47.20.25\u2013260803\u20110001", " H47.20.25 - 260803 - 0001\u200b", "000.25.20.h47\u2014260803-0001 ", "H47.20.25.00-260803-0001"]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_a_code_in_another_style_links_the_same_dossier(con: duckdb.DuckDBPyConnection, style: str) -> None:
    one_stop, portal = record("one_stop_shop", source_code=CODE), record("online_services", source_code="P-1", other_code=style)  # fmt: skip
    (dossier,) = linked(con, one_stop, portal)
    assert dossier["dossier_id"] == CODE
    rows = con.sql("select source_code, code_role from dossier_source order by all").fetchall()
    assert rows == [(CODE, "main"), ("P-1", "other")], "the codes are published as sent"


@pytest.mark.parametrize("other", ["H47.20.25-260803-0010", "H47.20.26-260803-0001", "H47.20-260803-0001", "000.20.25.H47-260803-0001"])  # fmt: skip
def test_another_code_links_nothing(con: duckdb.DuckDBPyConnection, other: str) -> None:
    one_stop, portal = record("one_stop_shop", source_code=CODE), record("online_services", source_code=other)
    assert len(linked(con, one_stop, portal)) == 2
