"""The data dictionary: every shared table and column as its contract describes it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp.schema import contract
from lgsp.schema.contract import Contract, Rule

FILES = """
## The Parquet side

`shared/current` leads to `snapshots/<id>/`, a folder that holds one whole snapshot and nothing else:

| path | content |
| --- | --- |
| `<table>/<sha>.parquet` | a table in one file |
| `<table>/<months>/month=YYYY-MM/<sha>.parquet` | a table cut by local month (Asia/Ho_Chi_Minh), one file for each month, in a folder named by which months these are |
| `manifest.json`, `manifest.json.sig` | every file with its rows, bytes, SHA-256 and content hash; its signature |
| `catalog.json` | the same for portals: DCAT 3 as JSON-LD, with this dictionary in it |

* The columns and their types are those below; `timestamptz` is microseconds in UTC, money is whole VND in `bigint`, `text[]` a list of strings. Each column carries its
  `description` and `description_vi` as field metadata, each file its `contract` and `version`.
* Readers that know folders named `month=…` add a column `month`, the local month of the column that is **cut by month** below. It is no column of the table.
* A file never changes: what a snapshot did not change is the same file as before. A table without rows is one file without rows, so that its columns can be read.
* Whoever reads several tables, or one in several steps, resolves `current` once (`os.path.realpath`) and reads below that. Below `current` itself a reader
  whom a new snapshot overtakes is told that a file or folder is gone, and reads again: it never sees some files of each.
"""

HISTORY = """
## History

Every table has its past beside it, in schema `history`: a row version that was replaced or deleted moves to `history.<table>` with `snapshot_from` and `snapshot_to`
(half open). These functions answer for it; `dossier` stands for any table.

| function | gives |
| --- | --- |
| `history.dossier_as_of(snapshot)` | the rows exactly as that snapshot showed them |
| `history.dossier_changes(since, until)` | what a copy of snapshot `since` must apply to become `until` (empty: the newest): `change` (insert, update, delete), `changed_in`, then the row |
| `history.snapshot_at(time)` | the newest snapshot that was published at or before a time |
| `history.held(snapshot)` | true, or an error that says why: that snapshot was never published, or its history was retired |

There are two clocks. **What was known**: `snapshot_id`, and `published_at` in `shared.snapshot`; it answers "what did the dashboard show on 5 August?". **What was so**:
the rows' own times (`received_at`, `finished_on`, `valid_from` …) and `as_of`, the data's own time; it answers "what happened in July?", better with every snapshot.

```sql
select kpi_id, value from history.service_kpi_as_of(history.snapshot_at('2026-08-05 08:00+07')) where organisation_id = 'ALL' and period = 'month';  -- known then
select change, dossier_id, status from history.dossier_changes(17);                                                  -- everything since snapshot 17
```
"""


def markdown() -> str:
    """The whole dictionary; `docs/data-dictionary.md` is this text."""
    lines = ["# Data dictionary", "", "Made from `include/lgsp/contracts/` by `lgsp dictionary`; mend it there.", ""]
    lines += [*FILES.strip().splitlines(), "", *HISTORY.strip().splitlines(), ""]
    for table in contract.every():
        key = ", ".join(f"`{name}`" for name in table.key)
        lines += [f"## {table.name}", "", f"{table.description}. *{table.meaning_vi}*. Key: {key}.{_cut(table)}", ""]
        lines += ["| column | type | meaning | nghĩa |", "| --- | --- | --- | --- |"]
        lines += [f"| `{c.name}` | {c.type} | {c.description} | {c.meaning_vi} |" for c in table.columns]
        lines += ["", *_rules(table.rules)] if table.rules else []
        lines.append("")
    lines += ["## Batches", "", "What every batch must keep as a whole before any of it is published.", ""]
    return "\n".join([*lines, *_rules(contract.rules("batch")), ""])


def _cut(table: Contract) -> str:
    return f" Cut by month of `{table.partition.name}`." if table.partition else ""


def _rules(rules: Iterable[Rule]) -> list[str]:
    head = ["| rule | severity | meaning | nghĩa | why | who mends it |", "| --- | --- | --- | --- | --- | --- |"]
    return head + [f"| `{r.id}` | {r.severity} | {r.meaning} | {r.meaning_vi} | {r.why} | {r.owner} |" for r in rules]
