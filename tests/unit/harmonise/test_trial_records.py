"""Test records are recognised by the position of the word `test` in their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from unicodedata import normalize

import duckdb
import pytest

from lgsp.harmonise import duckdb_functions


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        duckdb_functions.load(con, "one_stop_shop", b"key")
        yield con


def _is_test(con: duckdb.DuckDBPyConnection, kind: str, value: str) -> bool:
    row = con.execute(f"select is_test_{kind}(lower(?))", [value]).fetchone()
    assert row is not None
    return bool(row[0])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("procedure", "thoaitestthutuc16022022-TH2"), ("procedure", "TEST01"), ("procedure", "2.000815_test"),
        ("service", "thoaitest thủ tục 16022022"), ("service", "Test"), ("service", "Test 123"), ("service", "Test thủ tục mới"),
        ("service", "Cấp giấy phép (test)"), ("service", "Cấp giấy phép_test 2"), ("agency", "000.00.15.H47_test"),
        ("applicant", "Nguyễn Văn Test"), ("applicant", "NGUYỄN VĂN TEST 2"), ("applicant", "Test"), ("applicant", "test 123"),
        ("applicant", "nguyenvana_test"), ("applicant", "Công dân test"), ("applicant", "Đỗ Thị Hoa (test)"),
        ("applicant", "Test Nguyễn Văn A"), ("applicant", "Quản trị app"), ("email", "admin_test@gmail.com"),
    ],
)  # fmt: skip
def test_d24_a_name_starting_or_ending_in_test_is_a_test_record(
    con: duckdb.DuckDBPyConnection, kind: str, value: str, form: Literal["NFC", "NFD"]
) -> None:
    assert _is_test(con, kind, normalize(form, value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("service", "Cấp phép xét nghiệm test nhanh Covid"), ("service", "Test nhanh kháng nguyên tại cơ sở y tế"),
        ("service", "Công bố hợp quy bộ test kit"), ("service", "Thẩm định testosterone"), ("procedure", "1.latest.0001"),
        ("procedure", "2.000815.000.00.00.H47"), ("applicant", "Công ty TNHH Test Lab"), ("applicant", "Công ty TNHH Test"),
        ("applicant", "Công ty CP Xét nghiệm Lê Test Việt"), ("applicant", "Test Lab"), ("applicant", "Nguyễn Thị Testa"),
        ("applicant", "Quản trị app Việt"), ("agency", "000.00.15.H47"), ("email", "latest@example.vn"),
    ],
)  # fmt: skip
def test_d24_a_name_that_only_contains_test_is_a_real_record(
    con: duckdb.DuckDBPyConnection, kind: str, value: str
) -> None:
    assert not _is_test(con, kind, value)
