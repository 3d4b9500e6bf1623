"""Keeps the wait that a source asks for: all threads of the process wait, and the ledger passes it to other processes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lgsp.errors import SourcePaused

# Threads that waited for the same time do not all call in the same millisecond.
JITTER_SECONDS = 0.2


@dataclass
class Pause:
    """The time before which a source is not called; `persist` stores a wait of some seconds for other processes."""

    persist: Callable[[float], None] = lambda seconds: None
    _ends_at: float = 0.0
    _error: SourcePaused | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, seconds: float) -> None:
        """Pause for some seconds from now, unless a longer pause has begun."""
        with self._lock:
            self._ends_at = max(self._ends_at, time.monotonic() + seconds)
        self.persist(seconds)

    def refuse(self, error: SourcePaused) -> None:
        """Let no thread of this process call the source again: `wait` raises the error."""
        self._error = error

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Return when no pause is left, also when another thread extends it meanwhile."""
        if self._error is not None:
            raise self._error
        ended_at = 0.0
        while ended_at < self._ends_at and (remaining := self._ends_at - time.monotonic()) > 0:
            ended_at = self._ends_at
            sleep(remaining + random.uniform(0, JITTER_SECONDS))  # noqa: S311
