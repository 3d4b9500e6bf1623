"""Represents the elements of an edXML message under the canonical names of our profile (profile.xsd)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from xml.etree import ElementTree

PROFILE = files(__package__).joinpath("profile.xsd")
UNRESTRICTED = {"text", "anything"}  # types that allow any value
OUTSIDE_PROFILE = ("Signature", "ContentTransferEncoded")  # elements that we read but the profile does not describe


@dataclass(frozen=True, slots=True)
class Node:
    """An element with its canonical name, namespace, trimmed text, child elements and attributes."""

    name: str
    namespace: str
    value: str
    children: tuple[Node, ...]
    attributes: tuple[tuple[str, str], ...]

    def find(self, *path: str) -> Node | None:
        """The first descendant at a path of local names; None when there is none."""
        return next(self.find_all(*path), None)

    def find_all(self, *path: str) -> Iterator[Node]:
        """Every descendant at a path of local names; each name is looked up among the children."""
        if not path:
            yield self
            return
        wanted = canonical(path[0])
        for child in self.children:
            if child.name == wanted:
                yield from child.find_all(*path[1:])

    def descendants(self, name: str) -> Iterator[Node]:
        """Every element with a local name at any depth, including this element."""
        wanted = canonical(name)
        return (node for node in self.walk() if node.name == wanted)

    def walk(self) -> Iterator[Node]:
        """This element and all its descendants, in document order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def text(self, *path: str) -> str | None:
        """The trimmed text at a path; None when it is absent or empty. Texts of children are joined by a slash."""
        node = self.find(*path)
        if node is None:
            return None
        return node.value or "/".join(text for child in node.children if (text := child.text())) or None


@cache
def profile_elements() -> dict[str, frozenset[str]]:
    """The elements of the profile, each with the names of the simple types that restrict its value."""
    root = ElementTree.fromstring(PROFILE.read_text(encoding="utf-8"))  # noqa: S314  our own file
    types_by_name: dict[str, set[str]] = defaultdict(set)
    for element in root.iter("{http://www.w3.org/2001/XMLSchema}element"):
        types_by_name[element.attrib["name"]].add(element.attrib.get("type", "anything"))
    return {name: frozenset(types - UNRESTRICTED) for name, types in types_by_name.items()}


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """The spelling of a local name in the profile, from any case and from Business or Bussiness; unknown names stay."""
    return _spellings().get(name.lower().replace("bussiness", "business"), name)


@cache
def _spellings() -> dict[str, str]:
    return {name.lower().replace("bussiness", "business"): name for name in (*profile_elements(), *OUTSIDE_PROFILE)}
