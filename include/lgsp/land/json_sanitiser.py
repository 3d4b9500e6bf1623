"""Parses JSON that contains values that Arrow or PostgreSQL cannot store, and replaces only those values.

Lone surrogates and NUL become U+FFFD, NaN and Infinity become null, very long whole numbers become text, and nesting
deeper than any record of a source becomes null. So one bad record does not stop the others. The landed bytes do not change.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

MAX_DEPTH = 100
_MAX_DIGITS = 18

# A string, or one bracket: enough to count the depth.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
# An escaped backslash, a valid surrogate pair, or an escape that Arrow and PostgreSQL cannot store.
_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u(?:[dD][89a-fA-F][\da-fA-F]{2}|0000)"
)
_LONE = 6  # bytes of a single escape, which is not a pair
_DEEP_NESTING = b"[" * 20


def loads(body: bytes) -> Any:
    """The parsed JSON of an answer, with unstorable values replaced. Raises ValueError when it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(_replace_numbers(_cut_depth(_replace_escapes(body))))


def sanitise(body: bytes) -> bytes:
    """The same JSON with unstorable characters and too deep nesting replaced; all other bytes are unchanged."""
    if b"\\u" in body:
        body = _replace_escapes(body)
    return _cut_depth(body) if _DEEP_NESTING in body else body


def _replace_escapes(body: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: b"\\ufffd" if len(match.group()) == _LONE else match.group(), body)


def _cut_depth(body: bytes) -> bytes:
    """The body with null for everything nested deeper than MAX_DEPTH. Raises ValueError when brackets do not match."""
    depth, start = 0, 0
    kept: list[bytes] = []
    for token in _TOKEN.finditer(body):
        sign = token.group()
        if sign in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(body[start : token.start()] + b"null")
        elif sign in b"]}":
            depth -= 1
            if depth == MAX_DEPTH:
                start = token.end()
    if depth != 0:
        raise ValueError("brackets do not match")
    return b"".join(kept) + body[start:] if kept else body


def _replace_numbers(body: bytes) -> bytes:
    """The JSON with null for NaN and infinite numbers, and text for whole numbers of more than 18 digits."""
    try:
        value = json.loads(body, parse_int=_whole, parse_float=_real, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return orjson.dumps(value)


def _whole(digits: str) -> orjson.Fragment | str:
    return orjson.Fragment(digits) if len(digits) <= _MAX_DIGITS else digits


def _real(number: str) -> orjson.Fragment | None:
    return orjson.Fragment(number) if math.isfinite(float(number)) else None
