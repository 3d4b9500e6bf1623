"""The reference tables and the lists of agencies and services: published as they are staged in schema `record`."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp import sql
from lgsp.indicators import definitions
from lgsp.publish import merge
from lgsp.snapshots.changes import Touched
from lgsp.store.transaction import Transaction

REFERENCE = ("admin_unit", "admin_unit_crosswalk", "working_day", *definitions.NAMES)
LISTS = ("organisation", "organisation_alias", "service", "service_offering")


def publish(
    transaction: Transaction, snapshot_id: int, touched: Touched, names: Iterable[str] = (*REFERENCE, *LISTS)
) -> None:
    """Merge these shared tables with what is staged for them.

    Reads: schema `record`. Writes: the shared tables of these names and their history.
    """
    for name in names:
        merge.whole(transaction, name, query(name), snapshot_id, touched)


def query(name: str) -> str:
    """The query that gives the rows of one of these tables."""
    return sql.load("lgsp.publish", f"reference/{name}")
