"""Stage the records of the document system: documents, delivery statuses and work files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lgsp.harmonise.context import HarmoniseContext
from lgsp.land import json_sanitiser
from lgsp.land.reader import NOT_DELIVERED
from lgsp.schema import records
from lgsp.sources.documents import edxml, edxml_schema, messages
from lgsp.sql import quoted

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


def preload() -> None:
    """Read the XML schema of messages, before tasks are forked that need it."""
    edxml_schema.schema()


def harmonise(context: HarmoniseContext) -> None:
    """Stage the records of one landed batch."""
    context.read("agencies", "messages", "work_files")
    context.stage_organisations()
    by_name = dict(context.con.execute("select key, organisation_id from organisation_key").fetchall())
    context.con.execute(f"create table listed as {context.source.sql('listed')}")
    context.repeated += context.value("select count(*) - count(distinct docId) from messages")
    types = dict(context.con.execute("select docId, type from listed").fetchall())
    documents: list[dict[str, Any]] = []
    statuses: list[dict[str, Any]] = []
    for message in _messages(context):
        if types.get(message.source_key) == "status":
            statuses.append(messages.status_row(message, by_name))
        else:
            documents.append(messages.document_row(message, by_name))
    repairs = Counter(item for row in documents + statuses for item in (row.get("repairs") or "").split(",") if item)
    context.repairs += [("edocs", *item.split(":"), count) for item, count in sorted(repairs.items())]
    context.table("document_message", documents, DOCUMENT_COLUMNS)
    context.table("status_message", statuses, STATUS_COLUMNS)
    context.con.execute(f"create table reported_twice as {context.source.sql('reported_twice')}")
    context.stage(records.DOCUMENT, context.source.sql("documents"))
    context.stage(records.DOCUMENT_STATUS, context.source.sql("statuses"))
    not_secret = ", ".join(map(quoted, edxml.NOT_SECRET))
    context.stage(records.WORK_FILE, context.source.sql("work_files", not_secret=not_secret))
    context.stage_aliases()


def _messages(context: HarmoniseContext) -> Iterator[messages.Message]:
    """The fetched messages, each with the id that was requested."""
    listed = "select docId from messages where raw_pointer in (select raw_pointer from damaged_record)"
    damaged_ids = {doc_id for (doc_id,) in context.con.execute(listed).fetchall()}
    for call, body in context.batch.bodies(context.batch.calls("edocs")):
        source_key = call.request.removeprefix("getEdoc ")
        pointer = f"{context.batch_id}#{call.number}:0"
        if call.status == NOT_DELIVERED:
            trouble = f"the gateway lists it and does not deliver it: {body.decode()}"
            yield messages.Message(source_key, None, None, (), pointer, call.sha256, trouble)
        else:
            answer, is_damaged = json_sanitiser.parse(body, context.json_depth)
            if is_damaged or source_key in damaged_ids:
                context.con.execute("insert into damaged_record values (?)", [pointer])
            yield messages.from_answer(source_key, answer, pointer, call.sha256)
