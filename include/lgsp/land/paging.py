"""Checks what a source's answers promise: the pages of a list end, none comes twice, and counts are whole numbers."""

from __future__ import annotations

import re
from typing import Any

from lgsp.errors import SourceFailed
from lgsp.land.answer import printable
from lgsp.land.http_client import Manners

_WHOLE = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")

# What a list may have more than its source declared, because records are added while it is read.
MORE_PAGES, MORE_RECORDS, MORE_SHARE = 3, 100, 1.1


class Pages:
    """The pages of one list while they are read.

    `declared` is the number of records that the source declares, None when it declares none. `page_size` is the number of
    records that are requested on a page.
    """

    def __init__(self, name: str, limits: Manners, page_size: int, declared: int | None = None) -> None:
        self._name = name
        self._limits = limits
        self._size = page_size
        self.declared = declared
        self._seen: set[int] = set()
        self._pages = 0
        self._records = 0

    def add(self, keys: list[str]) -> None:
        """Count a page with these records. Raises SourceFailed when it came before, or when the pages do not end."""
        self._pages += 1
        self._records += len(keys)
        self._check_end()
        if not keys:
            return
        self._size = min(self._size, len(keys))  # the source may serve smaller pages than requested
        page_hash = hash(tuple(keys))
        if page_hash in self._seen:
            raise SourceFailed(f"{self._name}: the same page was served twice; the paging loops")
        self._seen.add(page_hash)

    def _check_end(self) -> None:
        if self.declared is None:
            most, basis = self._limits.max_list_records, "max_list_records in source.yml"
        else:
            most, basis = int(self.declared * MORE_SHARE) + MORE_RECORDS, f"{self.declared} declared records"
        if self._records > most:
            raise SourceFailed(f"{self._name}: {self._records} records on {self._pages} pages, too many for {basis}")
        expected = most if self.declared is None else self.declared
        if self._pages > expected / self._size + MORE_PAGES:
            raise SourceFailed(
                f"{self._name}: {self._pages} pages with {self._records} records do not end; too many for {basis}"
            )


def required_field(answer: Any, field_name: str, request_name: str) -> Any:
    """A field of an answer. Raises SourceFailed when it is missing."""
    if not isinstance(answer, dict) or field_name not in answer:
        raise SourceFailed(f"{request_name}: the answer has no {field_name!r}")
    return answer[field_name]


def required_list(answer: Any, field_name: str, request_name: str, *, empty: tuple[object, ...] = ()) -> list[Any]:
    """A list in an answer; the values in `empty` stand for a list without rows. Raises SourceFailed for anything else."""
    value = required_field(answer, field_name, request_name)
    if isinstance(value, list):
        return value
    if any(value is each or (isinstance(each, str) and value == each) for each in empty):
        return []
    raise SourceFailed(f"{request_name}: {field_name!r} is {_kind(value)}, not a list")


def required_flag(answer: Any, field_name: str, request_name: str) -> bool:
    """A true or false in an answer. Raises SourceFailed for anything else, also for a text."""
    value = required_field(answer, field_name, request_name)
    if not isinstance(value, bool):
        raise SourceFailed(f"{request_name}: {field_name!r} is {_kind(value)}, not true or false")
    return value


def required_count(answer: Any, field_name: str, request_name: str, limits: Manners) -> int:
    """A number of records in an answer, also as a text of digits. Raises SourceFailed for anything else, or over the limit."""
    value = required_field(answer, field_name, request_name)
    is_number = (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, str)
    if not is_number or not _WHOLE.fullmatch(digits := str(value).strip()):
        raise SourceFailed(f"{request_name}: {field_name!r} is {_kind(value)}, not a number of records")
    if int(digits) > limits.max_records:
        raise SourceFailed(
            f"{request_name}: {field_name!r} declares {int(digits)} records, more than max_records ({limits.max_records}) in source.yml"
        )
    return int(digits)


def required_token(answer: Any, field_name: str, request_name: str) -> str:
    """A token of a login. Raises SourceFailed for anything that cannot be sent in a header, without showing it."""
    value = required_field(answer, field_name, request_name)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise SourceFailed(
            f"{request_name}: {field_name!r} is not a token: it must be 1 to 16,384 visible ASCII characters"
        )
    return value


def _kind(value: object) -> str:
    """A short description of a value of an answer, for an error."""
    for type_, kind in ((str, "a text"), (list, "a list"), (dict, "an object")):
        if isinstance(value, type_):
            return kind
    is_long = isinstance(value, int) and abs(value) >= 10**30  # Python refuses to write very long numbers
    return "a very long number" if is_long else printable(str(value))
