"""Extraction: ask a source for one window, keep every answer, and notice when the window moved meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from lgsp.errors import SourceFailed
from lgsp.land.archive import Pack
from lgsp.land.http_client import Answer, Caller, NotFound
from lgsp.vietnam import times_and_numbers
from lgsp.vietnam.personal_data import mask_key
from lgsp.window import Window

log = logging.getLogger(__name__)
T = TypeVar("T")

READS = 3
INVISIBLE = dict.fromkeys(map(ord, "\u00a0\u00ad\u200b\u200c\u200d\u2060\ufeff"), " ")


@dataclass
class Reading:
    """What one pass over a list gave, against what the source says it has."""

    declared: int = 0
    read: int = 0
    seen: dict[str, str] = field(default_factory=dict, repr=False)
    has_moved: bool = False

    def record(self, key: str, changed: str) -> None:
        """Count one record; the same record under two change times means the list moved while it was read."""
        self.read += 1
        if self.seen.setdefault(key, changed) != changed:
            self.has_moved = True

    @property
    def is_steady(self) -> bool:
        """Whether the list stood still and is whole."""
        return self.read == self.declared and not self.has_moved


@dataclass
class Reader:
    """Asks for a source's lists and appends each exact answer to a pack before anything looks into it."""

    caller: Caller
    pack: Pack

    def ask(
        self,
        list_name: str,
        method: str,
        path: str,
        understand: Callable[[Any], tuple[T, int]],
        *,
        shown: str = "",
        is_durable: bool = True,
        **request: Any,
    ) -> T:
        """What `understand` makes of the JSON answer; it returns a value and the number of records in it.

        `understand` raises SourceFailed for an answer that breaks the list's contract: such an answer is
        kept, marked broken, and asked for again.
        """
        number = -1
        value: list[T] = []

        def keep(answer: Answer) -> None:
            nonlocal number
            number = self.pack.append(list_name, shown or path, answer.status, answer.body, answer.seconds, is_durable)
            self.pack.annotate(number, is_whole=False)

        def accept(answer: Answer) -> None:
            understood, records = understand(answer.json(f"{list_name}"))
            value[:] = [understood]
            self.pack.annotate(number, is_whole=True, records=records)

        self.caller.ask(method, path, accept=accept, keep=keep, **request)
        return value[0]

    def look_up(
        self, what: str, key: str, method: str, path: str, understand: Callable[[Any], T | None], **request: Any
    ) -> tuple[T | None, int]:
        """What `understand` makes of one record asked for by itself, None where it is not there; and the answer's number."""
        shown = f"{what} {mask_key(key)}"
        found: T | None = None
        try:
            found = self.ask("look_ups", method, path, lambda answer: (understand(answer), 1),
                             shown=shown, is_durable=False, **request)  # fmt: skip
        except NotFound:
            log.debug("%s is not there", shown)
        number = next(call.number for call in reversed(self.pack.calls) if call.request == shown)
        self.pack.annotate(number, is_whole=True, records=int(found is not None))
        return found, number


@dataclass
class Keys:
    """The keys that a source has, each with its newest change, and the spans in which these are all of them.

    `same` counts the keys of the spans that were not read because the source has as many there as we know.
    """

    changed: dict[str, datetime] = field(default_factory=dict, repr=False)
    spans: list[Window] = field(default_factory=list)
    same: int = 0
    unreadable: int = 0

    def add(self, key: str, changed: str) -> None:
        """Take one key, without what cannot be seen around it; one whose change time nobody can read is no use."""
        key, moment = key.translate(INVISIBLE).strip(" "), times_and_numbers.instant(changed)
        if moment is None:
            self.unreadable += 1
        elif key not in self.changed or moment > self.changed[key]:
            self.changed[key] = moment


def steadily(reader: Reader, what: str, read: Callable[[], Mapping[str, Reading]]) -> Mapping[str, Reading]:
    """What `read` gives once nothing moved while it was read, three times at most; raises as `window` does."""
    readings: Mapping[str, Reading] = {}
    for _ in range(READS):
        begun = len(reader.pack.calls)
        readings = read()
        moved = {name: reading for name, reading in readings.items() if not reading.is_steady}
        if not moved:
            return readings
        log.warning("%s %s moved while it was read: %s", reader.caller.endpoint.source, what, moved)
        if _ < READS - 1:
            reader.pack.disown(begun)
    if any(reading.has_moved for reading in readings.values()):
        raise SourceFailed(
            f"{what} kept moving while it was read, {READS} times: records may be missing; read it later"
        )
    return readings


class RepeatedPage:
    """Notices a page that was served before: a paging that loops."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: set[int] = set()

    def check(self, keys: list[str]) -> None:
        """Raise SourceFailed when a page of these very records was served before."""
        if not keys:
            return
        mark = hash(tuple(keys))
        if mark in self._seen:
            raise SourceFailed(f"{self._what}: the same page came twice; the paging loops")
        self._seen.add(mark)


def identity(row: Any, key: str, changed: str) -> tuple[str, str]:
    """A record's key and change time, in whatever case it spells its fields; a record without a key is its own key."""
    if isinstance(row, dict):
        told = row if key in row else {name.lower(): value for name, value in row.items()}
        found = told.get(key, told.get(key.lower()))
        if found:
            return str(found), str(told.get(changed, told.get(changed.lower())))
    return repr(row), ""


def promised(answer: Any, field_name: str, what: str) -> Any:
    """A field the source's contract promises; SourceFailed when it is missing."""
    if not isinstance(answer, dict) or field_name not in answer:
        raise SourceFailed(f"{what}: the answer has no {field_name!r}")
    return answer[field_name]
