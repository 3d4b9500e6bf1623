"""What the document system's lists become: documents, delivery statuses and work files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from lgsp import records
from lgsp.organisations import identify
from lgsp.sources.documents import edxml
from lgsp.workbench import Workbench

ORGANISATIONS = """
select orgCode as code, orgName as name, null::varchar as level, filled(parentCode) as parent_code, raw_pointer from agencies
"""

# A message is listed again on another day when it is delivered again: its newest listing dates it.
DOCUMENTS = """
select m.* exclude (recipients, subject, document_type_source, priority_source, steering_source, paper_source, issued_source, due_source, sent_source),
    listed.changed as source_updated_at,
    try_strptime(issued_source, '%Y/%m/%d')::date as issued_on, try_strptime(due_source, '%Y/%m/%d')::date as due_on,
    without_persons(subject) as subject,
    document_type(text_type(document_type_source)) as document_type, document_type_source,
    case when filled(priority_source) is null then 'normal' else document_priority(priority_source) end as priority,
    case when filled(steering_source) is null then 'none' else steering_kind(steering_source) end as steering_kind,
    yes(paper_source) as has_paper_copy, time_slash(sent_source) as sent_at, recipients,
    issuer.organisation_id is not null as is_issuer_known
from document_message m
join listed on listed.docId = m.source_key
left join organisation issuer on issuer.organisation_id = m.issuing_organisation_id
"""

STATUSES = """
select m.source_key, m.raw_pointer, m.raw_hash, m.document_id, m.organisation_id, m.trouble, m.status_source,
    delivery_status(coalesce(nullif(lpad(regexp_extract(m.status_source, '^\\s*(\\d+)', 1), 2, '0'), '00'), lower(trim(m.status_source)))) as status,
    time_slash(m.occurred_source) as occurred_at, listed.changed as source_updated_at
from status_message m join listed on listed.docId = m.source_key
"""

WORK_FILES = """
select w.raw_pointer, w.raw_hash, filled(w.maHoSo) as source_key, filled(w.maHoSo) as work_file_id,
    coalesce(organisation_code(w.maDonVi), filled(w.maDonVi), 'UNKNOWN') as organisation_id,
    level(upper(trim(w.capDonVi))) as level, w.capDonVi as level_source,
    day_vi(w.ngayMo) as opened_on, day_vi(w.ngayDong) as closed_on, yes(w.xuLyDienTu) as is_electronic,
    try_cast(w.soVanBan as integer) as document_count, time_vi(w.ngayCapNhat) as source_updated_at,
    lower(nfc_normalize(trim(coalesce(w.doMat, '')))) not in ('', 'thường', '0') as is_secret,
    o.organisation_id is not null as is_organisation_known
from work_files w left join organisation o on o.organisation_id = organisation_code(w.maDonVi)
"""

DOCUMENT_COLUMNS = """
source_key varchar, raw_pointer varchar, trouble varchar, is_secret boolean, document_id varchar, business_type varchar,
refers_to_document_id varchar, told_id varchar, refers_to_told varchar, raw_hash varchar, issuing_organisation_id varchar, number varchar, notation varchar, issued_source varchar,
document_type_source varchar, subject varchar, priority_source varchar, due_source varchar, steering_source varchar,
is_signed boolean, paper_source varchar, page_count integer, attachment_count integer, responds_to_document_id varchar,
sent_source varchar, recipients varchar[]
"""
STATUS_COLUMNS = """
source_key varchar, raw_pointer varchar, raw_hash varchar, trouble varchar, document_id varchar, organisation_id varchar,
status_source varchar, occurred_source varchar
"""


def harmonise(bench: Workbench) -> None:
    """Stage the records of one landed batch."""
    bench.open("agencies", "messages", "work_files")
    bench.organisations(ORGANISATIONS)
    bench.con.execute("create macro text_type(x) as regexp_replace(lower(nfc_normalize(trim(x))), '\\s+', ' ', 'g')")
    bench.con.execute(
        "create table listed as select docId, max(time_slash(createdTime)) as changed, "
        "arg_max(messageType, time_slash(createdTime)) as type from messages group by 1"
    )
    bench.repeated += bench.one("select count(*) - count(distinct docId) from messages")
    types = dict(bench.con.execute("select docId, type from listed").fetchall())
    documents: list[dict[str, Any]] = []
    statuses: list[dict[str, Any]] = []
    for message in _messages(bench):
        (statuses if types.get(message["docId"]) == "status" else documents).append(message)
    bench.table("document_message", [_document(message) for message in documents], DOCUMENT_COLUMNS)
    bench.table("status_message", [_status(message) for message in statuses], STATUS_COLUMNS)
    bench.stage(records.DOCUMENT, DOCUMENTS)
    bench.stage(records.DOCUMENT_STATUS, STATUSES)
    bench.stage(records.WORK_FILE, WORK_FILES)
    bench.aliases()


def _messages(bench: Workbench) -> Iterator[dict[str, Any]]:
    """Every fetched message as its JSON says it, with where its bytes are; the id is the one we asked for."""
    for call, body in bench.batch.bodies(bench.batch.calls("edocs")):
        answer = orjson.loads(body)
        data = answer.get("data") if isinstance(answer, dict) else None
        told = data if isinstance(data, dict) else {}
        yield {
            "docId": call.request.removeprefix("getEdoc "),
            "edxml": told.get("edxml") or "",
            "attachments": told.get("attachments") or [],
            "secrecy": told.get("doMat") or "",
            "raw_pointer": f"{bench.batch_id}#{call.number}:0",
            "raw_hash": call.sha256,
        }


def _origin(message: dict[str, Any]) -> dict[str, Any]:
    return {"source_key": message["docId"], "raw_pointer": message["raw_pointer"], "raw_hash": message["raw_hash"]}


def _document(message: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {**_origin(message), "is_secret": False}
    try:
        root = edxml.parse(message["edxml"])
        head = edxml.header(root)
    except edxml.Unreadable as trouble:
        return {**row, "trouble": str(trouble)}
    if edxml.is_secret(root) or not edxml.is_ordinary(str(message["secrecy"])):
        return {**row, "is_secret": True}
    number, notation = head.text("Code", "CodeNumber"), head.text("Code", "CodeNotation")
    issued, organ = head.text("PromulgationInfo", "PromulgationDate"), head.text("From", "OrganId")
    code = "/".join(part for part in (number, notation) if part)
    business = next((node for name in ("Bussiness", "Business") for node in root.deep(name)), None)
    kind = business.text("BussinessDocType") or business.text("BusinessDocType") if business else None
    told, response = head.text("DocumentId"), head.find("ResponseFor")
    document_id = edxml.document_id(told, organ, issued, code)
    # the key says issuer and day, also where the message's own fields do not
    issuer, day = (document_id or ",").split(",")[:2]
    names = [str(item.get("fileName", "")) for item in message["attachments"] if isinstance(item, dict)]
    trace = next((node for listed in root.deep("TraceHeaderList") for node in listed.all("TraceHeader")), None)
    return {
        **row,
        "document_id": document_id,
        "told_id": told,
        "business_type": kind or "0",
        **(_refers(business) if business and kind in ("1", "2", "3") else {}),
        "issuing_organisation_id": issuer or None,
        "number": number, "notation": notation, "issued_source": day or None,
        "document_type_source": head.text("DocumentType", "TypeName"),
        "subject": head.text("Subject"),
        "priority_source": head.text("OtherInfo", "Priority"),
        "due_source": head.text("DueDate"),
        "steering_source": head.text("SteeringType"),
        "is_signed": edxml.is_signed(root, names),
        "paper_source": business.text("Paper") if business else None,
        "page_count": _whole(head.text("OtherInfo", "PageAmount")),
        "attachment_count": len(names),
        "responds_to_document_id": _responds(response) if response else None,
        "sent_source": trace.text("Timestamp") if trace else None,
        "recipients": _recipients(head),
    }  # fmt: skip


def _status(message: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = _origin(message)
    try:
        head = edxml.header(edxml.parse(message["edxml"]))
    except edxml.Unreadable as trouble:
        return {**row, "trouble": str(trouble)}
    about, sender = head.find("ResponseFor"), identify(head.text("From", "OrganId"))
    return {
        **row,
        "document_id": _responds(about) if about else None,
        "organisation_id": sender[0] if sender else None,
        "status_source": head.text("StatusCode"),
        "occurred_source": head.text("Timestamp"),
    }


def _responds(about: edxml.Node) -> str | None:
    return edxml.document_id(
        about.text("DocumentId"), about.text("OrganId"), about.text("PromulgationDate"), about.text("Code")
    )


def _refers(business: edxml.Node) -> dict[str, str | None]:
    """The earlier document a message speaks of: its key, and its id as told (a UUID is resolved when linking)."""
    told = business.text("DocumentId") or business.text("ReplacementInfoList", "ReplacementInfo", "DocumentId")
    return {"refers_to_document_id": edxml.document_id(told, None, None, None), "refers_to_told": told}


def _recipients(head: edxml.Node) -> list[str]:
    """The recipients' ids; several packed into one element are told apart."""
    codes = [
        code
        for to in head.all("To")
        for code in (to.text("OrganId") or "").replace(";", "#").split("#")
        if code.strip()
    ]
    found = [identify(code) for code in codes]
    return sorted({identity[0] if identity else code.strip() for identity, code in zip(found, codes, strict=True)})


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isdigit() else None
