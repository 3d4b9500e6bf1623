"""Create the views of schema `shared` that exist in SQL only: tables joined with names, and one period at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lgsp import sql
from lgsp.schema import contract, views
from lgsp.schema.views import View


def statements(existing: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The statements that create or replace the views; `existing` has the columns of those in the store.

    The columns of an existing view keep their places, as PostgreSQL requires; new ones follow. When one loses a column,
    all are dropped first.
    """
    if any(set(existing.get(view.name, ())) - set(view.names) for view in views.every()):
        yield from dropped()
        existing = {}
    for view in views.every():
        yield _create(view, dict.fromkeys((*existing.get(view.name, ()), *view.names)))
        yield contract.comments("view", f"shared.{view.name}", view.description, view.meaning_vi, view.columns)


def dropped() -> Iterator[str]:
    """The statements that drop the views: while they exist, no column they read can change its type."""
    for view in reversed(views.every()):
        yield f"drop view if exists shared.{view.name}"


def _create(view: View, names: Collection[str]) -> str:
    query = (
        sql.load("lgsp.store", "views/service_kpi_period", period=view.period)
        if view.period
        else sql.load("lgsp.store", f"views/{view.name}")
    )
    return f"create or replace view shared.{view.name} as select {', '.join(names)} from (\n{query}\n) v"
