"""Generates the documents that the registries of the agencies issue, with revocations, updates and replacements."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np

from lgsp_province.world import agencies
from lgsp_province.world.agencies import Agency
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, WorkCalendar, day_date
from lgsp_province.world.document_data import NEW, REPLACEMENT, REVOCATION, UPDATE, Document

# QCVN list number, name, prefix of the notation, share
_TYPES = (
    (18, "Công văn", "", 52),
    (7, "Thông báo", "TB", 9),
    (14, "Báo cáo", "BC", 10),
    (10, "Kế hoạch", "KH", 8),
    (2, "Quyết định", "QĐ", 8),
    (25, "Giấy mời", "GM", 6),
    (16, "Tờ trình", "TTr", 4),
    (8, "Hướng dẫn", "HD", 2),
    (3, "Chỉ thị", "CT", 1),
)
_OFFICES = ("VP", "CNTT", "KTN", "KSTT", "KHTC", "TH", "NC", "VX")
_SUBJECTS = (
    "báo cáo số liệu chuyển đổi số tuần {week} năm {year}",
    "đôn đốc giải quyết hồ sơ thủ tục hành chính quá hạn",
    "triển khai Đề án 06 trên địa bàn",
    "rà soát, cập nhật cơ sở dữ liệu đất đai",
    "tăng cường tiếp nhận hồ sơ trực tuyến",
    "phòng, chống thiên tai và tìm kiếm cứu nạn năm {year}",
    "tổ chức hội nghị sơ kết 6 tháng năm {year}",
    "góp ý dự thảo quy chế phối hợp",
    "công bố danh mục thủ tục hành chính",
    "giải ngân vốn đầu tư công năm {year}",
    "lịch tiếp công dân tháng {month}/{year}",
)


@cache
def _active_agencies(day: date) -> tuple[Agency, ...]:
    """The agencies that issue and receive documents on a day."""
    return tuple(a for a in agencies.in_force(day) if not a.is_silent)


@cache
def _weights(day: date) -> tuple[float, ...]:
    shares = {agencies.PROVINCE: 6.0, agencies.DISTRICT: 4.0, agencies.COMMUNE: 0.5}
    return tuple(20.0 if a.parent is None else shares[a.level] for a in _active_agencies(day))


def _successor_on(index: int, day: date) -> int | None:
    """The agency that corresponds in place of another on a day; None if there is none."""
    return index if day < agencies.SUCCESSORS_NAMED_FROM else agencies.successor_on(index, day)


class Registry:
    """Issues documents one by one and numbers them per agency and year; they are collected in `documents`."""

    def __init__(self, rng: random.Random, calendar: WorkCalendar) -> None:
        self._rng, self._calendar = rng, calendar
        self._numbers: Counter[tuple[int, int]] = Counter()
        self._inbox: defaultdict[int, list[int]] = defaultdict(list)
        self.documents: list[Document] = []

    def _recipients(self, issuer: Agency, day: date) -> tuple[int, ...]:
        rng = self._rng
        pool = [
            a.index
            for a in _active_agencies(day)
            if a.index != issuer.index
            and (a.parent == issuer.index or a.index == issuer.parent or a.level == issuer.level)
        ]
        count = min(len(pool), rng.choice((1, 1, 1, 2, 2, 2, 3, 3, 4, 6)))
        return tuple(sorted(rng.sample(pool, count)))

    def _identity(self, issuer: Agency, prefix: str, year: int) -> tuple[int, str]:
        self._numbers[issuer.index, year] += 1
        number = self._numbers[issuer.index, year]
        if prefix:
            return number, f"{prefix}-{issuer.notation}"
        return number, f"{issuer.notation}-{self._rng.choice(_OFFICES)}"

    def _due_day(self, sent_at: int) -> int:
        due = self._calendar.closing_time_after(np.array([sent_at]), np.array([self._rng.randint(3, 15)]))
        return int(due[0] + LOCAL_OFFSET) // DAY

    def write(self, sent_at: int) -> None:
        """Add a new document, sometimes as a response to an earlier one."""
        rng = self._rng
        issued_day = (sent_at + LOCAL_OFFSET) // DAY
        issued_on = day_date(issued_day)
        issuer = rng.choices(_active_agencies(issued_on), _weights(issued_on))[0]
        received = [n for n in self._inbox[issuer.index][-8:] if self._can_respond(n, sent_at, issued_on)]
        responds_to = rng.choice(received) if received and rng.random() < 0.4 else None
        detail, name, prefix, _ = rng.choices(_TYPES, [t[3] for t in _TYPES])[0]
        number, notation = self._identity(issuer, prefix, issued_on.year)
        subject = rng.choice(_SUBJECTS).format(
            week=issued_on.isocalendar().week, year=issued_on.year, month=issued_on.month
        )
        recipients = self._recipients(issuer, issued_on)
        steering = rng.choices((0, 1, 2), (70, 22, 8))[0] if issuer.level != agencies.COMMUNE else 0
        if responds_to is not None and self.documents[responds_to].issuer != issuer.index:
            issuer_now = _successor_on(self.documents[responds_to].issuer, issued_on)
            recipients = recipients if issuer_now is None else (issuer_now,)
        has_element = rng.random() < 0.1
        self._register(
            Document(
                len(self.documents),
                issuer.index,
                number,
                notation,
                issued_day,
                sent_at,
                NEW,
                detail,
                name,
                f"V/v {subject}" if detail == 18 else subject,
                rng.choices((0, 1, 2, 3), (86, 9, 3, 2))[0],
                self._due_day(sent_at) if steering or rng.random() < 0.1 else None,
                steering,
                has_element or rng.random() < 0.9,
                has_element,
                rng.random() < 0.15,
                rng.randint(1, 12),
                rng.choices((1, 2, 3), (75, 18, 7))[0],
                recipients,
                responds_to,
                None,
                rng.getrandbits(64),
            )
        )

    def _can_respond(self, number: int, sent_at: int, day: date) -> bool:
        """Whether a document was received some hours ago, and its issuer or a successor exists."""
        document = self.documents[number]
        return document.sent_at < sent_at - DAY // 6 and _successor_on(document.issuer, day) is not None

    def _register(self, document: Document) -> None:
        self.documents.append(document)
        if document.kind in (NEW, REPLACEMENT):
            for recipient in document.recipients:
                self._inbox[recipient].append(document.index)

    def follow_up(self, sent_at: int, kind: int) -> None:
        """Add a revocation, update or replacement of a recent document; a new document if there is none to follow up."""
        referenced = {d.target for d in self.documents if d.target is not None}
        referenced |= {d.responds_to for d in self.documents if d.responds_to is not None}
        day = day_date((sent_at + LOCAL_OFFSET) // DAY)
        recent = [
            d
            for d in self.documents[-60:]
            if d.kind == NEW and d.index not in referenced and d.responds_to is None and d.sent_at < sent_at - DAY // 4
            if _successor_on(d.issuer, day) == d.issuer
        ]
        if not recent:
            self.write(sent_at)
            return
        target = self._rng.choice(recent)
        issued_day = (sent_at + LOCAL_OFFSET) // DAY
        follow_up = replace(
            target,
            index=len(self.documents),
            sent_at=sent_at,
            kind=kind,
            target=target.index,
            responds_to=None,
            bits=self._rng.getrandbits(64),
        )
        if kind != UPDATE:
            number, _ = self._identity(agencies.load()[target.issuer], "", day_date(issued_day).year)
            follow_up = replace(follow_up, number=number, issued_day=issued_day)
        if kind == REVOCATION:
            follow_up = replace(follow_up, subject=f"Thu hồi văn bản số {target.code}")
        if kind == UPDATE:
            follow_up = self._updated(follow_up, day_date(issued_day))
        self._register(follow_up)

    def _updated(self, update: Document, day: date) -> Document:
        """Change the content of a document, its recipients, or both."""
        draw = self._rng.random()
        if draw < 0.6:
            due = None if update.due_day is None else update.due_day + 5
            update = replace(update, subject=f"{update.subject} (đính chính)", pages=update.pages + 1, due_day=due)
        if draw > 0.4:
            new_recipients = [
                index
                for index in self._recipients(agencies.load()[update.issuer], day)
                if index not in update.recipients
            ]
            removed = update.recipients[:1] if len(update.recipients) > 1 and draw > 0.7 else ()
            update = replace(
                update,
                recipients=(*update.recipients, *new_recipients[:2]),
                added=tuple(new_recipients[:2]),
                removed=removed,
            )
        return replace(update, is_content=draw < 0.6)
