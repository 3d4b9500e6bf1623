"""What clients learn of deprecated columns: response headers, and the annotation in `$metadata`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from email.utils import format_datetime
from xml.sax.saxutils import quoteattr

from lgsp.schema.column import Column
from lgsp.serve.model import EntitySet
from lgsp.window import midnight


def headers(entity_set: EntitySet, columns: Iterable[str], root: str) -> dict[str, str]:
    """The headers of an answer with these columns: of the first deprecation, and of the first removal.

    `Deprecation` is that of RFC 9745, `Sunset` that of RFC 8594; the link names the contract, which has the replacement.
    """
    found = [deprecation for name in columns if (deprecation := entity_set.columns[name].deprecation)]
    if not found:
        return {}
    table = entity_set.view.table.name if entity_set.view else entity_set.name
    removed_at = midnight(min(each.removal_on for each in found))
    return {
        "Deprecation": f"@{int(midnight(min(each.since_on for each in found)).timestamp())}",
        "Sunset": format_datetime(removed_at.astimezone(UTC), usegmt=True),
        "Link": f'<{root}contracts/{table}>; rel="deprecation"; type="application/yaml"',
    }


def annotation(column: Column) -> str:
    """The annotation `Core.Revisions` of a deprecated column, in CSDL XML; empty for another."""
    if column.deprecation is None:
        return ""
    return (
        '<Annotation Term="Core.Revisions"><Collection><Record>'
        f'<PropertyValue Property="Version" String={quoteattr(column.deprecation.since)}/>'
        '<PropertyValue Property="Kind" EnumMember="Core.RevisionKind/Deprecated"/>'
        f'<PropertyValue Property="Description" String={quoteattr(str(column.deprecation))}/>'
        "</Record></Collection></Annotation>"
    )
