"""Times and numbers are parsed in every format that people and programs write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.vietnam import times_and_numbers
from lgsp.window import LOCAL

NOON = datetime(2022, 6, 1, 8, 15, tzinfo=LOCAL)


@pytest.mark.parametrize(
    "sent",
    [
        "2022-06-01T01:15:00.000+0000", "2022-06-01T01:15:00Z", "2022-06-01T08:15:00+07:00", "2022-06-01T08:15:00", "2022-06-01 08:15",
        "20220601081500", "1654046100000", "/Date(1654046100000+0700)/", "/Date(1654046100000)/", "01/06/2022 08:15:00", "1.6.2022 8:15",
        "01-06-22 08:15", "2022/06/01 08:15:00", "\u00a001/06/2022 08:15\u200b",
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
    "sent", ["31/02/2022", "06/17/2021", "2022-13-01T00:00:00Z", "hôm qua", "4.4713E+04", "99/99/9999"]
)
def test_an_invalid_date_is_unreadable_and_never_guessed(sent: str) -> None:
    assert times_and_numbers.instant(sent) is None
    assert times_and_numbers.instant_oddity(sent) == times_and_numbers.UNREADABLE_TIME


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("2000", 2000), ("2.000", 2000), ("1.459", 1459), ("2.000 đ", 2000), ("2 000", 2000), ("2.000,00", 2000), ("1.234.567 VNĐ", 1234567), ("2000.0", 2000)],
)  # fmt: skip
def test_points_separate_thousands_and_a_comma_the_decimals(sent: str, meant: int) -> None:
    assert times_and_numbers.whole_number(sent) == meant


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
