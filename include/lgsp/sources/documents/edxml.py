"""edXML (QCVN 102:2016/BTTTT) read by local name with a parser that resolves, loads and expands nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from lgsp.harmonise.organisations.directory import identify
from lgsp.sources.documents import codes, edxml_schema
from lgsp.vietnam import text

MAX_BYTES = 32 * 1024 * 1024
MAX_ELEMENTS = 100_000
MAX_DEPTH = 200

# What says that there is no secrecy; whatever else a degree of secrecy says is taken for one.
NOT_SECRET = ("", "0", "thường", "thuong", "bình thường", "binh thuong", "không", "khong", "không mật", "khong mat",
              "none", "normal", "false")  # fmt: skip
SECRECY = {"securitylevel", "security", "secrecy", "secrecylevel", "secretlevel", "secret", "issecret", "confidentiality",
           "domat", "mucdomat", "domatvanban"}  # fmt: skip

# Base64 of attachments: never looked at, so never kept in memory a second time.
NOT_KEPT = "ContentTransferEncoded"

_PROLOG = re.compile(r"\ufeff?\s*(?:<\?xml\s[^>]*\?>\s*)?(?:<!--.*?-->\s*)*", re.DOTALL)
# Written as numbers they are as illegal as written plainly: U+0000 to U+001F but for tab and line ends, surrogates, U+FFFE.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Unreadable(Exception):
    """A message that cannot be read safely; the text says why, without its content."""


@dataclass(frozen=True, slots=True)
class Node:
    """An element under its canonical name: what it says, what is in it."""

    name: str
    namespace: str
    value: str
    children: tuple[Node, ...]
    attributes: tuple[tuple[str, str], ...]

    def find(self, *path: str) -> Node | None:
        """The first descendant along a path of local names."""
        return next(self.all(*path), None)

    def all(self, *path: str) -> Iterator[Node]:
        """Every descendant along a path of local names; each step looks among the children."""
        if not path:
            yield self
            return
        wanted = edxml_schema.canonical(path[0])
        for child in self.children:
            if child.name == wanted:
                yield from child.all(*path[1:])

    def deep(self, name: str) -> Iterator[Node]:
        """Every element of a local name, however deep, itself included."""
        wanted = edxml_schema.canonical(name)
        return (node for node in self.everything() if node.name == wanted)

    def everything(self) -> Iterator[Node]:
        """Itself and every element in it, in document order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def text(self, *path: str) -> str | None:
        """The text at a path, trimmed; None when absent or empty. Several texts are joined by a slash, as in a code."""
        node = self.find(*path)
        if node is None:
            return None
        return node.value or "/".join(said for child in node.children if (said := child.text())) or None


def parse(xml: str) -> Node:
    """The root of a message. Raises Unreadable for a DTD, for entities, for anything not well-formed, odd or too large."""
    _admit(xml)
    parser = etree.XMLParser(
        # the text is Unicode already: what encoding it declares must not make another text of it
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(xml.lstrip("\ufeff \t\r\n").encode(), parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(_why(error)) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("holds a DTD or entities")
    return _read(root, 0)


def _admit(xml: str) -> None:
    """Refuse what need not be parsed to be refused."""
    if len(xml) > MAX_BYTES or (len(xml) > MAX_BYTES // 4 and len(xml.encode("utf-8", "replace")) > MAX_BYTES):
        raise Unreadable(f"larger than {MAX_BYTES // 1024 // 1024} MB")
    if not xml.strip():
        raise Unreadable("is empty")
    if _ILLEGAL.search(xml):
        raise Unreadable("holds control characters")
    if xml.count("<") > 2 * MAX_ELEMENTS:
        raise Unreadable(f"holds more than {MAX_ELEMENTS} elements")
    prolog = _PROLOG.match(xml)
    start = xml[prolog.end() if prolog else 0 :][:9]
    if start.startswith(("<!DOCTYPE", "<!ENTITY")):
        raise Unreadable("holds a DTD or entities")


def _why(error: etree.XMLSyntaxError) -> str:
    told = str(error.msg or "")
    if "Excessive depth" in told or "depth" in told.lower():
        return "is nested too deeply"
    if "huge text" in told or "too long" in told or "too big" in told or "Resource limit" in told:
        return "holds a value that is too long"
    if "Entity" in told or "entity" in told:
        return "holds a DTD or entities"
    return f"is not well-formed (line {error.lineno})"


def _read(element: etree._Element, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise Unreadable("is nested too deeply")
    namespace, _, local = str(element.tag).rpartition("}")
    name = edxml_schema.canonical(local)
    if name == NOT_KEPT:
        return Node(name, namespace[1:], "", (), ())
    said, children, has_comment = [element.text or ""], [], False
    for child in element:
        if child.tag is etree.Comment:
            has_comment = True
        elif not isinstance(child.tag, str):
            raise Unreadable("holds a processing instruction or an entity")
        else:
            children.append(_read(child, depth + 1))
        said.append(child.tail or "")
    value = "".join(said).strip()
    if has_comment and value:
        raise Unreadable("holds a comment inside a value")
    attributes = tuple((str(key).rpartition("}")[2], str(value)) for key, value in element.attrib.items())
    return Node(name, namespace[1:], value, tuple(children), attributes)


def header(root: Node) -> Node:
    """The message header. Raises Unreadable when there is none, or more than one."""
    found = list(root.deep("MessageHeader"))
    if not found:
        raise Unreadable("has no MessageHeader")
    if len(found) > 1:
        raise Unreadable("has more than one MessageHeader")
    return found[0]


def is_secret(root: Node) -> bool:
    """Whether any element or attribute says that the document is more than ordinary."""
    for node in root.everything():
        if not node.children and node.name.lower() in SECRECY and not is_ordinary(node.value):
            return True
        if any(name.lower() in SECRECY and not is_ordinary(value) for name, value in node.attributes):
            return True
    return False


def is_ordinary(secrecy: object) -> bool:
    """Whether a degree of secrecy says that there is none."""
    return secrecy is None or secrecy is False or (text.key(str(secrecy)) or "") in NOT_SECRET


def is_signed(root: Node, attachment_names: list[str]) -> bool:
    """Whether the message or an attachment's name carries a signature."""
    has_signature = any(True for _ in root.deep("Signature"))
    return has_signature or any(re.search(r"_signed\.", name, re.IGNORECASE) for name in attachment_names)


def document_id(told: str | None, organ: str | None, day: str | None, code: str | None) -> str | None:
    """The shared key of a document: canonical agency code, day, number/notation.

    `told` is the message's DocumentId; where that is a UUID or missing, the key comes from its parts. The day may be
    written in any way that can be read.
    """
    for parts in ((text.clean(told) or "").split(",", 2), (organ or "", day or "", code or "")):
        who, when, what = [text.clean(part) or "" for part in parts] if len(parts) == 3 else ("", "", "")
        identity, on = identify(who), codes.day(when)
        if identity is not None and on is not None and what:
            return f"{identity[0]},{on:%Y/%m/%d},{what}"
    return None
