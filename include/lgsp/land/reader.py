"""Reads the lists of a source, stores every answer, and detects when a list changed while it was read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from lgsp.errors import SourceFailed
from lgsp.land.answer import Answer, NotFound
from lgsp.land.archive import Pack
from lgsp.land.http_client import Caller
from lgsp.vietnam import times_and_numbers
from lgsp.vietnam.personal_data import mask_key
from lgsp.window import Window

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_READS = 3
# The list of answers that only prove whether a record exists.
LOOK_UPS = "look_ups"
# The status of a stored answer that stands for a record which the source lists and does not deliver.
NOT_DELIVERED = 0
INVISIBLE = dict.fromkeys(map(ord, "\u00a0\u00ad\u200b\u200c\u200d\u2060\ufeff"), " ")


@dataclass
class Reading:
    """The result of reading a list once: the number of records read, and the number that the source declares."""

    declared: int = 0
    read: int = 0
    seen: dict[str, str] = field(default_factory=dict, repr=False)
    has_changed: bool = False

    def record(self, key: str, changed: str) -> None:
        """Count one record. The same record with two change times means that the list changed while it was read."""
        self.read += 1
        if self.seen.setdefault(key, changed) != changed:
            self.has_changed = True

    @property
    def is_stable(self) -> bool:
        """Whether the list did not change and all declared records were read."""
        return self.read == self.declared and not self.has_changed


@dataclass
class Reader:
    """Requests a source's lists and appends the exact bytes of each answer to a pack before parsing it."""

    caller: Caller
    pack: Pack

    def ask(
        self,
        list_name: str,
        method: str,
        path: str,
        parse: Callable[[Any], tuple[T, int]],
        *,
        label: str = "",
        is_durable: bool = True,
        **request: Any,
    ) -> T:
        """Send a request and return the value that `parse` makes of the JSON answer.

        `parse` returns a value and the number of records in it. It raises SourceFailed for an invalid answer, which is
        stored, marked as not counting, and requested again. `label` is the request's name in the ledger.
        """
        number = -1
        value: list[T] = []

        def keep(answer: Answer) -> None:
            nonlocal number
            number = self.pack.append(list_name, label or path, answer.status, answer.body, answer.seconds, is_durable)
            self.pack.annotate(number, is_whole=False)

        def accept(answer: Answer) -> None:
            parsed, records = parse(answer.json(list_name))
            value[:] = [parsed]
            self.pack.annotate(number, is_whole=True, records=records)

        self.caller.ask(method, path, accept=accept, keep=keep, **request)
        return value[0]

    def keep_failure(self, list_name: str, label: str, error: Exception) -> None:
        """Store that a listed record was not delivered, as an answer with the status 0 and the error as its body."""
        number = self.pack.append(list_name, label, NOT_DELIVERED, str(error).encode(), 0.0, False)
        self.pack.annotate(number, is_whole=True, records=1)

    def look_up(
        self,
        name: str,
        key: str,
        method: str,
        path: str,
        parse: Callable[[Any], T | None],
        list_name: str,
        **request: Any,
    ) -> tuple[T | None, int]:
        """Request one record; the value that `parse` makes of it (None when it does not exist) and the answer's number.

        The answer is landed in the list `list_name`: LOOK_UPS as a proof, `archive.by_key(...)` as a record to harmonise.
        """
        label = f"{name} {mask_key(key)}"
        found: T | None = None
        try:
            found = self.ask(list_name, method, path, lambda answer: (parse(answer), 1),
                             label=label, is_durable=False, is_record=True, **request)  # fmt: skip
        except NotFound:
            log.debug("%s does not exist", label)
        number = next(call.number for call in reversed(self.pack.calls) if call.request == label)
        self.pack.annotate(number, is_whole=True, records=int(found is not None))
        return found, number


@dataclass
class Keys:
    """The keys that a source has, each with its newest change time, and the spans for which they are complete.

    `skipped` counts the keys of the days that were not read because the source has as many records there as we know.
    `undated` are the keys without a readable change time, or with one in the future: no window reaches their records.
    """

    change_times: dict[str, datetime] = field(default_factory=dict, repr=False)
    spans: list[Window] = field(default_factory=list)
    skipped: int = 0
    undated: set[str] = field(default_factory=set, repr=False)

    def add(self, key: str, changed: str) -> None:
        """Add one key without surrounding invisible characters; it is undated when its change time cannot be read."""
        key, moment = key.translate(INVISIBLE).strip(" "), times_and_numbers.instant(changed)
        if moment is None:
            self.undated.add(key)
        elif key not in self.change_times or moment > self.change_times[key]:
            self.change_times[key] = moment

    def move_future(self, until: datetime) -> None:
        """Count the keys that changed after `until` as undated, and those with a readable change time as dated."""
        future = {key for key, moment in self.change_times.items() if moment > until}
        self.undated = (self.undated - self.change_times.keys()) | future
        self.change_times = {key: moment for key, moment in self.change_times.items() if key not in future}


def read_until_stable(reader: Reader, name: str, read: Callable[[], Mapping[str, Reading]]) -> Mapping[str, Reading]:
    """The readings of the first `read` during which no list changed, in at most MAX_READS reads.

    Raises SourceFailed when a list changed during the last read. Readings that are only incomplete are returned.
    """
    readings: Mapping[str, Reading] = {}
    for attempt in range(MAX_READS):
        first_call = len(reader.pack.calls)
        readings = read()
        unstable = {list_name: reading for list_name, reading in readings.items() if not reading.is_stable}
        if not unstable:
            return readings
        log.warning("%s %s changed while it was read: %s", reader.caller.endpoint.source, name, unstable)
        if attempt < MAX_READS - 1:
            reader.pack.discard_from(first_call)
    if any(reading.has_changed for reading in readings.values()):
        raise SourceFailed(
            f"{name} changed during each of {MAX_READS} reads: records may be missing; read it again later"
        )
    return readings


def key_and_change_time(row: Any, key_field: str, changed_field: str) -> tuple[str, str]:
    """A record's key and change time; field names match in any case. A record without a key gives its repr and ""."""
    if isinstance(row, dict):
        fields = row if key_field in row else {name.lower(): value for name, value in row.items()}
        key = fields.get(key_field, fields.get(key_field.lower()))
        if key:
            return _shown(key), _shown(fields.get(changed_field, fields.get(changed_field.lower())))
    return _shown(row), ""


def _shown(value: Any) -> str:
    """The text of a value, also of one that is nested too deeply for Python's `str`."""
    try:
        return str(value)
    except RecursionError:
        return f"{type(value).__name__} nested too deeply"
