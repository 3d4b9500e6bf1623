"""Ids, days and times are understood as people paste them; what could mean another day is refused."""

from __future__ import annotations

from datetime import date, datetime

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.cli import options
from lgsp.cli.main import main
from lgsp.errors import LgspError
from lgsp.indicators import periods
from lgsp.vietnam import pasted
from lgsp.window import LOCAL, Window

WAYS = {
    "blanks": "  {} \t", "no-break": "\u00a0{}\u00a0", "zero width": "\u200b{}\ufeff", "quotes": "“{}”", "one quote": "'{}", "trailing quote": "{}'",
    "Excel formula": '="{}"', "brackets": "<{}>", "sentence": "{}.", "label": "Mã hồ sơ: {}", "list": "{};", "all": ' ="“{}\u200b”" , ',
}  # fmt: skip
ID = "H47.20.25-220601-0002"


@pytest.mark.parametrize("way", WAYS)
def test_an_id_is_taken_out_of_what_surrounds_it(way: str) -> None:
    assert pasted.key(WAYS[way].format(ID)) == ID


@pytest.mark.parametrize("hyphen", ["-", "–", "—", "\u2011", "−", " – ", "\u00a0- "])
def test_the_hyphens_of_word_are_hyphens(hyphen: str) -> None:
    assert pasted.key(ID.replace("-", hyphen)) == ID


@pytest.mark.parametrize(
    "name",
    ["UBND xã Ch'ơm", "UBND xã Tam Xuân I", "ALL", "form_06a.open_late", "2026-08/1", "H47.20,2022/06/01,5/UBND-VP"],
)
def test_a_plain_name_is_unchanged(name: str) -> None:
    assert pasted.code(name) == name


@given(st.dates(date(1950, 1, 1), date(2199, 12, 31)), st.sampled_from(sorted(WAYS)))
def test_a_day_in_every_vietnamese_form_is_that_day(day: date, way: str) -> None:
    forms = [
        "%Y-%m-%d",
        "%d/%m/%Y",
        "%-d/%-m/%Y",
        "%d-%m-%Y",
        "%-d-%-m-%Y",
        "%d.%m.%Y",
        "%Y/%m/%d",
        "%Y%m%d",
        "ngày %-d tháng %-m năm %Y",
        "%d–%m–%Y",
    ]
    label_free = "{}" if way in ("label", "all") else WAYS[way]
    assert {pasted.day(label_free.format(day.strftime(form))) for form in forms} == {day}
    assert {pasted.instant(day.strftime(form)) for form in forms} == {
        datetime(day.year, day.month, day.day, tzinfo=LOCAL)
    }


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("01/06/22", "two digits"), ("05/2022", "states 2022-05 only"), ("2022", "states 2022 only"), ("06/15/2022", "the day comes before the month"),
        ("31/02/2022", "out of range"), ("hôm qua", "is not a day"), ("01/06/2022 08:15", "is not a day"), ("1/6", "is not a day"), ("", "is not a day"),
        ("01/06-2022", "is not a day"), ("1654046100000", "is not a day"),
    ],
)  # fmt: skip
def test_a_doubtful_day_is_refused_with_the_reason(sent: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pasted.day(sent)
    with pytest.raises(click.BadParameter, match=reason):
        options.DAY.convert(sent, None, None)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("2022-06-01T00:00:00+07:00", "2022-06-01T00:00:00+07:00"), ("01/06/2022 08:15", "2022-06-01T08:15:00+07:00"), (" 2022-06-01T01:15:00Z\u200b", "2022-06-01T08:15:00+07:00"),
        ("08:15 ngày 01/06/2022", "2022-06-01T08:15:00+07:00"), ("2022-06-01 08:15", "2022-06-01T08:15:00+07:00"),
    ],
)  # fmt: skip
def test_a_time_is_read_in_local_time(sent: str, meant: str) -> None:
    assert pasted.instant(sent) == datetime.fromisoformat(meant)


@pytest.mark.parametrize("sent", ["01/06/22 08:15", "08:15", "06/15/2022 08:15", "25:00 01/06/2022"])
def test_a_doubtful_time_is_refused(sent: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        pasted.instant(sent)


def test_a_window_is_given_in_vietnamese_days() -> None:
    assert options.parse_window("01/06/2022", "2–6–2022") == Window.of("2022-06-01", "2022-06-02")
    with pytest.raises(click.BadParameter, match="two digits"):
        options.parse_window("01/06/22", "02/06/22")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("08/2026", "2026-08"), ("tháng 8/2026", "2026-08"), ("Tháng 8 năm 2026", "2026-08"), ("quý III/2026", "2026-Q3"), ("Q3/2026", "2026-Q3"),
        ("Quý 3 năm 2026", "2026-Q3"), ("năm 2026", "2026"), ("06/08/2026", "2026-08-06"), (" 2026–08 ", "2026-08"), ('="2026-08"', "2026-08"),
    ],
)  # fmt: skip
def test_a_period_in_a_vietnamese_form_is_that_period(sent: str, meant: str) -> None:
    assert periods.parse(sent) == periods.parse(meant)


@pytest.mark.parametrize("sent", ["8/26", "01/08/26", "13/2026", "quý 5/2026", "2026-W60"])
def test_a_doubtful_period_is_refused(sent: str) -> None:
    with pytest.raises(LgspError, match="is not a period"):
        periods.parse(sent)


def _parameters(command: click.Command, path: str = "lgsp") -> list[tuple[str, click.Parameter]]:
    if isinstance(command, click.Group):
        return [found for name, inner in command.commands.items() for found in _parameters(inner, f"{path} {name}")]
    return [(f"{path} {parameter.name}", parameter) for parameter in command.params]


NAMES_OF_IDS = {
    "key", "batch_id", "rule_id", "snapshot", "snapshot_id", "quarantine_id", "quarantine_ids", "review_id", "organisation", "organisation_id",
    "first", "last", "week", "period", "field_code", "at_least",
}  # fmt: skip


def _is_number_of_rows(parameter: click.Parameter) -> bool:
    return parameter.name == "last" and isinstance(parameter.type, type(click.INT))


PARAMETERS = [(name, p) for name, p in _parameters(main) if p.name in NAMES_OF_IDS and not _is_number_of_rows(p)]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=[name for name, _ in PARAMETERS])
def test_every_id_and_day_of_the_command_line_may_be_pasted(name: str, parameter: click.Parameter) -> None:
    assert isinstance(parameter.type, options.Pasted | options.Day | click.Choice | click.Path), name
