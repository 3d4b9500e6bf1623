"""A published number taken apart: the statement that made it, asked of each dossier, offering or paper by itself.

Every unit stands in for an agency of its own: its moves become the sums that the statement reads. What each contributes is
therefore decided by the very text that was published, and the contributions must add up to the number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lgsp import sql
from lgsp.explain.question import Question
from lgsp.indicators import compute, document_flows, dossier_flows
from lgsp.indicators.rollup import Sums
from lgsp.schema import contract
from lgsp.sql import quoted
from lgsp.store.ledger import Connection
from lgsp.store.transaction import Transaction

OFFERINGS = (
    "service_active", "service_active_online", "offered_online", "integrated_national", "full_online", "payment_active",
)  # fmt: skip
# What a table that the statements read is called where it holds single units.
RENAMED = {
    "record.movement": "unit_movement",
    "record.paper_movement": "unit_paper_movement",
    "shared.organisation": "unit_organisation",
    "shared.service_offering": "unit_offering",
}
# Of which papers a number is made: kind of unit, and the measure by which they are found.
PAPERS = {
    "sent": ("document", "sent"), "paperless": ("document", "sent"), "signed": ("document", "sent"),
    "claimed_hours_per_document": ("document", "sent"), "claimed_vnd_per_document": ("document", "sent"),
    "sent_deliveries": ("delivery", "sent_deliveries"), "received": ("delivery", "received"),
    "accepted_in_time": ("delivery", "received"), "work_file_electronic": ("work_file", "files_opened"),
}  # fmt: skip
MARK = "chr(31)"  # between an agency and the paper that counts for it


class Apart(Transaction):
    """A transaction whose statements read units where they mean agencies, and a snapshot where they mean the newest."""

    def __init__(self, connection: Connection, question: Question, renamed: dict[str, str]) -> None:
        self.connection = connection
        self._of = question.snapshot
        self._renamed = renamed

    def do(self, statement: str, *parameters: Any) -> None:
        """Run one statement, without parameters."""
        self.connection.execute(self.told(statement))

    def told(self, statement: str) -> str:
        """A statement as it is run."""
        return re.sub(r"\b(record|shared)\.(\w+)", self._table, statement)

    def _table(self, found: re.Match[str]) -> str:
        if found[0] in self._renamed:
            return f"pg_temp.{self._renamed[found[0]]}"
        return self._of.table(found[2]) if found[1] == "shared" else found[0]


def kind(question: Question) -> str:
    """What a number counts: dossier, offering, document, delivery or work_file."""
    if question.table == "document_kpi":
        return PAPERS[question.kpi_id][0]
    return "offering" if question.kpi_id in OFFERINGS else "dossier"


def contributions(connection: Connection, question: Question) -> list[dict[str, Any]]:
    """What each unit contributes: unit_id, kind, organisation_id, numerator, denominator, excluded, quarantined.

    Units that contribute nothing are there, too, when something of theirs moved in the period. Leaves temporary tables
    `unit` and `held_unit` in a transaction that must not be committed.
    """
    plain = Apart(connection, question, {})
    # all units are of one period, so a merge by period would compare each with each
    for setting in ("enable_mergejoin = off", "enable_nestloop = off", "work_mem = '256MB'"):
        plain.do(f"set local {setting}")
    _ask(plain, question)
    if question.table == "document_kpi":
        _papers(plain, question)
    else:
        _dossiers(plain, question)
    _stand_in(plain, question)
    apart = Apart(connection, question, RENAMED)
    compute.prepare(apart)
    answered = connection.execute(apart.told(_answer(question))).fetchall()
    told = {row["unit_id"]: row for row in answered}
    nothing = {"numerator": 0, "denominator": 0, "excluded": 0, "quarantined": 0}
    units = connection.execute("select * from unit order by kind, unit_id").fetchall()
    return [{**nothing, **unit, **told.get(unit["unit_id"], {})} for unit in units]


def facts(connection: Connection, question: Question, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the units of some kinds say, by unit_id; after `contributions`, in the same transaction."""
    plain = Apart(connection, question, {})
    return {
        row["unit_id"]: row
        for kind in sorted(kinds)
        for row in connection.execute(plain.told(sql.load("lgsp.explain", f"facts/{kind}"))).fetchall()
    }


def _ask(plain: Apart, question: Question) -> None:
    """The temporary tables `asked`, of one row, and `agency`, whose units are asked about."""
    plain.do(
        f"create temporary table asked on commit drop as select {quoted(question.span.period)}::text as period, "
        f"date '{question.span.start}' as period_start, date '{question.span.end}' as period_end, "
        f"timestamptz '{question.row['as_of'].isoformat()}' as as_of, "
        f"timestamptz '{question.snapshot.published_at.isoformat()}' as published_at"
    )
    whose = (
        f"select organisation_id from shared.organisation group by 1 having min(level) = {quoted(question.level)}"
        if question.organisation_id == "ALL"
        else f"select {quoted(question.organisation_id)}::text as organisation_id"
    )
    plain.do(f"create temporary table agency on commit drop as {whose}")


def _scope(question: Question, column: str) -> str:
    is_everybody = question.organisation_id == "ALL" and question.level == "ALL"
    return "true" if is_everybody else f"{column} in (select organisation_id from agency)"


def _dossiers(plain: Apart, question: Question) -> None:
    is_offering = kind(question) == "offering"
    offering = "case receiving_organisation_id when 'UNKNOWN' then 'UNKNOWN' else receiving_organisation_id || ' ' || service_code end"
    plain.do(
        sql.load(
            "lgsp.explain", "dossiers", unit=offering if is_offering else "dossier_id", columns=", ".join(contract.load("dossier").names),
            scope=_scope(question, "receiving_organisation_id"), moves=dossier_flows.moves(),
        )
    )  # fmt: skip
    if not is_offering:
        plain.do(sql.load("lgsp.explain", "zero_activity"))
    _hold(plain, question, ["dossier"], dossier_flows.SUMS, "held")
    if is_offering:
        offered = f"select organisation_id || ' ' || service_code, organisation_id from shared.service_offering where {_scope(question, 'organisation_id')}"
        moved = "select organisation_id, split_part(organisation_id, ' ', 1) from told where service_code <> ''"
        units = f"select unit_id, 'offering' as kind, organisation_id from ({offered} union {moved}) o(unit_id, organisation_id)"
    else:
        units = (
            "select dossier_id as unit_id, 'dossier' as kind, receiving_organisation_id as organisation_id from shared.dossier "
            "where dossier_id in (select organisation_id from told)"
        )
    plain.do(sql.load("lgsp.explain", "agency", units=units))


def _papers(plain: Apart, question: Question) -> None:
    unit, measure = PAPERS[question.kpi_id]
    bearer = f"document_id || {MARK} || recipient_organisation_id" if unit == "delivery" else "document_id"
    marks = {"issuing_organisation_id": "document_id", "sender_organisation_id": bearer,
             "recipient_organisation_id": bearer, "organisation_id": "work_file_id"}  # fmt: skip
    versions = ", ".join(
        f"{table}_version as (select 1 as sign, {_marked(columns, marks)} from shared.{table})"
        for table, columns in document_flows.COLUMNS.items()
    )
    moves = document_flows.flows()
    plain.do(
        f"create temporary table told on commit drop as with {versions}, moved as ({moves}) "
        f"select split_part(organisation_id, {MARK}, 1) as agency_id, * from moved, asked "
        f"where {measure} <> 0 and day_on >= asked.period_start and day_on < asked.period_end "
        f"and {_scope(question, f'split_part(organisation_id, {MARK}, 1)')}"
    )
    _hold(plain, question, ["document", "work_file"], document_flows.SUMS, "held_papers")
    units = f"select distinct organisation_id as unit_id, '{unit}' as kind, agency_id as organisation_id from told where agency_id is not null"
    plain.do(sql.load("lgsp.explain", "agency", units=units))


def _marked(columns: str, marks: dict[str, str]) -> str:
    """A list of columns in which each agency bears the paper that counts for it."""
    return ", ".join(
        f"{name} || {MARK} || {marks[name]} as {name}" if name in marks else name for name in columns.split(", ")
    )


def _hold(plain: Apart, question: Question, kinds: Sequence[str], sums: Sums, measure: str) -> None:
    """Add the records that were in quarantine to `told`, each a unit."""
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
    by = ["''" for name in sums.by if name != "organisation_id"]
    plain.do(
        f"insert into told ({', '.join([*sums.by, 'day_on', *sums.measures])}) select unit_id, "
        f"{', '.join([*by, 'occurred_on', *('1' if name == measure else '0' for name in sums.measures)])} from held_unit"
    )


def _stand_in(plain: Apart, question: Question) -> None:
    """What the statements read: the units' sums, the units as agencies, the period, and who is asked about."""
    is_paper = question.table == "document_kpi"
    for name, sums in (("unit_movement", dossier_flows.SUMS), ("unit_paper_movement", document_flows.SUMS)):
        if is_paper == (sums is document_flows.SUMS):
            made = f"{sums.summed('told', 'day')} union all {sums.summed('told', 'month')}"
        else:
            made = f"select * from record.{sums.name} limit 0"
        plain.do(f"create temporary table {name} on commit drop as {made}")
        plain.do(f"analyze {name}")
    plain.do("create temporary table unit_organisation on commit drop as select * from shared.organisation limit 0")
    plain.do(
        "insert into unit_organisation (organisation_id, valid_from, name, level, is_current) "
        "select unit_id, '-infinity', unit_id, level, true from unit"
    )
    which = _scope(question, "organisation_id") if kind(question) == "offering" else "false"
    plain.do(
        f"create temporary table unit_offering on commit drop as select * from shared.service_offering where {which}"
    )
    plain.do("update unit_offering set organisation_id = organisation_id || ' ' || service_code")
    plain.do(
        "create temporary table period on commit drop as select period, period_start, period_end, as_of, true as is_covered from asked"
    )
    plain.do(
        "create temporary table affected on commit drop as select unit_id as organisation_id, period, period_start from unit, asked"
    )
    for name in ("affected", "period", "unit_organisation", "unit_offering"):  # nobody else counts temporary rows
        plain.do(f"analyze {name}")


def _answer(question: Question) -> str:
    """The query that tells what each unit contributes, over the statement that was published."""
    statement = f"(\n{compute.query(question.table)}\n) told"
    if question.table == "form_06a":
        field = f"where field_code = {quoted(question.field_code)} " if question.field_code else ""
        return f"select organisation_id as unit_id, sum({question.part})::bigint as numerator from {statement} {field}group by 1"
    if question.table == "zero_activity":
        return f"select organisation_id as unit_id, dossier_count as numerator from {statement} where channel = {quoted(question.part)}"
    kpi_id, columns = question.kpi_id, "numerator, denominator"
    if question.definition["unit"] in ("hours", "vnd"):  # what somebody reported, over the documents that were sent
        kpi_id, columns = "sent", "0 as numerator, numerator as denominator"
    return (
        f"select organisation_id as unit_id, {columns}, excluded_count as excluded, quarantined_count as quarantined "
        f"from {statement} where kpi_id = {quoted(kpi_id)}"
    )
