"""Parses JSON as sources send it, and replaces only the values that no JSON parser or store accepts.

Damaged characters (bytes that are not UTF-8, raw control characters, surrogates without their partner) become MARK: the
record that has one is quarantined, the others of its page are not affected. An escaped NUL becomes U+FFFD, NaN and Infinity
become null, very long whole numbers become text, and what is nested deeper than any record of a source becomes null.
The landed bytes do not change.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

import orjson

MAX_DEPTH = 64
_MAX_DIGITS = 18
# Brackets without end are refused before they are counted to the end.
_HOPELESS_DEPTH = 200_000

# Stands for damaged characters: a noncharacter, which no text has, and which JSON, Arrow and PostgreSQL accept.
MARK = "\ufdd0"
MARK_BYTES = MARK.encode()

# A string, or one bracket: enough to count the depth.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
# A valid escape, or what no JSON text may have in a string.
_IN_STRING = re.compile(rb'\\(?:["\\/bfnrt]|u[\da-fA-F]{4})|(\\.?|[\x00-\x1f])', re.DOTALL)
# An escaped backslash, a valid surrogate pair, or an escape that Arrow and PostgreSQL cannot store, or of MARK itself.
_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u(?:[dD][89a-fA-F][\da-fA-F]{2}|0000|[fF][dD][dD]0)"
)
_LONE = 6  # bytes of a single escape, which is not a pair
_DEEP_NESTING = b"]" * 20
_BYTE_ORDER_MARK = codecs.BOM_UTF8
_NUL = b"\0"


def loads(body: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The parsed JSON of an undamaged text, with unstorable values replaced. Raises ValueError when it is anything else."""
    value, is_damaged = parse(body, max_depth)
    if is_damaged:
        raise ValueError("the text has damaged characters")
    return value


def parse(body: bytes, max_depth: int = MAX_DEPTH) -> tuple[Any, bool]:
    """The parsed JSON of an answer, and whether MARK replaces a character of it. Raises ValueError when it is not JSON."""
    text = _utf8(body)
    try:
        return orjson.loads(text), False
    except orjson.JSONDecodeError:
        repaired = _repaired(text, max_depth)
        return orjson.loads(_replace_numbers(repaired)), MARK_BYTES in repaired


def sanitise(body: bytes, max_depth: int = MAX_DEPTH) -> bytes:
    """The same JSON in UTF-8 with unstorable escapes and too deep nesting replaced; all other bytes are unchanged."""
    text = _utf8(body)
    if b"\\u" in text:
        text = _replace_escapes(text)
    return _cut_depth(text, max_depth) if _DEEP_NESTING in text else text


def repair(body: bytes, max_depth: int = MAX_DEPTH) -> bytes:
    """The same as `sanitise`, also for a body that no parser accepts: MARK replaces its damaged characters."""
    return _repaired(_utf8(body), max_depth)


def _repaired(text: bytes, max_depth: int) -> bytes:
    text = text.decode("utf-8", _MARK_ERRORS).encode()
    return _cut_depth(_replace_escapes(_STRING.sub(_mark_in_string, text)), max_depth)


def _utf8(body: bytes) -> bytes:
    """The body in UTF-8 without a byte order mark, from UTF-8, UTF-16 or UTF-32 (RFC 4627, section 3)."""
    if body.startswith(_BYTE_ORDER_MARK):
        return body[len(_BYTE_ORDER_MARK) :]
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _NUL in body[:4]:
        encoding = json.detect_encoding(body)
        return body if encoding == "utf-8" else body.decode(encoding, _MARK_ERRORS).encode()
    return body


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK, error.end


_MARK_ERRORS = "lgsp.mark"
codecs.register_error(_MARK_ERRORS, _mark)


def _mark_in_string(string: re.Match[bytes]) -> bytes:
    return _IN_STRING.sub(lambda part: MARK_BYTES if part[1] is not None else part[0], string[0])


def _replace_escapes(body: bytes) -> bytes:
    return _ESCAPE.sub(_replace_escape, body)


def _replace_escape(match: re.Match[bytes]) -> bytes:
    escape = match[0]
    if len(escape) != _LONE:
        return escape
    return b"\\ufffd" if escape == b"\\u0000" else MARK_BYTES


def _cut_depth(body: bytes, max_depth: int) -> bytes:
    """The body with null for everything nested deeper than `max_depth`. Raises ValueError when brackets do not match."""
    depth, start = 0, 0
    kept: list[bytes] = []
    for token in _TOKEN.finditer(body):
        sign = token.group()
        if sign in b"[{":
            depth += 1
            if depth > _HOPELESS_DEPTH:
                raise ValueError("nested too deeply")
            if depth == max_depth + 1:
                kept.append(body[start : token.start()] + b"null")
        elif sign in b"]}":
            depth -= 1
            if depth == max_depth:
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
