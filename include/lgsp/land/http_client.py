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
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land import json_sanitiser
from lgsp.settings import Endpoint, connection_variable

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024

# The keyword arguments of one request, and a function that adds our login to them.
Request = dict[str, Any]
Signature = Callable[[Request], Request]


@dataclass(frozen=True)
class Manners:
    """The limits on our requests to a source: time, size, retries and rate; from the `manners` of its source.yml."""

    connect_seconds: float = 10
    idle_seconds: float = 30
    total_seconds: float = 180
    max_megabytes: int = 64
    attempts: int = 6
    backoff_seconds: float = 0.5
    backoff_cap_seconds: float = 30
    retry_after_cap_seconds: float = 300
    requests_per_minute: int = 6000
    parallel: int = 1


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: its status, the exact body, some headers, and how long it took in seconds."""

    status: int
    body: bytes
    content_type: str
    retry_after: float | None
    location: str | None = None
    seconds: float = 0.0

    def json(self, request_name: str) -> Any:
        """The body as JSON. Raises SourceFailed when it is not JSON (an HTML page with status 200, a cut body)."""
        try:
            return json_sanitiser.loads(self.body)
        except ValueError:
            raise SourceFailed(
                f"{request_name}: answered {self.content_type or 'no content type'} that is not JSON"
            ) from None


@dataclass
class Caller:
    """Sends requests to one source and retries those that may succeed later.

    `authorise` logs in and returns the signature that adds the login to a request; it is called again when the login
    has expired.
    `acquire_call` waits until the source's shared budget allows one more call.
    """

    endpoint: Endpoint
    manners: Manners = field(default_factory=Manners)
    acquire_call: Callable[[], None] = lambda: None
    sleep: Callable[[float], None] = time.sleep
    authorise: Callable[[], Signature] | None = None
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _signature: Signature | None = field(default=None, repr=False)
    _logins: int = 0

    def ask(
        self,
        method: str,
        path: str,
        *,
        accept: Callable[[Answer], None],
        keep: Callable[[Answer], None] = lambda answer: None,
        login: bool = True,
        **request: Any,
    ) -> Answer:
        """Send a request and return the first answer that `accept` does not refuse.

        `accept` raises SourceFailed for an invalid answer, which is requested again, and LoginExpired for a lost login.
        Raises SourceFailed when every attempt failed, SourceRefused when a retry cannot help.
        """
        request_name = f"{self.endpoint.source} {method} {path}"
        failure: SourceFailed | None = None
        refusals = 0
        for attempt in range(self.manners.attempts):
            if failure is not None:
                self._wait(attempt, failure)
            login_number = 0
            try:
                signed, login_number = self._signed(request) if login else (request, 0)
                answer = self._send(method, path, signed)
                keep(answer)
                _check_status(answer, request_name)
                _check_content(accept, answer)
                return answer
            except LoginExpired:
                refusals += 1
                if refusals > 1 or not login:
                    raise SourceRefused(self._login_refused()) from None
                self._drop_login(login_number)
                failure = None
            except AttemptsExhausted:
                raise  # a failed login has already been retried
            except SourceFailed as error:
                failure, refusals = error, 0
                log.info("%s: %s", request_name, error)
        raise AttemptsExhausted(
            f"{request_name}: gave up after {self.manners.attempts} attempts: {failure or 'the login kept expiring'}"
        )

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

    def _send(self, method: str, path: str, request: Request) -> Answer:
        self.acquire_call()
        started = time.monotonic()
        try:
            with self._session().request(
                method, self.endpoint.base_url + path, allow_redirects=False, stream=True,
                timeout=(self.manners.connect_seconds, self.manners.idle_seconds),
                **request,
            ) as response:  # fmt: skip
                body = b"" if 300 <= response.status_code < 400 else self._read(response, started)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceFailed(f"no complete answer ({type(error).__name__})") from error
        return Answer(
            status=response.status_code,
            body=body,
            content_type=response.headers.get("Content-Type", ""),
            retry_after=retry_after(response.headers.get("Retry-After")),
            location=response.headers.get("Location"),
            seconds=time.monotonic() - started,
        )

    def _read(self, response: requests.Response, started: float) -> bytes:
        limit = self.manners.max_megabytes * MEGABYTE
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(MEGABYTE, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise TooLarge(
                    f"an answer over {self.manners.max_megabytes} MB; increase max_megabytes in source.yml if this size is correct"
                )
            if time.monotonic() - started > self.manners.total_seconds:
                raise SourceFailed(f"an answer that was not complete after {self.manners.total_seconds:g} s")
        declared = response.headers.get("Content-Length")
        if declared and "Content-Encoding" not in response.headers and size != int(declared):
            raise SourceFailed(f"an answer of {size} bytes, but its Content-Length is {declared}")
        return b"".join(chunks)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False  # no proxy variable and no .netrc may decide where credentials are sent
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)
        return session

    def _wait(self, attempt: int, failure: SourceFailed) -> None:
        manners = self.manners
        requested = getattr(failure, "retry_after", None)
        if requested is not None:
            if requested > manners.retry_after_cap_seconds:
                raise SourceFailed(
                    f"asks to wait {requested:.0f} s, longer than retry_after_cap_seconds ({manners.retry_after_cap_seconds:g} s)"
                )
            self.sleep(requested + random.uniform(0, 0.2))  # noqa: S311
            return
        ceiling = min(manners.backoff_cap_seconds, manners.backoff_seconds * 2**attempt)
        self.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311

    def _login_refused(self) -> str:
        source = self.endpoint.source
        return f"{source} refuses our login: check login and password in {connection_variable(source)} (connection {source})"


class LoginExpired(Exception):
    """The source reports that our login has expired or is invalid."""


class NotFound(SourceRefused):
    """The source has nothing at this address; a record that is not found was deleted."""


class TooLarge(SourceRefused):
    """An answer is larger than we accept."""


class AttemptsExhausted(SourceFailed):
    """Every attempt of one call failed."""


class Throttled(SourceFailed):
    """The source asks us to retry later; `retry_after` is in seconds, None when the answer has no such header."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def retry_after(header: str | None) -> float | None:
    """Seconds to wait from a Retry-After header (seconds or an HTTP date); None when absent or unreadable."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _check_content(accept: Callable[[Answer], None], answer: Answer) -> None:
    """Call `accept`; an error because of an unexpected shape becomes a SourceFailed."""
    try:
        accept(answer)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise SourceFailed(f"an answer with an unexpected shape ({type(error).__name__})") from error


def _check_status(answer: Answer, request_name: str) -> None:
    """Raise the error that belongs to the status of an answer."""
    status = answer.status
    if 300 <= status < 400:
        raise SourceRefused(
            f"{request_name}: redirects to another address; redirects are never followed: correct the address in the connection"
        )
    if status == 401:
        raise LoginExpired
    if status == 429 or status >= 500:
        raise Throttled(f"status {status}", answer.retry_after)
    if status == 404:
        raise NotFound(f"{request_name}: status 404")
    if status >= 400:
        raise SourceRefused(f"{request_name}: status {status}")
