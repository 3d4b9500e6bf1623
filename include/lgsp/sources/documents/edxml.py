"""edXML (QCVN 102:2016/BTTTT) read by local name with a parser that resolves, loads and expands nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from lgsp import text
from lgsp.organisations import identify

MAX_BYTES = 32 * 1024 * 1024
NOT_SECRET = {"", "0", "thường", "thuong", "không", "none"}
SECRECY = {"securitylevel", "secrecy", "security", "domat", "secretlevel"}


class Unreadable(Exception):
    """A message that cannot be read safely; the text says why, without its content."""


@dataclass(frozen=True)
class Node:
    """An element and what can be asked of it by local names."""

    element: etree._Element

    def find(self, *path: str) -> Node | None:
        """The first descendant along a path of local names."""
        return next(self.all(*path), None)

    def all(self, *path: str) -> Iterator[Node]:
        """Every descendant along a path of local names; each step looks among the children."""
        if not path:
            yield self
            return
        for child in self.element:
            if isinstance(child.tag, str) and etree.QName(child).localname.lower() == path[0].lower():
                yield from Node(child).all(*path[1:])

    def deep(self, name: str) -> Iterator[Node]:
        """Every descendant of a local name, however deep."""
        for element in self.element.iter():
            if isinstance(element.tag, str) and etree.QName(element).localname.lower() == name.lower():
                yield Node(element)

    def text(self, *path: str) -> str | None:
        """The text at a path, trimmed; None when absent or empty."""
        node = self.find(*path)
        return ("".join(node.element.itertext()).strip() or None) if node is not None else None


def parse(xml: str) -> Node:
    """The root of a message. Raises Unreadable for a DTD, for entities, for anything not well-formed or too large."""
    data = xml.encode()
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1024 // 1024} MB")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Unreadable("holds a DTD or entities")
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"is not well-formed (line {error.lineno})") from None
    return Node(root)


def header(root: Node) -> Node:
    """The message header. Raises Unreadable when there is none."""
    found = next(root.deep("MessageHeader"), None)
    if found is None:
        raise Unreadable("has no MessageHeader")
    return found


def is_secret(root: Node) -> bool:
    """Whether any element says that the document is more than ordinary."""
    return any(not is_ordinary(node.text()) for name in SECRECY for node in root.deep(name))


def is_ordinary(secrecy: str | None) -> bool:
    """Whether a degree of secrecy says that there is none."""
    return (text.clean(secrecy) or "").lower() in NOT_SECRET


def is_signed(root: Node, attachment_names: list[str]) -> bool:
    """Whether the message or an attachment's name carries a signature."""
    has_signature = any(True for _ in root.deep("Signature"))
    return has_signature or any(re.search(r"_signed\.", name, re.IGNORECASE) for name in attachment_names)


def document_id(told: str | None, organ: str | None, day: str | None, code: str | None) -> str | None:
    """The shared key of a document: canonical agency code, day, number/notation.

    `told` is the message's DocumentId; where that is a UUID or missing, the key comes from its parts.
    """
    for parts in ((told or "").split(",", 2), (organ or "", day or "", code or "")):
        who, when, what = [part.strip() for part in parts] if len(parts) == 3 else ("", "", "")
        identity, when = identify(who), when.replace("-", "/")
        if identity is not None and re.fullmatch(r"\d{4}/\d{2}/\d{2}", when) and what:
            return f"{identity[0]},{when},{what}"
    return None
