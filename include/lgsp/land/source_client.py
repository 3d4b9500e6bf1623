"""What each source's client must be able to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Protocol

from lgsp import store
from lgsp.land.http_client import Caller, Manners
from lgsp.land.rate_limit import Budget
from lgsp.land.reader import Keys, Reader, Reading, steadily
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.window import Window


class Client(Protocol):
    """What a source's `client.py` must offer."""

    def __init__(self, caller: Caller, source: Source) -> None: ...

    def size(self, window: Window) -> int:
        """How many records the source says a window has."""

    def read_lists(self, reader: Reader) -> None:
        """Read what does not change by window: agencies, procedures."""

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Read the records of a window; for each list what was read and what the source declares."""

    def read_keys(self, reader: Reader, name: str, span: Window, held: Mapping[date, int] | None) -> Keys:
        """The keys of a list that lie in a span of whole local days.

        `held` is how many we know to have changed on each day: days that agree may be left out, unless it is None.
        """

    def look_up(self, reader: Reader, name: str, key: str) -> tuple[str | None, int]:
        """The change time of one record, None when the source has it no more, and the number of the answer.

        Only asked of lists whose description says `absent: look_up`.
        """


def read_window(client: Client, reader: Reader, wanted: Window) -> Mapping[str, Reading]:
    """Read a window until it stood still while it was read, three times at most.

    Raises SourceFailed when it moved every time. A count that stands still and does not agree is left to the
    gate: reconciliation refuses the batch.
    """
    return steadily(reader, str(wanted), lambda: client.read_window(reader, wanted))


@contextlib.contextmanager
def connect(settings: Settings, source: Source) -> Iterator[tuple[Client, Caller]]:
    """A source's client and the caller it asks with, within the source's budget of calls."""
    endpoint = settings.endpoint(source.name)
    manners = Manners(**source.manners)
    budget = Budget(
        store.url(settings), source.name, settings.requests_per_minute(source.name, manners.requests_per_minute)
    )
    caller = Caller(endpoint, manners, take_turn=budget.take_turn)
    try:
        yield source.code("client").Client(caller, source), caller
    finally:
        budget.close()
