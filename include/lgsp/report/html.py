"""A report as one page of HTML that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lgsp.report import charts, colours, index_766, periods, translations
from lgsp.report.formatting import Numbers, hundred, moved
from lgsp.report.index_766 import Index
from lgsp.report.snapshot_reader import Answer, Row, Snapshot
from lgsp.report.weekly_digest import Week, share
from lgsp.window import midnight

# The headlines that count agencies or dossiers, by their fixed place; the others are named by their indicator.
COUNTED = {1: "received", 6: "silent", 7: "no_online", 8: "no_data"}


def of_week(week: Week, language: str) -> str:
    """The page of a weekly digest."""
    numbers = Numbers(language)
    days = sorted({row["period_start"] for row in week.weeks.rows})
    told = _told(language, week.snapshot, week.answers, week.definitions, week.legend)
    trend = _by(week.trend.rows, "kpi_id")
    return _render(
        "weekly.html", language, told, heading=told["words"]["weekly_title"], about=told["words"]["weekly_about"],
        span=numbers.span(week.start, week.end), as_of=week.as_of, week=week,
        trend_chart=_trend(week, numbers, told), trend_names=[_name(told, kpi) for kpi, _ in trend], trend_kpis=[kpi for kpi, _ in trend],
        levels_chart=_levels(week, numbers, told["words"]), heat_days=days, heat_rows=_heat(week.weeks.rows, days),
        heat_kpi=share(week.trend), map_groups=_territories(week.map, told["words"]), is_map_over=_is_map_over(week),
    )  # fmt: skip


def of_index(found: Index, language: str) -> str:
    """The page of an index report."""
    numbers = Numbers(language)
    told = _told(language, found.snapshot, found.answers, found.definitions, found.legend)
    return _render(
        "index.html", language, told, heading=told["words"]["index_title"], about=told["words"]["index_about"],
        span=numbers.period(found.period, found.start), as_of=found.as_of, index=found,
        levels=index_766.LEVELS, groups=index_766.GROUPS, groups_chart=_groups(found, numbers, told["words"]),
        score_moved=lambda row: numbers.change(hundred(row["value"]), hundred(row["value_before"]), "points"),
        score_direction=lambda row: direction(hundred(row["value"]), hundred(row["value_before"]), "points"),
    )  # fmt: skip


def direction(value: float | None, before: float | None, unit: str) -> int:
    """Whether a value is shown as more (1), less (-1) or the same (0) as before; 0 where one of both is unknown."""
    by = moved(value, before, unit)
    return 0 if not by else 1 if by > 0 else -1


def place(name: str) -> str:
    """The territory that a people's committee is named after."""
    short = name.removeprefix("UBND ")
    return short[:1].upper() + short[1:]


def used(answers: Iterable[Answer], definitions: Answer) -> dict[str, Row]:
    """The definitions of the indicators that the answers speak of."""
    kpis = {row[name] for answer in answers if answer is not definitions for row in answer.rows for name in ("kpi_id", "metric") if row.get(name)}  # fmt: skip
    names = {answer.name for answer in answers}
    kpis |= {kpi for kpi, name in (("zero_activity", "coverage"), ("institution_map", "map"), ("index_766", "index_total")) if name in names}  # fmt: skip
    return {row["kpi_id"]: row for row in definitions.rows if row["kpi_id"] in kpis}


def _told(language: str, snapshot: Snapshot, answers: tuple[Answer, ...], definitions: Answer, legend: Answer) -> dict[str, Any]:  # fmt: skip
    known, spoken = used(answers, definitions), translations.of(language)

    def headline(row: Row) -> str:
        return spoken[f"headline_{COUNTED[row['rank']]}"] if row["rank"] in COUNTED else str(known[row["kpi_id"]][f"name_{language}"])  # fmt: skip

    return {
        "language": language, "words": spoken, "snapshot": snapshot, "answers": answers, "definitions": known,
        "classes": {row["scope"]: row for row in legend.rows}, "told": lambda row, name: row[f"{name}_{language}"],
        "title": lambda answer: spoken[f"title_{answer.name}"], "direction": direction, "headline": headline,
        "unit_of": lambda row: known[row["kpi_id"]]["unit"],
        "better": lambda row: False if row["kpi_id"] == "zero_activity" else known[row["kpi_id"]]["is_higher_better"],
    }  # fmt: skip


def _render(template: str, language: str, told: dict[str, Any], **more: Any) -> str:
    return _environment(language).get_template(template).render(numbers=Numbers(language), **told, **more)


@cache
def _environment(language: str) -> Environment:
    numbers = Numbers(language)
    environment = Environment(
        loader=PackageLoader("lgsp.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    environment.filters |= {
        "percent": numbers.percent, "count": numbers.number, "amount": numbers.amount, "change": numbers.change,
        "points": lambda ratio: numbers.number(hundred(ratio), 1),
        "hundredths": lambda ratio: numbers.percent(ratio, 0).rstrip(" %"), "short_day": numbers.short_day, "instant": numbers.instant,
        "period": numbers.period, "heat": colours.heat, "ink": colours.ink, "place": place,
    }  # fmt: skip
    return environment


def _name(told: dict[str, Any], kpi: str) -> str:
    return str(told["told"](told["definitions"][kpi], "name")) if kpi in told["definitions"] else kpi


def _trend(week: Week, numbers: Numbers, told: dict[str, Any]) -> Markup:
    days = sorted({row["period_start"] for row in week.trend.rows})
    drawn = []
    for kpi, rows in _by(week.trend.rows, "kpi_id"):
        values = {row["period_start"]: row["value"] for row in rows}
        drawn.append(charts.Line(_name(told, kpi), [values.get(day) for day in days]))
    about = "; ".join(f"{line.name}: " + ", ".join(f"{numbers.short_day(day)} {numbers.percent(value)}" for day, value in zip(days, line.values, strict=True)) for line in drawn)  # fmt: skip
    return charts.lines("trend", about, days, drawn, numbers)


def _levels(week: Week, numbers: Numbers, spoken: dict[str, str]) -> Markup:
    rows = [row for row in week.levels.rows if row["denominator"] or row["value_before"] is not None]
    drawn = [charts.Bar(spoken[f"level_{row['level']}"], row["value"], row["value_before"]) for row in rows]
    about = "; ".join(
        f"{bar.name} {numbers.percent(bar.value)} ({spoken['last_week']} {numbers.percent(bar.before)})"
        for bar in drawn
    )
    return charts.bars("levels", about, drawn, numbers)


def _groups(found: Index, numbers: Numbers, spoken: dict[str, str]) -> Markup:
    got = found.groups.get("ALL", {})
    drawn = []
    for group, (points, maximum) in ((group, got[group]) for group in index_766.GROUPS if group in got):
        label = f"{numbers.number(points, 1)} / {numbers.number(maximum, 1)}"
        drawn.append(charts.Bar(spoken[f"group_{group}"], points / maximum, None, label))
    about = "; ".join(f"{bar.name} {bar.label}" for bar in drawn)
    return charts.bars("groups", about, drawn, numbers) if drawn else Markup()


def _heat(rows: Iterable[Row], days: list[Any]) -> list[tuple[str, list[tuple[str, list[Row | None]]]]]:
    """By level, the name of each agency and its cells, one for each of the days."""
    found = []
    for level, of_level in _by(rows, "level"):
        agencies = []
        for _, cells in _by(of_level, "organisation_id"):
            by_day = {cell["period_start"]: cell for cell in cells}
            agencies.append((cells[0]["name"], [by_day.get(day) for day in days]))
        found.append((level, agencies))
    return found


def _territories(found: Answer | None, spoken: dict[str, str]) -> list[tuple[str, list[Row]]]:
    """The tiles of the map under the districts they belong to."""
    if found is None:
        return []

    def above(row: Row) -> str:
        return spoken["whole_province"] if row["level"] == "province" else row["district"] or spoken["other_units"]

    return _grouped(found.rows, above)


def _is_map_over(week: Week) -> bool:
    if week.map is None or not week.map.rows:
        return False
    end = periods.end(week.map_period["period"], week.map_period["period_start"])
    return bool(week.map.rows[0]["as_of"] >= midnight(end))


def _by(rows: Iterable[Row], name: str) -> list[tuple[Any, list[Row]]]:
    return _grouped(rows, lambda row: row[name])


def _grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[tuple[Any, list[Row]]]:
    """Neighbours with the same key, together."""
    return [(value, list(group)) for value, group in groupby(rows, key)]
