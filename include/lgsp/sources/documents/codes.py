"""Normalises the codes, days and ids in messages of all vendors to the keys of the code lists."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime

from lgsp import config
from lgsp.schema import codelists
from lgsp.vietnam import personal_data, text, times_and_numbers
from lgsp.window import LOCAL

SOURCE = "documents"
_USUAL_FORMAT = re.compile(r"\s*[0-9]{4}(/[0-9]{2}/|-[0-9]{2}-)[0-9]{2}([ T][0-9]{2}:[0-9]{2}:[0-9]{2})?\s*")
_NUMBER = re.compile(r"([0-9]{1,3})(?![0-9/])")
MOST_COUNTED = 999_999
MAX_SHOWN = 40  # characters; a longer text is not a code
NOT_SHOWN = "(not shown)"


def document_type(value: str | None) -> str | None:
    """The key of a document type: the longest known name at the start of the text, because vendors append to it.

    The key of the whole text when no known name matches.
    """
    key = text.key(value)
    words = (key or "").split(" ")
    known = _known_types()
    return next((name for count in range(len(words), 0, -1) if (name := " ".join(words[:count])) in known), key)


@config.cached()
def _known_types() -> frozenset[str]:
    return frozenset(codelists.meanings("document_type", SOURCE))


def code(value: str | None, width: int = 1) -> str | None:
    """The key of a code: a number, a keyword or both ("5", "05 - Đang xử lý", "processing", "Hỏa tốc")."""
    cleaned = text.clean(value)
    if cleaned is None:
        return None
    number = _NUMBER.match(cleaned)
    return str(int(number.group(1))).zfill(width) if number else text.key(cleaned)


def moment(value: str | None) -> datetime | None:
    """The instant in a text of any format, in UTC; None when it is unreadable."""
    parsed = times_and_numbers.instant(value) if value else None
    return parsed.astimezone(UTC) if parsed else None


def day(value: str | None) -> date | None:
    """The local day in a text of any format; None when it is unreadable."""
    parsed = moment(value)
    return parsed.astimezone(LOCAL).date() if parsed else None


def time_oddity(value: str | None) -> str | None:
    """Why a day or time is unusual: `format`, `sentinel`, `filler`, `unreadable_time`; None for the usual formats."""
    oddity = times_and_numbers.instant_oddity(value) if value else None
    return None if oddity == times_and_numbers.FORMAT and _USUAL_FORMAT.fullmatch(value or "") else oddity


@config.cached(most=4096)
def displayable(value: str | None) -> str | None:
    """An unknown value as an operator may see it: NOT_SHOWN when it is long or has personal data."""
    cleaned = text.clean(value)
    return NOT_SHOWN if cleaned and (len(cleaned) > MAX_SHOWN or personal_data.persons_in(cleaned)) else cleaned


def id_hash(value: str | None) -> str | None:
    """The SHA-256 hash of an id. The id itself is not stored: it is free text and may contain personal data."""
    cleaned = text.clean(value)
    return hashlib.sha256(cleaned.encode()).hexdigest() if cleaned else None


def count(value: str | None) -> int | None:
    """The count in a text, up to MOST_COUNTED; None for any other text."""
    counted = times_and_numbers.whole_number(value) if value else None
    return counted if counted is not None and 0 <= counted <= MOST_COUNTED else None


def count_oddity(value: str | None) -> str | None:
    """Why a count is unusual: `format`, `unreadable_value`; None for plain digits and for no value."""
    cleaned = text.clean(value)
    if cleaned is None or cleaned in times_and_numbers.fillers():
        return None
    usual = re.fullmatch("[0-9]{1,6}", value or "")
    return None if usual else "format" if count(value) is not None else "unreadable_value"
