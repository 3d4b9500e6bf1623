"""The documents that describe the service: `$metadata` (CSDL), the service document and the contracts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

from lgsp.schema import contract, yaml_file
from lgsp.serve import deprecation, model
from lgsp.serve.model import NAMESPACE, EntitySet

VOCABULARY = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies"
REFERENCES = (("Org.OData.Core.V1", "Core"), ("Org.OData.Capabilities.V1", "Capabilities"))


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
