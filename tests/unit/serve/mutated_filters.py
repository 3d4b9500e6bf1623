"""Filters that are nearly right: valid ones with pieces inserted, doubled and removed at random places."""

from __future__ import annotations

import random
from collections.abc import Iterator

CORPUS = [
    "status eq 'processing' and due_on lt 2026-08-20", "not (contains(tolower(channel),'on') or fee_vnd ge 20000.5)",
    "quality_flags/any(f: f in ('a','b'))", "due_at ge 2026-08-05T00:00:00.123+07:00 or year(received_at) eq 2026",
    "online_mode in ('full',null) and is_on_time eq (fee_vnd gt 1e3)", "date(due_at) ne due_on", "satisfaction lt -INF or NaN eq 1",
]  # fmt: skip
PIECES = ["'", "''", "(", ")", ",", " ", "/", ":", "@p", "$it", "null", "NaN", "-", "1e999", "9" * 40, "\0", "\ud7ff", "đ", "%", "\\", "eq", "not", "any(x:x", "0001-01-01", "9999-12-31T23:59:59-14:00", "\u0661", "\n"]  # fmt: skip


def mutated(count: int, seed: int) -> Iterator[str]:
    """So many filters, the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        text = chance.choice(CORPUS)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text) + 1)
            until = at + chance.choice([0, 0, 1, 3])
            text = text[:at] + chance.choice([*PIECES, text[at : at + 9] * 2, ""]) + text[until:]
        yield text
