"""Explain a published number by the rows it counts, and a row by the bytes that its sources sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from lgsp.explain import contributions, reasons
from lgsp.explain import question as questions
from lgsp.explain.question import Question
from lgsp.indicators import periods
from lgsp.indicators.periods import FORMS as FORMS
from lgsp.sql import one_row
from lgsp.store.ledger import Connection

COUNTED, NOT_COUNTED, EXCLUDED, QUARANTINED, OUTSIDE = "counted", "not_counted", "excluded", "quarantined", "outside"
VERDICTS = (COUNTED, NOT_COUNTED, EXCLUDED, QUARANTINED, OUTSIDE)
# Tables whose numbers are computed from other published numbers.
COMPOSED = ("index_766", "institution_map")
# The counts of a row and the columns of the published row that they must add up to.
COMPARED = {
    "numerator": "numerator",
    "denominator": "denominator",
    "excluded": "excluded_count",
    "quarantined": "quarantined_count",
}
TOLERANCE = 1e-9  # points are added up in a different order
REPORTED = {"claimed_hours_per_document": "hours_saved", "claimed_vnd_per_document": "vnd_saved"}


@dataclass(frozen=True)
class Row:
    """One unit that a number counts, excludes or quarantines, and the reason."""

    key: str
    kind: str
    organisation_id: str
    verdict: str
    reason: str
    detail: str
    numerator: int
    denominator: int
    excluded: int
    quarantined: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class Explanation:
    """A published number with its rows; `differences` lists the counts that differ from the published ones."""

    question: Question
    rows: tuple[Row, ...]
    parts: tuple[dict[str, Any], ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    def counts(self) -> Counter[tuple[str, str]]:
        """The number of rows by verdict and reason."""
        return Counter((row.verdict, row.reason) for row in self.rows)


def number(
    connection: Connection,
    kpi: str,
    organisation: str,
    period: str,
    snapshot_id: int | None = None,
    level: str = "ALL",
    field_code: str | None = None,
) -> Explanation:
    """The rows behind a published number, each with its reason, compared with the number.

    Needs its own transaction, which it rolls back. Raises LgspError when the number is not published.
    """
    connection.execute("set transaction isolation level repeatable read")
    connection.execute("set local timezone = 'Asia/Ho_Chi_Minh'")
    try:
        question = questions.find(connection, kpi, organisation, period, snapshot_id, level, field_code)
        return _explain(connection, question)
    finally:
        connection.rollback()


def _explain(connection: Connection, question: Question) -> Explanation:
    if question.table in COMPOSED:
        return _explain_composed(connection, question)
    return _explain_counted(connection, question)


def _explain_counted(connection: Connection, question: Question) -> Explanation:
    """A number that counts units, with one row for each unit."""
    units = contributions.contributions(connection, question)
    facts = contributions.facts(connection, question, {unit["kind"] for unit in units})
    rows = tuple(_row(question, unit, facts.get(unit["unit_id"], {})) for unit in units)
    differences, notes = _compare(connection, question, rows)
    return Explanation(question, rows, (), differences, notes)


def _row(question: Question, unit: dict[str, Any], facts: dict[str, Any]) -> Row:
    group, detail = reasons.of_unit(question, unit, facts)
    counts = {name: int(unit[name] or 0) for name in COMPARED}
    verdict = (
        QUARANTINED if unit["kind"] == "record"  # also for tables without a quarantined count
        else COUNTED if counts["numerator"]
        else NOT_COUNTED if counts["denominator"]
        else EXCLUDED if counts["excluded"]
        else OUTSIDE
    )  # fmt: skip
    key = " → ".join(unit["unit_id"].split("\x1f")[-2 if unit["kind"] == "delivery" else -1 :])
    return Row(key, unit["kind"], unit["organisation_id"], verdict, group, detail, **counts, facts=facts)


def _compare(
    connection: Connection, question: Question, rows: tuple[Row, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The differences between a published row and the rows behind it, and the notes."""
    differences, notes = [], []
    for name, column in COMPARED.items():
        if column not in question.row or (
            name == "denominator" and question.definition["unit"] in ("documents", "deliveries")
        ):
            continue  # the denominator of a count is 1
        counted = sum(getattr(row, name) for row in rows)
        if name == "numerator" and question.kpi_id in REPORTED:
            counted, reporters = _reported_amount(connection, question)
            notes.append(f"{reporters} reported {counted}; the rows are the documents of the denominator")
        if counted == question.row[column]:
            continue
        difference = (
            f"{name}: {question.row[column]} published in snapshot {question.row['snapshot_id']}, {counted} counted"
        )
        if name == "quarantined" and _has_quarantine_changed(connection, question):
            notes.append(f"{difference}; the quarantine has changed since snapshot {question.snapshot.snapshot_id}")
        else:
            differences.append(difference)
    return tuple(differences), tuple(notes)


def _reported_amount(connection: Connection, question: Question) -> tuple[int, str]:
    """The reported total, and the names of those who reported it."""
    row = one_row(
        connection.execute(
            "select coalesce(sum(amount), 0)::bigint as amount, coalesce(string_agg(distinct told_by, ', '), 'no agency') as reporters "
            f"from {question.snapshot.table('manual_indicator')} "
            "where indicator_id = %s and organisation_id = %s and period = %s and period_start = %s",
            [REPORTED[question.kpi_id], question.organisation_id, question.period.kind, question.period.start],
        )
    )
    return row["amount"], row["reporters"]


def _has_quarantine_changed(connection: Connection, question: Question) -> bool:
    """Whether records entered or left quarantine after the snapshot was published."""
    row = connection.execute(
        "select exists (select 1 from ledger.quarantine where created_at > %(at)s or state_at > %(at)s) as has_changed",
        {"at": question.snapshot.published_at},
    ).fetchone()
    return not question.snapshot.is_newest or bool(row and row["has_changed"])


def _explain_composed(connection: Connection, question: Question) -> Explanation:
    """A number computed from published numbers: a component of the index, its total, or a territory of the map."""
    if question.table == "institution_map":
        kpi = "on_time" if question.part == "on_time" else "index_766.total"
        return _explain_repeated(connection, question, kpi)
    if question.part == "total":
        return _explain_total(connection, question)
    weights = connection.execute(
        f"select kpi_id from {question.snapshot.table('index_766_weight')} where component = %s and valid_from < %s "
        "and (valid_to is null or valid_to >= %s)",
        [question.part, question.period.end, question.period.end],
    ).fetchall()
    if not weights or not weights[0]["kpi_id"]:
        return Explanation(
            question, (), (), (), ("none of the systems has data for this component: it is not computed",)
        )
    return _explain_repeated(connection, question, weights[0]["kpi_id"])


def _explain_repeated(connection: Connection, question: Question, kpi: str) -> Explanation:
    """A number that repeats another published number, with the rows and parts of that number."""
    period = periods.text_of(question.period.kind, question.period.start)
    other = questions.find(connection, kpi, question.organisation_id, period, question.snapshot.snapshot_id)
    columns = {"numerator": "numerator", "denominator": "denominator"}
    if other.table == "index_766":
        columns = {"numerator": "points", "denominator": "maximum"}
    differences = tuple(
        f"{name}: {question.row[name]} published in {question.table}, {other.row[column]} in {other.table}"
        for name, column in columns.items()
        if question.row[name] != other.row[column]
    )
    explained = _explain(connection, other)
    parts = ({"part": other.indicator, **other.row}, *explained.parts)
    return Explanation(question, explained.rows, parts, differences + explained.differences, explained.notes)


def _explain_total(connection: Connection, question: Question) -> Explanation:
    """The total of the index, with its components; each component is compared with the indicator that it repeats."""
    rows = connection.execute(
        f"select i.component as part, w.kpi_id, i.*, k.numerator as kpi_numerator, k.denominator as kpi_denominator "
        f"from {question.snapshot.table('index_766')} i "
        f"left join {question.snapshot.table('index_766_weight')} w on w.component = i.component and w.valid_from < %(end)s "
        "and (w.valid_to is null or w.valid_to >= %(end)s) "
        f"left join {question.snapshot.table('service_kpi')} k on k.kpi_id = w.kpi_id and k.organisation_id = i.organisation_id "
        "and k.period = i.period and k.period_start = i.period_start and (i.organisation_id <> 'ALL' or k.level = 'ALL') "
        "where i.organisation_id = %(organisation)s and i.period = %(period)s and i.period_start = %(start)s and i.component <> 'total' "
        "order by i.component",
        {
            "organisation": question.organisation_id,
            "period": question.period.kind,
            "start": question.period.start,
            "end": question.period.end,
        },
    ).fetchall()
    available = [row for row in rows if row["points"] is not None]
    sums = {name: sum(row[name] for row in available) for name in ("points", "maximum")}
    differences = [
        f"{name}: {question.row[name]} published, {sums[name]} is the sum of its components"
        for name in sums
        if abs((question.row[name] or 0) - sums[name]) > TOLERANCE
    ]
    differences += [
        f"{row['part']}: {row['numerator']} / {row['denominator']} published, {row['kpi_id']} is {row['kpi_numerator']} / {row['kpi_denominator']}"
        for row in rows
        if row["kpi_id"] and (row["numerator"], row["denominator"]) != (row["kpi_numerator"], row["kpi_denominator"])
    ]
    return Explanation(question, (), tuple(rows), tuple(differences), ())
