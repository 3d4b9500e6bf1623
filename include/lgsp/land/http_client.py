"""Asking a source over HTTP: bounded in time, size and rate; patient with faults, strict about hosts.

Every answer is handed to a `keep` callable before anything looks into it, so the exact bytes are safe first.
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

# The keyword arguments of one request, and what puts our login on them.
Request = dict[str, Any]
Signature = Callable[[Request], Request]


@dataclass(frozen=True)
class Manners:
    """How long, how large and how often we ask; from the source's description."""

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
    """One HTTP answer: its status, the exact body, and how often we had to ask for it."""

    status: int
    body: bytes
    content_type: str
    retry_after: float | None
    location: str | None = None
    seconds: float = 0.0

    def json(self, what: str) -> Any:
        """The body as JSON; SourceFailed when it is none (an HTML page with status 200, a cut body)."""
        try:
            return json_sanitiser.loads(self.body)
        except ValueError:
            raise SourceFailed(f"{what}: answered {self.content_type or 'no content type'} that is not JSON") from None


@dataclass
class Caller:
    """Asks one source, again where that is worthwhile.

    `authorise` logs in and returns the signature that proves it on a request; it is called again once for
    each expiry.
    `take_turn` waits until the source's shared budget of calls allows one more.
    """

    endpoint: Endpoint
    manners: Manners = field(default_factory=Manners)
    take_turn: Callable[[], None] = lambda: None
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
        """The first answer that `accept` does not refuse.

        `accept` raises SourceFailed for an answer not worth keeping as whole and `Expired` for a lost login.
        Raises SourceFailed when every attempt failed, SourceRefused when asking again cannot help.
        """
        what = f"{self.endpoint.source} {method} {path}"
        trouble: SourceFailed | None = None
        refusals = 0
        for attempt in range(self.manners.attempts):
            if trouble is not None:
                self._wait(attempt, trouble)
            number = 0
            try:
                signed, number = self._signed(request) if login else (request, 0)
                answer = self._once(method, path, signed)
                keep(answer)
                _refuse(answer, what)
                _judge(accept, answer)
                return answer
            except Expired:
                refusals += 1
                if refusals > 1 or not login:
                    raise SourceRefused(self._not_let_in()) from None
                self._forget(number)
                trouble = None
            except GaveUp:
                raise  # a login that failed was tried often enough
            except SourceFailed as failure:
                trouble, refusals = failure, 0
                log.info("%s: %s", what, failure)
        raise GaveUp(f"{what}: gave up after {self.manners.attempts} attempts: {trouble or 'the login kept expiring'}")

    def _forget(self, number: int) -> None:
        """Give up the login of that number, unless another thread has already made a newer one."""
        with self._lock:
            if self._logins == number:
                self._signature = None

    def _signed(self, request: Request) -> tuple[Request, int]:
        """The request with our login on it, and the login's number."""
        if self.authorise is None:
            return request, 0
        with self._lock:
            if self._signature is None:
                self._signature = self.authorise()
                self._logins += 1
            return self._signature(request), self._logins

    def _once(self, method: str, path: str, request: Request) -> Answer:
        self.take_turn()
        begun = time.monotonic()
        try:
            with self._session().request(
                method, self.endpoint.base_url + path, allow_redirects=False, stream=True,
                timeout=(self.manners.connect_seconds, self.manners.idle_seconds),
                **request,
            ) as response:  # fmt: skip
                body = b"" if 300 <= response.status_code < 400 else self._read(response, begun)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceFailed(f"no whole answer ({type(error).__name__})") from error
        return Answer(
            status=response.status_code,
            body=body,
            content_type=response.headers.get("Content-Type", ""),
            retry_after=retry_after(response.headers.get("Retry-After")),
            location=response.headers.get("Location"),
            seconds=time.monotonic() - begun,
        )

    def _read(self, response: requests.Response, begun: float) -> bytes:
        limit = self.manners.max_megabytes * MEGABYTE
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(MEGABYTE, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise SourceRefused(
                    f"an answer of over {self.manners.max_megabytes} MB; raise max_megabytes if that is right"
                )
            if time.monotonic() - begun > self.manners.total_seconds:
                raise SourceFailed(f"an answer that was not whole after {self.manners.total_seconds:g} s")
        declared = response.headers.get("Content-Length")
        if declared and "Content-Encoding" not in response.headers and size != int(declared):
            raise SourceFailed(f"an answer of {size} bytes where {declared} were declared")
        return b"".join(chunks)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False  # no proxy and no .netrc decides where credentials go
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)
        return session

    def _wait(self, attempt: int, trouble: SourceFailed) -> None:
        manners = self.manners
        asked = getattr(trouble, "retry_after", None)
        if asked is not None:
            if asked > manners.retry_after_cap_seconds:
                raise SourceFailed(f"asks to wait {asked:.0f} s, longer than {manners.retry_after_cap_seconds:g} s")
            self.sleep(asked + random.uniform(0, 0.2))  # noqa: S311
            return
        ceiling = min(manners.backoff_cap_seconds, manners.backoff_seconds * 2**attempt)
        self.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311

    def _not_let_in(self) -> str:
        source = self.endpoint.source
        return f"{source} does not let us in: check login and password in {connection_variable(source)} (connection {source})"


class Expired(Exception):
    """The source says our login has run out (or never held)."""


class NotFound(SourceRefused):
    """The source has nothing at this address: for a record, that it was deleted."""


class GaveUp(SourceFailed):
    """Every attempt at one call failed."""


class Throttled(SourceFailed):
    """The source asks us to come back later; `retry_after` in seconds, or None when it does not say."""

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


def _judge(accept: Callable[[Answer], None], answer: Answer) -> None:
    """Let the caller look into an answer; one of an unpromised shape is a failure of the source, not of ours."""
    try:
        accept(answer)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise SourceFailed(f"an answer that has not the promised shape ({type(error).__name__})") from error


def _refuse(answer: Answer, what: str) -> None:
    status = answer.status
    if 300 <= status < 400:
        raise SourceRefused(f"{what}: redirects to another address; redirects are never followed (mend the connection)")
    if status == 401:
        raise Expired
    if status == 429 or status >= 500:
        raise Throttled(f"status {status}", answer.retry_after)
    if status == 404:
        raise NotFound(f"{what}: status 404")
    if status >= 400:
        raise SourceRefused(f"{what}: status {status}")
