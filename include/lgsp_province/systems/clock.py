"""The instant as of which the province is seen, and the tokens that end with real time."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from lgsp_province.world.calendar import LOCAL, instant
from lgsp_province.world.view import View


def last_midnight(moment: datetime) -> int:
    """The local midnight at or before a moment."""
    local = moment.astimezone(LOCAL)
    return instant(local.replace(hour=0, minute=0, second=0, microsecond=0))


class Clock:
    """Frozen at an instant, or at the last local midnight; keeps the view of the instant it shows."""

    def __init__(self, look: Callable[[int], View], as_of: int | None = None) -> None:
        self._look = look
        self._frozen = as_of
        self._lock = threading.Lock()
        self._view: View | None = None

    def now(self) -> int:
        """The instant as of which the systems answer."""
        frozen = self._frozen
        return last_midnight(datetime.now(LOCAL)) if frozen is None else frozen

    def freeze(self, as_of: int) -> None:
        """Show the province as of an instant from now on."""
        with self._lock:
            self._frozen = as_of
            self._view = None

    def view(self) -> View:
        """The dossier systems now; made when the clock moves, then kept."""
        now = self.now()
        with self._lock:
            if self._view is None or self._view.as_of != now:
                self._view = self._look(now)
            return self._view

    def touch(self, change: Callable[[View], View]) -> None:
        """Let something happen between two calls."""
        view = self.view()
        with self._lock:
            self._view = change(view)


class Tokens:
    """Tokens that live for a while, by a clock that cannot be set back."""

    def __init__(self, prefix: str, lifetime: float) -> None:
        self._prefix, self.lifetime = prefix, lifetime
        self._ends: dict[str, float] = {}
        self._issued = 0
        self._lock = threading.Lock()

    def issue(self) -> str:
        """A new token."""
        with self._lock:
            self._issued += 1
            token = f"{self._prefix}-{self._issued:06d}"
            self._ends[token] = time.monotonic() + self.lifetime
            return token

    def is_valid(self, token: str) -> bool:
        """Whether a token was issued and still lives."""
        return self._ends.get(token, 0.0) > time.monotonic()

    def is_bearer(self, header: str | None) -> bool:
        """The same for an `Authorization` header."""
        return bool(header and header.startswith("Bearer ") and self.is_valid(header[7:]))

    def clear(self) -> None:
        """End them all."""
        self._ends.clear()
