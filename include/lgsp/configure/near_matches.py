"""Suggest what was probably meant by an unknown name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def meant(text: str, known: Iterable[str]) -> str:
    """What was probably meant, else everything that is known."""
    names = list(map(str, known))
    near = get_close_matches(text, names, 1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
