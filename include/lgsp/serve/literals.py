"""The tokens and literals of OData's expressions and keys."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from lgsp.serve import errors
from lgsp.serve.filter_tree import Value

TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^']|'')*')
  | (?P<instant>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,12})?)?(?:Z|[-+][0-9]{2}:[0-9]{2})(?![\w.:]))
  | (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}(?![\w.:-]))
  | (?P<number>[-+]?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|INF|NaN)(?![\w.:]))
  | (?P<name>[@$]?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<sign>[(),:/*=-])
  | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
LITERALS = ("string", "instant", "date", "number")


def tokens(text: str, target: str) -> list[tuple[str, str]]:
    """The kind and text of each token; the last is ("end", ""). Raises ApiError where no token begins."""
    found, position = [], 0
    while True:
        match = TOKEN.match(text, position)
        if match is None:
            raise unreadable(text[position:].strip()[:20], target)
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        if match.lastgroup == "end":
            return found
        position = match.end()


def unreadable(text: str, target: str) -> errors.ApiError:
    """The error of an expression that the grammar does not have, near a text."""
    where = f"near {text!r}" if text else "at its end"
    return errors.invalid(f"{target} cannot be read {where}", f"không đọc được {target}: {text!r}", target)


def literal(kind: str, text: str, target: str) -> Value:
    """The value of a literal's text. Raises ApiError when it is out of range or no such day or time."""
    try:
        if kind == "string":
            if "\0" in text:
                raise ValueError(text)
            return Value(text[1:-1].replace("''", "'"), "string")
        if kind == "date":
            return Value(date.fromisoformat(text), "date")
        if kind == "instant":
            fraction = text.partition(".")[2]
            if len(re.match(r"[0-9]*", fraction)[0].rstrip("0")) > 6:  # type: ignore[index]
                raise ValueError(text)  # times have six digits; a longer one would be cut
            return Value(datetime.fromisoformat(re.sub(r"(\.[0-9]{6})0+", r"\1", text)), "instant")
        if re.fullmatch(r"[-+]?[0-9]+", text):
            return Value(int(text) if len(text) < 19 else Decimal(text), "number")
        if re.search(r"[eINF]|E", text):
            number = float(text.replace("INF", "inf"))
            if number in (float("inf"), float("-inf")) and "INF" not in text:
                raise ValueError(text)
            return Value(number, "number")
        return Value(Decimal(text), "number")
    except ValueError:
        raise errors.wrong_type(f"{text[:40]!r} is no {kind}", f"{text[:40]!r} không phải {kind}", target) from None
