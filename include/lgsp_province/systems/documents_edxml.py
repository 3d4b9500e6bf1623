"""Writes edXML as specified in QCVN 102:2016, in the variants that vendors use."""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from xml.sax.saxutils import escape

from lgsp_province.defects import code_styles, mixed_text, text_damage
from lgsp_province.world import agencies, people, wording
from lgsp_province.world.calendar import day_date
from lgsp_province.world.document_data import NEW, REPLACEMENT, REVOCATION, UPDATE, Document, Status

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
_OLD_NAMESPACE, _OLDEST_NAMESPACE = "http://www.e-doc.vn/Schema/", "http://www.go.vn/eDoc"
_SOAP = 'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"'
BKAV = (1, 5)  # profiles that number urgency from 1 to 5
_REASONS = {
    NEW: "Văn bản điện tử mới",
    REVOCATION: "Thu hồi văn bản",
    UPDATE: "Cập nhật văn bản",
    REPLACEMENT: "Thay thế văn bản",
}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
PDF = "JVBERi0xLjQK"


def _tag(name: str, *content: str) -> str:
    return f"<edXML:{name}>{''.join(content)}</edXML:{name}>"


def _text(name: str, value: object) -> str:
    return _tag(name, escape(str(value)))


def _organisation(
    index: int, spelling: int | None = None, *, code: str | None = None, has_new_tones: bool = False
) -> str:
    agency = agencies.load()[index]
    parent_name = agency.name if agency.parent is None else agencies.load()[agency.parent].name
    name = agency.name
    if spelling is not None:
        variants = agencies.name_variants(agency)
        name = variants[spelling % len(variants)]
    if has_new_tones:
        name = text_damage.to_new_tones(name.replace("UBND", "Ủy ban nhân dân"))
    return _party(agency.code if code is None else code, name, parent_name, agencies.seat(agency))


def _party(code: str, name: str, parent_name: str, seat: str = "Tỉnh Quảng Nam") -> str:
    return (
        _text("OrganId", code)
        + _text("OrganizationInCharge", parent_name)
        + _text("OrganName", name)
        + _text("OrganAdd", seat)
        + _text("Email", "van-thu@example.gov.vn")
        + _text("Telephone", "0235 000 0000")
        + "<edXML:Fax/>"
        + _text("Website", "example.gov.vn")
    )


@cache
def _with_unique_name() -> frozenset[int]:
    """The agencies whose name no other agency has."""
    name_counts = Counter(agency.name.lower() for agency in agencies.load())
    return frozenset(agency.index for agency in agencies.load() if name_counts[agency.name.lower()] == 1)


def _recipients(document: Document) -> list[str]:
    """The `To` elements: one per recipient, or all packed into one (D32); without codes or with unknown agencies (D21)."""
    codes = [agencies.load()[index].code for index in document.recipients]
    if "D32" in document.defects and codes:
        separator = ("#", "##", ";", ",")[document.bits >> 9 & 3]
        return [_tag("To", _organisation(document.recipients[0], code=separator.join(codes)))]
    has_new_tones, kind = "D06" in document.defects, document.bits >> 11 & 3
    identifiable = (
        [index for index in document.recipients if index in _with_unique_name()] if "D21" in document.defects else []
    )
    without_code = identifiable[0] if identifiable and kind != 1 else None
    recipients = [
        _tag("To", _organisation(index, code="" if index == without_code else None, has_new_tones=has_new_tones))
        for index in document.recipients
    ]
    if "D21" in document.defects and (kind in (1, 3) or without_code is None):
        recipients.append(_tag("To", _party("H47_test", "Đơn vị thử nghiệm", "")))
    if "D21" in document.defects and kind == 2:
        recipients.append(_tag("To", _party("", "Công ty Cấp thoát nước", "")))
    return recipients


def _reference(document: Document, style: int | None = None) -> str:
    """The `ResponseFor` element that refers to a document; with a style, its codes are written in another way (D46)."""
    code, wire_id = document.code, document.wire_id
    if style is not None:
        code = code_styles.renumbered(code, style)
        wire_id = code_styles.restyled(wire_id, style) if "," in wire_id else wire_id
    return _tag(
        "ResponseFor",
        _text("OrganId", agencies.load()[document.issuer].code),
        _text("Code", code),
        _text("PromulgationDate", f"{document.issued_on:%Y/%m/%d}"),
        _text("DocumentId", wire_id),
    )


def file_names(document: Document) -> list[str]:
    """File names of the attachments; `_Signed` in the first name if the document, but not its envelope, is signed."""
    base = document.code.replace("/", "-").replace("&", "")
    is_marked = document.is_signed and not document.has_signature_element
    return [
        f"{base}{'' if n == 0 else f'-pl{n}'}{'_Signed' if is_marked and n == 0 else ''}.pdf"
        for n in range(document.attachments)
    ]


def subject(document: Document) -> str:
    """The subject as sent, with its defects."""
    text, defects = document.subject, document.defects
    if "D23" in defects:
        return (".", "Dinhkem", "-")[document.bits % 3]
    if "D07" in defects:
        return text_damage.to_look_alikes(text, 1 << document.bits % 7)
    damage_by_defect: dict[str, Callable[[str], str]] = {"D02": text_damage.to_tcvn3, "D03": text_damage.to_vni, "D04": text_damage.to_cp1258, "D05": text_damage.to_mojibake,
              "D17": text_damage.to_html, "D01": text_damage.to_nfd, "D47": partial(mixed_text.damaged, bits=document.bits >> 4)}  # fmt: skip
    return next((damage(text) for name, damage in damage_by_defect.items() if name in defects), text)


def _type(document: Document) -> str:
    """The `DocumentType` element; with D36, in other numberings and spellings of the vendors."""
    kind, detail, name = "2", str(document.type_detail), document.type_name
    if "D36" in document.defects:
        kind, detail = (("1", "1"), (detail, ""), ("2", detail))[(document.bits >> 13) % 3]
        name = (name, name.upper(), f"{name} (bản điện tử)", text_damage.to_nfd(name))[document.bits >> 15 & 3]
    return _tag("DocumentType", _text("Type", kind), _text("TypeDetail", detail), _text("TypeName", name))


def _priority(document: Document) -> str:
    """The urgency as sent: a number, another vendor's number, or words."""
    if document.profile in BKAV:
        return str(document.priority or 5)
    if document.profile == 4:
        return ("Thường", "Khẩn", "Thượng khẩn", "Hỏa tốc")[document.priority]
    return str(document.priority)


def _business(document: Document, documents: list[Document]) -> str:
    elements = []
    if document.target is not None:
        target = documents[document.target].wire_id
        elements.append(_text("DocumentId", target))
        if document.kind == UPDATE:
            elements.append(_changes(document))
        if document.kind == REPLACEMENT:
            organisation_ids = "".join(_text("OrganId", agencies.load()[index].code) for index in document.recipients)
            info = _tag("ReplacementInfo", _text("DocumentId", target), _tag("OrganIdList", organisation_ids))
            elements.append(_tag("ReplacementInfoList", info))
    staff = _tag(
        "StaffInfo",
        _text("Department", "Văn thư"),
        _text("Staff", people.official_name(document.bits)),
        _text("Email", "van-thu@example.gov.vn"),
        _text("Mobile", "84905000000"),
    )
    return _tag(
        "Bussiness",
        _text("BussinessDocType", document.kind),
        _text("BussinessDocReason", _REASONS[document.kind]),
        _text("Paper", int(document.has_paper)),
        *elements,
        staff,
    )


def _changes(update: Document) -> str:
    """The `BussinessDocumentInfo` element, which describes what an update changes."""
    changes = [(index, 0) for index in update.added] + [(index, 1) for index in update.removed]
    receivers = [
        _tag("Receiver", _text("OrganId", agencies.load()[index].code), _text("ReceiverType", kind))
        for index, kind in changes
    ]
    listed = _tag("ReceiverList", *receivers) if receivers else ""
    flags = (_text("DocumentInfo", int(update.is_content)), _text("DocumentReceiver", int(bool(receivers))))
    return _tag("BussinessDocumentInfo", *flags, listed)


_SECRECY = ("Mật", "MẬT", "Tối mật", "Tuyệt mật", text_damage.to_nfd("Tối mật"), "mat", "1", "3")


def secrecy(document: Document) -> str:
    """The security level of a secret document as sent."""
    return _SECRECY[document.bits >> 17 & 7]


def _other_info(document: Document) -> str:
    is_attribute = bool(document.bits >> 20 & 1)
    level = "" if not document.is_secret or is_attribute else _text("SecurityLevel", secrecy(document))
    info = _tag(
        "OtherInfo",
        _text("Priority", _priority(document)),
        _text("SphereOfPromulgation", "Liên thông văn bản"),
        _text("TyperNotation", "VTH"),
        _text("PromulgationAmount", len(document.recipients)),
        _text("PageAmount", document.pages),
        _text("Direction", "false"),
        level,
        _tag("Appendixes", _text("Appendix", "Biểu số liệu") if document.attachments > 1 else ""),
    )
    if document.is_secret and is_attribute:
        return info.replace("OtherInfo>", f'OtherInfo SecurityLevel="{secrecy(document)}">', 1)
    return info


def code_damage(document: Document) -> Callable[[str], str]:
    """The damage to the document's own codes: with D07, Đ becomes a look-alike letter."""
    return (lambda code: text_damage.to_look_alikes(code, 1)) if "D07" in document.defects else str


def _message_header(document: Document, documents: list[Document]) -> str:
    spelling = document.bits >> 5 & 7 if "D08" in document.defects else None
    text = subject(document)
    damage_code = code_damage(document)
    style = document.bits >> 7 & 15 if "D46" in document.defects else None
    response_reference = _reference(documents[document.responds_to], style) if document.responds_to is not None else ""
    due = _text("DueDate", f"{day_date(document.due_day):%Y/%m/%d}") if document.due_day is not None else ""
    return _tag(
        "MessageHeader",
        _tag("From", _organisation(document.issuer, spelling, has_new_tones="D06" in document.defects)),
        *_recipients(document),
        _text("DocumentId", damage_code(document.wire_id)),
        _tag("Code", _text("CodeNumber", document.number), _text("CodeNotation", damage_code(document.notation))),
        _tag(
            "PromulgationInfo",
            _text("Place", "Quảng Nam"),
            _text("PromulgationDate", f"{document.issued_on:%Y/%m/%d}"),
        ),
        _type(document),
        _text("Subject", text),
        _text("Content", text),
        _tag(
            "SignerInfo",
            _text("Competence", "KT."),
            _text("Position", "Phó Giám đốc"),
            _text("FullName", people.official_name(document.bits >> 3)),
        ),
        due,
        _tag("ToPlaces", _text("Place", "Như trên"), _text("Place", "Lưu: VT")),
        _other_info(document),
        response_reference,
        _text("SteeringType", document.steering),
    )


def _attachments(document: Document) -> tuple[str, str]:
    """The manifest, and the encoded files, which are placed outside the envelope."""
    entries = [(f"cid:{document.bits & 0xFFFF:04x}{n}", name) for n, name in enumerate(file_names(document))]
    manifest = "".join(
        _tag(
            "Reference",
            _text("ContentId", cid),
            _text("ContentType", "application/pdf"),
            _text("Description", name),
            _text("AttachmentName", name),
        )
        for cid, name in entries
    )
    files = "".join(
        f"<Attachment><ContentId>{cid}</ContentId><AttachmentName>{escape(name)}</AttachmentName>"
        f"<Description/><ContentType>application/pdf</ContentType><edXML:ContentTransferEncoded "
        f'xmlns:edXML="{NAMESPACE}">{PDF}'
        "</edXML:ContentTransferEncoded></Attachment>"
        for cid, name in entries
    )
    return manifest, files


def document_xml(document: Document, documents: list[Document]) -> str:
    """The complete edXML message of a document; `documents` is the list that its references are indexes into."""
    trace = _tag(
        "TraceHeader",
        _text("OrganId", agencies.load()[document.issuer].code),
        _text("Timestamp", wording.slashed(document.sent_at)),
    )
    traces = _tag("TraceHeaderList", trace, _business(document, documents))
    signature = _tag("Signature", _text("SignatureValue", PDF)) if document.has_signature_element else ""
    manifest, files = _attachments(document)
    xml = (
        f'{_HEAD}<edXML xmlns="{NAMESPACE}"><edXML:edXMLEnvelope xmlns:edXML="{NAMESPACE}">'
        + _tag("edXMLHeader", _message_header(document, documents), traces, signature)
        + _tag("edXMLBody", f'<edXML:edXMLManifest version="1.0">{manifest}</edXML:edXMLManifest>')
        + f"</edXML:edXMLEnvelope><AttachmentEncoded>{files}</AttachmentEncoded></edXML>"
    )
    return _apply_profile(xml, document.profile)


_KEYWORDS = {"01": "inbox", "02": "rejection", "03": "acceptance", "04": "assignment", "05": "processing", "06": "done", "13": "cancellation"}  # fmt: skip
_WORDS = {"01": "Đã đến", "02": "Từ chối tiếp nhận", "03": "Đã tiếp nhận", "04": "Phân công", "05": "Đang xử lý", "06": "Hoàn thành",
          "13": "Lấy lại", "15": "Đồng ý lấy lại", "16": "Từ chối lấy lại"}  # fmt: skip


def status_code(status: Status) -> str:
    """The code of a status as sent: `05`, `5`, a keyword of the connection kit, code and words, or words only."""
    code, words = status.code, _WORDS[status.code]
    return (code, str(int(code)), _KEYWORDS.get(code, code), f"{code} - {words}", words)[status.code_form]


def status_xml(status: Status, documents: list[Document]) -> str:
    """The complete edXML message of a status; `documents` contains the document that it refers to."""
    agency, document = agencies.load()[status.recipient], documents[status.document]
    header = _tag(
        "MessageHeader",
        _tag("From", _text("OrganId", agency.code), _text("OrganName", agency.name)),
        _reference(document),
        _tag("StaffInfo", _text("Department", "Văn phòng"), _text("Staff", people.official_name(status.bits))),
        _text("StatusCode", status_code(status)),
        _text("Description", status.description),
        _text("Timestamp", wording.slashed(status.at)),
    )
    xml = (
        f'{_HEAD}<edXML xmlns="{NAMESPACE}"><edXML:edXMLEnvelope xmlns:edXML="{NAMESPACE}">'
        + _tag("edXMLHeader", header)
        + "</edXML:edXMLEnvelope></edXML>"
    )
    return _apply_profile(xml, document.profile)


def _apply_profile(xml: str, profile: int) -> str:
    """The message as the vendor of a profile writes it."""
    if profile == 1:
        without_prefix = xml.replace(f' xmlns:edXML="{NAMESPACE}"', "").replace("edXML:", "")
        return without_prefix.replace(NAMESPACE, _OLD_NAMESPACE)
    if profile == 2:
        return xml.replace("xmlns:edXML=", "xmlns:edx=").replace("<edXML:", "<edx:").replace("</edXML:", "</edx:")
    if profile == 3:
        return xml.replace(NAMESPACE, _OLDEST_NAMESPACE)
    if profile == 4:
        return xml.replace("edXML:Bussiness>", "edXML:Business>")
    if profile == 5:
        inner = xml.removeprefix(_HEAD).replace(NAMESPACE, _OLD_NAMESPACE)
        return f"{_HEAD}<soap:Envelope {_SOAP}><soap:Header/><soap:Body>{inner}</soap:Body></soap:Envelope>"
    if profile == 6:
        return xml.replace(f' xmlns:edXML="{NAMESPACE}"', "").replace(f' xmlns="{NAMESPACE}"', "").replace("edXML:", "")
    if profile == 7:
        return xml.replace("OrganId>", "OrganID>").replace("DocumentId>", "documentId>").replace("Subject>", "SUBJECT>")
    return xml
