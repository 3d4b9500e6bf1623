"""Wait for the other sources of an interval, so that a day becomes one snapshot and not one for each source."""

from __future__ import annotations

import logging
import time

from lgsp import store
from lgsp.settings import Settings
from lgsp.store import heartbeat

log = logging.getLogger(__name__)

MOST_SECONDS, POLL_SECONDS = 120.0, 1.0


def wait_for_batches(settings: Settings) -> list[str]:
    """Wait, at most two minutes, while a batch of an interval that waits to be published is being processed.

    Returns the ids of the batches that are still being processed: they are published later. A batch whose process was
    killed has no heartbeat and is not waited for. It takes no lock; only the Dag calls it, never `lgsp publish`.
    """
    deadline, waited_for = time.monotonic() + MOST_SECONDS, list[str]()
    while True:
        with store.connect(settings) as connection:
            live = heartbeat.live_batches(connection)
        if not live or time.monotonic() > deadline:
            return live
        if live != waited_for:
            log.info("waiting for %s of the same interval", ", ".join(live))
            waited_for = live
        time.sleep(POLL_SECONDS)
