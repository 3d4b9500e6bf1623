"""Reports: number formats, texts with markup or formulas, periods, and the pages and workbooks."""

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
from lgsp.indicators import periods
from lgsp.indicators.periods import week_start
from lgsp.report import charts, colours, html, sheets, translations, workbook
from lgsp.report.formatting import Numbers, round_half_up, times_100
from lgsp.report.snapshot_reader import QueryResult, SnapshotReader
from lgsp.report.weekly_digest import LISTS, Week
from lgsp.report.workbook import Column, Sheet
from lgsp.window import midnight

VI, EN = Numbers("vi"), Numbers("en")
START = date(2026, 11, 12)
EVIL = "=cmd|' /C calc'!A0<script>alert(1)</script>\"&"


@pytest.mark.parametrize(
    ("ratio", "places", "text"),
    [(0.99875, 2, "99,88%"), (0.99875, 1, "99,9%"), (12.3456, 2, "1.234,56%"), (0.4207, 2, "42,07%"), (1398 / 1459, 2, "95,82%"),
     (341 / 1400, 2, "24,36%"), (0.89995, 2, "90,00%"), (0.0, 1, "0,0%"), (None, 1, "–")],
)  # fmt: skip
def test_a_ratio_is_rounded_half_up(ratio: float | None, places: int, text: str) -> None:
    assert VI.percent(ratio, places) == text


def test_english_uses_a_comma_for_thousands_and_a_decimal_point() -> None:
    assert (EN.number(1234567.895, 2), VI.number(1234567.895, 2)) == ("1,234,567.90", "1.234.567,90")
    assert EN.percent(0.99875, 2) == "99.88%"


def test_days_and_periods_are_formatted_in_both_languages() -> None:
    assert (VI.day(START), EN.day(START)) == ("12/11/2026", "12 Nov 2026")
    assert VI.span(START, START + timedelta(days=7)) == "12/11/2026 – 18/11/2026"
    assert [VI.period(name, date(2026, 7, 1)) for name in periods.INDEX_PERIODS] == [
        "tháng 7/2026",
        "quý III/2026",
        "6 tháng cuối năm 2026",
    ]
    assert VI.instant(midnight(START)) == "00:00 ngày 12/11/2026"


@given(st.decimals(-(10**9), 10**9, places=6), st.integers(0, 4))
def test_rounding_changes_a_number_by_at_most_half_a_unit(value: Decimal, places: int) -> None:
    assert abs(round_half_up(value, places) - value) <= Decimal(1).scaleb(-places) / 2


@given(st.floats(0, 1), st.floats(0, 1))
@example(0.9996, 1.0)
@example(1.0, 0.9996)
def test_an_arrow_never_contradicts_its_change(value: float, before: float) -> None:
    change, direction = VI.change(value, before, "ratio"), html.direction(value, before, "ratio")
    if direction:
        assert change[0] == {1: "+", -1: "−"}[direction] and re.search(r"[1-9]", change), "the change is not 0"
    else:
        assert change == "không đổi"


@pytest.mark.parametrize(("value", "text"), [(-0.3, "0"), (-0.0, "0"), (-0.5, "−1"), (-1234.4, "−1.234")])
def test_zero_has_no_minus(value: float, text: str) -> None:
    assert VI.number(value) == text


@given(st.integers(0, 10000))
def test_a_ratio_times_100_has_no_binary_rounding_error(share: int) -> None:
    assert str(times_100(share / 10000)) == str(share / 100)


@given(st.floats(0, 1))
def test_text_on_the_heat_map_is_readable(share: float) -> None:
    background = colours.heat_colour(share)
    assert colours.contrast(background, colours.text_colour(background)) >= 4.5


@pytest.mark.parametrize("colour", ["#219653", "#5CC488", "#EAC344", "#F7942F", "#ED5050", "#9AA5B1"])
def test_text_on_an_official_colour_is_readable(colour: str) -> None:
    assert colours.contrast(colour, colours.text_colour(colour)) >= 4.5


@given(st.dates(date(2016, 1, 1), date(2040, 1, 1)))
def test_a_week_begins_on_thursday(day: date) -> None:
    first = week_start(day)
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
def test_the_periods_that_ended_before_a_month_are_found(day: date, ended: dict[str, date]) -> None:
    assert periods.ended_before(day) == ended
    assert all(periods.end_of(period, start) == day.replace(day=1) for period, start in ended.items())


def test_every_text_exists_in_both_languages() -> None:
    assert all(translations.load("vi").values()) and translations.load("vi").keys() == translations.load("en").keys()


def _row(**columns: Any) -> dict[str, Any]:
    return {
        "organisation_id": "H1", "name": EVIL, "above": EVIL, "level": "commune", "kpi_id": "online_share", "rank": 1, "numerator": 3,
        "denominator": 8, "value": 0.375, "value_before": 0.5, "state": "zero", "state_before": "ok", "text_vi": EVIL, "text_en": EVIL,
        "excluded_count": 0, "quarantined_count": 0, "definition_version": "1.0", "as_of": midnight(START), "period_start": START, **columns,
    }  # fmt: skip


def _week() -> Week:
    """A week in which every text from the data contains markup and a formula."""

    def result(name: str, *rows: dict[str, Any]) -> QueryResult:
        return QueryResult(name, f"select '{EVIL}'", rows)

    definition = {
        "kpi_id": "online_share", "definition_version": "1.0", "unit": "ratio", "is_higher_better": True, "legal_basis": EVIL,
        **{f"{name}_{language}": EVIL for name in ("name", "numerator", "denominator", "excluded") for language in ("vi", "en")},
    }  # fmt: skip
    place = {"admin_unit_code": "1", "district": EVIL, "metric": "on_time", "class": "weak", "colour": "#ED5050"}
    legend = {"scope": "weak", "value": 0.0, "label_vi": EVIL, "label_en": EVIL, "colour": "#ED5050"}
    return Week(
        snapshot=SnapshotReader(3, midnight(START), midnight(START), True, cast(Any, None)),
        start=START,
        coverage=result("coverage", {"agencies": 9, "without_data": 1, "as_of": midnight(START) + timedelta(days=2)}),
        headline=result("headline", _row(organisation_id="ALL", level="ALL", rank=2)),
        lists={name: result(name, _row(), _row(state_before=None, value_before=None)) for name in LISTS},
        trend=result("trend", _row()),
        levels=result("levels", _row(level="ALL", kpi_id="on_time")),
        weeks=result("weeks", _row(level="district")),
        map=result("map", _row(**place)),
        map_period={"period": "month", "period_start": date(2026, 10, 1), "metric": "on_time"},
        legend=result("legend", legend),
        definitions=result("definitions", definition, {**definition, "kpi_id": "on_time"}, {**definition, "kpi_id": "zero_activity"}),
    )  # fmt: skip


class PageParser(HTMLParser):
    """The tags, ids and links of a page."""

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
def test_markup_in_a_name_is_escaped(language: str) -> None:
    text = html.weekly_page(_week(), language)
    assert "script" not in PageParser(text).tags and "&lt;script&gt;alert(1)" in text
    assert f'<html lang="{language}">' in text


def test_a_page_links_only_to_existing_ids_of_the_same_page() -> None:
    page = PageParser(html.weekly_page(_week(), "vi"))
    assert len(page.ids) == len(set(page.ids))
    inner = {link for link in page.links if link != "data:,"}
    assert inner and {link.removeprefix("#") for link in inner} <= set(page.ids)


def test_a_week_without_all_data_begins_with_a_warning() -> None:
    text = html.weekly_page(_week(), "vi")
    warning = text.index("Số liệu của tuần này mới tính đến 00:00 ngày 14/11/2026.")
    assert warning < text.index("Số liệu chính") and "1 trong 9 đơn vị" in text


def test_a_level_without_dossiers_has_no_bar() -> None:
    empty = _row(level="district", kpi_id="on_time", denominator=0, value=None, value_before=None)
    week = replace(_week(), levels=QueryResult("levels", "select 1", (_row(level="ALL", kpi_id="on_time"), empty)))
    text = html.weekly_page(week, "vi")
    assert "Toàn tỉnh</text>" in text and "Cấp huyện</text>" not in text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "http://x", "{=1}", "12"])  # fmt: skip
def test_a_text_never_becomes_a_formula_or_a_link(text: str) -> None:
    content = workbook.to_bytes([Sheet("a", text, [Column(text)], [[text]])], text, datetime(2026, 11, 12, tzinfo=None))
    files = _files(content)
    assert "<f>" not in files["xl/worksheets/sheet1.xml"] and "hyperlink" not in files["xl/worksheets/sheet1.xml"]
    assert files["xl/sharedStrings.xml"].count("<si>") == 1, "heading, title and cell share one text"
    assert files["xl/worksheets/sheet1.xml"].count('t="s"') == 3


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_source_text_never_becomes_a_formula_in_a_csv_file(text: str, tmp_path: Path) -> None:
    facts = {"name": text, "plain": "a=1", "amount": -5, "nothing": None}
    row = Row(text, "dossier", "H1", "counted", "reason", text, -1, 1, 0, 0, facts)
    explain.write(tmp_path / "rows.csv", [row])
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        (line,) = csv.DictReader(file)
    assert {line["key"], line["detail"], line["name"]} == {f"'{text}"}
    assert (line["plain"], line["numerator"], line["amount"], line["nothing"]) == ("a=1", "-1", "-5", "")


def test_a_workbook_has_no_formulas_and_unrounded_numbers() -> None:
    files = _files(sheets.weekly_workbook(_week(), "vi"))
    pages = [text for name, text in files.items() if name.startswith("xl/worksheets/")]
    assert len(pages) == 12 and not any("<f>" in text for text in pages)
    assert any("<v>0.375</v>" in text for text in pages)
    assert all('state="frozen"' in text for text in pages)


def test_the_same_week_gives_the_same_bytes() -> None:
    assert html.weekly_page(_week(), "vi") == html.weekly_page(_week(), "vi")
    assert sheets.weekly_workbook(_week(), "vi") == sheets.weekly_workbook(_week(), "vi")


def test_a_chart_has_real_text_unique_ids_and_no_global_style() -> None:
    svg = str(charts.bars("levels", "on time", [charts.Bar("Cấp xã", 0.5, None)], VI))
    assert "Cấp xã</text>" in svg and "50,0%</text>" in svg
    assert "<style" not in svg and "http" not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) and all(each.startswith("levels-") for each in ids)


def _files(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}
