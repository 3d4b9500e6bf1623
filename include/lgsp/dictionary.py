"""The data dictionary: every shared table and column as its contract describes it, as Markdown."""

from __future__ import annotations

from lgsp import contract


def markdown() -> str:
    """The whole dictionary; `docs/data-dictionary.md` is this text."""
    lines = ["# Data dictionary", "", "Made from `include/lgsp/contracts/` by `lgsp dictionary`; mend it there.", ""]
    for table in contract.every():
        key = ", ".join(f"`{name}`" for name in table.key)
        lines += [f"## {table.name}", "", f"{table.description}. *{table.meaning_vi}*. Key: {key}.", ""]
        lines += ["| column | type | meaning | nghĩa |", "| --- | --- | --- | --- |"]
        lines += [f"| `{c.name}` | {c.type} | {c.description} | {c.meaning_vi} |" for c in table.columns]
        if table.rules:
            lines += ["", "| rule | severity | meaning | nghĩa | why |", "| --- | --- | --- | --- | --- |"]
            lines += [f"| `{r.id}` | {r.severity} | {r.meaning} | {r.meaning_vi} | {r.why} |" for r in table.rules]
        lines.append("")
    return "\n".join(lines)
