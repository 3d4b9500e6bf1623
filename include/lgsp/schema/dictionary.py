"""Generate the data dictionary in Markdown: all shared tables, views, columns and rules."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp.schema import contract, views
from lgsp.schema.contract import Column, Contract, Rule
from lgsp.schema.views import View

READING = "How to read the tables, the files and the history of each table: [reading the data](reading-the-data.md)."


def markdown() -> str:
    """The whole dictionary; `docs/data-dictionary.md` is this text."""
    lines = [
        "# Data dictionary",
        "",
        "Generated from `include/lgsp/contracts/` and `include/lgsp/schema/views.yml` by `lgsp dictionary`; edit those.",
        "",
        READING,
        "",
    ]
    for table in contract.every():
        lines += [
            f"## {table.name}",
            "",
            f"{table.description}. *{table.meaning_vi}*. {_key(table.key)}{_partition(table)}{_references(table)}",
            "",
            *_columns(table.columns),
        ]
        lines += ["", *_rules(table.rules)] if table.rules else []
        lines.append("")
    lines += [
        "## Views in SQL only",
        "",
        "They are in the schema `shared` too, and have no files and no history of their own.",
        "",
    ]
    for view in views.every():
        lines += [
            f"### {view.name}",
            "",
            f"{view.description}. *{view.meaning_vi}*. {_key(view.key)} {_taken(view)}",
            "",
        ]
        lines += [*_columns(view.own), ""] if view.own else []
    lines += ["## Batches", "", "Conditions on every batch as a whole, checked before it can be published.", ""]
    return "\n".join([*lines, *_rules(contract.rules("batch")), ""])


def _key(names: Iterable[str]) -> str:
    return f"Key: {_listed(names)}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _columns(columns: Iterable[Column]) -> list[str]:
    head = ["| column | type | meaning | nghĩa |", "| --- | --- | --- | --- |"]
    return head + [f"| `{c.name}` | {c.type} | {c.description} | {c.meaning_vi} |" for c in columns]


def _partition(table: Contract) -> str:
    return f" Partitioned by month of `{table.partition.name}`." if table.partition else ""


def _references(table: Contract) -> str:
    """The joins of a table that double no row."""
    joins = "; ".join(f"{_listed(each.columns)} → `{each.table}`" for each in table.references)
    return f" References: {joins}." if joins else ""


def _taken(view: View) -> str:
    """The columns that a view has from another table or view."""
    without = f" but {_listed(view.without)}" if view.without else ""
    return f"All columns of `{view.source}`{without}{'; also:' if view.own else '.'}"


def _rules(rules: Iterable[Rule]) -> list[str]:
    head = ["| rule | severity | meaning | nghĩa | why | owner |", "| --- | --- | --- | --- | --- | --- |"]
    return head + [f"| `{r.id}` | {r.severity} | {r.meaning} | {r.meaning_vi} | {r.why} | {r.owner} |" for r in rules]
