"""A year of paper without paper: documents written, sent, received and acted upon."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from lgsp_province.defects.documents import mark
from lgsp_province.world import work_files
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, WORKING_DAY, WorkCalendar, day_number
from lgsp_province.world.papers import (
    NEW,
    REPLACEMENT,
    REVOCATION,
    UPDATE,
    Document,
    Message,
    Papers,
    Status,
    message_id,
)
from lgsp_province.world.registry import Registry

_FORMS = 5  # ways to write a status; 0 is the usual one
_MOST_LATE = 2 * DAY


def _statuses(seed: int, calendar: WorkCalendar, documents: list[Document], told_of: int) -> list[Status]:
    revoked = {d.target: d.sent_at for d in documents if d.kind == REVOCATION}
    updates = {d.target: d for d in documents if d.kind == UPDATE}
    statuses = []
    for document in documents:
        if document.kind not in (NEW, REPLACEMENT) or document.stopped_as or document.index % told_of:
            continue
        rng = random.Random(f"statuses {seed} {document.index}")  # noqa: S311
        update = updates.get(document.index)
        sent = dict.fromkeys(document.recipients, document.sent_at) | dict.fromkeys(
            update.added if update else (), update.sent_at if update else 0
        )
        for recipient, sent_at in sent.items():
            course = _course(rng, calendar, sent_at, revoked.get(document.index))
            if "D31" in document.defects:
                course += _step_back(course)
            statuses += [_status(rng, document, recipient, code, at) for code, at in course]
    return statuses


def _status(rng: random.Random, document: Document, recipient: int, code: str, at: int) -> Status:
    bits, late, form = rng.getrandbits(64), rng.randrange(_MOST_LATE), rng.randrange(1, _FORMS)
    late = late if "D31" in document.defects and bits & 1 else 0
    return Status(document.index, recipient, code, at, bits, late, form if "status-form" in document.defects else 0)


def _step_back(course: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """A step that is reported although the recipient was further already."""
    last, at = course[-1]
    left_out = [code for code in ("04", "05") if code < last <= "06" and code not in dict(course)]
    return [(left_out[0], at + 1800)] if left_out else []


def _course(rng: random.Random, calendar: WorkCalendar, sent_at: int, revoked_at: int | None) -> list[tuple[str, int]]:
    """The statuses one recipient reports."""
    course = [("01", sent_at + rng.randint(60, 1200))]
    worked = int(calendar.to_working(np.array([sent_at + 1200]))[0])

    def later(most_days: float) -> int:
        nonlocal worked
        worked += rng.randint(300, int(most_days * WORKING_DAY))
        return int(calendar.from_working(np.array([worked]))[0])

    if rng.random() < 0.04:
        course.append(("02", later(1)))
    elif rng.random() < 0.8:
        course.append(("03", later(1.2)))
        course += [
            (code, later(most))
            for code, share, most in (("04", 0.35, 1), ("05", 0.25, 2), ("06", 0.45, 6))
            if rng.random() < share
        ]
    if revoked_at is None:
        return course
    course = [step for step in course if step[1] < revoked_at]
    if course and course[-1][0] not in ("02", "06"):
        course.append(("13", revoked_at + 300))
        course.append(("15" if rng.random() < 0.8 else "16", revoked_at + rng.randint(900, 14_400)))
    return course


def _messages(
    rng: random.Random, documents: list[Document], statuses: list[Status], rate: float
) -> tuple[list[Message], set[int]]:
    """The lists' lines, some delivered twice: on another day, or under another id; and which were."""
    messages, again = [], set()
    for document in documents:
        messages.append(Message(document.doc_id, document.listed_at, document.index))
        hit, kind, later = rng.random() < rate, rng.random(), rng.randint(DAY, 3 * DAY)
        if hit and document.kind in (NEW, REPLACEMENT) and document.stopped_as is None:
            again.add(document.index)
            doc_id = document.doc_id if kind < 0.6 else message_id("e", document.bits)
            messages.append(Message(doc_id, document.listed_at + later, document.index))
    messages += [Message(message_id("a", s.bits), s.listed_at, s.document, s) for s in statuses]
    messages.sort(key=lambda message: (message.created_at, message.doc_id))
    return messages, again


def sending_times(rng: random.Random, calendar: WorkCalendar, start: date, end: date, count: int) -> list[int]:
    """So many instants in the offices' hours, in order."""
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
) -> Papers:
    """About `count` documents and `files` work files from `start` to `end`, and as densely for the tail."""
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
    sent = carried(seed, calendar, registry.documents, rates)
    total_files = round(files * (days + tail) / days)
    rng = random.Random(f"work files {seed}")  # noqa: S311
    opened = sending_times(rng, calendar, start, end + timedelta(days=tail), total_files)
    return replace(sent, work_files=work_files.generate(rng, calendar, opened, rates["secret"] > 0))


def carried(
    seed: int, calendar: WorkCalendar, written: list[Document], rates: Mapping[str, float], told_of: int = 1
) -> Papers:
    """What becomes of written documents on the axis: marred, listed and reported on, of one in `told_of` of them."""
    marked = mark(seed, written, rates)
    statuses = _statuses(seed, calendar, marked, told_of)
    messages, again = _messages(random.Random(f"redelivery {seed}"), marked, statuses, rates["redelivered"])  # noqa: S311
    documents = [replace(d, defects=d.defects | {"redelivered"}) if d.index in again else d for d in marked]
    return Papers(documents, statuses, messages)
