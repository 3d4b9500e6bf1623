"""The documents that describe the service: `$metadata` (CSDL), the service document, OpenAPI and the contracts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

from lgsp.schema import contract, yaml_file
from lgsp.schema.column import Column
from lgsp.serve import deprecation, limits, model, query
from lgsp.serve.model import NAMESPACE, EntitySet

VOCABULARY = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies"
REFERENCES = (("Org.OData.Core.V1", "Core"), ("Org.OData.Capabilities.V1", "Capabilities"))
ABOUT = "OData 4.0, read only. Each answer is of exactly one published snapshot."
JSON_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"}, "boolean": {"type": "boolean"}, "integer": {"type": "integer", "format": "int32"},
    "bigint": {"type": "integer", "format": "int64"}, "date": {"type": "string", "format": "date"},
    "timestamptz": {"type": "string", "format": "date-time"}, "double precision": {"type": "number", "format": "double"},
    "text[]": {"type": "array", "items": {"type": "string"}}, "numeric": {"type": "number"},
}  # fmt: skip


@cache
def csdl() -> bytes:
    """`$metadata`: all sets with their keys, columns, types and descriptions, as CSDL XML 4.0."""
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">'
    ]
    for namespace, alias in REFERENCES:
        parts.append(f'<edmx:Reference Uri="{VOCABULARY}/{namespace}.xml"><edmx:Include Namespace="{namespace}" Alias="{alias}"/></edmx:Reference>')  # fmt: skip
    parts.append(f'<edmx:DataServices><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="{NAMESPACE}">')
    for entity_set in model.sets().values():
        parts += _entity_type(entity_set)
    parts.append('<EntityContainer Name="Container">')
    for entity_set in model.sets().values():
        can_search = "true" if entity_set.searched else "false"
        parts.append(
            f'<EntitySet Name="{entity_set.name}" EntityType="{NAMESPACE}.{entity_set.name}">'
            '<Annotation Term="Capabilities.SearchRestrictions"><Record>'
            f'<PropertyValue Property="Searchable" Bool="{can_search}"/></Record></Annotation>'
            '<Annotation Term="Capabilities.ExpandRestrictions"><Record><PropertyValue Property="Expandable" Bool="false"/></Record></Annotation>'
            "</EntitySet>"
        )
    parts.append("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>")
    return "\n".join(parts).encode()


def _entity_type(entity_set: EntitySet) -> Iterable[str]:
    table = entity_set.contract
    keys = "".join(f'<PropertyRef Name="{name}"/>' for name in entity_set.key)
    yield f'<EntityType Name="{entity_set.name}"><Key>{keys}</Key>'
    for column in table.columns:
        facets = ' Nullable="false"' if not model.is_nullable(column) else ""
        facets += ' Precision="6"' if column.type == "timestamptz" else ""
        facets += (
            ' Precision="{}" Scale="{}"'.format(*column.precision_and_scale) if column.base_type == "numeric" else ""
        )
        notes = _described(column.description, column.meaning_vi) + deprecation.annotation(column)
        yield f'<Property Name="{column.name}" Type="{model.edm_type(column)}"{facets}>{notes}</Property>'
    yield f"{_described(table.description, table.meaning_vi)}</EntityType>"


def _described(english: str, vietnamese: str) -> str:
    return (
        f'<Annotation Term="Core.Description" String={quoteattr(english)}/>'
        f'<Annotation Term="Core.Description" Qualifier="vi" String={quoteattr(vietnamese)}/>'
    )


def service_document(root: str, sets: Iterable[EntitySet]) -> dict[str, Any]:
    """The list of sets, for a root address such as `https://data.example.vn/v1/`."""
    listed = [{"name": each.name, "kind": "EntitySet", "url": each.name} for each in sets]
    return {"@odata.context": f"{root}$metadata", "value": listed}


def contract_document(name: str, as_yaml: bool) -> bytes | dict[str, Any]:
    """The contract of a set in the Open Data Contract Standard: its YAML file, or the same as an object."""
    path = contract.FOLDER / f"{name}.yml"
    return path.read_bytes() if as_yaml else dict(yaml_file.read(path))


def openapi(root: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of the service, from the contracts."""
    paths: dict[str, Any] = {"/": _operation("List the sets", {"type": "object"}), "/$metadata": _operation("Describe the sets in CSDL", None)}  # fmt: skip
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
            "schemas": {each.name: _schema(each) for each in model.sets().values()} | {"error": _error_schema()},
            "responses": {
                "error": {
                    "description": "An error",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}},
                }
            },
            "parameters": {name.removeprefix("$"): _parameter(name) for name in query.OF_ROWS},
        },
    }


def _paths(entity_set: EntitySet) -> dict[str, Any]:
    name, columns = entity_set.name, entity_set.contract.columns
    row = {"$ref": f"#/components/schemas/{name}"}
    page = {
        "type": "object",
        "required": ["value"],
        "properties": {
            "@odata.context": {"type": "string"}, "@odata.count": {"type": "integer"}, "@odata.nextLink": {"type": "string"},
            "@odata.deltaLink": {"type": "string"}, "value": {"type": "array", "items": row},
        },
    }  # fmt: skip
    key = ",".join(f"{column.name}={{{column.name}}}" for column in columns if column.is_key)
    options = [each for each in query.OF_ROWS if each != "$search" or entity_set.searched]
    parts = [
        {"name": column.name, "in": "path", "required": True, "description": f"An OData literal of type {model.edm_type(column)}", "schema": {"type": "string"}}
        for column in columns if column.is_key
    ]  # fmt: skip
    return {
        f"/{name}": _operation(entity_set.contract.description, page, _references(options)),
        f"/{name}/$count": _operation("The number of rows", {"type": "integer"}, _references(query.OF_COUNT[: 1 + bool(entity_set.searched)]), "text/plain"),
        f"/{name}({key})": _operation("One row", row, [*parts, *_references(query.OF_ROW)]),
    }  # fmt: skip


def _references(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"$ref": f"#/components/parameters/{name.removeprefix('$')}"} for name in names]


def _operation(summary: str, schema: dict[str, Any] | None, parameters: Iterable[dict[str, Any]] = (), media: str = "application/json") -> dict[str, Any]:  # fmt: skip
    content = {media: {"schema": schema}} if schema else {"application/xml": {}}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": {"200": {"description": "OK", "content": content}, "default": {"$ref": "#/components/responses/error"}}}}  # fmt: skip


def _parameter(name: str) -> dict[str, Any]:
    schemas: dict[str, dict[str, Any]] = {
        "$top": {"type": "integer", "minimum": 0}, "$skip": {"type": "integer", "minimum": 0, "maximum": query.MOST_SKIPPED},
        "$count": {"type": "boolean"},
    }  # fmt: skip
    return {"name": name, "in": "query", "schema": schemas.get(name, {"type": "string"})}


def _schema(entity_set: EntitySet) -> dict[str, Any]:
    return {
        "type": "object",
        "description": entity_set.contract.description,
        "properties": {column.name: _property(column) for column in entity_set.contract.columns},
    }


def _property(column: Column) -> dict[str, Any]:
    described = {**JSON_TYPES[column.base_type], "description": f"{column.description} ({column.meaning_vi})"}
    described |= {"type": [described["type"], "null"]} if model.is_nullable(column) else {}
    return described | ({"deprecated": True} if column.deprecation else {})


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    detail = {"type": "object", "properties": {"code": text, "message": text}}
    error = {"type": "object", "required": ["code", "message"], "properties": {"code": text, "message": text, "target": text, "details": {"type": "array", "items": detail}}}  # fmt: skip
    return {
        "type": "object",
        "required": ["error"],
        "properties": {"error": error},
        "description": f"Limits: {limits.POLICY}",
    }
