"""The hours of the local day in which a source must not be called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from lgsp.errors import ContractError
from lgsp.window import LOCAL

_DAY = 24 * 60
_SPAN = re.compile(r"\s*(\d{1,2})(?::(\d{2}))?\s*[-–]\s*(\d{1,2})(?::(\d{2}))?\s*", re.ASCII)


@dataclass(frozen=True)
class QuietHours:
    """Spans of the local day in minutes after midnight, from the first (included) to the second (excluded).

    A span whose end is before its start goes over midnight.
    """

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, texts: str | Iterable[str]) -> Self:
        """The spans written as `22:00-05:00`, one or several. Raises ContractError for anything else."""
        return cls(tuple(_span(text) for text in ([texts] if isinstance(texts, str) else texts)))

    def __str__(self) -> str:
        return ", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in self.spans)

    def end_after(self, moment: datetime) -> datetime | None:
        """When the quiet hours around a moment end, as local time; None when the moment is not in them."""
        local = moment.astimezone(LOCAL)
        end = local
        for _ in range(len(self.spans) + 1):  # a span may begin where another one ends
            minute = end.hour * 60 + end.minute
            current = next((span for span in self.spans if _contains(span, minute)), None)
            if current is None:
                break
            whole = end.replace(second=0, microsecond=0)
            end = whole + timedelta(minutes=(current[1] - minute) % _DAY or _DAY)
        return end if end > local else None


def _contains(span: tuple[int, int], minute: int) -> bool:
    start, end = span
    return start <= minute < end if start < end else minute >= start or minute < end


def _span(text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(str(text))
    numbers = [int(part or 0) for part in match.groups()] if match else [99, 0, 0, 0]
    start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if max(numbers[1], numbers[3]) > 59 or start >= _DAY or end > _DAY or start == end % _DAY:
        raise ContractError(f"quiet_hours: {text!r} is not a span of the local day such as '22:00-05:00'")
    return start, end % _DAY


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
