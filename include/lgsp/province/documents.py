"""A year of paper without paper: documents written, sent, received and acted upon."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from lgsp.province import work_files
from lgsp.province.calendar import DAY, LOCAL_OFFSET, WORKING_DAY, WorkCalendar, day_number
from lgsp.province.papers import (
    NEW,
    PROFILES,
    REPLACEMENT,
    REVOCATION,
    UPDATE,
    Document,
    Message,
    Papers,
    Status,
    message_id,
)
from lgsp.province.registry import Registry


def _statuses(rng: random.Random, calendar: WorkCalendar, documents: list[Document]) -> list[Status]:
    revoked = {d.target: d.sent_at for d in documents if d.kind == REVOCATION}
    statuses = []
    for document in documents:
        if document.kind not in (NEW, REPLACEMENT) or document.is_secret:
            continue
        for recipient in document.recipients:
            course = _course(rng, calendar, document.sent_at, revoked.get(document.index))
            statuses += [Status(document.index, recipient, code, at, rng.getrandbits(64)) for code, at in course]
    return statuses


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


def _with_defects(rng: random.Random, documents: list[Document], rates: Mapping[str, float]) -> list[Document]:
    """Secret ones, UUIDs, odd edXML and odd text. Draws always happen, so one rate moves no other defect."""
    plain = [
        d
        for d in documents
        if d.kind == NEW
        and d.index not in {o.target for o in documents}
        and d.responds_to is None
        and d.index not in {o.responds_to for o in documents}
    ]
    wanted = max(2, round(rates["secret"] * len(documents))) if rates["secret"] > 0 else 0
    early = plain[: len(plain) // 3]
    secret = {d.index for d in rng.sample(early, min(wanted, len(early)))}
    targets = {d.target for d in documents}
    found = []
    for document in documents:
        draws = {name: rng.random() < rates[name] for name in ("D01", "D08", "D17", "D36", "uuid-document-id")}
        profile, uuid = rng.randrange(1, PROFILES), message_id("0", rng.getrandbits(64))
        names = {name for name, hit in draws.items() if hit} | ({"secret"} if document.index in secret else set())
        if document.kind == UPDATE or document.index in targets:
            names.discard("uuid-document-id")
        found.append(
            replace(
                document,
                is_secret=document.index in secret,
                defects=frozenset(names),
                profile=profile if "D36" in names else 0,
                uuid=uuid if "uuid-document-id" in names else "",
            )
        )
    return found


def _messages(
    rng: random.Random, documents: list[Document], statuses: list[Status], rate: float
) -> tuple[list[Message], set[int]]:
    """The lists' lines, some delivered twice: on another day, or under another id; and which were."""
    messages, again = [], set()
    for document in documents:
        messages.append(Message(document.doc_id, document.sent_at, document.index))
        hit, kind, later = rng.random() < rate, rng.random(), rng.randint(DAY, 3 * DAY)
        if hit and document.kind in (NEW, REPLACEMENT) and not document.is_secret:
            again.add(document.index)
            doc_id = document.doc_id if kind < 0.6 else message_id("e", document.bits)
            messages.append(Message(doc_id, document.sent_at + later, document.index))
    messages += [Message(message_id("a", s.bits), s.at, s.document, s) for s in statuses]
    messages.sort(key=lambda message: (message.created_at, message.doc_id))
    return messages, again


def _sending_times(rng: random.Random, calendar: WorkCalendar, start: date, end: date, count: int) -> list[int]:
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
    for sent_at in _sending_times(rng, calendar, start, end + timedelta(days=tail), total):
        draw = rng.random()
        if len(registry.documents) > 5 and draw < 0.045:
            registry.follow_up(sent_at, REVOCATION if draw < 0.015 else UPDATE if draw < 0.03 else REPLACEMENT)
        else:
            registry.write(sent_at)
    marked = _with_defects(random.Random(f"document defects {seed}"), registry.documents, rates)  # noqa: S311
    statuses = _statuses(rng, calendar, marked)
    messages, again = _messages(random.Random(f"redelivery {seed}"), marked, statuses, rates["redelivered"])  # noqa: S311
    documents = [replace(d, defects=d.defects | {"redelivered"}) if d.index in again else d for d in marked]
    total_files = round(files * (days + tail) / days)
    opened = _sending_times(rng, calendar, start, end + timedelta(days=tail), total_files)
    return Papers(documents, statuses, messages, work_files.generate(rng, calendar, opened, rates["secret"] > 0))
