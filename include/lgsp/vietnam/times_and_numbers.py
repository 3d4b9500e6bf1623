"""Parses times and numbers in every format that programs, spreadsheets and people use; an ambiguous text gives None.

The day comes before the month. A time without an offset is local. Points separate thousands and a comma the decimals; `50,000`
may be either, so it is not read as a number, and as an amount in whole đồng it is fifty thousand. A number of JSON is no such
text: its point is the decimal sign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from lgsp import config
from lgsp.schema import codelists
from lgsp.vietnam import text, time_formats

Number = TypeVar("Number", int, float)

SENTINEL, FORMAT, FILLER = "sentinel", "format", "filler"
UNREADABLE_TIME = "unreadable_time"

# C programs and MySQL write this for "no date".
_ZERO = re.compile(r"0[0:/. T-]*Z?")
_MAX_WHOLE_NUMBER = 10**15
_CURRENCY = re.compile(r"\s?(?:vnđ|vnd|đồng|đ|₫)$", re.IGNORECASE)
_PERCENT = re.compile(r"\s?%$")
# `2000.000 đ` is two thousand in some programs, and two million as people write it; only zeros of cents are sure.
_UNCLEAR_FRACTION = re.compile(r"[.,](?:\d{3,})$")
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
_GROUPED = re.compile(rf"{_GROUP}(?:[ .]\d{{3}})+|{_GROUP}(?:,\d{{3}}){{2,}}")
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
    return _number(_PERCENT.sub("", _without_currency(sent)))


def whole_number(sent: str) -> int | None:
    """The whole number in a text, without its currency.

    None when the text is not a number, is a percentage, has a fraction or one of three and more zeros, or is 10^15 or more.
    """
    cleaned = _without_currency(sent)
    value = _number(cleaned)
    if value is None or (_is_ungrouped(cleaned) and _UNCLEAR_FRACTION.search(cleaned)):
        return None
    return _whole(value)


def whole_amount(sent: str) -> int | None:
    """An amount in whole đồng, which has no decimals, so `50,000` is fifty thousand; otherwise as `whole_number`."""
    cleaned = _without_currency(sent)
    return int(cleaned.replace(",", "")) if _COMMA_THOUSANDS.fullmatch(cleaned) else whole_number(sent)


def decimal(sent: str) -> float | None:
    """A quantity that may have decimals; None also for `1.125` and `1,125`, which may be thousands."""
    cleaned = _PERCENT.sub("", _without_currency(sent))
    value = None if _THOUSANDS_OR_DECIMALS.fullmatch(cleaned) else _number(cleaned)
    return None if value is None else float(value) + 0.0  # -0 is 0


def from_json(read: Callable[[str], Number | None]) -> Callable[[str], Number | float | None]:
    """A reader of JSON values: a text is read by `read`; a number is itself, if `read` gives numbers of its kind.

    None for every other JSON value, and for a number that is too large.
    """

    def read_json(value: str) -> Number | float | None:
        try:
            sent = json.loads(value, parse_float=Decimal, parse_int=Decimal)
        except (ValueError, InvalidOperation):  # also the 5,000 digits that Python refuses to convert
            return None
        if isinstance(sent, str):
            return read(sent)
        if not isinstance(sent, Decimal) or not sent.is_finite() or abs(sent) >= _MAX_WHOLE_NUMBER:
            return None
        return float(sent) + 0.0 if read is decimal else _whole(sent)

    return read_json


@config.cached()
def fillers() -> frozenset[str]:
    """The texts that people and programs write in place of an empty value."""
    return frozenset(str(item) for item in codelists.load("filler")["any"])


def _number(cleaned: str) -> Decimal | None:
    if not cleaned.isascii() and any(map(str.isascii, filter(str.isdigit, cleaned))):
        return None  # digits of two scripts
    plain = next((to_plain(cleaned) for pattern, to_plain in _NUMBERS if pattern.fullmatch(cleaned)), None)
    return None if plain is None else Decimal(plain)


def _whole(value: Decimal) -> int | None:
    is_whole = value == value.to_integral_value() and abs(value) < _MAX_WHOLE_NUMBER
    return int(value) if is_whole else None


def _is_ungrouped(cleaned: str) -> bool:
    """Whether a number has one separator, which is not that of thousands: `2000.000`, not `2.000` or `2.000,000`."""
    return not _GROUPED.fullmatch(cleaned)


def _without_currency(sent: str) -> str:
    return _CURRENCY.sub("", text.clean(sent) or "")


@config.cached(most=1024)  # the same text is asked for its instant and for its oddity
def _parse_instant(sent: str) -> datetime | None:
    cleaned = text.clean(sent) or ""
    return time_formats.YEAR_ONE if _ZERO.fullmatch(cleaned) else time_formats.parse(cleaned)


def _is_sentinel(moment: datetime) -> bool:
    """Whether a program writes this time for "no date": years up to 1900, from 3000 on, and within a day of 1970-01-01."""
    is_epoch = abs(moment - time_formats.EPOCH) < timedelta(days=1)
    return is_epoch or not time_formats.FIRST_YEAR <= moment.year <= time_formats.LAST_YEAR
