"""Our profile of QCVN 102:2016: the names it knows, and whether a message keeps it.

A verdict depends only on the shape of a message (its elements, and digits as such), so it is asked for once
per shape: a province's messages have a few dozen shapes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from lgsp.sources.documents.edxml import Node

SCHEMA = files(__package__).joinpath("profile.xsd")
PLAIN = {"text", "anything"}  # types that any value keeps
AROUND = ("Signature", "ContentTransferEncoded")  # elements that are looked for outside of what the profile describes
WHOLE = re.compile("[0-9]{1,9}")
DIGIT = re.compile("[0-9]")
SHAPES = 20_000
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")

Shape = tuple[str, Any, frozenset[Any]]
NOTHING: frozenset[Any] = frozenset()

# Why a facet or a group was not kept, without the value that did not keep it.
REASONS = {
    "XsdPatternFacets": "is not written as the profile says",
    "XsdEnumerationFacets": "has a value the profile does not list",
    "XsdMinLengthFacet": "is empty",
    "XsdMaxLengthFacet": "is too long",
}


@dataclass(frozen=True)
class Verdict:
    """The first element that breaks the profile and why, None for a message that keeps it; unknown elements' names."""

    violation: str | None
    unknown: tuple[str, ...]


@cache
def _elements() -> dict[str, frozenset[str]]:
    """The elements of the profile, with the names of the simple types each is known by."""
    root = ElementTree.fromstring(SCHEMA.read_text())  # noqa: S314  our own file
    found: dict[str, set[str]] = defaultdict(set)
    for element in root.iter("{http://www.w3.org/2001/XMLSchema}element"):
        found[element.attrib["name"]].add(element.attrib.get("type", "anything"))
    return {name: frozenset(types - PLAIN) for name, types in found.items()}


@cache
def _spellings() -> dict[str, str]:
    return {name.lower().replace("bussiness", "business"): name for name in (*_elements(), *AROUND)}


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """A local name as the profile writes it, whatever its case (and Business for Bussiness); unknown ones as they are."""
    return _spellings().get(name.lower().replace("bussiness", "business"), name)


def judge(kind: str, parts: tuple[Node, ...]) -> Verdict:
    """Whether the parts of a message (`kind` is Document or Status) keep the profile. No value is told."""
    return _judged((kind, frozenset(_shape(part) for part in parts), NOTHING))


def _shape(node: Node) -> Shape:
    """What the verdict on an element depends on: name, shapes of its children (which come several times), form of its value."""
    if not node.children:
        return (node.name, _form(node.name, node.value), NOTHING)
    shapes = [_shape(child) for child in node.children]
    once = frozenset(shapes)
    # the profile tells one from several, and no more
    several = NOTHING if len(once) == len(shapes) else frozenset(shape for shape in once if shapes.count(shape) > 1)
    return (node.name, once, several)


def _form(name: str, value: str) -> str:
    """A stand-in that keeps the profile exactly where the value does."""
    types = _elements().get(name)
    if not value or not types:
        return "x" if value else ""
    if types == {"filled"}:
        return "x"
    if types <= {"organ", "subject"}:
        return "x" * (1 if len(value) <= 35 else 36 if len(value) <= 500 else 501)
    if types <= {"whole"}:
        return "9" if WHOLE.fullmatch(value) else "x"
    if name == "StatusCode" or len(value) == 1:
        return value[:60]
    return DIGIT.sub("9", value[:60])


@lru_cache(maxsize=SHAPES)
def _judged(message: Shape) -> Verdict:
    element = _element(message)
    found = sorted({_told(error) for error in _schema().iter_errors(element)})
    unknown = sorted(
        {e.tag for e in element.iter() if e.tag not in _elements() and e.tag not in ("Document", "Status")}
    )
    return Verdict(found[0] if found else None, tuple(name for name in unknown if NAME.fullmatch(name)))


def _element(shape: Shape) -> ElementTree.Element:
    """An element of a shape, its children in alphabetical order."""
    name, content, several = shape
    element = ElementTree.Element(name)
    if isinstance(content, str):
        element.text = content
    else:
        children = [_element(child) for child in (*content, *several)]
        element.extend(sorted(children, key=ElementTree.tostring))
    return element


@cache
def _schema() -> Any:
    import xmlschema  # takes a while; most tasks never need it

    return xmlschema.XMLSchema11(SCHEMA.read_text())


def _told(error: Any) -> str:
    path = re.sub(r"\[\d+\]", "", error.path or "").strip("/")
    if hasattr(error, "expected"):
        return f"{path} {_misplaced(error)}"
    return f"{path} {REASONS.get(type(error.validator).__name__, 'is not as the profile says')}"


def _misplaced(error: Any) -> str:
    """What is wrong with the children of an element: one too many, or one that is missing."""
    if error.invalid_tag is not None:
        return f"has more than one {error.invalid_tag}"
    missing = sorted(_names(error.expected))
    return f"lacks {missing[0]}" if missing else "lacks an element"


def _names(expected: Any) -> Iterator[str]:
    for item in expected if isinstance(expected, list | tuple) else [expected]:
        name = getattr(item, "local_name", None) or (item if isinstance(item, str) else None)
        if name:
            yield str(name)
