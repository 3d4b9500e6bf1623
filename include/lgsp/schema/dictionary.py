"""Generate the data dictionary in Markdown: all shared tables, columns and rules, from the contracts."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp.schema import contract
from lgsp.schema.contract import Contract, Rule

READING = "How to read the tables, the files and the history of each table: [reading the data](reading-the-data.md)."


def markdown() -> str:
    """The whole dictionary; `docs/data-dictionary.md` is this text."""
    generated = "Generated from `include/lgsp/contracts/` by `lgsp dictionary`; edit the contracts."
    return "\n".join([*_head(generated, READING), *_body()])


def published() -> str:
    """The dictionary as a snapshot has it: without links to pages of the project."""
    return "\n".join([*_head("All tables, columns and rules of this snapshot."), *_body()])


def _head(*paragraphs: str) -> list[str]:
    return [line for text in ("# Data dictionary", *paragraphs) for line in (text, "")]


def _body() -> list[str]:
    lines = list[str]()
    for table in contract.every():
        key = ", ".join(f"`{name}`" for name in table.key)
        lines += [
            f"## {table.name}",
            "",
            f"{table.description}. *{table.meaning_vi}*. Key: {key}.{_partition(table)}",
            "",
        ]
        lines += ["| column | type | meaning | nghĩa |", "| --- | --- | --- | --- |"]
        lines += [f"| `{c.name}` | {c.type} | {c.note} | {c.note_vi} |" for c in table.columns]
        lines += ["", *_rules(table.rules)] if table.rules else []
        lines.append("")
    lines += ["## Batches", "", "Conditions on every batch as a whole, checked before it can be published.", ""]
    return [*lines, *_rules(contract.rules("batch")), ""]


def _partition(table: Contract) -> str:
    return f" Partitioned by month of `{table.partition.name}`." if table.partition else ""


def _rules(rules: Iterable[Rule]) -> list[str]:
    head = ["| rule | severity | meaning | nghĩa | why | owner |", "| --- | --- | --- | --- | --- | --- |"]
    return head + [f"| `{r.id}` | {r.severity} | {r.meaning} | {r.meaning_vi} | {r.why} | {r.owner} |" for r in rules]
