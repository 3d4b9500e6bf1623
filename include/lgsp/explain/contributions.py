"""Split a published number into the contributions of single dossiers, offerings, documents, deliveries and work files.

The indicator's own SQL statement computes the contributions: it runs over temporary tables in which each unit takes the
place of an agency, and the sums of an agency are the movements of one unit. The contributions must add up to the number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lgsp import sql
from lgsp.explain.question import Question
from lgsp.indicators import compute, document_flows, dossier_flows
from lgsp.indicators.definitions.ratios import ratios
from lgsp.indicators.rollup import Sums
from lgsp.schema import contract
from lgsp.sql import quoted
from lgsp.store.ledger import Connection
from lgsp.store.transaction import Transaction

# The temporary tables with single units that replace the tables of the indicator statements.
UNIT_TABLES = {
    "record.movement": "unit_movement",
    "record.paper_movement": "unit_document_movement",
    "shared.organisation": "unit_organisation",
    "shared.service_offering": "unit_offering",
}
# The units of the document indicators: the kind of unit, and the measure that selects the units.
DOCUMENT_UNITS = {
    "sent": ("document", "sent"), "paperless": ("document", "sent"), "signed": ("document", "sent"),
    "claimed_hours_per_document": ("document", "sent"), "claimed_vnd_per_document": ("document", "sent"),
    "sent_deliveries": ("delivery", "sent_deliveries"), "received": ("delivery", "received"),
    "accepted_in_time": ("delivery", "received"), "work_file_electronic": ("work_file", "files_opened"),
}  # fmt: skip
SEPARATOR = "chr(31)"  # between the agency and the document in a unit id


class UnitTransaction(Transaction):
    """A transaction whose statements read the question's snapshot, and the given temporary tables instead of others."""

    def __init__(self, connection: Connection, question: Question, replacements: dict[str, str]) -> None:
        self.connection = connection
        self._snapshot = question.snapshot
        self._replacements = replacements

    def do(self, statement: str, *parameters: Any) -> None:
        """Run one statement without parameters."""
        self.connection.execute(self.rewrite(statement))

    def rewrite(self, statement: str) -> str:
        """The statement with the names of the replaced tables."""
        return re.sub(r"\b(record|shared)\.(\w+)", self._table, statement)

    def _table(self, match: re.Match[str]) -> str:
        if match[0] in self._replacements:
            return f"pg_temp.{self._replacements[match[0]]}"
        return self._snapshot.table(match[2]) if match[1] == "shared" else match[0]


def kind(question: Question) -> str:
    """The kind of unit a number counts: dossier, offering, document, delivery or work_file."""
    if question.table == "document_kpi":
        return DOCUMENT_UNITS[question.kpi_id][0]
    ratio = ratios().get(question.kpi_id)
    return "offering" if ratio and ratio.basis == "offering" else "dossier"


def contributions(connection: Connection, question: Question) -> list[dict[str, Any]]:
    """The contribution of each unit: unit_id, kind, organisation_id, numerator, denominator, excluded, quarantined.

    Units that contribute 0 are included if they moved in the period. Creates the temporary tables `unit` and
    `quarantined_unit`; the caller must roll the transaction back.
    """
    plain = UnitTransaction(connection, question, {})
    # all units have the same period: a merge or nested-loop join by period would compare each unit with all others
    for setting in ("enable_mergejoin = off", "enable_nestloop = off", "work_mem = '256MB'"):
        plain.do(f"set local {setting}")
    _create_scope(plain, question)
    if question.table == "document_kpi":
        _create_document_units(plain, question)
    else:
        _create_dossier_units(plain, question)
    _create_unit_tables(plain, question)
    by_unit = UnitTransaction(connection, question, UNIT_TABLES)
    compute.stage_measures(by_unit)
    rows = connection.execute(by_unit.rewrite(_contribution_query(question))).fetchall()
    contributed = {row["unit_id"]: row for row in rows}
    zeros = {"numerator": 0, "denominator": 0, "excluded": 0, "quarantined": 0}
    units = connection.execute("select * from unit order by kind, unit_id").fetchall()
    return [{**zeros, **unit, **contributed.get(unit["unit_id"], {})} for unit in units]


def facts(connection: Connection, question: Question, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The published columns of the units of some kinds, by unit_id; call it after `contributions`, in the same transaction."""
    plain = UnitTransaction(connection, question, {})
    return {
        row["unit_id"]: row
        for kind in sorted(kinds)
        for row in connection.execute(plain.rewrite(sql.load("lgsp.explain", f"facts/{kind}"))).fetchall()
    }


def _create_scope(plain: UnitTransaction, question: Question) -> None:
    """Create the temporary tables `requested`, one row with the period, and `agency`, the agencies of the question."""
    plain.do(
        f"create temporary table requested on commit drop as select {quoted(question.period.kind)}::text as period, "
        f"date '{question.period.start}' as period_start, date '{question.period.end}' as period_end, "
        f"timestamptz '{question.row['as_of'].isoformat()}' as as_of, "
        f"timestamptz '{question.snapshot.published_at.isoformat()}' as published_at"
    )
    agencies = (
        f"select organisation_id from shared.organisation group by 1 having min(level) = {quoted(question.level)}"
        if question.organisation_id == "ALL"
        else f"select {quoted(question.organisation_id)}::text as organisation_id"
    )
    plain.do(f"create temporary table agency on commit drop as {agencies}")


def _scope(question: Question, column: str) -> str:
    is_every_agency = question.organisation_id == "ALL" and question.level == "ALL"
    return "true" if is_every_agency else f"{column} in (select organisation_id from agency)"


def _create_dossier_units(plain: UnitTransaction, question: Question) -> None:
    is_offering = kind(question) == "offering"
    offering = "case receiving_organisation_id when 'UNKNOWN' then 'UNKNOWN' else receiving_organisation_id || ' ' || service_code end"
    plain.do(
        sql.load(
            "lgsp.explain", "dossiers", unit=offering if is_offering else "dossier_id", columns=", ".join(contract.load("dossier").names),
            scope=_scope(question, "receiving_organisation_id"), movements=dossier_flows.movement_query(),
        )
    )  # fmt: skip
    if not is_offering:
        plain.do(sql.load("lgsp.explain", "zero_activity"))
    _add_quarantined(plain, question, ["dossier"], dossier_flows.SUMS, "held")
    if is_offering:
        offered = f"select organisation_id || ' ' || service_code, organisation_id from shared.service_offering where {_scope(question, 'organisation_id')}"
        moved = "select organisation_id, split_part(organisation_id, ' ', 1) from unit_flow where service_code <> ''"
        units = f"select unit_id, 'offering' as kind, organisation_id from ({offered} union {moved}) o(unit_id, organisation_id)"
    else:
        units = (
            "select dossier_id as unit_id, 'dossier' as kind, receiving_organisation_id as organisation_id from shared.dossier "
            "where dossier_id in (select organisation_id from unit_flow)"
        )
    plain.do(sql.load("lgsp.explain", "agency", units=units))


def _create_document_units(plain: UnitTransaction, question: Question) -> None:
    unit, measure = DOCUMENT_UNITS[question.kpi_id]
    sent_id = f"document_id || {SEPARATOR} || recipient_organisation_id" if unit == "delivery" else "document_id"
    unit_ids = {"issuing_organisation_id": "document_id", "sender_organisation_id": sent_id,
                "recipient_organisation_id": sent_id, "organisation_id": "work_file_id"}  # fmt: skip
    versions = ", ".join(
        f"{table}_version as (select 1 as sign, {_with_unit_ids(columns, unit_ids)} from shared.{table})"
        for table, columns in document_flows.COLUMNS.items()
    )
    flows = document_flows.movement_query()
    plain.do(
        f"create temporary table unit_flow on commit drop as with {versions}, flow as ({flows}) "
        f"select split_part(organisation_id, {SEPARATOR}, 1) as agency_id, * from flow, requested "
        f"where {measure} <> 0 and day_on >= requested.period_start and day_on < requested.period_end "
        f"and {_scope(question, f'split_part(organisation_id, {SEPARATOR}, 1)')}"
    )
    _add_quarantined(plain, question, ["document", "work_file"], document_flows.SUMS, "held_papers")
    units = f"select distinct organisation_id as unit_id, '{unit}' as kind, agency_id as organisation_id from unit_flow where agency_id is not null"
    plain.do(sql.load("lgsp.explain", "agency", units=units))


def _with_unit_ids(columns: str, unit_ids: dict[str, str]) -> str:
    """The list of columns in which the id of the unit is appended to each agency."""
    return ", ".join(
        f"{name} || {SEPARATOR} || {unit_ids[name]} as {name}" if name in unit_ids else name
        for name in columns.split(", ")
    )


def _add_quarantined(
    plain: UnitTransaction, question: Question, kinds: Sequence[str], sums: Sums, measure: str
) -> None:
    """Add the records that were in quarantine to `unit_flow`, each as a unit."""
    replaced = " or ".join(
        f"q.kind = '{name}' and exists (select 1 from record.{name} r where (r.source, r.source_key) = (q.source, q.source_key) "
        "and r.source_updated_at >= q.source_updated_at)"
        for name in kinds
    )
    plain.do(
        sql.load(
            "lgsp.explain", "stored_record", kinds=f"array[{', '.join(map(quoted, kinds))}]", replaced=replaced,
            scope=_scope(question, "organisation_id"),
        )
    )  # fmt: skip
    by = ["''" for name in sums.dimensions if name != "organisation_id"]
    plain.do(
        f"insert into unit_flow ({', '.join([*sums.dimensions, 'day_on', *sums.measures])}) select unit_id, "
        f"{', '.join([*by, 'occurred_on', *('1' if name == measure else '0' for name in sums.measures)])} from quarantined_unit"
    )


def _create_unit_tables(plain: UnitTransaction, question: Question) -> None:
    """Create the tables that the indicator statements read: sums of the units, units as agencies, period and scope."""
    is_document = question.table == "document_kpi"
    for name, sums in (("unit_movement", dossier_flows.SUMS), ("unit_document_movement", document_flows.SUMS)):
        if is_document == (sums is document_flows.SUMS):
            rows = f"{sums.sum_query('unit_flow', 'day')} union all {sums.sum_query('unit_flow', 'month')}"
        else:
            rows = f"select * from record.{sums.name} limit 0"
        plain.do(f"create temporary table {name} on commit drop as {rows}")
        plain.do(f"analyze {name}")
    plain.do("create temporary table unit_organisation on commit drop as select * from shared.organisation limit 0")
    plain.do(
        "insert into unit_organisation (organisation_id, valid_from, name, level, is_current) "
        "select unit_id, '-infinity', unit_id, level, true from unit"
    )
    scope = _scope(question, "organisation_id") if kind(question) == "offering" else "false"
    plain.do(
        f"create temporary table unit_offering on commit drop as select * from shared.service_offering where {scope}"
    )
    plain.do("update unit_offering set organisation_id = organisation_id || ' ' || service_code")
    plain.do(
        "create temporary table period on commit drop as select period, period_start, period_end, as_of, true as is_covered from requested"
    )
    plain.do(
        "create temporary table affected on commit drop as select unit_id as organisation_id, period, period_start from unit, requested"
    )
    for name in (
        "affected",
        "period",
        "unit_organisation",
        "unit_offering",
    ):  # autovacuum does not analyze temporary tables
        plain.do(f"analyze {name}")


def _contribution_query(question: Question) -> str:
    """The query of the contribution of each unit, over the published statement of the indicator."""
    statement = f"(\n{compute.indicator_query(question.table)}\n) indicator"
    if question.table == "form_06a":
        return f"select organisation_id as unit_id, {question.part} as numerator from {statement} where field_code = {quoted(question.field_code or 'ALL')}"
    if question.table == "zero_activity":
        return f"select organisation_id as unit_id, dossier_count as numerator from {statement} where channel = {quoted(question.part)}"
    kpi_id, columns = question.kpi_id, "numerator, denominator"
    if question.definition["unit"] in ("hours", "vnd"):  # a reported amount over the documents that were sent
        kpi_id, columns = "sent", "0 as numerator, numerator as denominator"
    return (
        f"select organisation_id as unit_id, {columns}, excluded_count as excluded, quarantined_count as quarantined "
        f"from {statement} where kpi_id = {quoted(kpi_id)}"
    )
