"""The truth about documents, their deliveries and work files."""

from collections import defaultdict

import numpy as np
import pyarrow as pa

from lgsp_province.world import agencies
from lgsp_province.world.calendar import local_days
from lgsp_province.world.papers import Papers, Standing

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


def _instants(values: list[int | None]) -> pa.Array:
    micros = [None if value is None else value * 1_000_000 for value in values]
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _day(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int32()).cast(pa.date32())


def document_tables(papers: Papers, as_of: int) -> tuple[pa.Table, pa.Table]:
    """Documents that stand, one row each, and their deliveries, one row per recipient.

    `subject` is what a perfect reader publishes; empty where it tells of persons (`has_person`) or says nothing.
    """
    standing = papers.standing(as_of)
    shown, contents = [one.document for one in standing], [one.content for one in standing]
    everyone = agencies.load()
    table = pa.table(
        {
            "document_id": [d.key for d in shown],
            "issuing_organisation_id": [everyone[d.issuer].new_code for d in shown],
            "number": [str(d.number) for d in shown],
            "notation": [d.notation for d in shown],
            "issued_on": _day([d.issued_day for d in shown]),
            "document_type": [d.type_name for d in shown],
            "subject": pa.array(
                [None if d.planted or "D23" in d.defects else d.subject for d in contents], pa.string()
            ),
            "has_person": pa.array([bool(d.planted) for d in contents], pa.bool_()),
            "priority": [_PRIORITIES[d.priority] for d in contents],
            "steering_kind": [_STEERING[d.steering] for d in contents],
            "due_on": _day([d.due_day for d in contents]),
            "is_signed": [d.is_signed for d in contents],
            "has_paper_copy": [d.has_paper for d in contents],
            "page_count": [d.pages for d in contents],
            "attachment_count": [d.attachments for d in contents],
            "sent_at": _instants([d.sent_at for d in shown]),
            "responds_to_document_id": pa.array(
                [None if d.responds_to is None else papers.documents[d.responds_to].key for d in shown],
                pa.string(),
            ),
            "replaced_by_document_id": pa.array([one.replaced_by for one in standing], pa.string()),
            "revoked_at": _instants([one.revoked_at for one in standing]),
        }
    )
    return table, _deliveries(papers, standing, as_of)


def _deliveries(papers: Papers, standing: list[Standing], as_of: int) -> pa.Table:
    reached: defaultdict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for status in papers.statuses:
        if status.listed_at <= as_of:
            reached[status.document, status.recipient][status.code] = status.at
    everyone = agencies.load()
    pairs = [(one.document, recipient, at) for one in standing for recipient, at in sorted(one.recipients.items())]
    courses = [reached.get((document.index, recipient), {}) for document, recipient, _ in pairs]
    columns = {
        "document_id": [d.key for d, _, _ in pairs],
        "recipient_organisation_id": [everyone[r].new_code for _, r, _ in pairs],
        "sender_organisation_id": [everyone[d.issuer].new_code for d, _, _ in pairs],
        "sent_at": _instants([at for _, _, at in pairs]),
    }
    for code, name in _STATES.items():
        columns[f"{name}_at"] = _instants([course.get(code) for course in courses])
    last = [max(course, key=lambda code: (course[code], code)) if course else None for course in courses]
    columns["status"] = pa.array(["sent" if code is None else _STATES[code] for code in last], pa.string())
    columns["is_out_of_order"] = pa.array([_goes_back(course) for course in courses], pa.bool_())
    return pa.table(columns)


def _goes_back(course: dict[str, int]) -> bool:
    """Whether a step of 01 to 06 comes after a later one, or anything after a refusal."""
    steps = [(at, code) for code, at in course.items() if code <= "06"]
    return any(
        earlier < at and (before > code or (before == "02" and code > "02"))
        for at, code in steps
        for earlier, before in steps
    )


def work_file_table(papers: Papers, as_of: int) -> pa.Table:
    """Files that are open or closed by now, without secret ones."""
    shown = [f for f in papers.work_files if f.opened_at <= as_of and not f.is_secret]
    everyone = agencies.load()

    def day(instant: int) -> int | None:
        return int(local_days(np.array([instant]))[0]) if instant <= as_of else None

    return pa.table(
        {
            "work_file_id": [f.code for f in shown],
            "organisation_id": [everyone[f.agency].new_code for f in shown],
            "level": [agencies.LEVELS[everyone[f.agency].level] for f in shown],
            "opened_on": _day([day(f.opened_at) for f in shown]),
            "closed_on": _day([day(f.closed_at) for f in shown]),
            "is_electronic": [f.is_electronic for f in shown],
            "document_count": [f.document_count(as_of) for f in shown],
        }
    )
