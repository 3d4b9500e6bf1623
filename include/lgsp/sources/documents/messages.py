"""What one message of the document system says: a document, or a status of one. Whatever came, a row is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lgsp.harmonise.organisations.directory import identify
from lgsp.sources.documents import codes, edxml, edxml_schema
from lgsp.sources.documents.edxml import Node
from lgsp.vietnam import personal_data, text, times_and_numbers

# Separators of packed lists. A code of an agency holds none of them.
PACKED = re.compile(r"[#;,|\s]+")
TRIAL = "_test"

NEW, REVOCATION, UPDATE, REPLACEMENT = "0", "1", "2", "3"
OTHER = "other"
REFERENCE = ("DocumentId", "OrganId", "Code", "PromulgationDate")


@dataclass(frozen=True)
class Message:
    """One fetched message: its edXML and what the gateway says beside it."""

    source_key: str
    edxml: object
    attachments: object
    secrecy: tuple[object, ...]
    raw_pointer: str
    raw_hash: str

    @property
    def origin(self) -> dict[str, Any]:
        """What its row says of where it comes from."""
        return {"source_key": self.source_key, "raw_pointer": self.raw_pointer, "raw_hash": self.raw_hash}

    @property
    def attachment_names(self) -> list[str]:
        """The names of its attachments."""
        files = self.attachments if isinstance(self.attachments, list) else []
        return [str(item.get("fileName", "")) for item in files if isinstance(item, dict)]

    @property
    def is_secret(self) -> bool:
        """Whether the gateway says that it is secret."""
        return any(not edxml.is_ordinary(told) for told in self.secrecy)

    def root(self) -> Node:
        """Its edXML. Raises Unreadable."""
        if not isinstance(self.edxml, str):
            raise edxml.Unreadable("is no text")
        return edxml.parse(self.edxml)


def of(source_key: str, answer: object, raw_pointer: str, raw_hash: str) -> Message:
    """The message in a gateway's answer, whatever shape that has."""
    data = answer.get("data") if isinstance(answer, dict) else None
    told = data if isinstance(data, dict) else {}
    secrecy = tuple(value for name, value in told.items() if str(name).lower() in edxml.SECRECY)
    return Message(source_key, told.get("edxml"), told.get("attachments"), secrecy, raw_pointer, raw_hash)


def _opened(message: Message) -> tuple[dict[str, Any], tuple[Node, Node] | None]:
    """The row as far as it is known unread, with the root and header; without them for what is secret or unreadable."""
    row: dict[str, Any] = {**message.origin, "is_secret": message.is_secret}
    if message.is_secret:
        return row, None
    try:
        root = message.root()
        if edxml.is_secret(root):
            return {**row, "is_secret": True}, None
        return row, (root, edxml.header(root))
    except edxml.Unreadable as trouble:
        return {**row, "trouble": str(trouble)}, None


def document(message: Message, by_name: Mapping[str, str]) -> dict[str, Any]:
    """The row of a document; `by_name` gives an agency's id for the canonical key of its name.

    What cannot be read has `trouble`; what says it is secret has nothing but where it came from.
    """
    row, opened = _opened(message)
    if opened is None:
        return row
    root, head = opened
    business = next(root.deep("Bussiness"), None)
    traces = next(root.deep("TraceHeaderList"), None)
    verdict = edxml_schema.judge("Document", tuple(part for part in (head, traces, business) if part is not None))
    sent = [trace.text("Timestamp") for trace in root.deep("TraceHeader")]
    promulgated, due = head.text("PromulgationInfo", "PromulgationDate"), head.text("DueDate")
    subject, undone = _subject(head.text("Subject"))
    return {
        **row,
        "profile": codes.shown(head.namespace or root.namespace),
        "profile_violation": verdict.violation,
        "profile_unknown": ", ".join(verdict.unknown) or None,
        **_identity(head, by_name),
        **_content(head),
        **_business(business),
        **_recipients(head, business, by_name),
        **_answered(head),
        "is_signed": edxml.is_signed(root, message.attachment_names),
        "attachment_count": len(message.attachment_names),
        "subject": subject,
        "due_on": codes.day(due),
        "sent_at": min((at for told in sent if (at := codes.moment(told))), default=None),
        "repairs": _said(undone, PromulgationDate=[promulgated], DueDate=[due], Timestamp=sent),
    }  # fmt: skip


def status(message: Message, by_name: Mapping[str, str]) -> dict[str, Any]:
    """The row of a delivery status; who reports is known by code, or by a name that one agency bears."""
    row, opened = _opened(message)
    if opened is None:
        return row
    root, head = opened
    about, sender = head.find("ResponseFor"), head.find("From")
    told, verdict = head.text("StatusCode"), edxml_schema.judge("Status", (head,))
    return {
        **row,
        "profile": codes.shown(head.namespace or root.namespace),
        "profile_violation": verdict.violation,
        "document_id": _about(about) if about else None,
        "organisation_id": _agency(sender.text("OrganId"), sender.text("OrganName"), by_name) if sender else None,
        "status_key": codes.code(told, width=2),
        "status_source": codes.shown(told),
        "occurred_at": codes.moment(head.text("Timestamp")),
        "repairs": _said([], Timestamp=[head.text("Timestamp")]),
    }


def _said(undone: list[str], **times: list[str | None]) -> str | None:
    """What was undone in a message, with what is unusual about its times, each once."""
    odd = [f"{name}:{oddity}" for name, told in times.items() for each in told if (oddity := codes.time_oddity(each))]
    return ",".join(dict.fromkeys([*undone, *odd])) or None


def _identity(head: Node, by_name: Mapping[str, str]) -> dict[str, Any]:
    """The key of a document and its parts: the key says issuer and day, also where the message's own fields do not."""
    number, notation = text.clean(head.text("Code", "CodeNumber")), text.clean(head.text("Code", "CodeNotation"))
    issued, told = head.text("PromulgationInfo", "PromulgationDate"), head.text("DocumentId")
    organ = _agency(head.text("From", "OrganId"), head.text("From", "OrganName"), by_name)
    code = "/".join(part for part in (number, notation) if part) or text.clean(head.text("Code"))
    key = edxml.document_id(told, organ, issued, code)
    issuer, day, code = (key or ",,").split(",", 2)
    if number is None or (notation is None and "/" in number):
        number, _, notation = code.partition("/")
    return {
        "document_id": key, "told_id": codes.mark(told), "issuing_organisation_id": issuer or None, "issued_on": codes.day(day),
        "number": number or None, "notation": notation or None,
    }  # fmt: skip


def _content(head: Node) -> dict[str, Any]:
    type_name, priority, steering = (
        head.text(*path) for path in (("DocumentType", "TypeName"), ("OtherInfo", "Priority"), ("SteeringType",))
    )
    return {
        "document_type_key": codes.document_type(type_name), "document_type_source": codes.shown(type_name),
        "priority_key": codes.code(priority), "priority_source": codes.shown(priority),
        "steering_key": codes.code(steering), "steering_source": codes.shown(steering),
        "page_count": codes.whole(head.text("OtherInfo", "PageAmount")),
    }  # fmt: skip


def _subject(told: str | None) -> tuple[str | None, list[str]]:
    """The abstract without persons, and what was undone in it; a filler says nothing."""
    if told is None or told in times_and_numbers.fillers():
        return None, ["Subject:filler"] if told else []
    repaired = text.repair(told)
    undone = [*repaired.treatments, *(["garbled"] if repaired.text and text.is_garbled(repaired.text) else [])]
    return personal_data.without_persons(repaired.text), [f"Subject:{name}" for name in undone]


def _answered(head: Node) -> dict[str, Any]:
    """The documents it answers, and how many more it speaks of without saying which."""
    told = [about for about in head.all("ResponseFor") if any(about.text(part) for part in REFERENCE)]
    keys = [key for about in told if (key := _about(about))]
    return {"responds_to_document_ids": keys, "unnamed_response_count": len(told) - len(keys)}


def _business(business: Node | None) -> dict[str, Any]:
    """What a message does: to which earlier document (its key; a UUID is resolved when linking), and to what of it."""
    if business is None:
        return {"business_type": NEW, "is_content": True}
    said = business.text("BussinessDocType")
    kind = codes.code(said) or NEW
    row: dict[str, Any] = {
        "business_type": kind if kind in (NEW, REVOCATION, UPDATE, REPLACEMENT) else OTHER,
        "business_source": codes.shown(said),
        "paper_source": business.text("Paper"),
        "is_content": not (kind == UPDATE and business.text("BussinessDocumentInfo", "DocumentInfo") == "0"),
    }
    if kind not in (REVOCATION, UPDATE, REPLACEMENT):
        return row
    replaced = [item.text("DocumentId") for item in business.all("ReplacementInfoList", "ReplacementInfo")]
    all_told = list(dict.fromkeys(said for said in (business.text("DocumentId"), *replaced) if said))
    told, more = (all_told[0], all_told[1:]) if all_told else (None, [])
    return {
        **row,
        "refers_to_document_id": edxml.document_id(told, None, None, None), "refers_to_told": codes.mark(told),
        "also_replaces": [edxml.document_id(said, None, None, None) or codes.mark(said) for said in more if kind == REPLACEMENT],
    }  # fmt: skip


def _recipients(head: Node, business: Node | None, by_name: Mapping[str, str]) -> dict[str, Any]:
    """Who receives it, and whom an update adds and takes away. Trial agencies are nobody; unknown ones are counted."""
    found: set[str] = set()
    unknown = 0
    for to in head.all("To"):
        codes = [code for code in PACKED.split(text.clean(to.text("OrganId")) or "") if code]
        for code in codes or [None]:
            if code and code.lower().endswith(TRIAL):
                continue
            agency = _agency(code, to.text("OrganName") if len(codes) < 2 else None, by_name)
            unknown += agency is None
            found |= {agency} if agency else set()
    changes: dict[str, set[str]] = {"0": set(), "1": set()}
    for receiver in business.all("BussinessDocumentInfo", "ReceiverList", "Receiver") if business else ():
        for code in PACKED.split(text.clean(receiver.text("OrganId")) or ""):
            if identity := identify(code):
                changes.setdefault(receiver.text("ReceiverType") or "0", set()).add(identity[0])
    return {
        "recipients": sorted(found), "recipients_added": sorted(changes["0"]), "recipients_removed": sorted(changes["1"]),
        "unknown_recipient_count": unknown,
    }  # fmt: skip


def _agency(code: str | None, name: str | None, by_name: Mapping[str, str]) -> str | None:
    """An agency's id: by its code, else by a name that only one agency of the list bears."""
    identity = identify(text.clean(code))
    return identity[0] if identity else by_name.get(text.key(name) or "")


def _about(about: Node) -> str | None:
    """The document that a ResponseFor speaks of."""
    return edxml.document_id(
        about.text("DocumentId"), about.text("OrganId"), about.text("PromulgationDate"), about.text("Code")
    )
