"""Converts each message of the document system, also an unreadable one, to a row: a document or a delivery status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lgsp.harmonise.organisations.directory import identify
from lgsp.sources.documents import codes, edxml, edxml_schema
from lgsp.sources.documents.xml_node import Node
from lgsp.vietnam import personal_data, text, times_and_numbers

# Separators of several agency codes in one field; they never occur in an agency code.
SEPARATORS = re.compile(r"[#;,|\s]+")
TEST_SUFFIX = "_test"

NEW, REVOCATION, UPDATE, REPLACEMENT = "0", "1", "2", "3"
OTHER = "other"
REFERENCE_FIELDS = ("DocumentId", "OrganId", "Code", "PromulgationDate")


@dataclass(frozen=True)
class Message:
    """One fetched message: its edXML and the other fields of the gateway's answer."""

    source_key: str
    edxml: object
    attachments: object
    secrecy: tuple[object, ...]
    raw_pointer: str
    raw_hash: str
    trouble: str | None = None  # why it was not delivered

    @property
    def origin(self) -> dict[str, Any]:
        """The columns of its row that identify the landed bytes."""
        return {"source_key": self.source_key, "raw_pointer": self.raw_pointer, "raw_hash": self.raw_hash}

    @property
    def attachment_names(self) -> list[str]:
        """The names of its attachments."""
        files = self.attachments if isinstance(self.attachments, list) else []
        return [str(item.get("fileName", "")) for item in files if isinstance(item, dict)]

    @property
    def is_secret(self) -> bool:
        """Whether the gateway marks it as secret."""
        return any(not edxml.is_ordinary(value) for value in self.secrecy)

    def root(self) -> Node:
        """The root element of its edXML. Raises Unreadable."""
        if self.trouble:
            raise edxml.Unreadable(self.trouble)
        if not isinstance(self.edxml, str):
            raise edxml.Unreadable("is no text")
        return edxml.parse(self.edxml)


def from_answer(source_key: str, answer: object, raw_pointer: str, raw_hash: str) -> Message:
    """The message in an answer of the gateway, also when the answer has an unexpected shape."""
    data = answer.get("data") if isinstance(answer, dict) else None
    fields = data if isinstance(data, dict) else {}
    secrecy = tuple(value for name, value in fields.items() if str(name).lower() in edxml.SECRECY_FIELDS)
    return Message(source_key, fields.get("edxml"), fields.get("attachments"), secrecy, raw_pointer, raw_hash)


def _parse(message: Message) -> tuple[dict[str, Any], tuple[Node, Node] | None]:
    """The first columns of the row, and the root and header of the edXML (None when it is secret or unreadable)."""
    row: dict[str, Any] = {**message.origin, "is_secret": message.is_secret}
    if message.is_secret:
        return row, None
    try:
        root = message.root()
        if edxml.is_secret(root):
            return {**row, "is_secret": True}, None
        return row, (root, edxml.header(root))
    except edxml.Unreadable as reason:
        return {**row, "trouble": str(reason)}, None


def document_row(message: Message, agency_ids: Mapping[str, str]) -> dict[str, Any]:
    """The row of a document; `agency_ids` has the id of an agency for the canonical key of its name.

    An unreadable message has the reason in `trouble`. A secret one has only its origin and `is_secret`.
    """
    row, parsed = _parse(message)
    if parsed is None:
        return row
    root, head = parsed
    business = next(root.descendants("Bussiness"), None)
    traces = next(root.descendants("TraceHeaderList"), None)
    validation = edxml_schema.validate("Document", tuple(part for part in (head, traces, business) if part is not None))
    sent = [trace.text("Timestamp") for trace in root.descendants("TraceHeader")]
    promulgated, due = head.text("PromulgationInfo", "PromulgationDate"), head.text("DueDate")
    subject, repairs = _subject(head.text("Subject"))
    if oddity := codes.count_oddity(head.text("OtherInfo", "PageAmount")):
        repairs.append(f"PageAmount:{oddity}")
    return {
        **row,
        "profile": codes.displayable(head.namespace or root.namespace),
        "profile_violation": validation.violation,
        "profile_unknown": ", ".join(validation.unknown) or None,
        **_document_key(head, agency_ids),
        **_content(head),
        **_business(business),
        **_recipients(head, business, agency_ids),
        **_responses(head),
        "is_signed": edxml.is_signed(root, message.attachment_names),
        "attachment_count": len(message.attachment_names),
        "subject": subject,
        "due_on": codes.day(due),
        "sent_at": min((at for value in sent if (at := codes.moment(value))), default=None),
        "repairs": _join_repairs(repairs, PromulgationDate=[promulgated], DueDate=[due], Timestamp=sent),
    }  # fmt: skip


def status_row(message: Message, agency_ids: Mapping[str, str]) -> dict[str, Any]:
    """The row of a delivery status; the sender is resolved by its code, else by a name that only one agency has."""
    row, parsed = _parse(message)
    if parsed is None:
        return row
    root, head = parsed
    reference, sender = head.find("ResponseFor"), head.find("From")
    code, validation = head.text("StatusCode"), edxml_schema.validate("Status", (head,))
    return {
        **row,
        "profile": codes.displayable(head.namespace or root.namespace),
        "profile_violation": validation.violation,
        "document_id": _referenced_document_id(reference) if reference else None,
        "organisation_id": _agency_id(sender.text("OrganId"), sender.text("OrganName"), agency_ids) if sender else None,
        "status_key": codes.code(code, width=2),
        "status_source": codes.displayable(code),
        "occurred_at": codes.moment(head.text("Timestamp")),
        "repairs": _join_repairs([], Timestamp=[head.text("Timestamp")]),
    }


def _join_repairs(repairs: list[str], **times: list[str | None]) -> str | None:
    """The repairs of a message and the oddities of its times, each once, separated by commas."""
    odd = [
        f"{name}:{oddity}" for name, values in times.items() for each in values if (oddity := codes.time_oddity(each))
    ]
    return ",".join(dict.fromkeys([*repairs, *odd])) or None


def _document_key(head: Node, agency_ids: Mapping[str, str]) -> dict[str, Any]:
    """The key of a document and its parts; issuer and day come from the key, because the message's own fields may lack them."""
    number, notation = text.clean(head.text("Code", "CodeNumber")), text.clean(head.text("Code", "CodeNotation"))
    issued, sent_id = head.text("PromulgationInfo", "PromulgationDate"), head.text("DocumentId")
    organ = _agency_id(head.text("From", "OrganId"), head.text("From", "OrganName"), agency_ids)
    code = "/".join(part for part in (number, notation) if part) or text.clean(head.text("Code"))
    key = edxml.document_id(sent_id, organ, issued, code)
    issuer, day, _ = (key or ",,").split(",", 2)
    if number is None or (notation is None and "/" in number):
        is_named = edxml.document_id(sent_id, None, None, None) is not None
        sent_code = (text.clean(sent_id) or "").split(",", 2)[2] if is_named else code
        number, _, notation = ((text.clean(sent_code) or "") if key else "").partition("/")
        number, notation = number.strip(), notation.strip()
    return {
        "document_id": key, "told_id": codes.id_hash(sent_id), "issuing_organisation_id": issuer or None, "issued_on": codes.day(day),
        "number": number or None, "notation": notation or None,
    }  # fmt: skip


def _content(head: Node) -> dict[str, Any]:
    type_name, priority, steering = (
        head.text(*path) for path in (("DocumentType", "TypeName"), ("OtherInfo", "Priority"), ("SteeringType",))
    )
    return {
        "document_type_key": codes.document_type(type_name), "document_type_source": codes.displayable(type_name),
        "priority_key": codes.code(priority), "priority_source": codes.displayable(priority),
        "steering_key": codes.code(steering), "steering_source": codes.displayable(steering),
        "page_count": codes.count(head.text("OtherInfo", "PageAmount")),
    }  # fmt: skip


def _subject(sent: str | None) -> tuple[str | None, list[str]]:
    """The subject without personal data, and its repairs; a filler gives None."""
    if sent is None or sent in times_and_numbers.fillers():
        return None, ["Subject:filler"] if sent else []
    repaired = text.repair(sent)
    return personal_data.without_persons(repaired.text), [f"Subject:{name}" for name in repaired.treatments]


def _responses(head: Node) -> dict[str, Any]:
    """The documents that a message responds to, and the number of references that cannot be resolved."""
    references = [node for node in head.find_all("ResponseFor") if any(node.text(part) for part in REFERENCE_FIELDS)]
    keys = [key for reference in references if (key := _referenced_document_id(reference))]
    return {"responds_to_document_ids": keys, "unnamed_response_count": len(references) - len(keys)}


def _business(business: Node | None) -> dict[str, Any]:
    """What a message does to which earlier document. The document is its key; a UUID is resolved when linking."""
    if business is None:
        return {"business_type": NEW, "is_content": True}
    sent_kind = business.text("BussinessDocType")
    kind = codes.code(sent_kind) or NEW
    row: dict[str, Any] = {
        "business_type": kind if kind in (NEW, REVOCATION, UPDATE, REPLACEMENT) else OTHER,
        "business_source": codes.displayable(sent_kind),
        "paper_source": business.text("Paper"),
        "is_content": not (kind == UPDATE and business.text("BussinessDocumentInfo", "DocumentInfo") == "0"),
    }
    if kind not in (REVOCATION, UPDATE, REPLACEMENT):
        return row
    replaced = [item.text("DocumentId") for item in business.find_all("ReplacementInfoList", "ReplacementInfo")]
    sent_ids = list(dict.fromkeys(each for each in (business.text("DocumentId"), *replaced) if each))
    first_id, other_ids = (sent_ids[0], sent_ids[1:]) if sent_ids else (None, [])
    return {
        **row,
        "refers_to_document_id": edxml.document_id(first_id, None, None, None), "refers_to_told": codes.id_hash(first_id),
        "also_replaces": [edxml.document_id(each, None, None, None) or codes.id_hash(each) for each in other_ids if kind == REPLACEMENT],
    }  # fmt: skip


def _recipients(head: Node, business: Node | None, agency_ids: Mapping[str, str]) -> dict[str, Any]:
    """The recipients, and those that an update adds and removes. Test agencies are left out; unknown ones are counted."""
    recipients: set[str] = set()
    unknown = 0
    for to in head.find_all("To"):
        codes = [code for code in SEPARATORS.split(text.clean(to.text("OrganId")) or "") if code]
        for code in codes or [None]:
            if code and code.lower().endswith(TEST_SUFFIX):
                continue
            agency = _agency_id(code, to.text("OrganName") if len(codes) < 2 else None, agency_ids)
            unknown += agency is None
            recipients |= {agency} if agency else set()
    changes: dict[str, set[str]] = {"0": set(), "1": set()}
    for receiver in business.find_all("BussinessDocumentInfo", "ReceiverList", "Receiver") if business else ():
        for code in SEPARATORS.split(text.clean(receiver.text("OrganId")) or ""):
            if identity := identify(code):
                changes.setdefault(receiver.text("ReceiverType") or "0", set()).add(identity[0])
    return {
        "recipients": sorted(recipients), "recipients_added": sorted(changes["0"]), "recipients_removed": sorted(changes["1"]),
        "unknown_recipient_count": unknown,
    }  # fmt: skip


def _agency_id(code: str | None, name: str | None, agency_ids: Mapping[str, str]) -> str | None:
    """The id of an agency: by its code, else by a name that only one agency in the list has."""
    identity = identify(text.clean(code))
    return identity[0] if identity else agency_ids.get(text.key(name) or "")


def _referenced_document_id(reference: Node) -> str | None:
    """The key of the document that a ResponseFor refers to."""
    return edxml.document_id(
        reference.text("DocumentId"),
        reference.text("OrganId"),
        reference.text("PromulgationDate"),
        reference.text("Code"),
    )
