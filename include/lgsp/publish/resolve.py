"""Resolve the agencies and procedures that dossier records name, by the lists of the records' own time.

The result is a function of the records and of all lists that were read. When a list changes what a stored record means,
the record is derived again: a list that arrives late repairs what was published without it.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from lgsp import sql
from lgsp.check import completeness
from lgsp.publish import link_dossiers
from lgsp.publish.agency_versions import Agencies
from lgsp.store.index_lookups import by_key
from lgsp.store.transaction import Transaction

MEANING = pa.schema([("source", pa.string()), ("name", pa.string()), ("on_day", pa.date32()), ("organisation_id", pa.string()),
                     ("matched_by", pa.string()), ("began_on", pa.date32())])  # fmt: skip


def stage_lists(transaction: Transaction, agencies: Agencies) -> None:
    """Create the temporary tables of known agencies, their names, territories and successors, and known procedures."""
    for name in ("known_agency", "known_procedure", "agency_term", "agency_successor"):
        transaction.do(f"drop table if exists pg_temp.{name}")
        transaction.do(f"create temporary table {name} on commit drop as {sql.load('lgsp.publish', f'resolve/{name}')}")
    transaction.do("drop table if exists pg_temp.agency_key")
    transaction.do("create temporary table agency_key (organisation_id text, key text) on commit drop")
    names = agencies.names()
    transaction.load("agency_key", pa.table({"organisation_id": [n[0] for n in names], "key": [n[1] for n in names]}))
    for name in ("known_agency", "known_procedure", "agency_term", "agency_successor", "agency_key"):
        transaction.do(f"analyze {name}")


def complete_incoming(transaction: Transaction, agencies: Agencies) -> None:
    """Complete the temporary table `incoming_dossier` by what lists and the other versions of its records say.

    Needs the temporary tables of `stage_lists`. Leaves `naming` and `closing`, which `keep_versions` stores.
    """
    _stage_namings(transaction)
    _stage_closings(transaction)
    _resolve_incoming(transaction, agencies)


def _resolve_incoming(transaction: Transaction, agencies: Agencies) -> None:
    """Set the resolved columns and flags of `incoming_dossier`."""
    _stage_meanings(transaction, agencies)
    transaction.do("drop table if exists pg_temp.resolution")
    transaction.do(
        f"create temporary table resolution on commit drop as {sql.load('lgsp.publish', 'resolve/resolution')}"
    )
    transaction.do(
        "update incoming_dossier d set service_code = r.service_code, receiving_organisation_id = r.receiving_organisation_id, "
        "competent_organisation_id = r.competent_organisation_id, admin_unit_code = r.admin_unit_code, "
        "admin_unit_code_now = r.admin_unit_code_now, named_at = r.named_at, quality_flags = r.quality_flags "
        "from resolution r where d.ctid = r.row_id"
    )


def _stage_meanings(transaction: Transaction, agencies: Agencies) -> None:
    """Create `agency_meaning`: the agency of each name that a record without a known code needs, by day."""
    rows = transaction.rows(sql.load("lgsp.publish", "resolve/unmatched_name"))
    stage_meanings(transaction, agencies, [(source, name, on_day) for source, name, on_day in rows])


def stage_meanings(transaction: Transaction, agencies: Agencies, names: list[tuple[str, str, date]]) -> None:
    """Create the temporary table `agency_meaning` for names of sources on days."""
    found = [
        {"source": source, "name": name, "on_day": on_day, "organisation_id": match.organisation_id, "matched_by": match.matched_by,
         "began_on": agencies.directory.began_on(match.organisation_id)}
        for source, name, on_day in names if (match := agencies.matcher(source).match(name, on_day))
    ]  # fmt: skip
    transaction.do("drop table if exists pg_temp.agency_meaning")
    transaction.do(
        "create temporary table agency_meaning (source text, name text, on_day date, organisation_id text, matched_by text, began_on date) on commit drop"
    )
    transaction.load("agency_meaning", pa.Table.from_pylist(found, schema=MEANING))


def _stage_namings(transaction: Transaction) -> None:
    """Create `naming`: the agencies that the versions of each incoming record named, those read before included."""
    transaction.do("drop table if exists pg_temp.naming")
    with by_key(transaction):
        transaction.do(f"create temporary table naming on commit drop as {sql.load('lgsp.publish', 'resolve/naming')}")
    transaction.do("create index on naming (source, source_key)")
    transaction.do("analyze naming (source, source_key)")


def _stage_closings(transaction: Transaction) -> None:
    """Create `closing`: the first change that showed each closing without a reported day, and date the records by it."""
    transaction.do("drop table if exists pg_temp.closing")
    with by_key(transaction):
        transaction.do(
            f"create temporary table closing on commit drop as {sql.load('lgsp.publish', 'resolve/closing')}"
        )
    transaction.do("analyze closing (source, source_key)")
    transaction.do(sql.load("lgsp.publish", "resolve/first_closed"))


def keep_versions(transaction: Transaction) -> None:
    """Store what `naming` and `closing` have about the records that were just merged: the first version of each."""
    with by_key(transaction):
        for name in ("first_named", "forget_namings", "keep_namings", "keep_closings"):
            transaction.do(sql.load("lgsp.publish", f"resolve/{name}"))


def resolve_stored(transaction: Transaction, agencies: Agencies, keys: str) -> int:
    """Resolve stored records again, those whose (source, source_key) the query `keys` gives; the number that changed.

    Their link groups and counts are derived again as if a batch had brought them.
    """
    transaction.do("drop table if exists pg_temp.again")
    transaction.do(f"create temporary table again on commit drop as {keys}")
    if not transaction.one("select exists (select from again)"):
        return 0
    for name in ("incoming_document", "before_document"):
        transaction.temporary(name, "record.document")
    for name in ("incoming_dossier", "before_dossier"):
        transaction.temporary(name, "record.dossier")
        transaction.do(f"insert into {name} select d.* from record.dossier d join again using (source, source_key)")
        transaction.do(f"create index on {name} (source, source_key)")
        transaction.do(f"analyze {name} (source, source_key)")
    complete_incoming(transaction, agencies)
    transaction.do(sql.load("lgsp.publish", "resolve/unchanged"))
    transaction.do(
        "delete from before_dossier b where not exists (select from incoming_dossier i where (i.source, i.source_key) = (b.source, b.source_key))"
    )
    with by_key(transaction):
        changed = transaction.changed(sql.load("lgsp.publish", "resolve/store"))
    completeness.collect_changes(transaction)
    link_dossiers.add_changed_records(transaction)
    return changed


def resolve_aliases(transaction: Transaction, agencies: Agencies) -> None:
    """Match the spellings again that no list explained when they were read."""
    rows = transaction.rows(
        "select source, alias_key, coalesce(first_seen_on, date '2016-04-01') from record.organisation_alias where organisation_id is null"
    )
    stage_meanings(transaction, agencies, [(source, key, on_day) for source, key, on_day in rows])
    transaction.do(sql.load("lgsp.publish", "resolve/alias"))
