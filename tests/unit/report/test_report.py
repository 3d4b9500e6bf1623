"""Reports: how numbers are written, what no text can do to a page or a workbook, and which period is meant."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lgsp.cli import explain
from lgsp.explain import Row
from lgsp.report import charts, colours, html, periods, sheets, translations, workbook
from lgsp.report.formatting import Numbers, hundred, rounded
from lgsp.report.snapshot_reader import Answer, Snapshot
from lgsp.report.weekly_digest import LISTS, Week, week_of
from lgsp.report.workbook import Column, Sheet
from lgsp.window import midnight

VI, EN = Numbers("vi"), Numbers("en")
START = date(2026, 11, 12)
EVIL = "=cmd|' /C calc'!A0<script>alert(1)</script>\"&"


@pytest.mark.parametrize(
    ("ratio", "places", "text"),
    [(0.99875, 2, "99,88 %"), (0.99875, 1, "99,9 %"), (12.3456, 2, "1.234,56 %"), (0.4207, 2, "42,07 %"), (1398 / 1459, 2, "95,82 %"),
     (341 / 1400, 2, "24,36 %"), (0.89995, 2, "90,00 %"), (0.0, 1, "0,0 %"), (None, 1, "–")],
)  # fmt: skip
def test_a_ratio_is_rounded_half_up_where_it_is_shown(ratio: float | None, places: int, text: str) -> None:
    assert VI.percent(ratio, places) == text


def test_english_groups_and_points_the_other_way() -> None:
    assert (EN.number(1234567.895, 2), VI.number(1234567.895, 2)) == ("1,234,567.90", "1.234.567,90")
    assert EN.percent(0.99875, 2) == "99.88%"


def test_days_and_periods_have_their_names_in_both_languages() -> None:
    assert (VI.day(START), EN.day(START)) == ("12/11/2026", "12 Nov 2026")
    assert VI.span(START, START + timedelta(days=7)) == "12/11/2026 – 18/11/2026"
    assert [VI.period(name, date(2026, 7, 1)) for name in periods.MONTHS] == [
        "tháng 7/2026",
        "quý III/2026",
        "6 tháng cuối năm 2026",
    ]
    assert VI.instant(midnight(START)) == "00:00 ngày 12/11/2026"


@given(st.decimals(-(10**9), 10**9, places=6), st.integers(0, 4))
def test_rounding_is_never_off_by_more_than_a_half(value: Decimal, places: int) -> None:
    assert abs(rounded(value, places) - value) <= Decimal(1).scaleb(-places) / 2


@given(st.floats(0, 1), st.floats(0, 1))
@example(0.9996, 1.0)
@example(1.0, 0.9996)
def test_an_arrow_never_contradicts_the_change_it_stands_beside(value: float, before: float) -> None:
    told, way = VI.change(value, before, "ratio"), html.direction(value, before, "ratio")
    if way:
        assert told[0] == {1: "+", -1: "−"}[way] and re.search(r"[1-9]", told), "an arrow stands beside a digit"
    else:
        assert told == "không đổi"


@pytest.mark.parametrize(("value", "text"), [(-0.3, "0"), (-0.0, "0"), (-0.5, "−1"), (-1234.4, "−1.234")])
def test_nothing_is_written_without_a_minus(value: float, text: str) -> None:
    assert VI.number(value) == text


@given(st.integers(0, 10000))
def test_points_of_a_hundred_bring_no_dust_of_binary_fractions(share: int) -> None:
    assert str(hundred(share / 10000)) == str(share / 100)


@given(st.floats(0, 1))
def test_what_stands_on_a_colour_of_the_heat_map_can_be_read(share: float) -> None:
    ground = colours.heat(share)
    assert colours.contrast(ground, colours.ink(ground)) >= 4.5


@pytest.mark.parametrize("colour", ["#219653", "#5CC488", "#EAC344", "#F7942F", "#ED5050", "#9AA5B1"])
def test_what_stands_on_an_official_colour_can_be_read(colour: str) -> None:
    assert colours.contrast(colour, colours.ink(colour)) >= 4.5


@given(st.dates(date(2016, 1, 1), date(2040, 1, 1)))
def test_a_day_lies_in_the_week_that_began_on_its_thursday(day: date) -> None:
    first = week_of(day)
    assert first.isoweekday() == 4 and first <= day < first + timedelta(days=7)


@pytest.mark.parametrize(
    ("day", "ended"),
    [
        (date(2026, 11, 2), {"month": date(2026, 10, 1)}),
        (date(2026, 10, 2), {"month": date(2026, 9, 1), "quarter": date(2026, 7, 1)}),
        (
            date(2027, 1, 2),
            {"month": date(2026, 12, 1), "quarter": date(2026, 10, 1), "half_year": date(2026, 7, 1)},
        ),
    ],
)
def test_on_the_second_of_a_month_the_periods_that_ended_are_written(day: date, ended: dict[str, date]) -> None:
    assert periods.ended(day) == ended
    assert all(periods.end(period, start) == day.replace(day=1) for period, start in ended.items())


def test_every_word_is_told_in_both_languages() -> None:
    assert all(translations.of("vi").values()) and translations.of("vi").keys() == translations.of("en").keys()


def _row(**told: Any) -> dict[str, Any]:
    return {
        "organisation_id": "H1", "name": EVIL, "above": EVIL, "level": "commune", "kpi_id": "online_share", "rank": 1, "numerator": 3,
        "denominator": 8, "value": 0.375, "value_before": 0.5, "state": "zero", "state_before": "ok", "text_vi": EVIL, "text_en": EVIL,
        "excluded_count": 0, "quarantined_count": 0, "definition_version": "1.0", "as_of": midnight(START), "period_start": START, **told,
    }  # fmt: skip


def _week() -> Week:
    """A week in which every text that comes from outside is hostile."""

    def answer(name: str, *rows: dict[str, Any]) -> Answer:
        return Answer(name, f"select '{EVIL}'", rows)

    definition = {
        "kpi_id": "online_share", "definition_version": "1.0", "unit": "ratio", "is_higher_better": True, "legal_basis": EVIL,
        **{f"{name}_{language}": EVIL for name in ("name", "numerator", "denominator", "excluded") for language in ("vi", "en")},
    }  # fmt: skip
    place = {"admin_unit_code": "1", "district": EVIL, "metric": "on_time", "class": "weak", "colour": "#ED5050"}
    legend = {"scope": "weak", "value": 0.0, "label_vi": EVIL, "label_en": EVIL, "colour": "#ED5050"}
    return Week(
        snapshot=Snapshot(3, midnight(START), True, cast(Any, None)),
        start=START,
        coverage=answer("coverage", {"agencies": 9, "without_data": 1, "as_of": midnight(START) + timedelta(days=2)}),
        headline=answer("headline", _row(organisation_id="ALL", level="ALL", rank=2)),
        lists={name: answer(name, _row(), _row(state_before=None, value_before=None)) for name in LISTS},
        trend=answer("trend", _row()),
        levels=answer("levels", _row(level="ALL", kpi_id="on_time")),
        weeks=answer("weeks", _row(level="district")),
        map=answer("map", _row(**place)),
        map_period={"period": "month", "period_start": date(2026, 10, 1), "metric": "on_time"},
        legend=answer("legend", legend),
        definitions=answer("definitions", definition, {**definition, "kpi_id": "on_time"}, {**definition, "kpi_id": "zero_activity"}),
    )  # fmt: skip


class Seen(HTMLParser):
    """The tags of a page, its ids and where it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.links += [str(value) for name, value in attrs if name in ("href", "src", "xlink:href")]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_name_with_markup_stays_text_on_the_page(language: str) -> None:
    text = html.of_week(_week(), language)
    assert "script" not in Seen(text).tags and "&lt;script&gt;alert(1)" in text
    assert f'<html lang="{language}">' in text


def test_a_page_links_only_to_itself_and_to_what_is_there() -> None:
    seen = Seen(html.of_week(_week(), "vi"))
    assert len(seen.ids) == len(set(seen.ids))
    inner = {link for link in seen.links if link != "data:,"}
    assert inner and {link.removeprefix("#") for link in inner} <= set(seen.ids)


def test_data_that_do_not_reach_the_end_of_the_week_are_told_first() -> None:
    text = html.of_week(_week(), "vi")
    warned = text.index("Số liệu của tuần này mới tính đến 00:00 ngày 14/11/2026.")
    assert warned < text.index("Số liệu chính") and "1 trong 9 đơn vị" in text


def test_a_level_that_is_gone_has_no_bar() -> None:
    gone = _row(level="district", kpi_id="on_time", denominator=0, value=None, value_before=None)
    week = replace(_week(), levels=Answer("levels", "select 1", (_row(level="ALL", kpi_id="on_time"), gone)))
    text = html.of_week(week, "vi")
    assert "Toàn tỉnh</text>" in text and "Cấp huyện</text>" not in text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "http://x", "{=1}", "12"])  # fmt: skip
def test_no_text_becomes_a_formula_or_a_link(text: str) -> None:
    made = workbook.written([Sheet("a", text, [Column(text)], [[text]])], text, datetime(2026, 11, 12, tzinfo=None))
    files = _files(made)
    assert "<f>" not in files["xl/worksheets/sheet1.xml"] and "hyperlink" not in files["xl/worksheets/sheet1.xml"]
    assert files["xl/sharedStrings.xml"].count("<si>") == 1, "heading, title and cell are one and the same text"
    assert files["xl/worksheets/sheet1.xml"].count('t="s"') == 3


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_of_a_source_becomes_a_formula_in_a_csv_file(text: str, tmp_path: Path) -> None:
    facts = {"name": text, "plain": "a=1", "amount": -5, "nothing": None}
    row = Row(text, "dossier", "H1", "counted", "reason", text, -1, 1, 0, 0, facts)
    explain.write(tmp_path / "rows.csv", [row])
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        (told,) = csv.DictReader(file)
    assert {told["key"], told["detail"], told["name"]} == {f"'{text}"}
    assert (told["plain"], told["numerator"], told["amount"], told["nothing"]) == ("a=1", "-1", "-5", "")


def test_the_workbook_of_a_week_has_no_formula_and_its_numbers_are_not_rounded() -> None:
    files = _files(sheets.of_week(_week(), "vi"))
    pages = [text for name, text in files.items() if name.startswith("xl/worksheets/")]
    assert len(pages) == 12 and not any("<f>" in text for text in pages)
    assert any("<v>0.375</v>" in text for text in pages)
    assert all('state="frozen"' in text for text in pages)


def test_the_same_week_gives_the_same_bytes() -> None:
    assert html.of_week(_week(), "vi") == html.of_week(_week(), "vi")
    assert sheets.of_week(_week(), "vi") == sheets.of_week(_week(), "vi")


def test_a_chart_is_text_of_its_own_ids_and_no_style_that_leaks() -> None:
    svg = str(charts.bars("levels", "on time", [charts.Bar("Cấp xã", 0.5, None)], VI))
    assert "Cấp xã</text>" in svg and "50,0 %</text>" in svg
    assert "<style" not in svg and "http" not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) and all(each.startswith("levels-") for each in ids)


def _files(made: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}
