"""Parses times and numbers in every format that programs, spreadsheets and people use; an ambiguous text gives None.

The day comes before the month. A time without an offset is local. Points separate thousands and a comma the decimals; `50,000`
may be either, so it is not read as a number, and as an amount in whole đồng it is fifty thousand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from lgsp.schema import codelists
from lgsp.vietnam import text, time_formats

SENTINEL, FORMAT, FILLER = "sentinel", "format", "filler"
UNREADABLE_TIME = "unreadable_time"

# C programs and MySQL write this for "no date".
_ZERO = re.compile(r"0[0:/. T-]*Z?")
_MAX_WHOLE_NUMBER = 10**15
_UNIT = re.compile(r"\s?(?:vnđ|vnd|đồng|đ|₫|%)$", re.IGNORECASE)
# Each pattern has one meaning. A group of thousands never starts with a zero: `0.500` and `0,5` are decimals.
_GROUP = r"-?[1-9]\d{0,2}"
_NUMBERS: list[tuple[re.Pattern[str], Callable[[str], str]]] = [
    (re.compile(r"-?\d{1,15}"), str),
    (re.compile(rf"{_GROUP}(?: \d{{3}})+(?:,\d+)?"), lambda number: number.replace(" ", "").replace(",", ".")),
    (re.compile(rf"{_GROUP}(?:\.\d{{3}})+(?:,\d+)?"), lambda number: number.replace(".", "").replace(",", ".")),
    # the English way, where it cannot be the Vietnamese one: 1,234,567 and 50,000.00
    (re.compile(rf"{_GROUP}(?:(?:,\d{{3}}){{2,}}(?:\.\d+)?|,\d{{3}}\.\d+)"), lambda number: number.replace(",", "")),
    (re.compile(r"-?\d{1,15},(?:\d{1,2}|\d{4,6})|-?(?:0|\d{4,15}),\d{3}"), lambda number: number.replace(",", ".")),
    (re.compile(r"-?\d{1,15}\.(?:\d{1,2}|\d{4,6})|-?(?:0|\d{4,15})\.\d{3}"), str),
]
_COMMA_THOUSANDS = re.compile(rf"{_GROUP},\d{{3}}")
_THOUSANDS_OR_DECIMALS = re.compile(rf"{_GROUP}[.,]\d{{3}}")


def instant(sent: str) -> datetime | None:
    """The instant that a text states; None when it is unreadable, or a date that programs write for "no date"."""
    parsed = _parse_instant(sent)
    return None if parsed is None or _is_sentinel(parsed) else parsed


def instant_oddity(sent: str) -> str | None:
    """Why a time is not in the usual format of its product: FORMAT, SENTINEL, FILLER or UNREADABLE_TIME.

    After UNREADABLE_TIME follows what a date without a day states: `unreadable_time=2022-05`. None for an empty text. The
    caller must not pass times that are in the usual format: they give FORMAT too.
    """
    cleaned = text.clean(sent)
    if cleaned is None:
        return None
    if cleaned in fillers():
        return FILLER
    parsed = _parse_instant(sent)
    if parsed is None:
        partial = time_formats.partial_date(cleaned)
        return f"{UNREADABLE_TIME}={partial}" if partial else UNREADABLE_TIME
    return SENTINEL if _is_sentinel(parsed) else FORMAT


def number(sent: str) -> Decimal | None:
    """The number in a text, without its unit; None when the text is not a number, or could be two numbers: `50,000`."""
    cleaned = _without_unit(sent)
    plain = next((to_plain(cleaned) for pattern, to_plain in _NUMBERS if pattern.fullmatch(cleaned)), None)
    return None if plain is None else Decimal(plain)


def whole_number(sent: str) -> int | None:
    """The whole number in a text; None when the text is not a number, has a fraction, or is 10^15 or more."""
    value = number(sent)
    if value is None or value != value.to_integral_value() or abs(value) >= _MAX_WHOLE_NUMBER:
        return None
    return int(value)


def whole_amount(sent: str) -> int | None:
    """An amount in whole đồng, which has no decimals, so `50,000` is fifty thousand; otherwise as `whole_number`."""
    cleaned = _without_unit(sent)
    return int(cleaned.replace(",", "")) if _COMMA_THOUSANDS.fullmatch(cleaned) else whole_number(sent)


def decimal(sent: str) -> float | None:
    """A quantity that may have decimals; None also for `1.125` and `1,125`, which may be thousands."""
    value = None if _THOUSANDS_OR_DECIMALS.fullmatch(_without_unit(sent)) else number(sent)
    return None if value is None else float(value)


@cache
def fillers() -> frozenset[str]:
    """The texts that people and programs write in place of an empty value."""
    return frozenset(str(item) for item in codelists.load("filler")["any"])


def _without_unit(sent: str) -> str:
    return _UNIT.sub("", text.clean(sent) or "")


def _parse_instant(sent: str) -> datetime | None:
    cleaned = text.clean(sent) or ""
    return time_formats.YEAR_ONE if _ZERO.fullmatch(cleaned) else time_formats.parse(cleaned)


def _is_sentinel(moment: datetime) -> bool:
    """Whether a program writes this time for "no date": years up to 1900, from 3000 on, and within a day of 1970-01-01."""
    is_epoch = abs(moment - time_formats.EPOCH) < timedelta(days=1)
    return is_epoch or not time_formats.FIRST_YEAR <= moment.year <= time_formats.LAST_YEAR
