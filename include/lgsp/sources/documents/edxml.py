"""Parses edXML messages (QCVN 102:2016/BTTTT) safely: no DTD, no entities, no network. Elements match by local name."""

from __future__ import annotations

import re
from functools import lru_cache

from lxml import etree

from lgsp import config
from lgsp.harmonise.organisations.directory import identify
from lgsp.sources.documents import codes
from lgsp.sources.documents.xml_node import Node, canonical
from lgsp.vietnam import text
from lgsp.vietnam.codes import document_reference

MAX_BYTES = 32 * 1024 * 1024
MAX_ELEMENTS = 100_000
MAX_ATTRIBUTES = 10_000  # with namespaces; the time to read those of one element grows with the square of their number
MAX_DEPTH = 200

# Values that mean "not secret". Every other value of a secrecy field is treated as secret.
NOT_SECRET = ("", "0", "thường", "thuong", "bình thường", "binh thuong", "không", "khong", "không mật", "khong mat",
              "none", "normal", "false")  # fmt: skip
SECRECY_FIELDS = {"securitylevel", "security", "secrecy", "secrecylevel", "secretlevel", "secret", "issecret", "confidentiality",
           "domat", "mucdomat", "domatvanban"}  # fmt: skip

# The Base64 content of attachments is never read, so it is not copied into a Node.
ATTACHMENT_CONTENT = "ContentTransferEncoded"

_PROLOG = re.compile(r"\ufeff?\s*(?:<\?xml\s[^>]*\?>\s*)?(?:<!--.*?-->\s*)*", re.DOTALL)
_ATTRIBUTE = re.compile(r"""=\s*["']""")
# Characters that XML forbids, also as character references: U+0000 to U+001F except tab and line ends, surrogates, U+FFFE.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Unreadable(Exception):
    """A message that cannot be parsed safely; the text gives the reason without any content of the message."""


def parse(xml: str) -> Node:
    """The root element of a message. Raises Unreadable when it has a DTD or entities, is not well-formed, or is too large."""
    _check_before_parsing(xml)
    parser = etree.XMLParser(
        # the text is already decoded, so the encoding that it declares is ignored
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(xml.lstrip("\ufeff \t\r\n").encode(), parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(_why(error)) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("holds a DTD or entities")
    return _to_node(root, 0)


def _check_before_parsing(xml: str) -> None:
    """Raise Unreadable for everything that can be detected without parsing."""
    if len(xml) > MAX_BYTES or (len(xml) > MAX_BYTES // 4 and len(xml.encode("utf-8", "replace")) > MAX_BYTES):
        raise Unreadable(f"larger than {MAX_BYTES // 1024 // 1024} MB")
    if not xml.strip():
        raise Unreadable("is empty")
    if _ILLEGAL.search(xml):
        raise Unreadable("holds control characters")
    if xml.count("<") > 2 * MAX_ELEMENTS:
        raise Unreadable(f"holds more than {MAX_ELEMENTS} elements")
    if sum(1 for _ in _ATTRIBUTE.finditer(xml)) > MAX_ATTRIBUTES:
        raise Unreadable(f"holds more than {MAX_ATTRIBUTES} attributes or namespaces")
    prolog = _PROLOG.match(xml)
    start = xml[prolog.end() if prolog else 0 :][:9]
    if start.startswith(("<!DOCTYPE", "<!ENTITY")):
        raise Unreadable("holds a DTD or entities")


def _why(error: etree.XMLSyntaxError) -> str:
    message = str(error.msg or "")
    if "depth" in message.lower():
        return "is nested too deeply"
    if any(part in message for part in ("huge text", "too long", "too big", "Resource limit")):
        return "holds a value that is too long"
    if "Entity" in message or "entity" in message:
        return "holds a DTD or entities"
    return f"is not well-formed (line {error.lineno})"


def _to_node(element: etree._Element, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise Unreadable("is nested too deeply")
    namespace, name = _names(str(element.tag))
    if name == ATTACHMENT_CONTENT:
        return Node(name, namespace, "", (), ())
    texts, children, has_comment = [element.text or ""], [], False
    for child in element:
        if child.tag is etree.Comment:
            has_comment = True
        elif not isinstance(child.tag, str):
            raise Unreadable("holds a processing instruction or an entity")
        else:
            children.append(_to_node(child, depth + 1))
        texts.append(child.tail or "")
    value = "".join(texts).strip()
    if has_comment and value:
        raise Unreadable("holds a comment inside a value")
    attributes = tuple((str(key).rpartition("}")[2], str(value)) for key, value in element.items())
    return Node(name, namespace, value, tuple(children), attributes)


@lru_cache(maxsize=4096)
def _names(tag: str) -> tuple[str, str]:
    """The namespace and the canonical name in the tag of an element."""
    namespace, _, local = tag.rpartition("}")
    return namespace[1:], canonical(local)


def header(root: Node) -> Node:
    """The message header. Raises Unreadable when there is none, or more than one."""
    headers = list(root.descendants("MessageHeader"))
    if not headers:
        raise Unreadable("has no MessageHeader")
    if len(headers) > 1:
        raise Unreadable("has more than one MessageHeader")
    return headers[0]


def is_secret(root: Node) -> bool:
    """Whether any secrecy element or attribute marks the document as secret."""
    for node in root.walk():
        if not node.children and node.name.lower() in SECRECY_FIELDS and not is_ordinary(node.value):
            return True
        if any(name.lower() in SECRECY_FIELDS and not is_ordinary(value) for name, value in node.attributes):
            return True
    return False


def is_ordinary(secrecy: object) -> bool:
    """Whether the value of a secrecy field means "not secret"."""
    return secrecy is None or secrecy is False or (text.key(str(secrecy)) or "") in NOT_SECRET


def is_signed(root: Node, attachment_names: list[str]) -> bool:
    """Whether the message has a signature, or the name of an attachment shows that it is signed."""
    has_signature = any(True for _ in root.descendants("Signature"))
    return has_signature or any(re.search(r"_signed\.", name, re.IGNORECASE) for name in attachment_names)


@config.cached(most=65536)  # most messages are answers to a few documents
def document_id(sent_id: str | None, organ: str | None, day: str | None, code: str | None) -> str | None:
    """The shared key of a document: `<canonical agency code>,<YYYY/MM/DD>,<number/notation>`; None when it is unknown.

    `sent_id` is the DocumentId of the message. When it is a UUID or missing, the key is made from the other parts. The
    day may be in any readable format, the number and notation in any style (see `document_reference`).
    """
    for parts in ((text.clean(sent_id) or "").split(",", 2), (organ or "", day or "", code or "")):
        agency, issued, sent_reference = parts if len(parts) == 3 else ("", "", "")
        identity, issued_on, reference = identify(agency), codes.day(issued), document_reference(sent_reference)
        if identity is not None and issued_on is not None and reference:
            return f"{identity[0]},{issued_on:%Y/%m/%d},{reference}"
    return None
