"""How vendors write the codes of a message, brought to the keys of the code lists."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime
from functools import cache

from lgsp.schema import codelists
from lgsp.vietnam import personal_data, text, times_and_numbers
from lgsp.window import LOCAL

SOURCE = "documents"
_USUAL = re.compile(r"\s*[0-9]{4}(/[0-9]{2}/|-[0-9]{2}-)[0-9]{2}([ T][0-9]{2}:[0-9]{2}:[0-9]{2})?\s*")
_NUMBER = re.compile(r"([0-9]{1,3})(?![0-9/])")
SHOWN = 40  # characters of an unknown value that an operator is shown; who writes more writes no code
NOT_SHOWN = "(not shown)"


def document_type(told: str | None) -> str | None:
    """The key of a type: the longest known name that the text begins with, so what vendors append does not matter."""
    key = text.key(told)
    words = (key or "").split(" ")
    known = _known_types()
    return next((name for count in range(len(words), 0, -1) if (name := " ".join(words[:count])) in known), key)


@cache
def _known_types() -> frozenset[str]:
    return frozenset(codelists.meanings("document_type", SOURCE))


def code(told: str | None, width: int = 1) -> str | None:
    """The key of a number, a keyword or both ("5", "05 - Đang xử lý", "processing", "Hỏa tốc")."""
    cleaned = text.clean(told)
    if cleaned is None:
        return None
    number = _NUMBER.match(cleaned)
    return str(int(number.group(1))).zfill(width) if number else text.key(cleaned)


def moment(told: str | None) -> datetime | None:
    """The instant that a text tells, in whatever way, in UTC; None for text that tells none."""
    found = times_and_numbers.instant(told) if told else None
    return found.astimezone(UTC) if found else None


def day(told: str | None) -> date | None:
    """The local day that a text tells, in whatever way; None for text that tells none."""
    found = moment(told)
    return found.astimezone(LOCAL).date() if found else None


def time_oddity(told: str | None) -> str | None:
    """What is unusual about a day or time: `format`, `sentinel`, `filler`, `unreadable_time`; None for the usual ones."""
    oddity = times_and_numbers.instant_oddity(told) if told else None
    return None if oddity == times_and_numbers.FORMAT and _USUAL.fullmatch(told or "") else oddity


def shown(told: str | None) -> str | None:
    """What an operator may see of a value nobody knows: all of it where it is short and names nobody, else nothing."""
    cleaned = text.clean(told)
    return NOT_SHOWN if cleaned and (len(cleaned) > SHOWN or personal_data.persons_in(cleaned)) else cleaned


def mark(told: str | None) -> str | None:
    """A mark by which an id is known again: an id is free text and may hold anything, so it is not kept itself."""
    cleaned = text.clean(told)
    return hashlib.sha256(cleaned.encode()).hexdigest() if cleaned else None


def whole(told: str | None) -> int | None:
    """A count; None for text that is none."""
    return int(told) if told and re.fullmatch("[0-9]{1,6}", told) else None
