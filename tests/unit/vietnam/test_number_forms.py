"""A number is read as it is meant, or not at all: every form, in every field of a number of every source."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.harmonise import duckdb_functions, field_sql
from lgsp.schema import sources
from lgsp.sources.documents import codes
from lgsp.vietnam import times_and_numbers

# text: amount in đồng, count, decimal
FORMS: dict[str, tuple[int | None, int | None, float | None]] = {
    "1.234,5": (None, None, 1234.5), "1,234.5": (None, None, 1234.5), "1.234": (1234, 1234, None), "12,5": (None, None, 12.5),
    "1 234": (1234, 1234, 1234.0), "1\u00a0234": (1234, 1234, 1234.0), "1\u202f234": (1234, 1234, 1234.0), "1'234": (None, None, None),
    "50,000đ": (50_000, None, None), "50.000 VNĐ": (50_000, 50_000, None), "50.000.000 đồng": (50_000_000, 50_000_000, 5e7),
    "１２３": (123, 123, 123.0), "１．２３４": (None, None, None), "1e3": (None, None, None), "٣": (3, 3, 3.0), "1٣": (None, None, None),
    "²": (None, None, None), "12²": (None, None, None), "-5": (-5, -5, -5.0), "-0": (0, 0, 0.0), "−5": (None, None, None), "NaN": (None, None, None),
    "Infinity": (None, None, None), "1e400": (None, None, None), "50%": (None, None, 50.0), "2000.000 đ": (None, None, 2000.0),
    "2000,0000": (None, None, 2000.0), "2.000,00": (2000, 2000, 2000.0), "2.000,000": (None, None, 2000.0), "50 nghìn": (None, None, None), "1,5 triệu": (None, None, None),
    "½": (None, None, None), "(5)": (None, None, None), "1/2": (None, None, None), "0x10": (None, None, None), "1_000": (None, None, None), "+5": (None, None, None),
}  # fmt: skip


@pytest.mark.parametrize("sent", FORMS)
def test_a_text_is_read_as_its_field_means_it(sent: str) -> None:
    amount, count, quantity = FORMS[sent]
    assert (times_and_numbers.whole_amount(sent), times_and_numbers.whole_number(sent)) == (amount, count)
    read = times_and_numbers.decimal(sent)
    assert read == quantity and str(read) != "-0.0"


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    duckdb_functions.load(opened, "one_stop_shop", b"key")
    return opened


def _read(connection: duckdb.DuckDBPyConnection, treatment: str, value: str) -> tuple[float | None, str | None]:
    query = f"select read_{treatment}(x), repair_{treatment}(x) from (select ?::json as x)"
    row = connection.execute(query, [value]).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("position", range(3), ids=["money", "count", "number"])
@pytest.mark.parametrize("sent", FORMS)
def test_what_cannot_be_read_is_flagged(connection: duckdb.DuckDBPyConnection, sent: str, position: int) -> None:
    meant = FORMS[sent][position]
    value, repair = _read(connection, ("money", "count", "number")[position], json.dumps(sent))
    assert value == meant and (meant is not None or repair == "unreadable_value" or sent == "NaN")


@pytest.mark.parametrize(
    ("value", "money", "count", "number"),
    [
        ("50.125", None, None, 50.125), ("50.0", 50, 50, 50.0), ("1e3", 1000, 1000, 1000.0), ("1e400", None, None, None), ("1e15", None, None, None),
        ("-0", 0, 0, 0.0), ("-5", -5, -5, -5.0), ("true", None, None, None), ("[1]", None, None, None), ('{"a": 1}', None, None, None),
        ("3000000000", 3_000_000_000, None, 3e9), ("9" * 400, None, None, None), ("null", None, None, None), ('""', None, None, None),
    ],
)  # fmt: skip
def test_the_point_of_a_json_number_is_its_decimal_sign(
    connection: duckdb.DuckDBPyConnection, value: str, money: int | None, count: int | None, number: float | None
) -> None:
    for treatment, meant in (("money", money), ("count", count), ("number", number)):
        read, repair = _read(connection, treatment, value)
        assert read == meant, treatment
        assert meant is not None or value in ("null", '""') or repair == "unreadable_value", treatment


@given(
    st.decimals(-(10**12), 10**12, places=3, allow_nan=False),
    st.sampled_from(["{:,.3f}", "{:,.2f}", "{:,.1f}", "{:.3f}", "{:.2f}"]),
    st.booleans(),
)
def test_a_formatted_number_is_itself_or_nothing(value: Decimal, form: str, is_vietnamese: bool) -> None:
    sent = form.format(value)
    meant = Decimal(sent.replace(",", ""))
    if is_vietnamese:
        sent = sent.translate(str.maketrans(".,", ",."))
    if re.fullmatch(r"-?[1-9]\d{0,2}[.,]\d{3}", sent):  # one group of three: thousands in a whole number, nothing else
        assert times_and_numbers.decimal(sent) is None and times_and_numbers.whole_number(sent) in (meant * 1000, None)
        return
    assert times_and_numbers.whole_number(sent) in (meant, None)
    assert times_and_numbers.whole_amount(sent) in (meant, None)
    assert times_and_numbers.decimal(sent) in (float(meant), None)


@given(st.integers(0, 999_999), st.sampled_from(["{:,}", "{:d}"]), st.sampled_from([",", ".", " "]))
def test_a_grouped_number_is_never_a_thousandth(value: int, form: str, separator: str) -> None:
    sent = form.format(value).replace(",", separator)
    assert times_and_numbers.whole_amount(sent) == value
    assert times_and_numbers.whole_number(sent) in (value, None)
    assert times_and_numbers.decimal(sent) in (value, None)


@pytest.mark.parametrize(
    ("sent", "meant", "oddity"),
    [("12", 12, None), ("1.234", 1234, "format"), ("1,234", None, "unreadable_value"), ("-3", None, "unreadable_value"), ("", None, None),
     ("12 trang", None, "unreadable_value"), ("9999999", None, "unreadable_value"), ("N/A", None, None)],
)  # fmt: skip
def test_the_page_count_of_a_document_is_flagged_too(sent: str, meant: int | None, oddity: str | None) -> None:
    assert (codes.count(sent), codes.count_oddity(sent)) == (meant, oddity)


def _fields_of(treatments: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for name in sources.names():
        for list_name, declared in sources.load(name).lists.items():
            leaves = (*field_sql._leaves(declared["fields"]), *field_sql._elements(declared["fields"]))
            found += [
                (f"{name}.{list_name}.{path}", treatment) for path, treatment in leaves if treatment in treatments
            ]
    return found


TIMES = ("time_utc", "time_compact", "time_local", "day")


@pytest.mark.parametrize(("field", "treatment"), _fields_of(TIMES))
@pytest.mark.parametrize(
    ("sent", "stated"),
    [("05/2022", "2022-05"), ("2022", "2022"), ("00/05/2022", "2022-05"), ("Tháng 5/2022", "2022-05")],
)
def test_every_date_field_flags_a_partial_date_alike(
    connection: duckdb.DuckDBPyConnection, field: str, treatment: str, sent: str, stated: str
) -> None:
    query = f"select read_{treatment}(x), repair_{treatment}(x) from (select ?::varchar as x)"
    assert connection.execute(query, [sent]).fetchone() == (None, f"unreadable_time={stated}"), field
    assert codes.day(sent) is None and codes.time_oddity(sent) == f"unreadable_time={stated}"
