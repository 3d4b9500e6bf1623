"""The heartbeat of a batch: while a stage works on it, its process writes the time and its progress to the ledger every two seconds."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from lgsp import store
from lgsp.errors import SettingError
from lgsp.settings import Settings

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
# A batch whose last beat is older is not waited for: its process was killed, or its next task has not started.
ALIVE_SECONDS = 10

LIVE = f"""
select distinct b.batch_id from ledger.batch b
join ledger.batch w on w.state = 'checked' and w.purpose = 'window' and b.window_from < w.window_to and b.window_to > w.window_from
where b.purpose = 'window' and b.state in ('landing', 'landed', 'harmonised')
    and b.heartbeat_at > clock_timestamp() - interval '{ALIVE_SECONDS} seconds'
order by b.batch_id
"""


@contextmanager
def beating(settings: Settings, batch_id: str, progress: Callable[[], str] = str) -> Iterator[None]:
    """Keep the heartbeat of a batch alive within the block. Opening and advancing a batch are beats too.

    `progress` gives what was done so far; it is called in another thread.
    """
    ended = threading.Event()
    thread = threading.Thread(
        target=_beat, args=(settings, batch_id, progress, ended), name=f"heartbeat {batch_id}", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(settings: Settings, batch_id: str, progress: Callable[[], str], ended: threading.Event) -> None:
    process = f"pid {os.getpid()} on {socket.gethostname()}"
    while not ended.wait(BEAT_SECONDS):
        try:
            with store.connect(settings) as connection:
                connection.execute(
                    "update ledger.batch set heartbeat_at = clock_timestamp(), progress = %s where batch_id = %s",
                    [", ".join(filter(None, [progress(), process])), batch_id],
                )
        except (SettingError, psycopg.Error) as error:
            log.warning("the heartbeat of %s was not written: %s", batch_id, error)


def live_batches(connection: psycopg.Connection[Any]) -> list[str]:
    """The ids of batches that are being processed and whose window overlaps that of a batch that waits to be published."""
    return [str(row["batch_id"]) for row in connection.execute(LIVE).fetchall()]
