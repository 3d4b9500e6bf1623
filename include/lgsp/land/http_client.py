"""Sends HTTP requests to a source, with limits on time, size and rate, retries after faults, and no redirects.

Every answer is passed to a `keep` callable before it is parsed, so the exact bytes are stored first.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import requests
import urllib3

from lgsp.errors import SourceFailed, SourcePaused, SourceRefused
from lgsp.land import answer as answers
from lgsp.land.answer import Answer, LoginExpired, LoginPage, Throttled, TooLarge
from lgsp.land.deadline import Deadlines
from lgsp.land.pause import Pause
from lgsp.land.transport import Transport
from lgsp.schema.quiet_hours import QuietHours
from lgsp.settings import Endpoint, connection_variable
from lgsp.window import LOCAL

log = logging.getLogger(__name__)

# The keyword arguments of one request, and a function that adds our login to them.
Request = dict[str, Any]
Signature = Callable[[Request], Request]


@dataclass(frozen=True)
class Manners:
    """The limits on our requests to a source: time, size, retries and rate; from the `manners` of its source.yml.

    `total_seconds` is the longest time of one call, from the connection to the last byte. `max_records` is the largest
    count of a window that is believed, `max_list_records` the most rows of a list without a count. JSON nested deeper than
    `json_depth` is read as null.
    """

    connect_seconds: float = 10
    idle_seconds: float = 30
    total_seconds: float = 180
    max_megabytes: int = 64
    max_records: int = 1_000_000
    max_list_records: int = 100_000
    json_depth: int = 64
    attempts: int = 6
    backoff_seconds: float = 0.5
    backoff_cap_seconds: float = 30
    retry_after_cap_seconds: float = 3600
    requests_per_minute: int = 6000
    parallel: int = 1


@dataclass
class Caller:
    """Sends requests to one source and retries those that may succeed later.

    `authorise` logs in and returns the signature that adds the login to a request; it is called again when the login
    has expired.
    `acquire_call` waits until the source's shared budget allows one more call.
    `pause` keeps the waits that the source asks for, for all threads. `quiet_hours` are the hours without any call.
    """

    endpoint: Endpoint
    manners: Manners = field(default_factory=Manners)
    acquire_call: Callable[[], None] = lambda: None
    sleep: Callable[[float], None] = time.sleep
    authorise: Callable[[], Signature] | None = None
    pause: Pause = field(default_factory=Pause)
    quiet_hours: QuietHours = field(default_factory=QuietHours)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _signature: Signature | None = field(default=None, repr=False)
    _logins: int = 0
    _deadlines: Deadlines = field(default_factory=Deadlines, repr=False)

    def ask(
        self,
        method: str,
        path: str,
        *,
        accept: Callable[[Answer], None],
        keep: Callable[[Answer], None] = lambda answer: None,
        login: bool = True,
        is_record: bool = False,
        **request: Any,
    ) -> Answer:
        """Send a request and return the first answer that `accept` does not refuse.

        `accept` raises SourceFailed for an invalid answer, which is requested again, and LoginExpired for a lost login.
        With `is_record`, the status 404 means that the record was deleted; of a list it passes, like 403, 408 and 425.
        Raises SourceFailed when every attempt failed (SourcePaused when the source must not be called now), SourceRefused
        when a retry cannot help.
        """
        request_name = f"{self.endpoint.source} {method} {path}"
        failure: SourceFailed | None = None
        refusals, is_renewed = 0, False
        for attempt in range(self.manners.attempts):
            if failure is not None:
                self._back_off(attempt, failure)
            login_number = 0
            try:
                signed, login_number = self._signed(request) if login else (request, 0)
                answer = self._send(method, path, signed, request_name)
                keep(answer)
                answer.check_status(request_name, self.endpoint.base_url, is_record=is_record, is_login=not login)
                _check_content(accept, answer)
                return answer
            except LoginExpired:
                refusals += 1
                if refusals > 1 or not login:
                    raise SourceRefused(self._login_refused()) from None
                self._drop_login(login_number)
                failure = None
            except (AttemptsExhausted, SourcePaused):
                raise  # a failed login has already been retried
            except SourceFailed as error:
                failure, refusals = error, 0
                is_renewed |= self._note_failure(request_name, error, None if is_renewed else login_number)
        raise AttemptsExhausted(
            f"{request_name}: gave up after {self.manners.attempts} attempts: {failure or 'the login kept expiring'}"
        )

    def _note_failure(self, request_name: str, failure: SourceFailed, login_number: int | None) -> bool:
        """Log a failure and keep the wait that it asks for; whether the login with this number was dropped."""
        log.info("%s: %s", request_name, failure)
        if isinstance(failure, Throttled) and failure.retry_after:
            self._keep_pause(request_name, failure.retry_after)
        if isinstance(failure, LoginPage) and login_number is not None:
            self._drop_login(login_number)
            return True
        return False

    def _drop_login(self, number: int) -> None:
        """Drop the login with this number, unless another thread has already made a newer one."""
        with self._lock:
            if self._logins == number:
                self._signature = None

    def _signed(self, request: Request) -> tuple[Request, int]:
        """The request with our login added, and the login's number."""
        if self.authorise is None:
            return request, 0
        with self._lock:
            if self._signature is None:
                self._signature = self.authorise()
                self._logins += 1
            return self._signature(request), self._logins

    def _send(self, method: str, path: str, request: Request, request_name: str) -> Answer:
        self._check_quiet_hours(request_name)
        self.acquire_call()
        self.pause.wait(self.sleep)
        self._check_quiet_hours(request_name)
        started, limits = time.monotonic(), self.manners
        with self._deadlines.within(limits.total_seconds) as call:
            try:
                with self._session().request(
                    method, self.endpoint.base_url + path, allow_redirects=False, stream=True,
                    timeout=(limits.connect_seconds, limits.idle_seconds), **request,
                ) as response:  # fmt: skip
                    has_body = not 300 <= response.status_code < 400
                    body = answers.read(response, limits.max_megabytes) if has_body else b""
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                ValueError,
                SourceFailed,
            ) as error:
                self._raise_if_over(call.is_over)
                raise (
                    error if isinstance(error, SourceFailed) else self._transport.explain(error, request_name)
                ) from error
            except TooLarge as error:
                raise TooLarge(f"{request_name}: {error}") from None
            self._raise_if_over(call.is_over)  # a body without a length ends with the connection
        return Answer(
            status=response.status_code,
            body=body,
            content_type=response.headers.get("Content-Type", ""),
            retry_after=answers.retry_after(response.headers.get("Retry-After")),
            location=response.headers.get("Location"),
            seconds=time.monotonic() - started,
            json_depth=limits.json_depth,
        )

    def _raise_if_over(self, is_over: bool) -> None:
        if is_over:
            raise SourceFailed(f"an answer that was not complete after {self.manners.total_seconds:g} s") from None

    @cached_property
    def _transport(self) -> Transport:
        return Transport(self.endpoint)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = self._transport.session()
        session = self._local.session
        assert isinstance(session, requests.Session)
        return session

    def _check_quiet_hours(self, request_name: str) -> None:
        """Raise SourcePaused within the hours in which the source must not be called."""
        if (until := self.quiet_hours.end_after(self.now())) is not None:
            raise SourcePaused(
                f"{request_name}: {self.endpoint.source} must not be called in its quiet hours "
                f"({self.quiet_hours}, quiet_hours in source.yml); run this again from {until:%H:%M on %Y-%m-%d}",
                until,
            )

    def _keep_pause(self, request_name: str, seconds: float) -> None:
        """Pause all calls for as long as the source asks. Raises SourcePaused when it asks for more than the limit."""
        limit = self.manners.retry_after_cap_seconds
        if seconds <= limit:
            self.pause.begin(seconds)
            return
        until = (self.now() + timedelta(seconds=limit)).astimezone(LOCAL)
        error = SourcePaused(
            f"{request_name}: the source asks to wait {seconds:.0f} s, longer than retry_after_cap_seconds ({limit:g} s) "
            f"in source.yml; run this again after {until:%H:%M on %Y-%m-%d}",
            until,
        )
        self.pause.refuse(error)
        raise error

    def _back_off(self, attempt: int, failure: SourceFailed) -> None:
        """Wait before the next attempt, longer each time; a wait that the source asked for is in `pause`."""
        if getattr(failure, "retry_after", None):
            return
        ceiling = min(self.manners.backoff_cap_seconds, self.manners.backoff_seconds * 2**attempt)
        self.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311

    def _login_refused(self) -> str:
        source = self.endpoint.source
        return f"{source} refuses our login: check login and password in {connection_variable(source)} (connection {source})"


class AttemptsExhausted(SourceFailed):
    """Every attempt of one call failed."""


def _check_content(accept: Callable[[Answer], None], answer: Answer) -> None:
    """Call `accept`; an error because of an unexpected shape becomes a SourceFailed."""
    try:
        accept(answer)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise SourceFailed(f"an answer with an unexpected shape ({type(error).__name__})") from error
