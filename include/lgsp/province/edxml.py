"""edXML as QCVN 102:2016 lays it out, in the spellings that vendors use."""

from xml.sax.saxutils import escape

from lgsp.province import agencies, people, wording
from lgsp.province.calendar import day_date
from lgsp.province.papers import NEW, REPLACEMENT, REVOCATION, UPDATE, Document, Status

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
_OLD_NAMESPACE, _ELDER_NAMESPACE = "http://www.e-doc.vn/Schema/", "http://www.go.vn/eDoc"
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


def _organ(index: int, spelling: int | None = None) -> str:
    agency = agencies.load()[index]
    above = agencies.load()[agency.parent or 0].name
    name = agency.name
    if spelling is not None:
        others = agencies.spellings(agency)
        name = others[spelling % len(others)]
    return (
        _text("OrganId", agency.code)
        + _text("OrganizationInCharge", above)
        + _text("OrganName", name)
        + _text("OrganAdd", "Tỉnh Quảng Nam")
        + _text("Email", "van-thu@example.gov.vn")
        + _text("Telephone", "0235 000 0000")
        + "<edXML:Fax/>"
        + _text("Website", "example.gov.vn")
    )


def _reference(document: Document) -> str:
    """`ResponseFor` about a document."""
    return _tag(
        "ResponseFor",
        _text("OrganId", agencies.load()[document.issuer].code),
        _text("Code", document.code),
        _text("PromulgationDate", f"{document.issued_on:%Y/%m/%d}"),
        _text("DocumentId", document.wire_id),
    )


def file_names(document: Document) -> list[str]:
    """Names of the attachments; a signed one says so, unless the envelope itself is signed."""
    base = document.code.replace("/", "-").replace("&", "")
    is_marked = document.is_signed and not document.has_signature_element
    return [
        f"{base}{'' if n == 0 else f'-pl{n}'}{'_Signed' if is_marked and n == 0 else ''}.pdf"
        for n in range(document.attachments)
    ]


def subject(document: Document) -> str:
    """The abstract as sent."""
    text = document.subject
    if "D17" in document.defects:
        text = f"<p>{text.replace(' ', '&nbsp;', 1)}</p>"
    return wording.decomposed(text) if "D01" in document.defects else text


def _business(document: Document, documents: list[Document]) -> str:
    about = []
    if document.target is not None:
        target = documents[document.target].wire_id
        about.append(_text("DocumentId", target))
        if document.kind == UPDATE:
            about.append(_tag("BussinessDocumentInfo", _text("DocumentInfo", 1), _text("DocumentReceiver", 0)))
        if document.kind == REPLACEMENT:
            organs = "".join(_text("OrganId", agencies.load()[index].code) for index in document.recipients)
            info = _tag("ReplacementInfo", _text("DocumentId", target), _tag("OrganIdList", organs))
            about.append(_tag("ReplacementInfoList", info))
    staff = _tag(
        "StaffInfo",
        _text("Department", "Văn thư"),
        _text("Staff", people.officer(document.bits)),
        _text("Email", "van-thu@example.gov.vn"),
        _text("Mobile", "84905000000"),
    )
    return _tag(
        "Bussiness",
        _text("BussinessDocType", document.kind),
        _text("BussinessDocReason", _REASONS[document.kind]),
        _text("Paper", int(document.has_paper)),
        *about,
        staff,
    )


def _other_info(document: Document) -> str:
    secrecy = _text("SecurityLevel", "Mật") if document.is_secret else ""
    return _tag(
        "OtherInfo",
        _text("Priority", document.priority),
        _text("SphereOfPromulgation", "Liên thông văn bản"),
        _text("TyperNotation", "VTH"),
        _text("PromulgationAmount", len(document.recipients)),
        _text("PageAmount", document.pages),
        _text("Direction", "false"),
        secrecy,
        _tag("Appendixes", _text("Appendix", "Biểu số liệu") if document.attachments > 1 else ""),
    )


def _message_header(document: Document, documents: list[Document]) -> str:
    spelling = document.bits >> 5 & 7 if "D08" in document.defects else None
    text = subject(document)
    answered = _reference(documents[document.responds_to]) if document.responds_to is not None else ""
    due = _text("DueDate", f"{day_date(document.due_day):%Y/%m/%d}") if document.due_day is not None else ""
    return _tag(
        "MessageHeader",
        _tag("From", _organ(document.issuer, spelling)),
        *(_tag("To", _organ(index)) for index in document.recipients),
        _text("DocumentId", document.wire_id),
        _tag("Code", _text("CodeNumber", document.number), _text("CodeNotation", document.notation)),
        _tag(
            "PromulgationInfo",
            _text("Place", "Quảng Nam"),
            _text("PromulgationDate", f"{document.issued_on:%Y/%m/%d}"),
        ),
        _tag(
            "DocumentType",
            _text("Type", 2),
            _text("TypeDetail", document.type_detail),
            _text("TypeName", document.type_name),
        ),
        _text("Subject", text),
        _text("Content", text),
        _tag(
            "SignerInfo",
            _text("Competence", "KT."),
            _text("Position", "Phó Giám đốc"),
            _text("FullName", people.officer(document.bits >> 3)),
        ),
        due,
        _tag("ToPlaces", _text("Place", "Như trên"), _text("Place", "Lưu: VT")),
        _other_info(document),
        answered,
        _text("SteeringType", document.steering),
    )


def _attachments(document: Document) -> tuple[str, str]:
    """The manifest, and the encoded files that stand outside the envelope."""
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
    """The whole message of a document."""
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
    return _respelled(xml, document.profile)


def status_xml(status: Status, documents: list[Document]) -> str:
    """A status message: small, about an earlier document."""
    agency, document = agencies.load()[status.recipient], documents[status.document]
    header = _tag(
        "MessageHeader",
        _tag("From", _text("OrganId", agency.code), _text("OrganName", agency.name)),
        _reference(document),
        _tag("StaffInfo", _text("Department", "Văn phòng"), _text("Staff", people.officer(status.bits))),
        _text("StatusCode", status.code),
        _text("Description", status.description),
        _text("Timestamp", wording.slashed(status.at)),
    )
    xml = (
        f'{_HEAD}<edXML xmlns="{NAMESPACE}"><edXML:edXMLEnvelope xmlns:edXML="{NAMESPACE}">'
        + _tag("edXMLHeader", header)
        + "</edXML:edXMLEnvelope></edXML>"
    )
    return _respelled(xml, document.profile)


def _respelled(xml: str, profile: int) -> str:
    """The same message as another vendor writes it."""
    if profile == 1:
        bare = xml.replace(f' xmlns:edXML="{NAMESPACE}"', "").replace("edXML:", "")
        return bare.replace(NAMESPACE, _OLD_NAMESPACE)
    if profile == 2:
        return xml.replace("xmlns:edXML=", "xmlns:edx=").replace("<edXML:", "<edx:").replace("</edXML:", "</edx:")
    if profile == 3:
        return xml.replace(NAMESPACE, _ELDER_NAMESPACE)
    if profile == 4:
        return xml.replace("edXML:Bussiness>", "edXML:Business>")
    return xml
