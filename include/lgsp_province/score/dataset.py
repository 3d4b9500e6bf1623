"""What the platform published of a world, and what it says of how it read it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from lgsp import store
from lgsp.schema import sources
from lgsp.settings import Settings

Key = tuple[str, str]  # a source, and the key by which it knows a record
Row = dict[str, Any]


@dataclass
class Dataset:
    """Shared rows by table, and what the ledger and the record store tell of single source records."""

    tables: dict[str, list[Row]]
    dossier_of: dict[Key, str] = field(default_factory=dict)
    rule_of: dict[Key, str] = field(default_factory=dict)
    agency_of: dict[Key, str] = field(default_factory=dict)
    marks: dict[Key, set[tuple[str, str]]] = field(default_factory=dict)
    flags: dict[Key, frozenset[str]] = field(default_factory=dict)
    document_of: dict[Key, str] = field(default_factory=dict)
    subject_of: dict[Key, str | None] = field(default_factory=dict)
    quarantined: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    caught: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    duplicates: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    drifted: set[str] = field(default_factory=set)
    waiting: int = 0

    @cached_property
    def dossiers(self) -> dict[str, Row]:
        """The published dossiers by id."""
        return {row["dossier_id"]: row for row in self.tables["dossier"]}

    def is_published(self, record: Key) -> bool:
        """Whether anything shared comes from a source record."""
        return record in self.dossier_of or record in self.document_of


SHARED = (
    "dossier", "dossier_source", "document", "document_delivery", "work_file", "reconciliation", "organisation_alias",
    "service_kpi", "zero_activity",
)  # fmt: skip


def read(settings: Settings) -> Dataset:
    """The published dataset of an installation."""
    with store.connect(settings) as connection:

        def rows(query: str) -> list[Row]:
            return connection.execute(query).fetchall()

        found = Dataset({table: rows(f"select * from shared.{table}") for table in SHARED})
        counts = rows("select dossier_id, count(*) as event_count from shared.dossier_event group by 1")
        events = {row["dossier_id"]: row["event_count"] for row in counts}
        for row in found.tables["dossier"]:
            row["event_count"] = events.get(row["dossier_id"], 0)
        _records(found, rows)
        _ledger(found, rows)
        _caught(found, rows)
    return found


def _said(repairs: str | None) -> set[tuple[str, str]]:
    """Fields (without the marks of lists) and treatments, one pair for each that was undone."""
    pairs = (part.rsplit(":", 1) for part in (repairs or "").split(",") if part)
    return {(path.replace("[*]", ""), name) for path, names in pairs for name in names.split("+")}


def _records(found: Dataset, rows: Callable[[str], list[Row]]) -> None:
    for row in found.tables["dossier_source"]:
        record = (row["source"], row["source_key"])
        found.dossier_of[record], found.rule_of[record] = row["dossier_id"], row["match_rule"]
    for row in rows("select source, source_key, repairs, quality_flags, receiving_organisation_id as agency from record.dossier"):  # fmt: skip
        record = (row["source"], row["source_key"])
        found.marks[record] = _said(row["repairs"])
        found.flags[record] = frozenset(row["quality_flags"] or ())
        found.agency_of[record] = row["agency"]
    for row in rows("select source, source_key, document_id, repairs, quality_flags, subject from record.document"):
        record = (row["source"], row["source_key"])
        found.marks[record] = _said(row["repairs"])
        found.flags[record] = frozenset(row["quality_flags"] or ())
        found.document_of[record], found.subject_of[record] = row["document_id"], row["subject"]


def _ledger(found: Dataset, rows: Callable[[str], list[Row]]) -> None:
    for row in rows("select source, source_key, rule_id from ledger.quarantine where state = 'open'"):
        found.quarantined[row["source"], row["source_key"]].add(row["rule_id"])
    for row in rows(
        "select source, duplicate_count, gap_count, schema_drift from ledger.batch where state = 'published'"
    ):
        found.duplicates[row["source"]] = found.duplicates.get(row["source"], 0) + row["duplicate_count"]
        found.gaps += abs(row["gap_count"])
        found.drifted |= {name for item in row["schema_drift"] for name in (*item["new"], *item["gone"])}
    found.waiting = rows(
        "select count(*) as n from ledger.organisation_worklist where state = 'open' and record_count > 0"
    )[0]["n"]


def _caught(found: Dataset, rows: Callable[[str], list[Row]]) -> None:
    """Records by the rule that caught them; those without a key are numbered."""
    for row in rows(
        "select rule_id, source, case when source_key = '?' then '? ' || dense_rank() over "
        "(partition by source, kind, rule_id, source_key order by record_hash) else source_key end as source_key "
        "from ledger.quarantine where state = 'open'"
    ):
        found.caught[row["rule_id"]].add((row["source"], row["source_key"]))
    for kind in ("dossier", "document", "document_status"):
        for row in rows(f"select source, source_key, unnest(quality_flags) as rule_id from record.{kind}"):
            found.caught[row["rule_id"]].add((row["source"], row["source_key"]))
    # work files bear no flags: what warns of them is known by a few examples
    for row in rows(
        "select rule_id, split_part(batch_id, '.', 1) as source, unnest(sample_keys) as source_key from ledger.check_result "
        "where suite = 'rows · work_file' and severity in ('warning', 'info') and failed_count > 0"
    ):
        found.caught[row["rule_id"]].add((row["source"], row["source_key"]))


def fields_read(source: str) -> dict[str, str]:
    """The fields of a source's dossiers that reach the dataset, with their treatments; those passed over are not in it."""
    found: dict[str, str] = {}

    def walk(told: Any, path: str) -> None:
        if isinstance(told, dict):
            for name, inner in told.items():
                walk(inner, f"{path}.{name}" if path else name)
        elif isinstance(told, list):
            walk(told[0], path)
        elif told not in ("ignored", "text"):  # a `text` of a dossier is only looked at, to recognise trial records
            found[path] = told

    lists = sources.load(source).lists
    walk(lists["dossiers"]["fields"] if "dossiers" in lists else {}, "")
    return found


def texts(settings: Settings) -> dict[str, list[str]]:
    """Every different value of every text column of every shared table, by `table.column`."""
    columns = (
        "select c.table_name, c.column_name, c.data_type from information_schema.columns c "
        "join information_schema.tables t using (table_schema, table_name) "
        "where c.table_schema = 'shared' and t.table_type = 'BASE TABLE' and c.data_type in ('text', 'character varying', 'ARRAY', 'jsonb')"
    )
    found = {}
    with store.connect(settings) as connection:
        for row in connection.execute(columns).fetchall():
            table, column = row["table_name"], row["column_name"]
            value = f'unnest("{column}")' if row["data_type"] == "ARRAY" else f'"{column}"'
            query = f'select distinct value::text as value from (select {value} as value from shared."{table}") v where value is not null'
            found[f"{table}.{column}"] = [str(one["value"]) for one in connection.execute(query.encode()).fetchall()]
    return found


def shown(value: object) -> str:
    """A value as a report shows it."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
