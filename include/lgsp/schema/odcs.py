"""Make the published form of a contract: a complete Open Data Contract Standard document that foreign tools execute.

The contracts of the package say what only people can say. The rest is derived from them and from the installation:
servers, service levels, roles, and quality rules that any tool for the standard runs on PostgreSQL or on the Parquet
files: required columns, unique keys, codes, and the table rules that need no other table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lgsp.schema import contract, sources, yaml_file
from lgsp.schema.column import Column, Reference
from lgsp.schema.contract import Contract, Rule
from lgsp.schema.installation import Installation

SUFFIX = ".odcs.yaml"
TEAM = "LGSP platform team"
READER = "lgsp_reader"
# How the platform tests its own rules; of no use to readers.
INTERNAL = ("proof", "native")
# Types whose name in PostgreSQL is not known for Parquet, by a name that tools understand for both.
PORTABLE = {"timestamptz": "timestamp", "double precision": "double", "text[]": "array<text>"}
OTHER_SCHEMA = re.compile(r"\b(?:ledger|record|restricted|indicator)\.")


def text(table: Contract, installation: Installation) -> str:
    """The published contract of a table as YAML."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(document(table, installation), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120))


def document(table: Contract, installation: Installation) -> dict[str, Any]:
    """The published contract of a table, as a document of the standard (version 3.1)."""
    source = yaml_file.read(contract.FOLDER / f"{table.name}.yml")
    head = {key: value for key, value in source.items() if key != "schema"}
    (described,) = source["schema"]
    columns = {column.name: column for column in table.columns}
    properties = [_property(item, columns[item["name"]]) for item in described["properties"]]
    own = [_without_internal(rule) for rule in described.get("quality", [])]
    schema = {
        "id": table.name, **described, "quality": [*own, *_table_rules(table)], "properties": properties,
    }  # fmt: skip
    return {
        **head, "servers": _servers(table, installation), "schema": [schema], "support": [_support(installation)],
        "team": {"name": TEAM, "description": "Operates the platform and answers for the contract"},
        "roles": [{"role": READER, "access": "read", "description": "Reads the schemas shared and history"}],
        "slaProperties": list(_service_levels(installation)),
    }  # fmt: skip


def executable_rules(table: Contract) -> Iterator[Rule]:
    """The table rules that a reader can execute: they refuse a publication and read no other table."""
    return (
        rule for rule in table.rules if rule.kind == "table" and rule.is_blocking and not OTHER_SCHEMA.search(rule.bad)
    )


def _property(item: dict[str, Any], column: Column) -> dict[str, Any]:
    """A column with stable id, relationship across contracts and executable rules."""
    published = {"id": column.name, **item, "physicalType": PORTABLE.get(column.type, column.type)}
    if column.type == "timestamptz":
        published["logicalTypeOptions"] = {"timezone": True}
    if column.reference:
        published["relationships"] = [_relationship(item["relationships"][0], column.reference)]
    if rules := list(_column_rules(column)):
        published["quality"] = rules
    return published


def _relationship(item: dict[str, Any], reference: Reference) -> dict[str, Any]:
    """A relationship to a column of another contract, in the notation of the standard for another file."""
    target = f"{reference.table}{SUFFIX}#/schema/{reference.table}/properties/{reference.column}"
    return {"type": "foreignKey", **item, "to": target}


def _column_rules(column: Column) -> Iterator[dict[str, Any]]:
    if not column.is_nullable:
        yield _library(f"{column.name}_required", "nullValues", "completeness", "The column is never empty")
    if column.codes:
        rule = _library(f"{column.name}_codes", "invalidValues", "conformity", "The value is one of the known codes")
        yield rule | {"arguments": {"validValues": list(column.codes)}}


def _table_rules(table: Contract) -> Iterator[dict[str, Any]]:
    rule = _library(f"{table.name}_key", "duplicateValues", "uniqueness", "The key identifies one row")
    yield rule | {"arguments": {"properties": list(table.key)}}
    for own in executable_rules(table):
        yield {
            "id": f"{own.id}_SQL", "type": "sql", "description": own.meaning, "dimension": "consistency", "severity": own.severity,
            "query": f"select count(*) from ${{table}} where {own.bad}", "mustBe": 0,
        }  # fmt: skip


def _library(rule_id: str, metric: str, dimension: str, description: str) -> dict[str, Any]:
    return {
        "id": rule_id, "type": "library", "metric": metric, "description": description, "dimension": dimension,
        "severity": "error", "mustBe": 0,
    }  # fmt: skip


def _without_internal(rule: dict[str, Any]) -> dict[str, Any]:
    properties = [item for item in rule.get("customProperties", []) if item["property"] not in INTERNAL]
    return {**rule, "customProperties": properties}


def _servers(table: Contract, installation: Installation) -> list[dict[str, Any]]:
    return [
        {
            "server": "postgres", "type": "postgres", "description": "The newest snapshot in SQL",
            "host": installation.host, "port": installation.port, "database": installation.database, "schema": "shared",
        },
        {
            "server": "parquet", "type": "local", "description": "One snapshot in Parquet; the path is relative to its folder",
            "path": f"./{table.name}/**/*.parquet", "format": "parquet",
        },
    ]  # fmt: skip


def _support(installation: Installation) -> dict[str, Any]:
    channel = {"channel": TEAM, "scope": "issues", "description": "Questions about the data, and errors in them"}
    return {**channel, "url": installation.contact_address} if installation.contact_address else channel


def _service_levels(installation: Installation) -> Iterator[dict[str, Any]]:
    """How far the data may be behind, how often they are published, and how long snapshots stay readable."""
    hours = max(source.freshness["hours"] for source in sources.every())
    keeps = installation.retention
    levels = [
        ("freshness", hours, "h", "The time up to which a source was read is at most this far behind; after that an alarm is raised"),
        ("frequency", 1, "d", "A snapshot follows every change that a source reports, at least once a day"),
        ("retention", keeps.every_days, "d", "The files of every snapshot stay readable this long after the next one"),
        ("retention", keeps.daily_days, "d", "The files of the last snapshot of each local day stay readable this long"),
        ("retention", keeps.monthly_months, "mo", "The files of the last snapshot of each month stay readable this long"),
    ]  # fmt: skip
    for number, (name, value, unit, description) in enumerate(levels, 1):
        yield {"id": f"{name}_{number}", "property": name, "value": value, "unit": unit, "description": description}
    kept = {"value": keeps.history_days, "unit": "d"} if keeps.history_days else {"value": "unlimited"}
    yield {
        "id": "history",
        "property": "retention",
        **kept,
        "description": "Replaced row versions in the schema history",
    }
