"""From a published number to the rows it counts, and from a row to the bytes its sources sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from lgsp.explain import contributions, reasons
from lgsp.explain import question as questions
from lgsp.explain.question import Question
from lgsp.indicators import periods
from lgsp.indicators.periods import FORMS as FORMS
from lgsp.store.ledger import Connection

COUNTED, NOT_COUNTED, EXCLUDED, QUARANTINED, OUTSIDE = "counted", "not_counted", "excluded", "quarantined", "outside"
VERDICTS = (COUNTED, NOT_COUNTED, EXCLUDED, QUARANTINED, OUTSIDE)
# What these are made of are published numbers themselves.
COMPOSED = ("index_766", "institution_map")
# What of a row is compared with the rows behind it.
COMPARED = {
    "numerator": "numerator",
    "denominator": "denominator",
    "excluded": "excluded_count",
    "quarantined": "quarantined_count",
}
ROUNDING = 1e-9  # points are added up in another order
REPORTED = {"claimed_hours_per_document": "hours_saved", "claimed_vnd_per_document": "vnd_saved"}


@dataclass(frozen=True)
class Row:
    """One thing that a number counts, leaves out or holds back, and why."""

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
    """A published number with everything that it counts; `differences` says where both do not agree."""

    question: Question
    rows: tuple[Row, ...]
    parts: tuple[dict[str, Any], ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    def counts(self) -> Counter[tuple[str, str]]:
        """How many rows there are by verdict and reason."""
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

    Needs a transaction of its own, which it rolls back. Raises LgspError when there is no such number.
    """
    connection.execute("set transaction isolation level repeatable read")
    connection.execute("set local timezone = 'Asia/Ho_Chi_Minh'")
    try:
        asked = questions.ask(connection, kpi, organisation, period, snapshot_id, level, field_code)
        return _composed(connection, asked) if asked.table in COMPOSED else _counted(connection, asked)
    finally:
        connection.rollback()


def _counted(connection: Connection, asked: Question) -> Explanation:
    """A number of things, one by one."""
    found = contributions.contributions(connection, asked)
    facts = contributions.facts(connection, asked, {unit["kind"] for unit in found})
    rows = tuple(_row(asked, unit, facts.get(unit["unit_id"], {})) for unit in found)
    differences, notes = _compared(connection, asked, rows)
    return Explanation(asked, rows, (), differences, notes)


def _row(asked: Question, unit: dict[str, Any], facts: dict[str, Any]) -> Row:
    group, detail = reasons.of(asked, unit, facts)
    counts = {name: int(unit[name] or 0) for name in COMPARED}
    verdict = (
        QUARANTINED if unit["kind"] == "record"  # also where a table does not tell how many there are
        else COUNTED if counts["numerator"]
        else NOT_COUNTED if counts["denominator"]
        else EXCLUDED if counts["excluded"]
        else OUTSIDE
    )  # fmt: skip
    key = " → ".join(unit["unit_id"].split("\x1f")[-2 if unit["kind"] == "delivery" else -1 :])
    return Row(key, unit["kind"], unit["organisation_id"], verdict, group, detail, **counts, facts=facts)


def _compared(
    connection: Connection, asked: Question, rows: tuple[Row, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where a published row and the rows behind it differ, and what else is to be known."""
    differences, notes = [], []
    for name, column in COMPARED.items():
        if column not in asked.row or (
            name == "denominator" and asked.definition["unit"] in ("documents", "deliveries")
        ):
            continue  # a count is over 1
        counted = sum(getattr(row, name) for row in rows)
        if name == "numerator" and asked.kpi_id in REPORTED:
            counted, told_by = _reported(connection, asked)
            notes.append(f"{told_by} reported {counted}; the documents are those it is divided by")
        if counted == asked.row[column]:
            continue
        said = f"{name}: {asked.row[column]} published in snapshot {asked.row['snapshot_id']}, {counted} found"
        if name == "quarantined" and _has_moved(connection, asked):
            notes.append(f"{said}; the quarantine has changed since snapshot {asked.snapshot.snapshot_id}")
        else:
            differences.append(said)
    return tuple(differences), tuple(notes)


def _reported(connection: Connection, asked: Question) -> tuple[int, str]:
    """What was reported in all, and by whom."""
    row = connection.execute(
        "select coalesce(sum(amount), 0)::bigint as amount, coalesce(string_agg(distinct told_by, ', '), 'nobody') as told_by "
        f"from {asked.snapshot.table('manual_indicator')} "
        "where indicator_id = %s and organisation_id = %s and period = %s and period_start = %s",
        [REPORTED[asked.kpi_id], asked.organisation_id, asked.span.period, asked.span.start],
    ).fetchone()
    assert row is not None
    return row["amount"], row["told_by"]


def _has_moved(connection: Connection, asked: Question) -> bool:
    """Whether records came into quarantine or left it since a snapshot was published."""
    row = connection.execute(
        "select exists (select 1 from ledger.quarantine where created_at > %(at)s or state_at > %(at)s) as moved",
        {"at": asked.snapshot.published_at},
    ).fetchone()
    return not asked.snapshot.is_newest or bool(row and row["moved"])


def _composed(connection: Connection, asked: Question) -> Explanation:
    """A number that is made of published numbers: a component of the index, its total, or a territory of the map."""
    if asked.table == "institution_map":
        made_of = "on_time" if asked.part == "on_time" else "index_766.total"
        return _through(connection, asked, made_of)
    if asked.part == "total":
        return _total(connection, asked)
    weights = connection.execute(
        f"select kpi_id from {asked.snapshot.table('index_766_weight')} where component = %s and valid_from < %s "
        "and (valid_to is null or valid_to >= %s)",
        [asked.part, asked.span.end, asked.span.end],
    ).fetchall()
    if not weights or not weights[0]["kpi_id"]:
        return Explanation(asked, (), (), (), ("none of the systems tells this component: it is not computed",))
    return _through(connection, asked, weights[0]["kpi_id"])


def _through(connection: Connection, asked: Question, kpi: str) -> Explanation:
    """A number that repeats another one, with what that one is made of."""
    when = periods.written(asked.span.period, asked.span.start)
    other = questions.ask(connection, kpi, asked.organisation_id, when, asked.snapshot.snapshot_id)
    same = {"numerator": "numerator", "denominator": "denominator"}
    if other.table == "index_766":
        same = {"numerator": "points", "denominator": "maximum"}
    differences = tuple(
        f"{name}: {asked.row[name]} published in {asked.table}, {other.row[column]} in {other.table}"
        for name, column in same.items()
        if asked.row[name] != other.row[column]
    )
    below = _composed(connection, other) if other.table in COMPOSED else _counted(connection, other)
    parts = ({"part": other.told, **other.row}, *below.parts)
    return Explanation(asked, below.rows, parts, differences + below.differences, below.notes)


def _total(connection: Connection, asked: Question) -> Explanation:
    """The total of the index: its components, each compared with the indicator that it repeats."""
    rows = connection.execute(
        f"select i.component as part, w.kpi_id, i.*, k.numerator as kpi_numerator, k.denominator as kpi_denominator "
        f"from {asked.snapshot.table('index_766')} i "
        f"left join {asked.snapshot.table('index_766_weight')} w on w.component = i.component and w.valid_from < %(end)s "
        "and (w.valid_to is null or w.valid_to >= %(end)s) "
        f"left join {asked.snapshot.table('service_kpi')} k on k.kpi_id = w.kpi_id and k.organisation_id = i.organisation_id "
        "and k.period = i.period and k.period_start = i.period_start and (i.organisation_id <> 'ALL' or k.level = 'ALL') "
        "where i.organisation_id = %(organisation)s and i.period = %(period)s and i.period_start = %(start)s and i.component <> 'total' "
        "order by i.component",
        {
            "organisation": asked.organisation_id,
            "period": asked.span.period,
            "start": asked.span.start,
            "end": asked.span.end,
        },
    ).fetchall()
    available = [row for row in rows if row["points"] is not None]
    sums = {name: sum(row[name] for row in available) for name in ("points", "maximum")}
    differences = [
        f"{name}: {asked.row[name]} published, {sums[name]} found in its components"
        for name in sums
        if abs((asked.row[name] or 0) - sums[name]) > ROUNDING
    ]
    differences += [
        f"{row['part']}: {row['numerator']} / {row['denominator']} published, {row['kpi_id']} is {row['kpi_numerator']} / {row['kpi_denominator']}"
        for row in rows
        if row["kpi_id"] and (row["numerator"], row["denominator"]) != (row["kpi_numerator"], row["kpi_denominator"])
    ]
    return Explanation(asked, (), tuple(rows), tuple(differences), ())
