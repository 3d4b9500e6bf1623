"""Windows (half-open intervals of change time) and local days in the province's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")


def midnight(day: date) -> datetime:
    """The first instant of a local day."""
    return datetime.combine(day, time(), LOCAL)


def local_day(instant: datetime) -> date:
    """The local day of an instant."""
    return instant.astimezone(LOCAL).date()


def instant(text: str) -> datetime:
    """Parse an ISO 8601 text. Without an offset it is local time; a date alone is its local midnight.

    Raises ValueError when the text is not ISO 8601.
    """
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=LOCAL)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open interval of change time: ``start <= change < end``."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("the start and the end of a window need a UTC offset")
        if not self.start < self.end:
            raise ValueError(f"a window must end after it begins, not {self.start} .. {self.end}")
        try:
            object.__setattr__(self, "start", self.start.astimezone(UTC))
            object.__setattr__(self, "end", self.end.astimezone(UTC))
        except OverflowError:
            raise ValueError(f"the calendar does not reach {self.start} .. {self.end}") from None

    @classmethod
    def of(cls, start: str, end: str) -> Window:
        """The window between two ISO 8601 texts. Raises ValueError when they are not a window."""
        return cls(instant(start), instant(end))

    @classmethod
    def of_days(cls, first: date, last: date) -> Window:
        """The window of the local days ``first`` to ``last``, both inclusive. Raises ValueError when they are not a window."""
        try:
            return cls(midnight(first), midnight(last + timedelta(days=1)))
        except OverflowError:
            raise ValueError(f"the calendar does not reach the day after {last}") from None

    def whole_days(self) -> Window:
        """The smallest window of whole local days that contains this one."""
        first, last = self.days()[0], self.days()[-1]
        return Window.of_days(first, last)

    def days(self) -> list[date]:
        """The local days that this window overlaps, in order."""
        first = local_day(self.start)
        last = local_day(self.end - timedelta(microseconds=1))
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def split(self, days: int) -> list[Window]:
        """This window as consecutive windows of at most ``days`` local days each."""
        cuts = [midnight(day) for day in self.days()[days::days]]
        edges = [self.start, *cuts, self.end]
        return [Window(a, b) for a, b in pairwise(edges)]

    def __str__(self) -> str:
        def formatted(value: datetime) -> str:
            local = value.astimezone(LOCAL)
            return local.strftime("%Y-%m-%d" if local.time() == time() else "%Y-%m-%dT%H:%M:%S")

        return f"{formatted(self.start)}..{formatted(self.end)}"
