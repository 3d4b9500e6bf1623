"""Find a published number by indicator, agency and period, as a user writes them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lgsp.errors import LgspError
from lgsp.harmonise.organisations.directory import identify
from lgsp.indicators import periods
from lgsp.indicators.periods import Period
from lgsp.schema import contract
from lgsp.store import snapshot_lookup
from lgsp.store.ledger import Connection
from lgsp.store.snapshot_lookup import PublishedSnapshot
from lgsp.vietnam import pasted
from lgsp.vietnam.text import comparison_key

# The counts of form_06a. A table with several numbers has parts; a user writes the part after a dot.
FORM = tuple(name for name in contract.load("form_06a").names if name.split("_")[0] in ("received", "finished", "open"))
PARTS = {"form_06a": "received_total", "zero_activity": "any", "index_766": "total", "institution_map": "index_766"}
# The column that holds the part, for tables with one row for each part.
PART_COLUMNS = {"zero_activity": "channel", "index_766": "component", "institution_map": "metric"}
PERIODS_LISTED = 12


@dataclass(frozen=True)
class Question:
    """One published number: indicator, agency, period and snapshot, with its row and definition."""

    kpi_id: str
    part: str
    table: str
    organisation_id: str
    name: str
    level: str
    field_code: str | None
    period: Period
    snapshot: PublishedSnapshot
    row: dict[str, Any]
    definition: dict[str, Any]

    @property
    def indicator(self) -> str:
        """The indicator as a user writes it: `kpi_id` or `kpi_id.part`."""
        return f"{self.kpi_id}.{self.part}" if self.part else self.kpi_id


def find(
    connection: Connection,
    kpi: str,
    organisation: str,
    period: str,
    snapshot_id: int | None = None,
    level: str = "ALL",
    field_code: str | None = None,
) -> Question:
    """The published number that a user writes. Raises LgspError with the possible values when it does not exist.

    `kpi` is an indicator, with a part after a dot where its table has several (`form_06a.open_late`, `index_766.3c`,
    `zero_activity.online`); `organisation` is a code, a name or ALL, `level` limits ALL to the agencies of one level.
    """
    kpi, organisation, field_code = pasted.code(kpi), pasted.code(organisation), field_code and pasted.code(field_code)
    shown, requested = snapshot_lookup.find(connection, snapshot_id), periods.parse(period)
    kpi_id, _, part = kpi.partition(".")
    kpi_id = kpi_id.lower()
    definitions = _definitions(connection, shown, kpi_id)
    table = definitions[0]["table_name"]
    part = _part(connection, shown, table, kpi_id, part)
    organisation_id, name = _organisation(connection, shown, organisation)
    scope, values = _scope(table, kpi_id, part, organisation_id, level, field_code)
    row = _row(connection, shown, table, scope, values, requested, part)
    if row is None:
        number = f"{kpi} of {organisation_id}"
        raise LgspError(_why_not_published(connection, shown, table, scope, values, number, requested))
    definition = _in_force(definitions, requested)
    return Question(
        kpi_id, part, table, organisation_id, name, row.get("level") or level, field_code, requested, shown, row, definition
    )  # fmt: skip


def _definitions(connection: Connection, shown: PublishedSnapshot, kpi_id: str) -> list[dict[str, Any]]:
    query = f"select * from {shown.table('indicator_definition')} where kpi_id = %s order by valid_from"
    definitions = connection.execute(query, [kpi_id]).fetchall()
    if not definitions:
        known = connection.execute(
            f"select distinct kpi_id from {shown.table('indicator_definition')} order by 1"
        ).fetchall()
        raise LgspError(_unknown("indicator", kpi_id, [row["kpi_id"] for row in known]))
    return definitions


def _in_force(definitions: list[dict[str, Any]], period: Period) -> dict[str, Any]:
    last = period.end - timedelta(days=1)
    return next((version for version in reversed(definitions) if version["valid_from"] <= last), definitions[0])


def _part(connection: Connection, shown: PublishedSnapshot, table: str, kpi_id: str, part: str) -> str:
    if table not in PARTS:
        if part:
            raise LgspError(f"{kpi_id} has no part {part!r}: it is a single number")
        return ""
    part = part or PARTS[table]
    if table == "form_06a":
        known = list(FORM)
    else:
        column = PART_COLUMNS[table]
        known = [
            row["part"]
            for row in connection.execute(f"select distinct {column} as part from {shown.table(table)} order by 1")
        ]
    if known and part not in known:
        raise LgspError(_unknown(f"part of {kpi_id}", part, known))
    return part


def _organisation(connection: Connection, shown: PublishedSnapshot, text: str) -> tuple[str, str]:
    """The id and the current name of the agency with a code or a name."""
    if text.upper() == "ALL":
        return "ALL", "the whole province"
    rows = connection.execute(
        "select organisation_id, code_old, code_new, name, admin_unit_code "
        f"from {shown.table('organisation')} order by organisation_id, valid_from"
    ).fetchall()
    names = {row["organisation_id"]: row["name"] for row in rows}
    text_key, identity = comparison_key.key(text), identify(text)
    written = {text, *(identity or ())}
    for matches in (
        lambda row: written & {row["organisation_id"], row["code_old"], row["code_new"]} - {None},
        lambda row: comparison_key.key(row["name"]) == text_key,
        lambda row: text == row["admin_unit_code"],
    ):
        codes = sorted({row["organisation_id"] for row in rows if matches(row)})
        if len(codes) == 1:
            return codes[0], names[codes[0]]
        if codes:
            several = "; ".join(f"{code} {names[code]}" for code in codes)
            raise LgspError(f"{text!r} is the name of several agencies: {several}; use the code of one of them")
    if text.upper() == "UNKNOWN":
        return "UNKNOWN", "unknown agencies"
    choices = {name: code for code, name in names.items()} | {code: code for code in names}
    near = list(
        dict.fromkeys(choices[match] for match in difflib.get_close_matches(text, list(choices), n=5, cutoff=0.4))
    )
    raise LgspError(
        f"there is no agency {text!r}; "
        + (f"similar: {'; '.join(f'{code} {names[code]}' for code in near)}" if near else "ALL is the whole province")
    )


def _scope(
    table: str, kpi_id: str, part: str, organisation_id: str, level: str, field_code: str | None
) -> tuple[str, list[Any]]:
    """The SQL condition on the rows of the number in any period, with its parameters."""
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
    if table == "form_06a":
        conditions.append("field_code = %s")
        values.append(field_code or "ALL")
    return " and ".join(conditions), values


def _row(
    connection: Connection,
    shown: PublishedSnapshot,
    table: str,
    scope: str,
    values: list[Any],
    period: Period,
    part: str,
) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = connection.execute(
        f"select * from {shown.table(table)} where {scope} and period = %s and period_start = %s",
        [*values, period.kind, period.start],
    ).fetchall()
    if not rows:
        return None
    if table == "form_06a":
        return {**rows[0], "numerator": rows[0][part]}
    if table == "zero_activity":
        return {**rows[0], "numerator": rows[0]["dossier_count"]}
    return rows[0]


def _why_not_published(
    connection: Connection,
    shown: PublishedSnapshot,
    table: str,
    scope: str,
    values: list[Any],
    number: str,
    period: Period,
) -> str:
    """The error message for a number without a row: the periods in which it has rows."""
    rows = connection.execute(
        f"select distinct period, period_start from {shown.table(table)} where {scope} order by 1, 2", values
    ).fetchall()
    same = [periods.text_of(row["period"], row["period_start"]) for row in rows if row["period"] == period.kind]
    if same:
        newest = same[-PERIODS_LISTED:]
        older = " and older" if len(same) > len(newest) else ""
        return f"{number} is not published for {period}; it is published for {', '.join(newest)}{older}"
    if rows:
        kinds = ", ".join(sorted({row["period"] for row in rows}))
        return f"{number} is not published for periods of type {period.kind}, only for {kinds}"
    return f"{number} is not published in snapshot {shown.snapshot_id}"


def _unknown(noun: str, text: str, known: list[str]) -> str:
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5)
    return f"there is no {noun} {text!r}; " + (
        f"similar: {', '.join(near)}" if near else f"known are {', '.join(known)}"
    )
