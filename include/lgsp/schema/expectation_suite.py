"""Describe the rules of a shared table as a suite of Great Expectations, in the JSON form of its file stores.

The suite has what each contract implies: columns, required values, the key, and codes. It runs on SQL and on data frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from lgsp.schema.contract import Contract

SUFFIX = ".expectations.json"


def encode(table: Contract) -> bytes:
    """The suite of a table; `great_expectations.ExpectationSuite(**json.load(file))` makes an object of it."""
    suite = {
        "name": f"lgsp.{table.name}", "expectations": list(_expectations(table)),
        "meta": {"contract": f"lgsp.{table.name}", "version": table.version}, "notes": table.description,
    }  # fmt: skip
    return orjson.dumps(suite, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _expectations(table: Contract) -> Iterator[dict[str, Any]]:
    yield _expectation("expect_table_columns_to_match_set", column_set=list(table.names), exact_match=False)
    if len(table.key) == 1:
        yield _expectation("expect_column_values_to_be_unique", column=table.key[0])
    else:
        yield _expectation("expect_compound_columns_to_be_unique", column_list=list(table.key))
    for column in table.columns:
        if not column.is_nullable:
            yield _expectation("expect_column_values_to_not_be_null", column=column.name)
        if column.codes:
            yield _expectation("expect_column_values_to_be_in_set", column=column.name, value_set=list(column.codes))


def _expectation(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": name, "kwargs": arguments, "meta": {}, "severity": "critical"}
