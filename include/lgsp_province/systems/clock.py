"""Provides the simulated clock of the source systems, and tokens that expire in real time."""

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
    """A clock frozen at an instant, or at the last local midnight; caches the view of that instant."""

    def __init__(self, build_view: Callable[[int], View], as_of: int | None = None) -> None:
        self._build_view = build_view
        self._frozen = as_of
        self._lock = threading.Lock()
        self._view: View | None = None

    def now(self) -> int:
        """The instant as of which the systems respond."""
        frozen = self._frozen
        return last_midnight(datetime.now(LOCAL)) if frozen is None else frozen

    def freeze(self, as_of: int) -> None:
        """Set the clock to an instant, and discard the cached view."""
        with self._lock:
            self._frozen = as_of
            self._view = None

    def view(self) -> View:
        """The dossier systems as of `now()`; cached until the clock changes."""
        now = self.now()
        with self._lock:
            if self._view is None or self._view.as_of != now:
                self._view = self._build_view(now)
            return self._view

    def change_view(self, change: Callable[[View], View]) -> None:
        """Replace the cached view by `change` of it, to simulate a change between two requests."""
        view = self.view()
        with self._lock:
            self._view = change(view)


class Tokens:
    """Tokens that expire `lifetime` seconds after they were issued, by the monotonic clock."""

    def __init__(self, prefix: str, lifetime: float) -> None:
        self._prefix, self.lifetime = prefix, lifetime
        self._expires_at: dict[str, float] = {}
        self._issued = 0
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Issue a new token."""
        with self._lock:
            self._issued += 1
            token = f"{self._prefix}-{self._issued:06d}"
            self._expires_at[token] = time.monotonic() + self.lifetime
            return token

    def is_valid(self, token: str) -> bool:
        """Whether a token was issued and has not expired."""
        return self._expires_at.get(token, 0.0) > time.monotonic()

    def is_valid_bearer(self, header: str | None) -> bool:
        """Whether an `Authorization` header contains a valid bearer token."""
        return bool(header and header.startswith("Bearer ") and self.is_valid(header[7:]))

    def clear(self) -> None:
        """Invalidate all tokens."""
        self._expires_at.clear()
