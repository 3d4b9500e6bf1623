"""Which published number somebody asks about: the row of an indicator table, found by what people call it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lgsp.errors import LgspError
from lgsp.indicators import periods
from lgsp.indicators.periods import Span
from lgsp.schema import contract
from lgsp.store import snapshot_lookup
from lgsp.store.ledger import Connection
from lgsp.vietnam.text import comparison_key

# The numbers that a row of these tables holds; a question names one of them after a dot.
FORM = tuple(name for name in contract.load("form_06a").names if name.split("_")[0] in ("received", "finished", "open"))
PARTS = {"form_06a": "received_total", "zero_activity": "any", "index_766": "total", "institution_map": "index_766"}
# By which column a table tells its parts apart.
PART_COLUMNS = {"zero_activity": "channel", "index_766": "component", "institution_map": "metric"}
PERIODS_TOLD = 12


@dataclass(frozen=True)
class Snapshot:
    """The publication a number is read from."""

    snapshot_id: int
    published_at: Any
    is_newest: bool

    def table(self, name: str) -> str:
        """A shared table as the publication showed it."""
        return f"shared.{name}" if self.is_newest else f"history.{name}_as_of({self.snapshot_id})"


@dataclass(frozen=True)
class Question:
    """One published number: of which indicator and agency, in which period and snapshot, with its row and definition."""

    kpi_id: str
    part: str
    table: str
    organisation_id: str
    name: str
    level: str
    field_code: str | None
    span: Span
    snapshot: Snapshot
    row: dict[str, Any]
    definition: dict[str, Any]

    @property
    def told(self) -> str:
        """The indicator as somebody asks for it."""
        return f"{self.kpi_id}.{self.part}" if self.part else self.kpi_id


def snapshot(connection: Connection, snapshot_id: int | None) -> Snapshot:
    """The newest publication, or an older one. Raises LgspError when there is none, or its history was retired."""
    shown = snapshot_lookup.find(connection, snapshot_id)
    return Snapshot(shown.snapshot_id, shown.published_at, shown.is_newest)


def ask(
    connection: Connection,
    kpi: str,
    organisation: str,
    period: str,
    snapshot_id: int | None = None,
    level: str = "ALL",
    field_code: str | None = None,
) -> Question:
    """The published number somebody means. Raises LgspError that says what there is, when there is no such number.

    `kpi` is an indicator, with a part after a dot where its table has several (`form_06a.open_late`, `index_766.3c`,
    `zero_activity.online`); `organisation` is a code, a name or ALL, `level` narrows ALL to the agencies of a level.
    """
    of, asked = snapshot(connection, snapshot_id), periods.read(period)
    kpi_id, _, part = kpi.partition(".")
    definitions = _definitions(connection, of, kpi_id)
    table = definitions[0]["table_name"]
    part = _part(connection, of, table, kpi_id, part)
    organisation_id, name = _organisation(connection, of, organisation)
    scope, values = _scope(table, kpi_id, part, organisation_id, level, field_code)
    row = _row(connection, of, table, scope, values, asked, part)
    if row is None:
        raise LgspError(_nothing(connection, of, table, scope, values, f"{kpi} of {organisation_id}", asked))
    definition = _in_force(definitions, asked)
    return Question(
        kpi_id, part, table, organisation_id, name, row.get("level") or level, field_code, asked, of, row, definition
    )  # fmt: skip


def _definitions(connection: Connection, of: Snapshot, kpi_id: str) -> list[dict[str, Any]]:
    query = f"select * from {of.table('indicator_definition')} where kpi_id = %s order by valid_from"
    found = connection.execute(query, [kpi_id]).fetchall()
    if not found:
        known = connection.execute(
            f"select distinct kpi_id from {of.table('indicator_definition')} order by 1"
        ).fetchall()
        raise LgspError(_unknown("indicator", kpi_id, [row["kpi_id"] for row in known]))
    return found


def _in_force(definitions: list[dict[str, Any]], asked: Span) -> dict[str, Any]:
    last = asked.end - timedelta(days=1)
    return next((told for told in reversed(definitions) if told["valid_from"] <= last), definitions[0])


def _part(connection: Connection, of: Snapshot, table: str, kpi_id: str, part: str) -> str:
    if table not in PARTS:
        if part:
            raise LgspError(f"{kpi_id} has no part {part!r}: it is one number")
        return ""
    part = part or PARTS[table]
    if table == "form_06a":
        known = list(FORM)
    else:
        column = PART_COLUMNS[table]
        known = [
            row["part"]
            for row in connection.execute(f"select distinct {column} as part from {of.table(table)} order by 1")
        ]
    if known and part not in known:
        raise LgspError(_unknown(f"part of {kpi_id}", part, known))
    return part


def _organisation(connection: Connection, of: Snapshot, told: str) -> tuple[str, str]:
    """The agency somebody means, by any of its codes or by its name, and what it is called now."""
    if told.upper() == "ALL":
        return "ALL", "the whole province"
    rows = connection.execute(
        "select organisation_id, code_old, code_new, name, admin_unit_code "
        f"from {of.table('organisation')} order by organisation_id, valid_from"
    ).fetchall()
    names = {row["organisation_id"]: row["name"] for row in rows}
    meant = comparison_key.key(told)
    for is_meant in (
        lambda row: told in (row["organisation_id"], row["code_old"], row["code_new"]),
        lambda row: comparison_key.key(row["name"]) == meant,
        lambda row: told == row["admin_unit_code"],
    ):
        found = sorted({row["organisation_id"] for row in rows if is_meant(row)})
        if len(found) == 1:
            return found[0], names[found[0]]
        if found:
            several = "; ".join(f"{code} {names[code]}" for code in found)
            raise LgspError(f"{told!r} is the name of several agencies: {several}; say which by its code")
    if told == "UNKNOWN":
        return told, "agencies that nobody knows"
    choices = {name: code for code, name in names.items()} | {code: code for code in names}
    near = list(
        dict.fromkeys(choices[text] for text in difflib.get_close_matches(told, list(choices), n=5, cutoff=0.4))
    )
    raise LgspError(
        f"there is no agency {told!r}; "
        + (f"near it: {'; '.join(f'{code} {names[code]}' for code in near)}" if near else "ALL is the whole province")
    )


def _scope(
    table: str, kpi_id: str, part: str, organisation_id: str, level: str, field_code: str | None
) -> tuple[str, list[Any]]:
    """The condition on the rows of an indicator table that tell the number, in any period, with its parameters."""
    conditions, values = ["organisation_id = %s"], [organisation_id]
    columns = contract.load(table).names
    if "kpi_id" in columns:
        conditions.append("kpi_id = %s")
        values.append(kpi_id)
    if table in PART_COLUMNS:
        conditions.append(f"{PART_COLUMNS[table]} = %s")
        values.append(part)
    if "level" in columns and organisation_id == "ALL":
        conditions.append("level = %s")
        values.append(level)
    if table == "form_06a" and field_code:
        conditions.append("field_code = %s")
        values.append(field_code)
    return " and ".join(conditions), values


def _row(
    connection: Connection, of: Snapshot, table: str, scope: str, values: list[Any], asked: Span, part: str
) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = connection.execute(
        f"select * from {of.table(table)} where {scope} and period = %s and period_start = %s",
        [*values, asked.period, asked.start],
    ).fetchall()
    if not rows:
        return None
    if table == "form_06a":
        # of all fields together, unless one was named
        return {
            **rows[0],
            "numerator": sum(row[part] for row in rows),
            "snapshot_id": max(r["snapshot_id"] for r in rows),
        }
    if table == "zero_activity":
        return {**rows[0], "numerator": rows[0]["dossier_count"]}
    return rows[0]


def _nothing(
    connection: Connection, of: Snapshot, table: str, scope: str, values: list[Any], told: str, asked: Span
) -> str:
    """Why there is no row: in which periods there are some."""
    rows = connection.execute(
        f"select distinct period, period_start from {of.table(table)} where {scope} order by 1, 2", values
    ).fetchall()
    same = [periods.written(row["period"], row["period_start"]) for row in rows if row["period"] == asked.period]
    if same:
        near = same[-PERIODS_TOLD:]
        return f"{told} is not published for {asked}; there is {', '.join(near)}{' and older' if len(same) > len(near) else ''}"
    if rows:
        kinds = ", ".join(sorted({row["period"] for row in rows}))
        return f"{told} is not published by {asked.period}, but by {kinds}"
    return f"{told} is not published in snapshot {of.snapshot_id}"


def _unknown(what: str, told: str, known: list[str]) -> str:
    near = difflib.get_close_matches(told, known, n=3, cutoff=0.5)
    return f"there is no {what} {told!r}; " + (
        f"near it: {', '.join(near)}" if near else f"there are {', '.join(known)}"
    )
