"""The sheets of a report's workbook: one for each section, one for the definitions, one for the statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lgsp.report import html, translations, workbook
from lgsp.report.formatting import Numbers, hundred
from lgsp.report.index_766 import GROUPS, Index
from lgsp.report.snapshot_reader import Answer, Row, Snapshot
from lgsp.report.weekly_digest import LISTS, Week
from lgsp.report.workbook import Column, Sheet

KINDS = {"ratio": "ratio", "points": "points", "hours": "points"}


def of_week(week: Week, language: str) -> bytes:
    """The workbook of a weekly digest."""
    spoken, numbers = translations.of(language), Numbers(language)
    known = html.used(week.answers, week.definitions)
    about = _about(
        week.snapshot, week.as_of, f"{spoken['weekly_title']} {numbers.span(week.start, week.end)}", language
    )
    sheets = [_digest(spoken["headline"], about, week.headline, known, language)]
    sheets += [_digest(spoken[name], about, week.lists[name], known, language) for name in LISTS]
    sheets.append(_values(spoken["trend"], about, week.trend, known, language))
    sheets.append(_values(spoken["levels"], about, week.levels, known, language))
    sheets.append(_values(spoken["weeks_short"], about, week.weeks, known, language))
    sheets.append(_map(week, about, language))
    sheets += _annex(about, week.answers, known, language)
    return workbook.written(sheets, about, week.as_of)


def of_index(index: Index, language: str) -> bytes:
    """The workbook of an index report."""
    spoken, numbers = translations.of(language), Numbers(language)
    known = html.used(index.answers, index.definitions)
    about = _about(
        index.snapshot, index.as_of, f"{spoken['index_title']}, {numbers.period(index.period, index.start)}", language
    )
    sheets = [_ranking(index, about, language), _components(index, about, language)]
    return workbook.written([*sheets, *_annex(about, index.answers, known, language)], about, index.as_of)


def _about(snapshot: Snapshot, as_of: datetime, title: str, language: str) -> str:
    spoken = translations.of(language)
    at = Numbers(language).instant(as_of)
    return f"{title} · {spoken['snapshot']} {snapshot.snapshot_id} · {spoken['as_of']} {at}"


def _columns(spoken: dict[str, str], *told: tuple[str, str, int]) -> list[Column]:
    return [Column(spoken[name], kind, width) for name, kind, width in told]


def _digest(name: str, about: str, answer: Answer, known: dict[str, Row], language: str) -> Sheet:
    """A section of the digest: its sentences, and the figures they are made of."""
    spoken = translations.of(language)
    columns = _columns(
        spoken, ("number", "count", 6), ("agency", "text", 40), ("above", "text", 30), ("level", "text", 14), ("indicator", "text", 28),
        ("this_week", "count", 12), ("last_week", "count", 12), ("numerator", "count", 12), ("denominator", "count", 12),
        ("state_now", "text", 18), ("state_then", "text", 18), ("sentence", "text", 60), ("excluded", "count", 10), ("quarantined", "count", 10), ("version", "text", 10),
    )  # fmt: skip
    rows = []
    for row in answer.rows:
        kind = _kind(known, row)
        states = (spoken[f"state_{state}"] if state else None for state in (row["state"], row["state_before"]))
        rows.append((
            row["rank"], spoken["level_ALL"] if row["organisation_id"] == "ALL" else row["name"], row["above"], spoken[f"level_{row['level']}"],
            _named(known, row["kpi_id"], language), (kind, row["value"]), (kind, row["value_before"]), row["numerator"], row["denominator"],
            *states, row[f"text_{language}"], row["excluded_count"], row["quarantined_count"], row["definition_version"],
        ))  # fmt: skip
    return Sheet(name, f"{name} · {about}", columns, rows)


def _values(name: str, about: str, answer: Answer, known: dict[str, Row], language: str) -> Sheet:
    """Values of an indicator over weeks, levels or agencies."""
    spoken = translations.of(language)
    columns = _columns(
        spoken, ("agency", "text", 40), ("level", "text", 14), ("first_day", "day", 14), ("indicator", "text", 28), ("value", "ratio", 12),
        ("last_week", "ratio", 12), ("numerator", "count", 12), ("denominator", "count", 12), ("version", "text", 10),
    )  # fmt: skip
    rows = [
        (
            row.get("name", spoken["level_ALL"]), spoken[f"level_{row.get('level', 'ALL')}"], row.get("period_start"), _named(known, row["kpi_id"], language),
            row["value"], row.get("value_before"), row["numerator"], row["denominator"], row["definition_version"],
        )
        for row in answer.rows
    ]  # fmt: skip
    return Sheet(name, f"{name} · {about}", columns, rows)


def _map(week: Week, about: str, language: str) -> Sheet:
    spoken, classes = translations.of(language), {row["scope"]: row[f"label_{language}"] for row in week.legend.rows}
    columns = _columns(
        spoken, ("territory", "text", 30), ("district", "text", 28), ("code", "text", 10), ("level", "text", 14), ("score", "points", 14), ("class", "text", 18),
        ("numerator", "points", 12), ("denominator", "points", 12), ("version", "text", 10),
    )  # fmt: skip
    rows = [
        (
            row["name"], row["district"], row["admin_unit_code"], spoken[f"level_{row['level']}"], row["value"],
            classes.get(row["class"], spoken["class_no_data"]), row["numerator"], row["denominator"], row["definition_version"],
        )
        for row in (week.map.rows if week.map else ())
    ]  # fmt: skip
    period = Numbers(language).period(week.map_period["period"], week.map_period["period_start"]) if week.map else ""
    return Sheet(spoken["map"], f"{spoken['map']} {period} · {about}", columns, rows)


def _ranking(index: Index, about: str, language: str) -> Sheet:
    spoken, classes = translations.of(language), {row["scope"]: row[f"label_{language}"] for row in index.legend.rows}
    columns = _columns(
        spoken, ("rank", "count", 7), ("agency", "text", 40), ("above", "text", 30), ("level", "text", 14), ("score", "points", 12), ("class", "text", 14),
        ("before", "points", 12), ("points", "points", 10), ("maximum", "points", 10), ("coverage", "ratio", 10),
        *((f"group_{group}", "points", 12) for group in GROUPS), ("version", "text", 10),
    )  # fmt: skip
    rows = []
    for row in index.total.rows:
        got = index.groups.get(row["organisation_id"], {})
        whole = row["organisation_id"] == "ALL"
        rows.append((
            row["rank"], spoken["level_ALL"] if whole else row["name"], row["above"], spoken[f"level_{row['level']}"],
            hundred(row["value"]), classes.get(row["class"]), hundred(row["value_before"]), row["points"], row["maximum"], row["coverage"],
            *(got[group][0] if group in got else None for group in GROUPS), row["definition_version"],
        ))  # fmt: skip
    return Sheet(spoken["ranking"], f"{spoken['ranking']} · {about}", columns, rows)


def _components(index: Index, about: str, language: str) -> Sheet:
    spoken = translations.of(language)
    names = {row["organisation_id"]: row["name"] for row in index.total.rows} | {"ALL": spoken["level_ALL"]}
    columns = _columns(
        spoken, ("agency", "text", 40), ("component", "text", 10), ("indicator", "text", 40), ("group", "text", 20), ("value", "ratio", 10), ("full_at", "ratio", 10),
        ("points", "points", 10), ("maximum", "points", 10), ("numerator", "count", 12), ("denominator", "count", 12), ("excluded", "count", 10), ("quarantined", "count", 10), ("version", "text", 10),
    )  # fmt: skip
    rows = [
        (
            names.get(row["organisation_id"], row["organisation_id"]), row["component"], row[f"name_{language}"], spoken[f"group_{row['group_code']}"], row["value"], row["full_at"],
            row["points"], row["maximum"], row["numerator"], row["denominator"], row["excluded_count"], row["quarantined_count"], row["definition_version"],
        )
        for row in index.component.rows
    ]  # fmt: skip
    return Sheet(spoken["component"], f"{spoken['component']} · {about}", columns, rows)


def _annex(about: str, answers: Iterable[Answer], known: dict[str, Row], language: str) -> list[Sheet]:
    spoken = translations.of(language)
    told = ("name", "numerator", "denominator", "excluded")
    definitions: list[Sequence[Any]] = [
        (row["kpi_id"], row["definition_version"], *(row[f"{name}_{language}"] for name in told), row["legal_basis"])
        for row in known.values()
    ]
    named = (("kpi_id", "text", 24), ("version", "text", 10), ("indicator", "text", 34), ("numerator", "text", 50), ("denominator", "text", 50), ("excluded", "text", 40), ("legal_basis", "text", 30))  # fmt: skip
    statements = [(spoken[f"title_{answer.name}"], f"{answer.statement};") for answer in answers]
    return [
        Sheet(spoken["definitions"], f"{spoken['definitions']} · {about}", _columns(spoken, *named), definitions),
        Sheet(
            spoken["statements"], f"{spoken['statements']} · {about}",
            _columns(spoken, ("section", "text", 34), ("statement", "text", 120)), statements,
        ),
    ]  # fmt: skip


def _kind(known: dict[str, Row], row: Row) -> str:
    return KINDS.get(known[row["kpi_id"]]["unit"], "count") if row["kpi_id"] in known else "count"


def _named(known: dict[str, Row], kpi: str, language: str) -> str:
    return str(known[kpi][f"name_{language}"]) if kpi in known else kpi
