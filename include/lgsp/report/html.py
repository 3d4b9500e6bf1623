"""Render a report as a single HTML page without scripts, other files or network access."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lgsp.indicators import periods
from lgsp.report import charts, colours, index_766, translations
from lgsp.report.formatting import Numbers, difference, times_100
from lgsp.report.index_766 import Index
from lgsp.report.snapshot_reader import QueryResult, Row, SnapshotReader
from lgsp.report.weekly_digest import Week, online_share_kpi
from lgsp.window import midnight

# Titles of the headlines that count agencies or dossiers, by rank; the other headlines have the name of their indicator.
COUNT_HEADLINES = {1: "received", 6: "silent", 7: "no_online", 8: "no_data"}


# Units of indicators that are counts; a count has no denominator.
COUNT_UNITS = ("dossiers", "documents", "deliveries")


def weekly_page(week: Week, language: str) -> str:
    """The HTML page of a weekly digest."""
    numbers = Numbers(language)
    days = sorted({row["period_start"] for row in week.weeks.rows})
    context = _context(language, week.snapshot, week.results, week.definitions, week.legend)
    words = context["words"]
    trend = _group_by(week.trend.rows, "kpi_id")
    return _render(
        "weekly.html", language, context, heading=words["weekly_title"], subtitle=words["weekly_subtitle"],
        span=numbers.span(week.start, week.end), as_of=week.as_of, week=week,
        trend_chart=_trend_chart(week, numbers, context), trend_names=[_indicator_name(context, kpi) for kpi, _ in trend], trend_kpis=[kpi for kpi, _ in trend],
        levels_chart=_levels_chart(week, numbers, words), heat_days=days, heat_rows=_heat_rows(week.weeks.rows, days),
        heat_kpi=online_share_kpi(week.trend), map_groups=_map_groups(week.map, words), is_map_over=_is_map_over(week),
    )  # fmt: skip


def index_page(index: Index, language: str) -> str:
    """The HTML page of an index report."""
    numbers = Numbers(language)
    context = _context(language, index.snapshot, index.results, index.definitions, index.legend)
    words = context["words"]
    return _render(
        "index.html", language, context, heading=words["index_title"], subtitle=words["index_subtitle"],
        span=numbers.period(index.period, index.start), as_of=index.as_of, index=index,
        levels=index_766.LEVELS, groups=index_766.GROUPS, groups_chart=_groups_chart(index, numbers, words),
        score_change=lambda row: numbers.change(times_100(row["value"]), times_100(row["value_before"]), "points"),
        score_direction=lambda row: direction(times_100(row["value"]), times_100(row["value_before"]), "points"),
    )  # fmt: skip


def direction(value: float | None, before: float | None, unit: str) -> int:
    """1 when a value is shown as higher than before, -1 as lower, 0 as equal; 0 when one of the values is unknown."""
    change = difference(value, before, unit)
    return 0 if not change else 1 if change > 0 else -1


def place(name: str) -> str:
    """The territory in the name of a people's committee."""
    short = name.removeprefix("UBND ")
    return short[:1].upper() + short[1:]


def used_definitions(results: Iterable[QueryResult], definitions: QueryResult) -> dict[str, Row]:
    """The definitions of the indicators in the results, by kpi_id."""
    kpis = {row[name] for result in results if result is not definitions for row in result.rows for name in ("kpi_id", "metric") if row.get(name)}  # fmt: skip
    names = {result.name for result in results}
    kpis |= {kpi for kpi, name in (("zero_activity", "coverage"), ("institution_map", "map"), ("index_766", "index_total")) if name in names}  # fmt: skip
    return {row["kpi_id"]: row for row in definitions.rows if row["kpi_id"] in kpis}


def _context(language: str, snapshot: SnapshotReader, results: tuple[QueryResult, ...], definitions: QueryResult, legend: QueryResult) -> dict[str, Any]:  # fmt: skip
    known, words = used_definitions(results, definitions), translations.load(language)

    def headline(row: Row) -> str:
        return words[f"headline_{COUNT_HEADLINES[row['rank']]}"] if row["rank"] in COUNT_HEADLINES else str(known[row["kpi_id"]][f"name_{language}"])  # fmt: skip

    return {
        "language": language, "words": words, "snapshot": snapshot, "results": results, "definitions": known,
        "classes": {row["scope"]: row for row in legend.rows}, "localised": lambda row, name: row[f"{name}_{language}"],
        "title": lambda result: words[f"title_{result.name}"], "direction": direction, "headline": headline,
        "unit_of": lambda row: known[row["kpi_id"]]["unit"], "count_units": COUNT_UNITS,
        "better": lambda row: False if row["kpi_id"] == "zero_activity" else known[row["kpi_id"]]["is_higher_better"],
    }  # fmt: skip


def _render(template: str, language: str, context: dict[str, Any], **more: Any) -> str:
    return _environment(language).get_template(template).render(numbers=Numbers(language), **context, **more)


@cache
def _environment(language: str) -> Environment:
    numbers = Numbers(language)
    environment = Environment(
        loader=PackageLoader("lgsp.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    environment.filters |= {
        "percent": numbers.percent, "count": numbers.number, "amount": numbers.amount, "change": numbers.change,
        "points": lambda ratio: numbers.number(times_100(ratio), 1),
        "hundredths": lambda ratio: numbers.percent(ratio, 0).rstrip("%"), "short_day": numbers.short_day, "instant": numbers.instant,
        "period": numbers.period, "heat_colour": colours.heat_colour, "text_colour": colours.text_colour, "place": place,
    }  # fmt: skip
    return environment


def _indicator_name(context: dict[str, Any], kpi: str) -> str:
    return str(context["localised"](context["definitions"][kpi], "name")) if kpi in context["definitions"] else kpi


def _trend_chart(week: Week, numbers: Numbers, context: dict[str, Any]) -> Markup:
    days = sorted({row["period_start"] for row in week.trend.rows})
    lines = []
    for kpi, rows in _group_by(week.trend.rows, "kpi_id"):
        values = {row["period_start"]: row["value"] for row in rows}
        lines.append(charts.Line(_indicator_name(context, kpi), [values.get(day) for day in days]))
    description = "; ".join(f"{line.name}: " + ", ".join(f"{numbers.short_day(day)} {numbers.percent(value)}" for day, value in zip(days, line.values, strict=True)) for line in lines)  # fmt: skip
    return charts.lines("trend", description, days, lines, numbers)


def _levels_chart(week: Week, numbers: Numbers, words: dict[str, str]) -> Markup:
    rows = [row for row in week.levels.rows if row["denominator"] or row["value_before"] is not None]
    bars = [charts.Bar(words[f"level_{row['level']}"], row["value"], row["value_before"]) for row in rows]
    description = "; ".join(
        f"{bar.name} {numbers.percent(bar.value)} ({words['last_week']} {numbers.percent(bar.before)})" for bar in bars
    )
    return charts.bars("levels", description, bars, numbers)


def _groups_chart(index: Index, numbers: Numbers, words: dict[str, str]) -> Markup:
    province = index.groups.get("ALL", {})
    bars = []
    for group, (points, maximum) in ((group, province[group]) for group in index_766.GROUPS if group in province):
        label = f"{numbers.number(points, 1)} / {numbers.number(maximum, 1)}"
        bars.append(charts.Bar(words[f"group_{group}"], points / maximum, None, label))
    description = "; ".join(f"{bar.name} {bar.label}" for bar in bars)
    return charts.bars("groups", description, bars, numbers) if bars else Markup()


def _heat_rows(rows: Iterable[Row], days: list[Any]) -> list[tuple[str, list[tuple[str, list[Row | None]]]]]:
    """For each level, the agencies with their names and one cell for each day."""
    levels = []
    for level, level_rows in _group_by(rows, "level"):
        agencies = []
        for _, cells in _group_by(level_rows, "organisation_id"):
            by_day = {cell["period_start"]: cell for cell in cells}
            agencies.append((cells[0]["name"], [by_day.get(day) for day in days]))
        levels.append((level, agencies))
    return levels


def _map_groups(territories: QueryResult | None, words: dict[str, str]) -> list[tuple[str, list[Row]]]:
    """The tiles of the map by district."""
    if territories is None:
        return []

    def heading(row: Row) -> str:
        return words["whole_province"] if row["level"] == "province" else row["district"] or words["other_units"]

    return _group_neighbours(territories.rows, heading)


def _is_map_over(week: Week) -> bool:
    if week.map is None or not week.map.rows:
        return False
    end = periods.end_of(week.map_period["period"], week.map_period["period_start"])
    return bool(week.map.rows[0]["as_of"] >= midnight(end))


def _group_by(rows: Iterable[Row], name: str) -> list[tuple[Any, list[Row]]]:
    return _group_neighbours(rows, lambda row: row[name])


def _group_neighbours(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[tuple[Any, list[Row]]]:
    """Adjacent rows with the same key, grouped."""
    return [(value, list(group)) for value, group in groupby(rows, key)]
