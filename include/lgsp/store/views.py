"""Create the views of schema `shared` that exist in SQL only: tables joined with names, and one period at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

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


def query(view: View, relation: Callable[[str], str]) -> str:
    """The query of a view; `relation` gives the SQL of a table or view that it reads, by its name."""
    file = "views/service_kpi_period" if view.period else f"views/{view.name}"
    names = sql.placeholders("lgsp.store", file)
    return sql.load("lgsp.store", file, **{n: view.period if n == "period" else relation(n) for n in names})


def tables(view: View) -> set[str]:
    """The names of the tables that a view reads, also through another view."""
    read: set[str] = set()

    def relation(name: str) -> str:
        known = views.by_name()
        read.update(tables(known[name]) if name in known else {name})
        return name

    query(view, relation)
    return read


def as_of(view: View, snapshot_id: int) -> str:
    """The query of a view over its tables as of a snapshot."""

    def relation(name: str) -> str:
        known = views.by_name()
        return f"({as_of(known[name], snapshot_id)})" if name in known else f"history.{name}_as_of({snapshot_id})"

    return query(view, relation)


def _create(view: View, names: Collection[str]) -> str:
    """The statement that creates a view. It reads with the rights of its reader, so row security applies."""
    rows = query(view, lambda name: f"shared.{name}")
    return f"create or replace view shared.{view.name} with (security_invoker) as select {', '.join(names)} from (\n{rows}\n) v"
