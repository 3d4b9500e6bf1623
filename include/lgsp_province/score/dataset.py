"""Reads the published dataset, and what the ledger and the record store contain about each source record."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from lgsp import store
from lgsp.schema import sources
from lgsp.settings import Settings

Key = tuple[str, str]  # a source, and the key of a record in it
Row = dict[str, Any]


@dataclass
class Dataset:
    """The shared rows by table, and values of the ledger and the record store by source record.

    `repairs` are pairs of a field and a treatment that changed it. `quarantined` are the open rules by record, `caught`
    the records by rule, flagged or quarantined. `worklist_count` counts agency spellings that wait for a review.
    """

    tables: dict[str, list[Row]]
    dossier_of: dict[Key, str] = field(default_factory=dict)
    match_rule_of: dict[Key, str] = field(default_factory=dict)
    agency_of: dict[Key, str] = field(default_factory=dict)
    repairs: dict[Key, set[tuple[str, str]]] = field(default_factory=dict)
    flags: dict[Key, frozenset[str]] = field(default_factory=dict)
    document_of: dict[Key, str] = field(default_factory=dict)
    subject_of: dict[Key, str | None] = field(default_factory=dict)
    quarantined: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    caught: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    duplicate_counts: dict[str, int] = field(default_factory=dict)
    gap_count: int = 0
    drifted_fields: set[str] = field(default_factory=set)
    worklist_count: int = 0

    @cached_property
    def dossiers(self) -> dict[str, Row]:
        """The published dossiers by id."""
        return {row["dossier_id"]: row for row in self.tables["dossier"]}

    def is_published(self, record: Key) -> bool:
        """Whether a source record contributes to a shared row."""
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

        dataset = Dataset({table: rows(f"select * from shared.{table}") for table in SHARED})
        counts = rows("select dossier_id, count(*) as event_count from shared.dossier_event group by 1")
        event_counts = {row["dossier_id"]: row["event_count"] for row in counts}
        for row in dataset.tables["dossier"]:
            row["event_count"] = event_counts.get(row["dossier_id"], 0)
        _read_records(dataset, rows)
        _read_ledger(dataset, rows)
        _read_caught(dataset, rows)
    return dataset


def _parse_repairs(repairs: str | None) -> set[tuple[str, str]]:
    """Pairs of a field, without list markers, and a treatment, from a value such as `name:nfc+html,phone:format`."""
    pairs = (part.rsplit(":", 1) for part in (repairs or "").split(",") if part)
    return {(path.replace("[*]", ""), name) for path, names in pairs for name in names.split("+")}


def _read_records(dataset: Dataset, rows: Callable[[str], list[Row]]) -> None:
    for row in dataset.tables["dossier_source"]:
        record = (row["source"], row["source_key"])
        dataset.dossier_of[record], dataset.match_rule_of[record] = row["dossier_id"], row["match_rule"]
    for row in rows("select source, source_key, repairs, quality_flags, receiving_organisation_id as agency from record.dossier"):  # fmt: skip
        record = (row["source"], row["source_key"])
        dataset.repairs[record] = _parse_repairs(row["repairs"])
        dataset.flags[record] = frozenset(row["quality_flags"] or ())
        dataset.agency_of[record] = row["agency"]
    for row in rows("select source, source_key, document_id, repairs, quality_flags, subject from record.document"):
        record = (row["source"], row["source_key"])
        dataset.repairs[record] = _parse_repairs(row["repairs"])
        dataset.flags[record] = frozenset(row["quality_flags"] or ())
        dataset.document_of[record], dataset.subject_of[record] = row["document_id"], row["subject"]


def _read_ledger(dataset: Dataset, rows: Callable[[str], list[Row]]) -> None:
    for row in rows("select source, source_key, rule_id from ledger.quarantine where state = 'open'"):
        dataset.quarantined[row["source"], row["source_key"]].add(row["rule_id"])
    for row in rows(
        "select source, duplicate_count, gap_count, schema_drift from ledger.batch where state = 'published'"
    ):
        count = dataset.duplicate_counts.get(row["source"], 0)
        dataset.duplicate_counts[row["source"]] = count + row["duplicate_count"]
        dataset.gap_count += abs(row["gap_count"])
        dataset.drifted_fields |= {name for item in row["schema_drift"] for name in (*item["new"], *item["gone"])}
    dataset.worklist_count = rows(
        "select count(*) as n from ledger.organisation_worklist where state = 'open' and record_count > 0"
    )[0]["n"]


def _read_caught(dataset: Dataset, rows: Callable[[str], list[Row]]) -> None:
    """Fill in the records that each rule caught; records without a key are numbered `? 1`, `? 2` and so on."""
    for row in rows(
        "select rule_id, source, case when source_key = '?' then '? ' || dense_rank() over "
        "(partition by source, kind, rule_id, source_key order by record_hash) else source_key end as source_key "
        "from ledger.quarantine where state = 'open'"
    ):
        dataset.caught[row["rule_id"]].add((row["source"], row["source_key"]))
    for kind in ("dossier", "document", "document_status"):
        for row in rows(f"select source, source_key, unnest(quality_flags) as rule_id from record.{kind}"):
            dataset.caught[row["rule_id"]].add((row["source"], row["source_key"]))
    # work files have no flags: only the sample keys of a check show which ones its rules caught
    for row in rows(
        "select rule_id, split_part(batch_id, '.', 1) as source, unnest(sample_keys) as source_key from ledger.check_result "
        "where suite = 'rows · work_file' and severity in ('warning', 'info') and failed_count > 0"
    ):
        dataset.caught[row["rule_id"]].add((row["source"], row["source_key"]))


def fields_read(source: str) -> dict[str, str]:
    """The fields of a source's dossiers that reach the dataset, with their treatments; ignored fields are left out."""
    treatments: dict[str, str] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, child in node.items():
                walk(child, f"{path}.{name}" if path else name)
        elif isinstance(node, list):
            walk(node[0], path)
        elif node not in ("ignored", "text"):  # a `text` field of a dossier is only used to recognise test records
            treatments[path] = node

    lists = sources.load(source).lists
    walk(lists["dossiers"]["fields"] if "dossiers" in lists else {}, "")
    return treatments


def texts(settings: Settings) -> dict[str, list[str]]:
    """The distinct values of every text column of every shared table, by `table.column`."""
    columns = (
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema = 'shared' and data_type in ('text', 'character varying', 'ARRAY', 'jsonb')"
    )
    values = {}
    with store.connect(settings) as connection:
        for row in connection.execute(columns).fetchall():
            table, column = row["table_name"], row["column_name"]
            expression = f'unnest("{column}")' if row["data_type"] == "ARRAY" else f'"{column}"'
            query = f'select distinct value::text as value from (select {expression} as value from shared."{table}") v where value is not null'
            values[f"{table}.{column}"] = [
                str(match["value"]) for match in connection.execute(query.encode()).fetchall()
            ]
    return values


def format_value(value: object) -> str:
    """A value as text for a report."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
