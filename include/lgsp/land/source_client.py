"""Defines the interface of the sources' clients, and connects to a source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Protocol

from lgsp import store
from lgsp.errors import ContractError
from lgsp.land.http_client import Caller, Manners
from lgsp.land.pause import Pause
from lgsp.land.rate_limit import Budget
from lgsp.land.reader import LOOK_UPS, Keys, Reader, Reading, read_until_stable
from lgsp.schema.quiet_hours import QuietHours
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.window import Window


class Client(Protocol):
    """The interface that the class `Client` in a source's `client.py` implements."""

    def __init__(self, caller: Caller, source: Source) -> None: ...

    def count_records(self, window: Window) -> int:
        """The number of records in a window, as declared by the source."""

    def read_lists(self, reader: Reader) -> None:
        """Read the lists that do not depend on the window: agencies, procedures."""

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Read the records of a window; for each list the number of records read and declared."""

    def read_keys(self, reader: Reader, name: str, span: Window, known_counts: Mapping[date, int] | None) -> Keys:
        """The keys of a list in a span of whole local days.

        `known_counts` has the number of stored records that changed on each day. Days on which the source has the same
        number may be skipped; with None, every day is read.
        """

    def look_up(self, reader: Reader, name: str, key: str, landed_as: str = LOOK_UPS) -> tuple[str | None, int]:
        """The change time of one record (None when the source has deleted it) and the number of the answer.

        The answer is landed in the list `landed_as`.

        Called only for lists with `absent: look_up` in source.yml.
        """


def read_window(client: Client, reader: Reader, window: Window) -> Mapping[str, Reading]:
    """Read a window again while it changes during the read, at most three times.

    Raises SourceFailed when it changed every time. When only the counts differ, the readings are returned, and the
    gate refuses the batch (reconciliation).
    """
    return read_until_stable(reader, str(window), lambda: client.read_window(reader, window))


def request_limits(source: Source) -> Manners:
    """The limits on our requests to a source. Raises ContractError when its source.yml has an unknown limit."""
    limits: Mapping[str, Any] = source.manners
    try:
        return Manners(**limits)
    except TypeError as error:
        raise ContractError(f"sources/{source.name}/source.yml: manners: {error}") from None


@contextlib.contextmanager
def connect(settings: Settings, source: Source) -> Iterator[tuple[Client, Caller]]:
    """A source's client and the caller that it uses, limited to the source's budget of calls."""
    endpoint, limits = settings.endpoint(source.name), request_limits(source)
    budget = Budget(
        store.url(settings), source.name, settings.requests_per_minute(source.name, limits.requests_per_minute)
    )
    caller = Caller(
        endpoint, limits, acquire_call=budget.acquire_call, pause=Pause(budget.pause),
        quiet_hours=QuietHours.parse(source.quiet_hours),
    )  # fmt: skip
    try:
        yield source.code("client").Client(caller, source), caller
    finally:
        budget.close()
