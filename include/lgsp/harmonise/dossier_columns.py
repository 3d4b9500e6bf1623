"""Determine which columns of a dossier record a source provides, and which columns no source fills."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import orjson

from lgsp import sql
from lgsp.errors import ContractError
from lgsp.schema import contract, sources
from lgsp.schema.sources import Source
from lgsp.sql import quoted

QUERY = "dossiers"  # the name of the SQL file of each source

# The columns that the record SQL reads from a source in addition to those of the contract.
REQUIRED = (
    "raw_pointer", "raw_hash", "repairs", "unknown_codes", "source_key", "source_updated_at", "source_code", "is_deleted",
    "service_source", "organisation_source", "events",
)  # fmt: skip
OPTIONAL = {
    **dict.fromkeys(
        ("other_code", "receipt_code", "service_name", "organisation_name", "competent_source", "competent_name", "applicant_unit",
         "applicant_unit_name", "identity_number", "phone", "applicant_name", "email"), "varchar"),
    **dict.fromkeys(("created_at", "withdrawn_at", "refused_at", "closing_step_at"), "timestamptz"),
    "step_times": "timestamptz[]", "supplements": "struct(since timestamptz, until timestamptz)[]",
}  # fmt: skip
DUCKDB_TYPES = {"text": "varchar", "text[]": "varchar[]"}


def read_query(source: Source) -> str:
    """A query over a source's dossiers with every column that the record SQL reads; those it does not provide are null.

    Raises ContractError when the source lacks a column it must provide, or when no source fills a column of the contract.
    """
    provided = _provided(source)
    if lacking := [name for name in REQUIRED if name not in provided]:
        raise ContractError(f"sources/{source.name}/sql/{QUERY}.sql: it must select {', '.join(lacking)}")
    check_filled()
    recorded = {column.name: DUCKDB_TYPES.get(column.type, column.type) for column in contract.load("dossier").recorded}
    nulls = [f"null::{type_} as {name}" for name, type_ in (OPTIONAL | recorded).items() if name not in provided]
    return f"select {', '.join(['*', *nulls])} from ({source.sql(QUERY)})"


def record_query(latest: str | None) -> str:
    """The query that turns the rows of `read_query` into dossier records; they are the view `source_dossier`.

    A change time from `latest` on, in ISO 8601, is in the future.
    """
    columns = ", ".join(column.name for column in contract.load("dossier").recorded)
    limit = f"timestamptz {quoted(latest)}" if latest else "null"
    return sql.load("lgsp.harmonise", "dossier_record", columns=columns, latest=limit)


def check_filled() -> None:
    """Raise ContractError when the contract has a column that neither a source nor the record SQL fills."""
    filled = computed_columns().union(*(_provided(sources.load(name)) for name in sources.of_dossiers()))
    if unfilled := [column.name for column in contract.load("dossier").recorded if column.name not in filled]:
        raise ContractError(
            f"contracts/dossier.yml: no source fills {', '.join(unfilled)}; select it in sources/<source>/sql/{QUERY}.sql"
        )


def _provided(source: Source) -> frozenset[str]:
    """The columns that the source's SQL selects."""
    return _selected(source.sql(QUERY))


@cache
def _selected(query: str) -> frozenset[str]:
    """The names of the columns that a query selects."""
    items = _parsed(query)["select_list"]
    return frozenset(item["alias"] or item["column_names"][-1] for item in items)


@cache
def computed_columns() -> frozenset[str]:
    """The columns that the record SQL computes: those in its `replace` lists."""
    return frozenset(
        _replacements(_parsed(sql.load("lgsp.harmonise", "dossier_record", columns="null as nothing", latest="null")))
    )


def _replacements(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (entry["key"] for entry in node.get("replace_list", ()))
        for value in node.values():
            yield from _replacements(value)
    elif isinstance(node, list):
        for value in node:
            yield from _replacements(value)


def _parsed(query: str) -> dict[str, Any]:
    """The syntax tree of a SELECT statement, from DuckDB's parser."""
    with duckdb.connect() as connection:
        ((text,),) = connection.execute("select json_serialize_sql(?)", [query]).fetchall()
    tree = orjson.loads(text)
    if tree["error"]:
        raise ContractError(f"{tree['error_message']}: {query[:200]}")
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node
