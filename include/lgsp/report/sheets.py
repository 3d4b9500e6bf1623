"""Build the sheets of a report's workbook: one for each section, one for the definitions, one for the SQL queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lgsp.report import html, translations, workbook
from lgsp.report.formatting import Numbers, times_100
from lgsp.report.index_766 import GROUPS, Index
from lgsp.report.snapshot_reader import QueryResult, Row, SnapshotReader
from lgsp.report.weekly_digest import LISTS, Week
from lgsp.report.workbook import Column, Sheet

KIND_OF_UNIT = {"ratio": "ratio", "points": "points", "hours": "points"}


def weekly_workbook(week: Week, language: str) -> bytes:
    """The XLSX workbook of a weekly digest."""
    words, numbers = translations.load(language), Numbers(language)
    known = html.used_definitions(week.results, week.definitions)
    title = _title(week.snapshot, week.as_of, f"{words['weekly_title']} {numbers.span(week.start, week.end)}", language)
    sheets = [_digest(words["headline"], title, week.headline, known, language)]
    sheets += [
        _digest(words.get(f"{name}_short", words[name]), title, week.lists[name], known, language) for name in LISTS
    ]
    sheets.append(_values(words["trend_short"], title, week.trend, known, language))
    sheets.append(_values(words["levels_short"], title, week.levels, known, language))
    sheets.append(_values(words["weeks_short"], title, week.weeks, known, language))
    sheets.append(_map(week, title, language))
    sheets += _annex(title, week.results, known, language)
    return workbook.to_bytes(sheets, title, week.as_of)


def index_workbook(index: Index, language: str) -> bytes:
    """The XLSX workbook of an index report."""
    words, numbers = translations.load(language), Numbers(language)
    known = html.used_definitions(index.results, index.definitions)
    title = _title(
        index.snapshot, index.as_of, f"{words['index_title']}, {numbers.period(index.period, index.start)}", language
    )
    sheets = [_ranking(index, title, language), _components(index, title, language)]
    return workbook.to_bytes([*sheets, *_annex(title, index.results, known, language)], title, index.as_of)


def _title(snapshot: SnapshotReader, as_of: datetime, name: str, language: str) -> str:
    words = translations.load(language)
    at = Numbers(language).instant(as_of)
    return f"{name} · {words['snapshot']} {snapshot.snapshot_id} · {words['as_of']} {at}"


def _columns(words: dict[str, str], *columns: tuple[str, str, int]) -> list[Column]:
    return [Column(words[name], kind, width) for name, kind, width in columns]


def _digest(name: str, title: str, result: QueryResult, known: dict[str, Row], language: str) -> Sheet:
    """A section of the digest: its sentences and their figures."""
    words = translations.load(language)
    columns = _columns(
        words, ("number", "count", 6), ("agency", "text", 40), ("above", "text", 30), ("level", "text", 14), ("indicator", "text", 28),
        ("this_week", "count", 12), ("last_week", "count", 12), ("numerator", "count", 12), ("denominator", "count", 12),
        ("state_now", "text", 18), ("state_then", "text", 18), ("sentence", "text", 60), ("excluded", "count", 10), ("quarantined", "count", 10), ("version", "text", 10),
    )  # fmt: skip
    rows = []
    for row in result.rows:
        kind = _kind(known, row)
        states = (words[f"state_{state}"] if state else None for state in (row["state"], row["state_before"]))
        rows.append((
            row["rank"], words["level_ALL"] if row["organisation_id"] == "ALL" else row["name"], row["above"], words[f"level_{row['level']}"],
            _indicator_name(known, row["kpi_id"], language), (kind, row["value"]), (kind, row["value_before"]), row["numerator"], row["denominator"],
            *states, row[f"text_{language}"], row["excluded_count"], row["quarantined_count"], row["definition_version"],
        ))  # fmt: skip
    return Sheet(name, f"{name} · {title}", columns, rows)


def _values(name: str, title: str, result: QueryResult, known: dict[str, Row], language: str) -> Sheet:
    """Values of an indicator over weeks, levels or agencies."""
    words = translations.load(language)
    columns = _columns(
        words, ("agency", "text", 40), ("level", "text", 14), ("first_day", "day", 14), ("indicator", "text", 28), ("value", "ratio", 12),
        ("last_week", "ratio", 12), ("numerator", "count", 12), ("denominator", "count", 12), ("version", "text", 10),
    )  # fmt: skip
    rows = [
        (
            row.get("name", words["level_ALL"]), words[f"level_{row.get('level', 'ALL')}"], row.get("period_start"), _indicator_name(known, row["kpi_id"], language),
            row["value"], row.get("value_before"), row["numerator"], row["denominator"], row["definition_version"],
        )
        for row in result.rows
    ]  # fmt: skip
    return Sheet(name, f"{name} · {title}", columns, rows)


def _map(week: Week, title: str, language: str) -> Sheet:
    words, classes = translations.load(language), {row["scope"]: row[f"label_{language}"] for row in week.legend.rows}
    columns = _columns(
        words, ("territory", "text", 30), ("district", "text", 28), ("code", "text", 10), ("level", "text", 14), ("score", "points", 14), ("class", "text", 18),
        ("numerator", "points", 12), ("denominator", "points", 12), ("version", "text", 10),
    )  # fmt: skip
    rows = [
        (
            row["name"], row["district"], row["admin_unit_code"], words[f"level_{row['level']}"], row["value"],
            classes.get(row["class"], words["class_no_data"]), row["numerator"], row["denominator"], row["definition_version"],
        )
        for row in (week.map.rows if week.map else ())
    ]  # fmt: skip
    period = Numbers(language).period(week.map_period["period"], week.map_period["period_start"]) if week.map else ""
    return Sheet(words["map"], f"{words['map']} {period} · {title}", columns, rows)


def _ranking(index: Index, title: str, language: str) -> Sheet:
    words, classes = translations.load(language), {row["scope"]: row[f"label_{language}"] for row in index.legend.rows}
    columns = _columns(
        words, ("rank", "count", 7), ("agency", "text", 40), ("above", "text", 30), ("level", "text", 14), ("score", "points", 12), ("class", "text", 14),
        ("before", "points", 12), ("points", "points", 10), ("maximum", "points", 10), ("coverage", "ratio", 10),
        *((f"group_{group}", "points", 12) for group in GROUPS), ("version", "text", 10),
    )  # fmt: skip
    rows = []
    for row in index.total.rows:
        groups = index.groups.get(row["organisation_id"], {})
        is_province = row["organisation_id"] == "ALL"
        rows.append((
            row["rank"], words["level_ALL"] if is_province else row["name"], row["above"], words[f"level_{row['level']}"],
            times_100(row["value"]), classes.get(row["class"]), times_100(row["value_before"]), row["points"], row["maximum"], row["coverage"],
            *(groups[group][0] if group in groups else None for group in GROUPS), row["definition_version"],
        ))  # fmt: skip
    return Sheet(words["ranking"], f"{words['ranking']} · {title}", columns, rows)


def _components(index: Index, title: str, language: str) -> Sheet:
    words = translations.load(language)
    names = {row["organisation_id"]: row["name"] for row in index.total.rows} | {"ALL": words["level_ALL"]}
    columns = _columns(
        words, ("agency", "text", 40), ("component", "text", 10), ("indicator", "text", 40), ("group", "text", 20), ("value", "ratio", 10), ("full_at", "ratio", 10),
        ("points", "points", 10), ("maximum", "points", 10), ("numerator", "count", 12), ("denominator", "count", 12), ("excluded", "count", 10), ("quarantined", "count", 10), ("version", "text", 10),
    )  # fmt: skip
    rows = [
        (
            names.get(row["organisation_id"], row["organisation_id"]), row["component"], row[f"name_{language}"], words[f"group_{row['group_code']}"], row["value"], row["full_at"],
            row["points"], row["maximum"], row["numerator"], row["denominator"], row["excluded_count"], row["quarantined_count"], row["definition_version"],
        )
        for row in index.component.rows
    ]  # fmt: skip
    return Sheet(words["component"], f"{words['component']} · {title}", columns, rows)


def _annex(title: str, results: Iterable[QueryResult], known: dict[str, Row], language: str) -> list[Sheet]:
    words = translations.load(language)
    definitions: list[Sequence[Any]] = [
        (
            row["kpi_id"], row["definition_version"], row[f"name_{language}"], row[f"numerator_{language}"],
            None if row["unit"] in html.COUNT_UNITS else row[f"denominator_{language}"], row[f"excluded_{language}"], row["legal_basis"],
        )
        for row in known.values()
    ]  # fmt: skip
    columns = (("kpi_id", "text", 24), ("version", "text", 10), ("indicator", "text", 34), ("numerator", "text", 50), ("denominator", "text", 50), ("excluded", "text", 40), ("legal_basis", "text", 30))  # fmt: skip
    statements = [(words[f"title_{result.name}"], f"{result.statement};") for result in results]
    return [
        Sheet(words["definitions"], f"{words['definitions']} · {title}", _columns(words, *columns), definitions),
        Sheet(
            words["statements"], f"{words['statements']} · {title}",
            _columns(words, ("section", "text", 34), ("statement", "text", 120)), statements,
        ),
    ]  # fmt: skip


def _kind(known: dict[str, Row], row: Row) -> str:
    return KIND_OF_UNIT.get(known[row["kpi_id"]]["unit"], "count") if row["kpi_id"] in known else "count"


def _indicator_name(known: dict[str, Row], kpi: str, language: str) -> str:
    return str(known[kpi][f"name_{language}"]) if kpi in known else kpi
