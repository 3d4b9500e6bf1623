"""The OpenAPI 3.1 description of the service, from the contracts: what a client may send, and what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lgsp.schema.column import Column
from lgsp.serve import filter_parser, formats, limits, model, query
from lgsp.serve.model import EntitySet

ABOUT = "OData 4.0, read only. Each answer is of exactly one published snapshot."
JSON_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"}, "boolean": {"type": "boolean"}, "integer": {"type": "integer", "format": "int32"},
    "bigint": {"type": "integer", "format": "int64"}, "date": {"type": "string", "format": "date"},
    "timestamptz": {"type": "string", "format": "date-time"}, "double precision": {"type": "number", "format": "double"},
    "text[]": {"type": "array", "items": {"type": "string"}}, "numeric": {"type": "number"},
}  # fmt: skip
# The literals of keys, by the type of the column.
LITERALS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "pattern": "^'([^']|'')+'$"}, "date": {"type": "string", "format": "date"},
    "integer": JSON_TYPES["integer"], "bigint": JSON_TYPES["bigint"],
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "$filter": {"type": "string", "minLength": 1, "maxLength": filter_parser.LONGEST_FILTER},
    "$top": {"type": "integer", "minimum": 0, "maximum": query.LARGEST_NUMBER},
    "$skip": {"type": "integer", "minimum": 0, "maximum": query.MOST_SKIPPED},
    "$count": {"type": "boolean"},
    "$search": {"type": "string", "minLength": 1, "maxLength": filter_parser.LONGEST_FILTER},
    "$deltatoken": {"type": "string", "pattern": "^[0-9]+-[0-9]+$"},
}
TEXT = {"type": "string"}


def document(root: str) -> dict[str, Any]:
    """The description of the service at a root address."""
    paths: dict[str, Any] = {
        "/": _operation("List the sets", _json({"type": "object"})),
        "/$metadata": _operation("Describe the sets in CSDL", {"application/xml": {}}),
    }
    for entity_set in model.sets().values():
        paths |= _paths(entity_set)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shared dataset of the province", "version": model.VERSION, "description": ABOUT},
        "servers": [{"url": root.rstrip("/")}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
            "schemas": {each.name: _row(each) for each in model.sets().values()} | {"error": _error()},
            "responses": {"error": {"description": "An error", "content": _json({"$ref": "#/components/schemas/error"})}},
            "parameters": {
                name.removeprefix("$"): _option(name, schema) for name, schema in OPTIONS.items()
            } | {"prefer": {"name": "Prefer", "in": "header", "description": "odata.maxpagesize=N, odata.track-changes", "schema": TEXT}},
        },
    }  # fmt: skip


def _paths(entity_set: EntitySet) -> dict[str, Any]:
    name, key = entity_set.name, [column for column in entity_set.contract.columns if column.is_key]
    search = ["$search"] if entity_set.searched else []
    changes = ["$deltatoken"] if entity_set.is_published else []
    row = {"$ref": f"#/components/schemas/{name}"}
    page = {"@odata.count": {"type": "integer"}, "@odata.nextLink": TEXT, "@odata.deltaLink": TEXT}
    rows = _json(_object({"@odata.context": TEXT, **page, "value": {"type": "array", "items": row}}, ["value"]))
    streams = {formats.MEDIA_TYPES[each]: {"schema": TEXT} for each in formats.STREAMS}
    address = ",".join(f"{column.name}={{{column.name}}}" for column in key)
    of_rows = [
        *_shared("$filter", *search, "$top", "$skip", "$count", *changes, "prefer"),
        _select(entity_set), _order(entity_set), _format(formats.OF_ROWS),
    ]  # fmt: skip
    of_row = [*map(_part, key), _select(entity_set), _format(formats.OF_ROW)]
    count = {formats.MEDIA_TYPES["text"]: {"schema": {"type": "integer"}}}
    return {
        f"/{name}": _operation(entity_set.contract.description, rows | streams, of_rows),
        f"/{name}/$count": _operation("The number of rows", count, _shared("$filter", *search)),
        f"/{name}({address})": _operation("One row", _json(row), of_row),
    }


def _operation(summary: str, content: dict[str, Any], parameters: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    responses = {"200": {"description": "OK", "content": content}, "default": {"$ref": "#/components/responses/error"}}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": responses}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    """JSON, and the same in the envelope."""
    envelope = _object({"status": TEXT, "code": TEXT, "message": TEXT, "correlationId": TEXT, "data": {}}, ["status", "data"])  # fmt: skip
    return {"application/json": {"schema": schema}, formats.MEDIA_TYPES["lgsp"]: {"schema": envelope}}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _shared(*names: str) -> list[dict[str, Any]]:
    return [{"$ref": f"#/components/parameters/{name.removeprefix('$')}"} for name in names]


def _option(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _select(entity_set: EntitySet) -> dict[str, Any]:
    return _listed("$select", entity_set.names, is_unique=False)


def _order(entity_set: EntitySet) -> dict[str, Any]:
    columns = [column.name for column in entity_set.contract.columns if column.type != "text[]"]
    return _listed(
        "$orderby", [f"{name}{direction}" for name in columns for direction in ("", " desc")], is_unique=True
    )


def _listed(name: str, values: Iterable[str], is_unique: bool) -> dict[str, Any]:
    """An option with some of these values, separated by commas."""
    items = {"type": "string", "enum": list(values)}
    schema = {"type": "array", "minItems": 1, "uniqueItems": is_unique, "items": items}
    return {**_option(name, schema), "style": "form", "explode": False}


def _format(offered: Iterable[str]) -> dict[str, Any]:
    return _option("$format", {"type": "string", "enum": list(offered)})


def _part(column: Column) -> dict[str, Any]:
    """A column of the key, which is a part of the path."""
    about = f"An OData literal of type {model.edm_type(column)}"
    return {"name": column.name, "in": "path", "required": True, "description": about, "schema": LITERALS[column.type]}


def _row(entity_set: EntitySet) -> dict[str, Any]:
    properties = {column.name: _property(column) for column in entity_set.contract.columns}
    return {"type": "object", "description": entity_set.contract.description, "properties": properties}


def _property(column: Column) -> dict[str, Any]:
    described = {**JSON_TYPES[column.base_type], "description": f"{column.description} ({column.meaning_vi})"}
    described |= {"type": [described["type"], "null"]} if model.is_nullable(column) else {}
    return described | ({"deprecated": True} if column.deprecation else {})


def _error() -> dict[str, Any]:
    detail = {"type": "object", "properties": {"code": TEXT, "message": TEXT}}
    properties = {"code": TEXT, "message": TEXT, "target": TEXT, "details": {"type": "array", "items": detail}}
    described = _object({"error": _object(properties, ["code", "message"])}, ["error"])
    return {**described, "description": f"Limits: {limits.POLICY}"}
