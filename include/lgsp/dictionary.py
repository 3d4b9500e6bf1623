"""The data dictionary: every shared table and column as its contract describes it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp import contract
from lgsp.contract import Rule


def markdown() -> str:
    """The whole dictionary; `docs/data-dictionary.md` is this text."""
    lines = ["# Data dictionary", "", "Made from `include/lgsp/contracts/` by `lgsp dictionary`; mend it there.", ""]
    for table in contract.every():
        key = ", ".join(f"`{name}`" for name in table.key)
        lines += [f"## {table.name}", "", f"{table.description}. *{table.meaning_vi}*. Key: {key}.", ""]
        lines += ["| column | type | meaning | nghĩa |", "| --- | --- | --- | --- |"]
        lines += [f"| `{c.name}` | {c.type} | {c.description} | {c.meaning_vi} |" for c in table.columns]
        lines += ["", *_rules(table.rules)] if table.rules else []
        lines.append("")
    lines += ["## Batches", "", "What every batch must keep as a whole before any of it is published.", ""]
    return "\n".join([*lines, *_rules(contract.rules("batch")), ""])


def _rules(rules: Iterable[Rule]) -> list[str]:
    head = ["| rule | severity | meaning | nghĩa | why | who mends it |", "| --- | --- | --- | --- | --- | --- |"]
    return head + [f"| `{r.id}` | {r.severity} | {r.meaning} | {r.meaning_vi} | {r.why} | {r.owner} |" for r in rules]
