"""Times and numbers are parsed in every format that people and programs write."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.harmonise import duckdb_functions
from lgsp.vietnam import times_and_numbers
from lgsp.window import LOCAL

NOON = datetime(2022, 6, 1, 8, 15, tzinfo=LOCAL)


@pytest.mark.parametrize(
    "sent",
    [
        "2022-06-01T01:15:00.000+0000", "2022-06-01T01:15:00Z", "2022-06-01T08:15:00+07:00", "2022-06-01T08:15:00", "2022-06-01 08:15",
        "20220601081500", "1654046100000", "/Date(1654046100000+0700)/", "/Date(1654046100000)/", "01/06/2022 08:15:00", "1.6.2022 8:15",
        "01-06-22 08:15", "2022/06/01 08:15:00", "\u00a001/06/2022 08:15\u200b", "2022-06-01T08:15:00+07", "2022-06-01 08:15:00.000000+07",
        "01/06/2022 08:15:00 SA", "1/6/2022 8:15:00 AM", "08:15 01/06/2022", "08h15 ngày 01/06/2022", "01/06/2022 08h15", "[2022,6,1,8,15]",
        "2022-06-01T08:15:00+07:00[Asia/Ho_Chi_Minh]", "Wed Jun 01 08:15:00 ICT 2022", "Wed, 01 Jun 2022 01:15:00 GMT",
        "Wed Jun 01 2022 08:15:00 GMT+0700 (Indochina Time)", "2022-06-01T01:15:00,000Z", "2022-06-01T08:14:60",
    ],
)  # fmt: skip
def test_an_instant_is_parsed_from_every_format(sent: str) -> None:
    assert times_and_numbers.instant(sent) == NOON
    assert times_and_numbers.instant_oddity(sent) == times_and_numbers.FORMAT


@pytest.mark.parametrize("sent", ["17.6.2021", "17/06/2021", "17-06-21", "2021/06/17", "2021-06-17", "20210617"])
def test_a_day_is_its_local_midnight(sent: str) -> None:
    assert times_and_numbers.instant(sent) == datetime(2021, 6, 17, tzinfo=LOCAL)


@pytest.mark.parametrize(
    "sent",
    [
        "0001-01-01T00:00:00.000+0000", "1900-01-01T00:00:00.000+0000", "1970-01-01T00:00:00.000+0000", "01/01/1970 07:00:00", "01/01/1970",
        "00010101000000", "19000101000000", "19700101070000", "9999-12-31T23:59:59",
        "/Date(-62135622000000+0700)/", "/Date(-62135596800000)/", "00000000000000", "0", "0000-00-00 00:00:00", "00/00/0000",
    ],
)  # fmt: skip
def test_a_sentinel_date_gives_none(sent: str) -> None:
    assert times_and_numbers.instant(sent) is None
    assert times_and_numbers.instant_oddity(sent) in (
        times_and_numbers.SENTINEL,
        times_and_numbers.UNREADABLE_TIME if sent.startswith("0001") else times_and_numbers.SENTINEL,
    )


@pytest.mark.parametrize(
    "sent",
    [
        "31/02/2022", "06/17/2021", "2022-13-01T00:00:00Z", "hôm qua", "4.4713E+04", "99/99/9999",
        "44713.34375", "1654046100", "202205", "220601", "01/06/69", "13:00 SA 01/06/2022", "2022-06-01T24:30:00",
        "Thu Jun 01 08:15:00 ICT 2022", "2022-06-01-07", "01/06/2022 08:15:61",
    ],
)  # fmt: skip
def test_an_invalid_date_is_unreadable_and_never_guessed(sent: str) -> None:
    assert times_and_numbers.instant(sent) is None
    assert times_and_numbers.instant_oddity(sent) == times_and_numbers.UNREADABLE_TIME


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("2000", 2000), ("2.000", 2000), ("1.459", 1459), ("2.000 đ", 2000), ("2 000", 2000), ("2.000,00", 2000), ("1.234.567 VNĐ", 1234567), ("2000.0", 2000)],
)  # fmt: skip
def test_points_separate_thousands_and_a_comma_the_decimals(sent: str, meant: int) -> None:
    assert times_and_numbers.whole_number(sent) == meant


@pytest.mark.parametrize(
    ("sent", "year"), [("01/06/99 08:15", 1999), ("01/06/70", 1970), ("01/06/00", 2000), ("01-06-49", 2049)]
)
def test_a_year_of_two_digits_is_of_the_nearest_century(sent: str, year: int) -> None:
    assert (parsed := times_and_numbers.instant(sent)) and parsed.year == year


@pytest.mark.parametrize(
    ("sent", "stated"),
    [
        ("05/2022", "2022-05"), ("2022", "2022"), ("tháng 5 năm 2022", "2022-05"), ("00/05/2022", "2022-05"), ("2022-05-00", "2022-05"),
        ("00/00/2022", "2022"), ("T5/2022", "2022-05"), ("Năm 2022", "2022"),
    ],
)  # fmt: skip
def test_a_partial_date_states_its_month_or_year_only(sent: str, stated: str) -> None:
    assert times_and_numbers.instant(sent) is None
    assert times_and_numbers.instant_oddity(sent) == f"{times_and_numbers.UNREADABLE_TIME}={stated}"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("50,000.00", 50_000), ("1,234,567", 1_234_567), ("1,234,567.00", 1_234_567), ("0,0", 0), ("50 000", 50_000), ("-1.000", -1_000)],
)  # fmt: skip
def test_separators_with_one_meaning_are_read(sent: str, meant: int) -> None:
    assert times_and_numbers.whole_number(sent) == times_and_numbers.whole_amount(sent) == meant


@pytest.mark.parametrize(
    "sent", ["050,000", "12,34,567", "1.23.456", "50,000,00", "1,234.567,8", "12 5", "50,5", "1'000"]
)
def test_separators_without_a_meaning_are_unreadable(sent: str) -> None:
    assert times_and_numbers.whole_number(sent) is times_and_numbers.whole_amount(sent) is None


@given(st.integers(1, 999), st.integers(0, 999))
def test_a_comma_before_three_digits_is_never_a_decimal_sign(thousands: int, rest: int) -> None:
    sent = f"{thousands},{rest:03}"
    assert times_and_numbers.number(sent) is times_and_numbers.decimal(sent) is None
    assert times_and_numbers.whole_amount(f"{sent} đồng") == thousands * 1000 + rest


@given(st.integers(1, 10**14), st.sampled_from([".", ",", " "]))
def test_groups_of_three_are_thousands_or_unreadable(value: int, separator: str) -> None:
    sent = f"{value:,}".replace(",", separator)
    assert times_and_numbers.whole_amount(sent) == value
    assert times_and_numbers.whole_number(sent) in (value, None)


@pytest.mark.parametrize(
    ("sent", "value", "repair"),
    [
        ("15", 15, None), ("1.125", 1.125, None), ('"15,5"', 15.5, "format"), ('"1.125"', None, "unreadable_value"),
        ('"1,125"', None, "unreadable_value"), ("null", None, None), ('"#N/A"', None, None), ('"nan"', None, "unreadable_value"),
    ],
)  # fmt: skip
def test_the_json_type_of_a_number_decides_what_its_point_means(
    sent: str, value: float | None, repair: str | None
) -> None:
    with duckdb.connect() as connection:
        duckdb_functions.load(connection, "one_stop_shop", b"key")
        query = "select read_number(x), repair_number(x) from (select ?::json as x)"
        assert connection.execute(query, [sent]).fetchall() == [(value, repair)]


@pytest.mark.parametrize(
    ("sent", "fee", "count"),
    [("50,000", 50_000, None), ("50.000", 50_000, 50_000), ("50,5", None, None), ("1,250,000", 1_250_000, 1_250_000)],
)
def test_a_fee_is_in_whole_dong_and_a_count_is_not_guessed(sent: str, fee: int | None, count: int | None) -> None:
    with duckdb.connect() as connection:
        duckdb_functions.load(connection, "one_stop_shop", b"key")
        query = "select read_money(x), repair_money(x), read_count(x), repair_count(x) from (select ? as x)"
        repairs = ["unreadable_value" if value is None else "format" for value in (fee, count)]
        assert connection.execute(query, [sent]).fetchall() == [(fee, repairs[0], count, repairs[1])]


@pytest.mark.parametrize("sent", ["1,459", "miễn phí", "1.23", "12.34.56", "#N/A", "", "1e400", "9" * 400])
def test_text_that_is_not_a_whole_number_gives_none(sent: str) -> None:
    assert times_and_numbers.whole_number(sent) is None


def test_a_share_keeps_its_decimals() -> None:
    assert str(times_and_numbers.number("42,07 %")) == "42.07"


@given(st.text())
def test_any_text_can_be_parsed(sent: str) -> None:
    assert times_and_numbers.instant(sent) is None or times_and_numbers.instant_oddity(sent) == times_and_numbers.FORMAT
    times_and_numbers.whole_number(sent)


@given(st.datetimes(datetime(1971, 1, 2), datetime(2199, 1, 1)))
def test_an_instant_written_in_any_format_is_parsed_back(moment: datetime) -> None:
    local = moment.replace(microsecond=0, tzinfo=LOCAL)
    utc = local.astimezone(UTC)
    written = [
        utc.strftime("%Y-%m-%dT%H:%M:%S.000+0000"), local.strftime("%Y%m%d%H%M%S"), local.strftime("%d/%m/%Y %H:%M:%S"), local.strftime("%Y/%m/%d %H:%M:%S"),
        local.strftime("%-d.%-m.%Y %-H:%M:%S"), f"/Date({int(utc.timestamp() * 1000)})/",
    ]  # fmt: skip
    assert {times_and_numbers.instant(text) for text in written} == {local}
