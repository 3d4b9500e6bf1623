"""Validates a message against our profile of QCVN 102:2016 (profile.xsd).

The result depends only on the shape of a message (its elements, and the form of their values), so it is cached by
shape: the messages of a province have a few dozen shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from xml.etree import ElementTree

from lgsp.sources.documents.xml_node import PROFILE, Node, profile_elements

WHOLE = re.compile("[0-9]{1,9}")
DIGIT = re.compile("[0-9]")
CACHED_SHAPES = 20_000
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")

Shape = tuple[str, Any, frozenset[Any]]
NOTHING: frozenset[Any] = frozenset()

# The reason for each kind of violation, without the value that caused it.
REASONS = {
    "XsdPatternFacets": "is not written as the profile says",
    "XsdEnumerationFacets": "has a value the profile does not list",
    "XsdMinLengthFacet": "is empty",
    "XsdMaxLengthFacet": "is too long",
}


@dataclass(frozen=True)
class ValidationResult:
    """The first violation (element and reason, None for a valid message), and the names of the unknown elements."""

    violation: str | None
    unknown: tuple[str, ...]


def validate(kind: str, parts: tuple[Node, ...]) -> ValidationResult:
    """Validate the parts of a message against the profile; `kind` is Document or Status. The result has no values."""
    return validate_shape((kind, frozenset(_shape(part) for part in parts), NOTHING))


def _shape(node: Node) -> Shape:
    """What the validation of an element depends on: its name, the shapes of its children, and the form of its value."""
    if not node.children:
        return (node.name, _value_form(node.name, node.value), NOTHING)
    shapes = [_shape(child) for child in node.children]
    distinct = frozenset(shapes)
    # the profile distinguishes only between one and several
    several = (
        NOTHING if len(distinct) == len(shapes) else frozenset(shape for shape in distinct if shapes.count(shape) > 1)
    )
    return (node.name, distinct, several)


def _value_form(name: str, value: str) -> str:
    """A replacement for the value that is valid exactly when the value is valid."""
    types = profile_elements().get(name)
    if not value or not types:
        return "x" if value else ""
    if types == {"filled"}:
        return "x"
    if types <= {"organ", "subject"}:
        return "x" * (1 if len(value) <= 35 else 36 if len(value) <= 500 else 501)
    if types <= {"whole"}:
        return "9" if WHOLE.fullmatch(value) else "x"
    kept = value[:60] if name == "StatusCode" or len(value) == 1 else DIGIT.sub("9", value[:60])
    return _first_alike(types, kept)


@lru_cache(maxsize=CACHED_SHAPES)
def _first_alike(types: frozenset[str], value: str) -> str:
    """The first value that broke the same facets of these types: messages that differ only in such values have one shape."""
    broken = tuple(
        (name, type(error.validator).__name__)
        for name in sorted(types)
        for error in schema().types[name].iter_errors(value)
    )
    return _alike().setdefault((types, broken), value)


@cache
def _alike() -> dict[tuple[frozenset[str], tuple[tuple[str, str], ...]], str]:
    return {}


@lru_cache(maxsize=CACHED_SHAPES)
def validate_shape(message: Shape) -> ValidationResult:
    """Validate a message without its values; messages of one shape are validated once."""
    element = _element(message)
    violations = sorted({_describe(error) for error in schema().iter_errors(element)})
    unknown = sorted(
        {e.tag for e in element.iter() if e.tag not in profile_elements() and e.tag not in ("Document", "Status")}
    )
    return ValidationResult(
        violations[0] if violations else None, tuple(name for name in unknown if NAME.fullmatch(name))
    )


def _element(shape: Shape) -> ElementTree.Element:
    """An element with a shape; its children are in alphabetical order."""
    name, content, several = shape
    element = ElementTree.Element(name)
    if isinstance(content, str):
        element.text = content
    else:
        children = [_element(child) for child in (*content, *several)]
        element.extend(sorted(children, key=ElementTree.tostring))
    return element


@cache
def schema() -> Any:
    """The XML schema of the profile."""
    import xmlschema  # a slow import that most tasks do not need

    return xmlschema.XMLSchema11(PROFILE.read_text(encoding="utf-8"))


def _describe(error: Any) -> str:
    path = re.sub(r"\[\d+\]", "", error.path or "").strip("/")
    if hasattr(error, "expected"):
        return f"{path} {_describe_children(error)}"
    return f"{path} {REASONS.get(type(error.validator).__name__, 'is not as the profile says')}"


def _describe_children(error: Any) -> str:
    """The violation in the children of an element: one too many, or one that is missing."""
    if error.invalid_tag is not None:
        return f"has more than one {error.invalid_tag}"
    missing = sorted(_names(error.expected))
    return f"lacks {missing[0]}" if missing else "lacks an element"


def _names(expected: Any) -> Iterator[str]:
    for item in expected if isinstance(expected, list | tuple) else [expected]:
        name = getattr(item, "local_name", None) or (item if isinstance(item, str) else None)
        if name:
            yield str(name)
