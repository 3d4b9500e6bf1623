"""Determine what must be derived or written again because the program or the province's own files changed.

The shared tables are a pure function of the records: when the function, the calendar or the columns change, all rows are
derived again. Files are written again when the columns of their table have changed.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from lgsp import config, sql
from lgsp.schema import codelists, contract, records, sources
from lgsp.schema.fingerprint import fingerprint, format_fingerprint
from lgsp.snapshots.changes import Changes
from lgsp.store.transaction import Transaction
from lgsp.vietnam import successions, territory_versions, working_days, working_time

# The files of the program that derive agencies, dossiers, documents and completeness, in addition to columns, roles and calendar.
PROGRAM = (
    ("lgsp.publish", "link_dossiers.py"), ("lgsp.publish", "linking.yml"), ("lgsp.publish", "link_documents.py"), ("lgsp.vietnam", "working_time.py"),
    ("lgsp.publish", "resolve.py"), ("lgsp.publish", "agency_versions.py"), ("lgsp.publish", "list_timeline.py"),
    *(("lgsp.harmonise", f"organisations/{name}.py") for name in ("directory", "history", "matcher", "successors")),
    *(("lgsp.publish", f"sql/{name}.sql") for name in sql.names("lgsp.publish") if not name.startswith("reference/")),
    *(("lgsp.check", f"sql/completeness/{name}.sql") for name in ("feeds", "scope", "derive")),
)  # fmt: skip


@config.cached()
def derived_by() -> str:
    """A fingerprint of everything that derives shared rows from records, a province's own files included."""
    program = [sql.read(package, path) for package, path in PROGRAM]
    kinds = [f"{kind.name} {kind.columns}" for kind in records.KINDS.values()]
    roles = [f"{source.name} {source.role}" for source in sources.every()]
    shapes = [format_fingerprint(shared) for shared in contract.every()]
    days = map(str, working_days.calendar())
    lists = [repr(codelists.load(name)) for name in ("organisation_alias", "agency_code")]
    places = [repr((territory_versions.units(), territory_versions.crosswalk(), successions.load()))]
    return fingerprint(
        [*program, *kinds, *roles, *shapes, working_time.macros_sql(), *days, *lists, *places, config.active().province]
    )


def is_outdated(transaction: Transaction) -> bool:
    """Whether this version, with the province's own files, derives rows differently from the published ones."""
    if transaction.one("select max(snapshot_id) from ledger.publication") is None:
        return False
    return bool(transaction.one("select derived_by from ledger.installation") != derived_by())


def record_derivation(transaction: Transaction) -> None:
    """Record that this version of the program derived all rows; part of the publication."""
    transaction.do("update ledger.installation set derived_by = $1::text", derived_by())


def mark_outdated_files(transaction: Transaction, changes: Changes, is_lost: bool) -> None:
    """Mark all partitions of a table as changed when its files have other columns than now, or when files are lost."""
    written = set(transaction.rows("select distinct table_name, shape from ledger.publication_file"))
    for table in contract.every():
        shapes = {shape for name, shape in written if name == table.name}
        if is_lost or shapes - {format_fingerprint(table)}:
            parts = transaction.rows(f"select distinct {table.part_sql()} from shared.{table.name}")
            changes.add(table.name, [part for (part,) in parts], 0)


def missing_columns(accepted: Path) -> list[str]:
    """The columns that the accepted rows of a batch lack because an older version harmonised it."""
    missing: list[str] = []
    for kind in records.KINDS.values():
        staged = accepted / f"{kind.name}.parquet"
        if staged.exists():
            required = (*kind.names, *records.TOKENS) if kind is records.DOSSIER else kind.names
            existing = set(pq.read_schema(staged).names)
            missing += [f"{kind.name}.{name}" for name in required if name not in existing]
    return missing
