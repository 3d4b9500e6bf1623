"""Publish the reference tables and the lists of agencies and services from schema `record`."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp import sql
from lgsp.indicators import definitions
from lgsp.publish import merge
from lgsp.publish.context import PublishRun
from lgsp.schema import contract
from lgsp.snapshots.changes import Changes
from lgsp.store.transaction import Transaction

REFERENCE = ("admin_unit", "admin_unit_crosswalk", "working_day", *definitions.NAMES)
LISTS = ("organisation", "organisation_alias", "service", "service_offering")


def merge_reference_tables(run: PublishRun) -> None:
    """Publish territories, calendar, definitions, agencies and services.

    Reads: schema `record`, ledger.source, ledger.batch. Writes: the shared tables in REFERENCE and LISTS, their history.
    """
    merge_tables(run.transaction, run.snapshot_id, run.changes)


def merge_tables(
    transaction: Transaction, snapshot_id: int, changes: Changes, names: Iterable[str] = (*REFERENCE, *LISTS)
) -> None:
    """Make these shared tables equal to what their queries give; most publications change none of them."""
    for name in names:
        if not merge.is_current(transaction, contract.load(name), query(name)):
            merge.merge_query(transaction, name, query(name), snapshot_id, changes)


def query(name: str) -> str:
    """The query that gives the rows of a table in REFERENCE or LISTS."""
    return sql.load("lgsp.publish", f"reference/{name}")
