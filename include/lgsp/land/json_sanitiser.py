"""Answers that are whole but hold what no store can keep: mended at the spot, so that one record stops nobody else.

Lone surrogates and NUL become U+FFFD, numbers that are none become null, great numbers become text, and what is
nested deeper than any record of any source becomes null. The landed bytes stay as they were sent.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

DEEPEST = 100
_WHOLE_DIGITS = 18

# A text, or one bracket: enough to know how deep one is.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
# A backslash that is meant, a whole pair of surrogates, or what neither Arrow nor PostgreSQL can hold.
_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u(?:[dD][89a-fA-F][\da-fA-F]{2}|0000)"
)
_LONE = 6  # bytes of an escape that stands alone
_NESTED = b"[" * 20


def loads(body: bytes) -> Any:
    """The JSON of an answer, mended where it must be. Raises ValueError when it is no JSON even then."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(_numbers_mended(_shallow(_signs_mended(body))))


def harmless(body: bytes) -> bytes:
    """The same JSON without signs that no store can hold and without nesting that runs away; all else byte for byte."""
    if b"\\u" in body:
        body = _signs_mended(body)
    return _shallow(body) if _NESTED in body else body


def _signs_mended(body: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: b"\\ufffd" if len(found.group()) == _LONE else found.group(), body)


def _shallow(body: bytes) -> bytes:
    """The body with everything below the deepest level cut out."""
    depth, since = 0, 0
    kept: list[bytes] = []
    for token in _TOKEN.finditer(body):
        sign = token.group()
        if sign in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(body[since : token.start()] + b"null")
        elif sign in b"]}":
            depth -= 1
            if depth == DEEPEST:
                since = token.end()
    if depth != 0:
        raise ValueError("brackets do not match")
    return b"".join(kept) + body[since:] if kept else body


def _numbers_mended(body: bytes) -> bytes:
    """The JSON with null for what is no number, and text for what is too great for one."""
    try:
        value = json.loads(body, parse_int=_whole, parse_float=_real, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return orjson.dumps(value)


def _whole(digits: str) -> orjson.Fragment | str:
    return orjson.Fragment(digits) if len(digits) <= _WHOLE_DIGITS else digits


def _real(number: str) -> orjson.Fragment | None:
    return orjson.Fragment(number) if math.isfinite(float(number)) else None
