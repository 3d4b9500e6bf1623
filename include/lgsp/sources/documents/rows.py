"""What the document system's lists become: documents, delivery statuses and work files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lgsp.harmonise.context import Workbench
from lgsp.land import json_sanitiser
from lgsp.schema import records
from lgsp.sources.documents import edxml, messages
from lgsp.sql import quoted

ORGANISATIONS = """
select orgCode as code, orgName as name, null::varchar as level, parentCode as parent_code, raw_pointer from agencies
"""

# A message is listed again on another day when it is delivered again: its newest listing dates it.
LISTED = """
select docId, max(createdTime) as changed, arg_max(messageType, createdTime) as type from messages group by 1
"""

DOCUMENTS = """
select m.* exclude (paper_source, document_type_key, priority_key, steering_key), listed.changed as source_updated_at,
    document_type(document_type_key) as document_type,
    case when priority_key is null then 'normal' else document_priority(priority_key) end as priority,
    case when steering_key is null then 'none' else steering_kind(steering_key) end as steering_kind,
    yes(paper_source) as has_paper_copy,
    responds_to_document_ids[1] as responds_to_document_id,
    issuer.organisation_id is not null as is_issuer_known,
    list_max(list_transform(m.responds_to_document_ids, lambda id: try_strptime(split_part(id, ',', 2), '%Y/%m/%d')))::date as answered_on,
    m.business_type = '0' and twice.document_id is not null as is_told_twice
from document_message m
join listed on listed.docId = m.source_key
left join organisation issuer on issuer.organisation_id = m.issuing_organisation_id
left join told_twice twice on twice.document_id = m.document_id
"""

# New documents of one key of which two messages say different things; a redelivery says the same.
TOLD_TWICE = """
select document_id from document_message
where document_id in (select document_id from document_message where business_type = '0' group by 1 having count(*) > 1) and business_type = '0'
group by 1 having count(distinct document_type_key) > 1 or count(distinct text_key(subject)) > 1 or count(distinct page_count) > 1
"""

STATUSES = """
select m.* exclude (status_key), delivery_status(status_key) as status, listed.changed as source_updated_at
from status_message m join listed on listed.docId = m.source_key
"""

WORK_FILES = f"""
select w.raw_pointer, w.raw_hash, w.repairs, w.maHoSo as source_key, w.maHoSo as work_file_id,
    coalesce(organisation_code(w.maDonVi), 'UNKNOWN') as organisation_id, shown(w.maDonVi) as organisation_source,
    level(upper(trim(w.capDonVi))) as level, shown(w.capDonVi) as level_source,
    w.ngayMo as opened_on, w.ngayDong as closed_on, w.xuLyDienTu as is_electronic, w.soVanBan as document_count,
    w.ngayCapNhat as source_updated_at,
    coalesce(text_key(w.doMat), '') not in ({", ".join(map(quoted, edxml.NOT_SECRET))}) as is_secret,
    o.organisation_id is not null as is_organisation_known,
    false as is_deleted  -- the source only leaves out what it deleted: a sweep finds it
from work_files w left join organisation o on o.organisation_id = organisation_code(w.maDonVi)
"""

ORIGIN = "source_key varchar, raw_pointer varchar, raw_hash varchar, trouble varchar, is_secret boolean, profile varchar, profile_violation varchar"
DOCUMENT_COLUMNS = f"""
{ORIGIN}, profile_unknown varchar, document_id varchar, told_id varchar, business_type varchar, business_source varchar, is_content boolean,
refers_to_document_id varchar, refers_to_told varchar, also_replaces varchar[], issuing_organisation_id varchar, number varchar, notation varchar,
issued_on date, document_type_key varchar, document_type_source varchar, priority_key varchar, priority_source varchar,
steering_key varchar, steering_source varchar, subject varchar, repairs varchar, due_on date, is_signed boolean, paper_source varchar,
page_count integer, attachment_count integer, responds_to_document_ids varchar[], sent_at timestamptz, recipients varchar[],
recipients_added varchar[], recipients_removed varchar[], unknown_recipient_count integer, unnamed_response_count integer
"""
STATUS_COLUMNS = f"{ORIGIN}, document_id varchar, organisation_id varchar, status_key varchar, status_source varchar, repairs varchar, occurred_at timestamptz"


def harmonise(bench: Workbench) -> None:
    """Stage the records of one landed batch."""
    bench.open("agencies", "messages", "work_files")
    bench.organisations(ORGANISATIONS)
    by_name = dict(bench.con.execute("select key, organisation_id from organisation_key").fetchall())
    bench.con.execute(f"create table listed as {LISTED}")
    bench.repeated += bench.one("select count(*) - count(distinct docId) from messages")
    types = dict(bench.con.execute("select docId, type from listed").fetchall())
    documents: list[dict[str, Any]] = []
    statuses: list[dict[str, Any]] = []
    for message in _messages(bench):
        if types.get(message.source_key) == "status":
            statuses.append(messages.status(message, by_name))
        else:
            documents.append(messages.document(message, by_name))
    undone = Counter(said for row in documents + statuses for said in (row.get("repairs") or "").split(",") if said)
    bench.repairs += [("edocs", *said.split(":"), count) for said, count in sorted(undone.items())]
    bench.table("document_message", documents, DOCUMENT_COLUMNS)
    bench.table("status_message", statuses, STATUS_COLUMNS)
    bench.con.execute(f"create table told_twice as {TOLD_TWICE}")
    bench.stage(records.DOCUMENT, DOCUMENTS)
    bench.stage(records.DOCUMENT_STATUS, STATUSES)
    bench.stage(records.WORK_FILE, WORK_FILES)
    bench.aliases()


def _messages(bench: Workbench) -> Iterator[messages.Message]:
    """Every fetched message; the id is the one we asked for."""
    for call, body in bench.batch.bodies(bench.batch.calls("edocs")):
        source_key = call.request.removeprefix("getEdoc ")
        yield messages.of(source_key, json_sanitiser.loads(body), f"{bench.batch_id}#{call.number}:0", call.sha256)
