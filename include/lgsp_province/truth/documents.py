"""Computes the documents, deliveries and work files of the truth."""

from collections import defaultdict

import numpy as np
import pyarrow as pa

from lgsp_province.world import agencies
from lgsp_province.world.calendar import local_days
from lgsp_province.world.document_data import DocumentData, DocumentState

_STATES = {
    "01": "arrived",
    "02": "rejected",
    "03": "accepted",
    "04": "assigned",
    "05": "processing",
    "06": "completed",
    "13": "recall_requested",
    "15": "recall_accepted",
    "16": "recall_refused",
}
_PRIORITIES = ("normal", "urgent", "very_urgent", "express")
_STEERING = ("none", "steering", "steering_report")


def _timestamps(values: list[int | None]) -> pa.Array:
    micros = [None if value is None else value * 1_000_000 for value in values]
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _dates(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int32()).cast(pa.date32())


def document_tables(data: DocumentData, as_of: int) -> tuple[pa.Table, pa.Table]:
    """Documents listed by `as_of`, one row each, and their deliveries, one row per recipient.

    `subject` is the value to publish: null where it contains personal data (`has_person`) or only filler text (D23).
    """
    states = data.states(as_of)
    documents, contents = [state.document for state in states], [state.content for state in states]
    all_agencies = agencies.load()
    table = pa.table(
        {
            "document_id": [d.key for d in documents],
            "issuing_organisation_id": [all_agencies[d.issuer].new_code for d in documents],
            "number": [str(d.number) for d in documents],
            "notation": [d.notation for d in documents],
            "issued_on": _dates([d.issued_day for d in documents]),
            "document_type": [d.type_name for d in documents],
            "subject": pa.array(
                [None if d.personal_data or "D23" in d.defects else d.subject for d in contents], pa.string()
            ),
            "has_person": pa.array([bool(d.personal_data) for d in contents], pa.bool_()),
            "priority": [_PRIORITIES[d.priority] for d in contents],
            "steering_kind": [_STEERING[d.steering] for d in contents],
            "due_on": _dates([d.due_day for d in contents]),
            "is_signed": [d.is_signed for d in contents],
            "has_paper_copy": [d.has_paper for d in contents],
            "page_count": [d.pages for d in contents],
            "attachment_count": [d.attachments for d in contents],
            "sent_at": _timestamps([d.sent_at for d in documents]),
            "responds_to_document_id": pa.array(
                [None if d.responds_to is None else data.documents[d.responds_to].key for d in documents],
                pa.string(),
            ),
            "replaced_by_document_id": pa.array([state.replaced_by for state in states], pa.string()),
            "revoked_at": _timestamps([state.revoked_at for state in states]),
        }
    )
    return table, _deliveries(data, states, as_of)


def _deliveries(data: DocumentData, states: list[DocumentState], as_of: int) -> pa.Table:
    reached: defaultdict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for status in data.statuses:
        if status.listed_at <= as_of:
            reached[status.document, status.recipient][status.code] = status.at
    all_agencies = agencies.load()
    deliveries = [
        (state.document, recipient, at) for state in states for recipient, at in sorted(state.recipients.items())
    ]
    status_times = [reached.get((document.index, recipient), {}) for document, recipient, _ in deliveries]
    columns = {
        "document_id": [d.key for d, _, _ in deliveries],
        "recipient_organisation_id": [all_agencies[r].new_code for _, r, _ in deliveries],
        "sender_organisation_id": [all_agencies[d.issuer].new_code for d, _, _ in deliveries],
        "sent_at": _timestamps([at for _, _, at in deliveries]),
    }
    for code, name in _STATES.items():
        columns[f"{name}_at"] = _timestamps([times.get(code) for times in status_times])
    last = [max(times, key=lambda code: (times[code], code)) if times else None for times in status_times]
    columns["status"] = pa.array(["sent" if code is None else _STATES[code] for code in last], pa.string())
    columns["is_out_of_order"] = pa.array([_is_out_of_order(times) for times in status_times], pa.bool_())
    return pa.table(columns)


def _is_out_of_order(status_times: dict[str, int]) -> bool:
    """Whether a status of 01 to 06 follows a higher one, or any status follows a rejection (02)."""
    steps = [(at, code) for code, at in status_times.items() if code <= "06"]
    return any(
        earlier_at < at and (earlier > code or (earlier == "02" and code > "02"))
        for at, code in steps
        for earlier_at, earlier in steps
    )


def work_file_table(data: DocumentData, as_of: int) -> pa.Table:
    """Work files opened by `as_of`, one row each; secret ones are left out."""
    work_files = [f for f in data.work_files if f.opened_at <= as_of and not f.is_secret]
    all_agencies = agencies.load()

    def day(instant: int) -> int | None:
        return int(local_days(np.array([instant]))[0]) if instant <= as_of else None

    return pa.table(
        {
            "work_file_id": [f.code for f in work_files],
            "organisation_id": [all_agencies[f.agency].new_code for f in work_files],
            "level": [agencies.LEVELS[all_agencies[f.agency].level] for f in work_files],
            "opened_on": _dates([day(f.opened_at) for f in work_files]),
            "closed_on": _dates([day(f.closed_at) for f in work_files]),
            "is_electronic": [f.is_electronic for f in work_files],
            "document_count": [f.document_count(as_of) for f in work_files],
        }
    )
