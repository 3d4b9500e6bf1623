"""Generates work files (hồ sơ công việc) with their opening, closing and number of documents."""

import random
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from lgsp_province.world import agencies
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, WORKING_DAY, WorkCalendar, day_date
from lgsp_province.world.lifecycles import NEVER

_TITLES = (
    "Hồ sơ chuyển đổi số",
    "Hồ sơ cải cách hành chính",
    "Hồ sơ giải quyết khiếu nại",
    "Hồ sơ xây dựng nông thôn mới",
    "Hồ sơ đầu tư công",
    "Hồ sơ thi đua, khen thưởng",
    "Hồ sơ hội nghị, hội thảo",
)
_ELECTRONIC = {agencies.PROVINCE: 0.92, agencies.DISTRICT: 0.74, agencies.COMMUNE: 0.46}


@dataclass(frozen=True, slots=True)
class WorkFile:
    """One work file; it changes when it is opened and when it is closed. `closed_at` is NEVER if it stays open."""

    code: str
    title: str
    agency: int
    opened_at: int
    closed_at: int
    is_electronic: bool
    is_secret: bool
    documents_at_opening: int
    documents_at_closing: int

    def changed_at(self, as_of: int) -> int:
        """The latest change at or before an instant."""
        return self.closed_at if self.closed_at <= as_of else self.opened_at

    def document_count(self, as_of: int) -> int:
        """Number of documents in the file at an instant."""
        return self.documents_at_closing if self.closed_at <= as_of else self.documents_at_opening


def generate(rng: random.Random, calendar: WorkCalendar, opened: list[int], has_secret: bool) -> list[WorkFile]:
    """One file per opening time; one of them is secret if `has_secret`, two of 500 or more."""
    shares = {agencies.PROVINCE: 5, agencies.DISTRICT: 4, agencies.COMMUNE: 1}
    numbers: Counter[tuple[int, int]] = Counter()
    files = []
    for at in opened:
        day = day_date((at + LOCAL_OFFSET) // DAY)
        open_on_day = [a for a in agencies.in_force(day) if not a.is_silent]
        agency = rng.choices(open_on_day, [shares[a.level] for a in open_on_day])[0]
        year = day.year
        numbers[agency.index, year] += 1
        closed_worked = int(calendar.to_working(np.array([at]))[0]) + rng.randint(2, 30) * WORKING_DAY
        closed_at = int(calendar.from_working(np.array([closed_worked]))[0]) if rng.random() < 0.8 else int(NEVER)
        count = rng.randint(1, 3)
        files.append(
            WorkFile(
                f"{agency.code}.{year}.{numbers[agency.index, year]:04d}",
                f"{rng.choice(_TITLES)} năm {year}",
                agency.index,
                at,
                closed_at,
                rng.random() < _ELECTRONIC[agency.level],
                False,
                count,
                count + rng.randint(0, 9),
            )
        )
    secret_count = 0 if not has_secret or not files else 2 if len(files) >= 500 else 1
    for index in (
        rng.sample(range(max(1, len(files) // 3)), min(secret_count, max(1, len(files) // 3))) if secret_count else []
    ):
        files[index] = replace(files[index], is_secret=True)
    return files
