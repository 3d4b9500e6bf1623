"""Generate the data dictionary in Markdown: all shared tables, views, columns and rules."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp.schema import contract, views
from lgsp.schema.column import Column
from lgsp.schema.contract import Contract, Rule
from lgsp.schema.views import View

READING = "How to read the tables, the files and the history of each table: [reading the data](reading-the-data.md)."


def markdown() -> str:
    """The whole dictionary; `docs/data-dictionary.md` is this text."""
    generated = (
        "Generated from `include/lgsp/contracts/` and `include/lgsp/schema/views.yml` by `lgsp dictionary`; edit those."
    )
    return "\n".join([*_head(generated, READING), *_body()])


def published() -> str:
    """The dictionary as a snapshot has it: without links to pages of the project."""
    return "\n".join([*_head("All tables, columns and rules of this snapshot, and the views in SQL."), *_body()])


def _head(*paragraphs: str) -> list[str]:
    return [line for text in ("# Data dictionary", *paragraphs) for line in (text, "")]


def _body() -> list[str]:
    lines = list[str]()
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
        *_views(),
        "## Batches",
        "",
        "Conditions on every batch as a whole, checked before it can be published.",
        "",
    ]
    return [*lines, *_rules(contract.rules("batch")), ""]


def _views() -> list[str]:
    lines = ["## Views in SQL only", "", "They are in the schema `shared` too, and have no files and no history.", ""]
    for view in views.every():
        about = f"{view.description}. *{view.meaning_vi}*. {_key(view.key)} {_taken(view)}"
        lines += [f"### {view.name}", "", about, "", *_columns(view.own)]
        lines += [""] if view.own else []
    return lines


def _key(names: Iterable[str]) -> str:
    return f"Key: {_listed(names)}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _columns(columns: Iterable[Column]) -> list[str]:
    rows = [f"| `{c.name}` | {c.type} | {c.note} | {c.note_vi} |" for c in columns]
    return ["| column | type | meaning | nghĩa |", "| --- | --- | --- | --- |", *rows] if rows else []


def _references(table: Contract) -> str:
    """What its columns refer to."""
    joins = "; ".join(f"`{c.name}` → `{c.reference.table}`" for c in table.columns if c.reference)
    return f" References: {joins}." if joins else ""


def _taken(view: View) -> str:
    """The columns that a view has from another table or view."""
    without = f" but {_listed(view.without)}" if view.without else ""
    return f"All columns of `{view.source}`{without}{'; also:' if view.own else '.'}"


def _partition(table: Contract) -> str:
    return f" Partitioned by month of `{table.partition.name}`." if table.partition else ""


def _rules(rules: Iterable[Rule]) -> list[str]:
    head = ["| rule | severity | meaning | nghĩa | why | owner |", "| --- | --- | --- | --- | --- | --- |"]
    return head + [f"| `{r.id}` | {r.severity} | {r.meaning} | {r.meaning_vi} | {r.why} | {r.owner} |" for r in rules]
