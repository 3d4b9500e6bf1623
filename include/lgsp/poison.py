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
# What JSON may say and neither Arrow nor PostgreSQL can hold; and nesting that runs away.
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_NESTED = b"[" * 20


def loads(body: bytes) -> Any:
    """The JSON of an answer, mended where it must be. Raises ValueError when it is no JSON even then."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(mended(body))


def harmless(body: bytes) -> bytes:
    """The same bytes when a plain reader can take them, else the mended JSON."""
    is_suspicious = _NESTED in body or (b"\\u" in body and _ESCAPED.search(body))
    return mended(body) if is_suspicious else body


def mended(body: bytes) -> bytes:
    """The JSON with everything poisonous replaced. Raises ValueError for what is no JSON at all, or cut short."""
    shallow = _shallow(body)
    try:
        value = json.loads(shallow, parse_int=_whole, parse_float=_real, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return orjson.dumps(_clean(value))


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


def _whole(digits: str) -> orjson.Fragment | str:
    return orjson.Fragment(digits) if len(digits) <= _WHOLE_DIGITS else digits


def _real(number: str) -> orjson.Fragment | None:
    """The number in the very signs it was sent in: what is mended here must not depend on what lies beside it."""
    return orjson.Fragment(number) if math.isfinite(float(number)) else None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return value
