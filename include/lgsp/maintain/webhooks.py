"""Deliver events to the addresses of LGSP_WEBHOOKS: CloudEvents 1.0 in JSON, signed as Standard Webhooks.

An event that an address does not accept is sent again after growing waits, with the same id, for about two days. An answer
of 2xx within ten seconds accepts it; 410 ends it for that address. Redirects are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import requests
from requests.adapters import HTTPAdapter

from lgsp import store
from lgsp.errors import SettingError
from lgsp.land import deadline
from lgsp.settings import Settings, Webhook
from lgsp.store import outbox

# The waits before the second, third … attempt; after the last one an event has failed.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
TIMEOUT_SECONDS = 10.0
GONE = 410


class _Adapter(HTTPAdapter):
    """Connections that a deadline can end: a time-out would begin again with each byte."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = deadline.POOLS


@dataclass
class Deliveries:
    """How many events were accepted, will be sent again, or ended; a line for each that was not accepted."""

    delivered: int = 0
    waiting: int = 0
    ended: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = "".join(f"; {line}" for line in self.problems)
        return f"{self.delivered} events delivered, {self.waiting} to be sent again, {self.ended} ended{lines}"


def deliver(settings: Settings) -> Deliveries:
    """Send every event that is due. Safe to repeat, also at the same time: each event is claimed by one process."""
    webhooks = {webhook.id: webhook for webhook in settings.webhooks}
    done = Deliveries()
    with store.connect(settings) as connection, requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter())
        while event := outbox.claim(connection, list(webhooks)):
            webhook = webhooks[event.target]
            state, result = _send(session, settings, webhook, event)
            wait = WAITS[event.attempt - 1] if event.attempt <= len(WAITS) else None
            if state == "waiting" and wait is None:
                state = "failed"
            outbox.record(connection, event, state, result, wait)
            _count(done, state, f"{event.type} to {webhook.host}: {result}")
    return done


def ping(settings: Settings) -> Deliveries:
    """Send an event without content to every address now. Raises SettingError without addresses."""
    if not settings.webhooks:
        raise SettingError("LGSP_WEBHOOKS is not set: there is no address to send to")
    with store.connect(settings) as connection:
        outbox.add_ping(connection, settings.webhooks)
    return deliver(settings)


def body(settings: Settings, event: outbox.Event) -> bytes:
    """The event as CloudEvents JSON; the same bytes in every attempt."""
    return orjson.dumps({
        "specversion": "1.0", "id": event.event_id, "source": settings.base_url or "urn:lgsp", "type": event.type,
        "time": event.occurred_at, "datacontenttype": "application/json", "data": event.data,
    })  # fmt: skip


def signature(secrets: tuple[bytes, ...], event_id: str, timestamp: int, content: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, so that a receiver may change its own at any time."""
    signed = f"{event_id}.{timestamp}.".encode() + content
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _send(session: requests.Session, settings: Settings, webhook: Webhook, event: outbox.Event) -> tuple[str, str]:
    """Send an event once: its state afterwards, and what happened, without the address."""
    content, timestamp = body(settings, event), int(time.time())
    headers = {
        "content-type": "application/cloudevents+json; charset=utf-8", "webhook-id": event.event_id, "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(webhook.secrets, event.event_id, timestamp, content),
    }  # fmt: skip
    try:
        status = _status(session, webhook.url, content, headers)
    except requests.RequestException as error:
        return "waiting", f"no answer ({type(error).__name__})"
    if 200 <= status < 300:
        return "delivered", f"HTTP {status}"
    return ("ended" if status == GONE else "waiting"), f"HTTP {status}"


def _status(session: requests.Session, url: str, content: bytes, headers: dict[str, Any]) -> int:
    """The status of the answer; its body is not read."""
    with (
        deadline.Deadlines().within(TIMEOUT_SECONDS),
        session.post(
            url, data=content, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
        ) as answer,
    ):
        return answer.status_code


def _count(done: Deliveries, state: str, line: str) -> None:
    if state == "delivered":
        done.delivered += 1
        return
    done.problems.append(line)
    if state == "waiting":
        done.waiting += 1
    else:
        done.ended += 1
