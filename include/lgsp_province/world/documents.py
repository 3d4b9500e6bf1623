"""Generates the documents that agencies issue, send and receive, and the statuses that recipients report."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from lgsp_province.defects.documents import mark_documents
from lgsp_province.world import work_files
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, WORKING_DAY, WorkCalendar, day_number
from lgsp_province.world.document_data import (
    NEW,
    REPLACEMENT,
    REVOCATION,
    UPDATE,
    Document,
    DocumentData,
    Message,
    Status,
    message_id,
)
from lgsp_province.world.registry import Registry

_CODE_FORMS = 5  # ways to write a status code; 0 is the usual one
_MAX_LISTING_DELAY = 2 * DAY


def _statuses(seed: int, calendar: WorkCalendar, documents: list[Document], status_every: int) -> list[Status]:
    revoked = {d.target: d.sent_at for d in documents if d.kind == REVOCATION}
    updates = {d.target: d for d in documents if d.kind == UPDATE}
    statuses = []
    for document in documents:
        if document.kind not in (NEW, REPLACEMENT) or document.excluded_by or document.index % status_every:
            continue
        rng = random.Random(f"statuses {seed} {document.index}")  # noqa: S311
        update = updates.get(document.index)
        sent = dict.fromkeys(document.recipients, document.sent_at) | dict.fromkeys(
            update.added if update else (), update.sent_at if update else 0
        )
        for recipient, sent_at in sent.items():
            steps = _status_steps(rng, calendar, sent_at, revoked.get(document.index))
            if "D31" in document.defects:
                steps += _out_of_order_step(steps)
            statuses += [_status(rng, document, recipient, code, at) for code, at in steps]
    return statuses


def _status(rng: random.Random, document: Document, recipient: int, code: str, at: int) -> Status:
    bits, delay, code_form = rng.getrandbits(64), rng.randrange(_MAX_LISTING_DELAY), rng.randrange(1, _CODE_FORMS)
    delay = delay if "D31" in document.defects and bits & 1 else 0
    return Status(
        document.index, recipient, code, at, bits, delay, code_form if "status-form" in document.defects else 0
    )


def _out_of_order_step(steps: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """An earlier step that the recipient reports 30 minutes after its last step; empty if no step was skipped."""
    last, at = steps[-1]
    skipped = [code for code in ("04", "05") if code < last <= "06" and code not in dict(steps)]
    return [(skipped[0], at + 1800)] if skipped else []


def _status_steps(
    rng: random.Random, calendar: WorkCalendar, sent_at: int, revoked_at: int | None
) -> list[tuple[str, int]]:
    """The statuses that one recipient reports, as (code, instant)."""
    steps = [("01", sent_at + rng.randint(60, 1200))]
    worked = int(calendar.to_working(np.array([sent_at + 1200]))[0])

    def next_instant(max_days: float) -> int:
        nonlocal worked
        worked += rng.randint(300, int(max_days * WORKING_DAY))
        return int(calendar.from_working(np.array([worked]))[0])

    if rng.random() < 0.04:
        steps.append(("02", next_instant(1)))
    elif rng.random() < 0.8:
        steps.append(("03", next_instant(1.2)))
        steps += [
            (code, next_instant(max_days))
            for code, share, max_days in (("04", 0.35, 1), ("05", 0.25, 2), ("06", 0.45, 6))
            if rng.random() < share
        ]
    if revoked_at is None:
        return steps
    steps = [step for step in steps if step[1] < revoked_at]
    if steps and steps[-1][0] not in ("02", "06"):
        steps.append(("13", revoked_at + 300))
        steps.append(("15" if rng.random() < 0.8 else "16", revoked_at + rng.randint(900, 14_400)))
    return steps


def _messages(
    rng: random.Random, documents: list[Document], statuses: list[Status], rate: float
) -> tuple[list[Message], set[int]]:
    """The entries of the day lists, some of them listed twice, and the indexes of the documents listed twice.

    A redelivered document is listed one to three days later, under the same id or another one.
    """
    messages, redelivered = [], set()
    for document in documents:
        messages.append(Message(document.doc_id, document.listed_at, document.index))
        is_redelivered, draw, delay = rng.random() < rate, rng.random(), rng.randint(DAY, 3 * DAY)
        if is_redelivered and document.kind in (NEW, REPLACEMENT) and document.excluded_by is None:
            redelivered.add(document.index)
            doc_id = document.doc_id if draw < 0.6 else message_id("e", document.bits)
            messages.append(Message(doc_id, document.listed_at + delay, document.index))
    messages += [Message(message_id("a", s.bits), s.listed_at, s.document, s) for s in statuses]
    messages.sort(key=lambda message: (message.created_at, message.doc_id))
    return messages, redelivered


def sending_times(rng: random.Random, calendar: WorkCalendar, start: date, end: date, count: int) -> list[int]:
    """`count` instants within office hours, in ascending order; none if the range has no working day."""
    days = [day for n in range((end - start).days + 1) if calendar.is_open(day := start + timedelta(days=n))]
    spans = ((7.2, 11.4), (13.6, 16.9))
    times = []
    for _ in range(count if days else 0):
        low, high = spans[rng.random() < 0.45]
        times.append(day_number(rng.choice(days)) * DAY + int(rng.uniform(low, high) * 3600) - LOCAL_OFFSET)
    return sorted(times)


def generate(
    seed: int,
    calendar: WorkCalendar,
    start: date,
    end: date,
    tail: int,
    count: int,
    files: int,
    rates: Mapping[str, float],
) -> DocumentData:
    """About `count` documents and `files` work files from `start` to `end`, and `tail` more days at the same rate."""
    rng = random.Random(f"documents {seed}")  # noqa: S311
    days = (end - start).days + 1
    total = round(count * (days + tail) / days)
    registry = Registry(rng, calendar)
    for sent_at in sending_times(rng, calendar, start, end + timedelta(days=tail), total):
        draw = rng.random()
        if len(registry.documents) > 5 and draw < 0.045:
            registry.follow_up(sent_at, REVOCATION if draw < 0.015 else UPDATE if draw < 0.03 else REPLACEMENT)
        else:
            registry.write(sent_at)
    document_data = exchange(seed, calendar, registry.documents, rates)
    total_files = round(files * (days + tail) / days)
    rng = random.Random(f"work files {seed}")  # noqa: S311
    opened = sending_times(rng, calendar, start, end + timedelta(days=tail), total_files)
    return replace(document_data, work_files=work_files.generate(rng, calendar, opened, rates["secret"] > 0))


def exchange(
    seed: int, calendar: WorkCalendar, issued: list[Document], rates: Mapping[str, float], status_every: int = 1
) -> DocumentData:
    """Issued documents with their defects, statuses and list entries.

    Recipients report statuses only for documents whose index is a multiple of `status_every`.
    """
    marked = mark_documents(seed, issued, rates)
    statuses = _statuses(seed, calendar, marked, status_every)
    messages, redelivered = _messages(random.Random(f"redelivery {seed}"), marked, statuses, rates["redelivered"])  # noqa: S311
    documents = [replace(d, defects=d.defects | {"redelivered"}) if d.index in redelivered else d for d in marked]
    return DocumentData(documents, statuses, messages)
