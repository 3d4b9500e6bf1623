"""Events for the addresses of LGSP_WEBHOOKS: written in the transaction of what happened, so that none is lost or invented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import psycopg

from lgsp.settings import Webhook
from lgsp.store.transaction import Transaction

PUBLISHED, RETIRED, PING = "lgsp.snapshot.published", "lgsp.snapshot.retired", "lgsp.ping"

_ADD = """
insert into ledger.outbox (event_id, target, type, occurred_at, data)
values ($1::text, $2::text, $3::text, clock_timestamp(), $4::text::jsonb)
"""
# A row is claimed for some minutes, so that two processes do not deliver the same event at the same time.
_CLAIM = """
update ledger.outbox o set next_attempt_at = clock_timestamp() + %(claim)s, attempt_count = attempt_count + 1, last_attempt_at = clock_timestamp()
from (
    select event_id, target from ledger.outbox
    where state = 'waiting' and next_attempt_at <= clock_timestamp() and target = any(%(targets)s)
    order by next_attempt_at limit 1 for update skip locked
) due
where (o.event_id, o.target) = (due.event_id, due.target)
returning o.event_id, o.target, o.type, o.occurred_at, o.data, o.attempt_count
"""
_CLAIMED_FOR = timedelta(minutes=2)

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Event:
    """An event that is due for an address; `attempt` counts from 1."""

    event_id: str
    target: str
    type: str
    occurred_at: datetime
    data: dict[str, Any]
    attempt: int


def add(transaction: Transaction, webhooks: Iterable[Webhook], event_type: str, data: dict[str, Any]) -> None:
    """Add one event for each address, in the transaction of what happened."""
    event_id, content = str(uuid4()), orjson.dumps(data).decode()
    for webhook in webhooks:
        transaction.do(_ADD, event_id, webhook.id, event_type, content)


def add_ping(connection: Connection, webhooks: Iterable[Webhook]) -> str:
    """Add an event that only shows that deliveries arrive; its id."""
    event_id = str(uuid4())
    for webhook in webhooks:
        connection.execute(
            "insert into ledger.outbox (event_id, target, type, occurred_at, data) values (%s, %s, %s, clock_timestamp(), '{}')",
            [event_id, webhook.id, PING],
        )
    return event_id


def claim(connection: Connection, targets: list[str]) -> Event | None:
    """The event that has been due for longest at one of these addresses, claimed for this process; None when none is due."""
    row = connection.execute(_CLAIM, {"targets": targets, "claim": _CLAIMED_FOR}).fetchone()
    connection.commit()
    return Event(*row.values()) if row else None


def record(connection: Connection, event: Event, state: str, result: str, wait: timedelta | None) -> None:
    """Record the result of an attempt, and after which time the next one is due."""
    connection.execute(
        "update ledger.outbox set state = %s, last_result = %s, next_attempt_at = clock_timestamp() + coalesce(%s, interval '0') "
        "where event_id = %s and target = %s",
        [state, result, wait, event.event_id, event.target],
    )
    connection.commit()


def forget_old(transaction: Transaction) -> None:
    """Delete the events that ended more than 30 days ago."""
    transaction.do(
        "delete from ledger.outbox where state <> 'waiting' and last_attempt_at < clock_timestamp() - interval '30 days'"
    )
