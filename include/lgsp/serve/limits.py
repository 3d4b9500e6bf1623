"""The limits of accounts and addresses: requests a minute, requests at once, failed logins.

They are counted in this process, so one process serves an installation.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from lgsp.serve.errors import ApiError

REQUESTS, AT_ONCE, FAILED_LOGINS, WINDOW_SECONDS = 600, 8, 20, 60
POLICY = f'"account";q={REQUESTS};w={WINDOW_SECONDS}'


class Limits:
    """Counts requests; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._began = clock()
        self._requests: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._running: Counter[str] = Counter()

    def enter(self, account: str) -> dict[str, str]:
        """Count a request of an account as begun; the headers that state what is left. `leave` must follow.

        Raises ApiError (429) when the account made too many requests in this minute, or has too many running.
        """
        with self._lock:
            left_seconds = self._left_seconds()
            if self._requests[account] >= REQUESTS:
                raise _too_many(
                    f"more than {REQUESTS} requests a minute", left_seconds, self._headers(account, left_seconds)
                )
            self._requests[account] += 1
            headers = self._headers(account, left_seconds)
            if self._running[account] >= AT_ONCE:
                raise _too_many(f"more than {AT_ONCE} requests at once", 1, headers)
            self._running[account] += 1
            return headers

    def leave(self, account: str) -> None:
        """Count a request as ended."""
        with self._lock:
            self._running[account] -= 1
            if not self._running[account]:
                del self._running[account]

    def failed(self, address: str) -> None:
        """Count a failed login from an address. Raises ApiError (429) instead of 401 after too many in this minute.

        A right token is never refused for the failures of others: many clients can share an address, and no token can be
        guessed in any number of attempts.
        """
        with self._lock:
            left_seconds = self._left_seconds()
            self._failed[address] += 1
            if self._failed[address] > FAILED_LOGINS:
                raise _too_many(f"more than {FAILED_LOGINS} failed logins a minute", left_seconds, {})

    def _left_seconds(self) -> int:
        """The whole seconds until the minute ends; a new minute forgets the counts of the last."""
        now = self._clock()
        if now - self._began >= WINDOW_SECONDS:
            self._began = now
            self._requests.clear()
            self._failed.clear()
        return max(1, math.ceil(self._began + WINDOW_SECONDS - now))

    def _headers(self, account: str, left_seconds: int) -> dict[str, str]:
        left = max(0, REQUESTS - self._requests[account])
        return {"RateLimit-Policy": POLICY, "RateLimit": f'"account";r={left};t={left_seconds}'}


def _too_many(english: str, seconds: int, headers: dict[str, str]) -> ApiError:
    return ApiError("TooManyRequests", english, "quá nhiều yêu cầu", headers={**headers, "Retry-After": str(seconds)})
