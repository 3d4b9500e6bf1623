"""The truth about documents, their deliveries and work files."""

from collections import defaultdict

import numpy as np
import pyarrow as pa

from lgsp.province import agencies
from lgsp.province.calendar import local_days
from lgsp.province.papers import NEW, REPLACEMENT, REVOCATION, Document, Papers

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


def _instants(values: list[int | None]) -> pa.Array:
    micros = [None if value is None else value * 1_000_000 for value in values]
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _day(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int32()).cast(pa.date32())


def documents(papers: Papers, as_of: int) -> tuple[pa.Table, pa.Table]:
    """Documents that stand, one row each, and their deliveries, one row per recipient."""
    visible = [d for d in papers.documents if d.sent_at <= as_of]
    shown = [d for d in visible if d.kind in (NEW, REPLACEMENT) and not d.is_secret]
    revoked = {d.target: d.sent_at for d in visible if d.kind == REVOCATION}
    replaced = {d.target: d.key for d in visible if d.kind == REPLACEMENT}
    everyone = agencies.load()
    table = pa.table(
        {
            "document_id": [d.key for d in shown],
            "issuing_organisation_id": [everyone[d.issuer].new_code for d in shown],
            "number": [str(d.number) for d in shown],
            "notation": [d.notation for d in shown],
            "issued_on": _day([d.issued_day for d in shown]),
            "document_type": [d.type_name for d in shown],
            "due_on": _day([d.due_day for d in shown]),
            "is_signed": [d.is_signed for d in shown],
            "has_paper_copy": [d.has_paper for d in shown],
            "page_count": [d.pages for d in shown],
            "attachment_count": [d.attachments for d in shown],
            "sent_at": _instants([d.sent_at for d in shown]),
            "responds_to_document_id": pa.array(
                [None if d.responds_to is None else papers.documents[d.responds_to].key for d in shown],
                pa.string(),
            ),
            "replaced_by_document_id": pa.array([replaced.get(d.index) for d in shown], pa.string()),
            "revoked_at": _instants([revoked.get(d.index) for d in shown]),
        }
    )
    return table, _deliveries(papers, shown, as_of)


def _deliveries(papers: Papers, shown: list[Document], as_of: int) -> pa.Table:
    reached: defaultdict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for status in papers.statuses:
        if status.at <= as_of:
            reached[status.document, status.recipient][status.code] = status.at
    everyone = agencies.load()
    pairs = [(document, recipient) for document in shown for recipient in document.recipients]
    courses = [reached.get((document.index, recipient), {}) for document, recipient in pairs]
    columns = {
        "document_id": [d.key for d, _ in pairs],
        "recipient_organisation_id": [everyone[r].new_code for _, r in pairs],
        "sender_organisation_id": [everyone[d.issuer].new_code for d, _ in pairs],
        "sent_at": _instants([d.sent_at for d, _ in pairs]),
    }
    for code, name in _STATES.items():
        columns[f"{name}_at"] = _instants([course.get(code) for course in courses])
    last = [max(course, key=lambda code: (course[code], code)) if course else None for course in courses]
    columns["status"] = pa.array(["sent" if code is None else _STATES[code] for code in last], pa.string())
    return pa.table(columns)


def work_files(papers: Papers, as_of: int) -> pa.Table:
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
