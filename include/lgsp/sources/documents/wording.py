"""How vendors write the codes of a message, brought to the keys of the code lists."""

from __future__ import annotations

import hashlib
import re
from functools import cache

from lgsp import codelist, text

SOURCE = "documents"
_DAY = re.compile(r"([0-9]{4})[/-]([0-9]{2})[/-]([0-9]{2})")
_MOMENT = re.compile(r"([0-9]{4})[/-]([0-9]{2})[/-]([0-9]{2})[ T]+([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?")
_NUMBER = re.compile(r"([0-9]{1,3})(?![0-9/])")
SHOWN = 60  # characters of an unknown value that an operator is shown


def document_type(told: str | None) -> str | None:
    """The key of a type: the longest known name that the text begins with, so what vendors append does not matter."""
    key = text.key(told)
    words = (key or "").split(" ")
    known = _known_types()
    return next((name for count in range(len(words), 0, -1) if (name := " ".join(words[:count])) in known), key)


@cache
def _known_types() -> frozenset[str]:
    return frozenset(codelist.meanings("document_type", SOURCE))


def code(told: str | None, width: int = 1) -> str | None:
    """The key of a number, a keyword or both ("5", "05 - Đang xử lý", "processing", "Hỏa tốc")."""
    cleaned = text.clean(told)
    if cleaned is None:
        return None
    number = _NUMBER.match(cleaned)
    return str(int(number.group(1))).zfill(width) if number else text.key(cleaned)


def day(told: str | None) -> str | None:
    """A day as yyyy/MM/dd; None for text that is none."""
    found = _DAY.fullmatch((told or "").strip())
    return "/".join(found.groups()) if found else None


def moment(told: str | None) -> str | None:
    """A moment as yyyy/MM/dd HH:mm:ss; None for text that is none."""
    found = _MOMENT.fullmatch((told or "").strip())
    return "{}/{}/{} {}".format(*found.groups()) if found else None


def shown(told: str | None) -> str | None:
    """What an operator may see of a value nobody knows: short and without persons."""
    return (text.without_persons(told) or "")[:SHOWN] or None


def mark(told: str | None) -> str | None:
    """A mark by which an id is known again: an id is free text and may hold anything, so it is not kept itself."""
    cleaned = text.clean(told)
    return hashlib.sha256(cleaned.encode()).hexdigest() if cleaned else None


def whole(told: str | None) -> int | None:
    """A count; None for text that is none."""
    return int(told) if told and re.fullmatch("[0-9]{1,6}", told) else None
