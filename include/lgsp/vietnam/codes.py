"""Brings codes, numbers and ids to one form, however people and programs write them."""

from __future__ import annotations

import re
from unicodedata import normalize

from lgsp.vietnam import text

# Signs that people and word processors write for a hyphen or a slash, and characters that show nothing.
_PLAIN_SIGNS = str.maketrans(dict.fromkeys("‐‑‒–—―−﹘﹣－⁃", "-") | dict.fromkeys("⁄∕", "/"))
_INVISIBLE = re.compile(r"[\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_SPACES = re.compile(r"\s+")
_LABEL = re.compile(r"^SỐ(?:KÝHIỆU)?:?(?=[0-9])")


def plain(value: str) -> str:
    """A code as it would be typed: plain hyphens, no invisible characters, no surrounding and no repeated blanks."""
    visible = _INVISIBLE.sub("", normalize("NFKC", value)).translate(_PLAIN_SIGNS)
    return _SPACES.sub(" ", visible).strip()


def document_reference(value: str | None) -> str | None:
    """The normal form of a document's number and notation, such as `5/UBND-VP`; None when the text is empty.

    Numbers have no leading zeros, notations are in upper case with plain hyphens, and there are no blanks.
    """
    cleaned = _SPACES.sub("", plain(text.clean(value) or "")).upper()
    joined = re.sub(r"/{2,}", "/", _LABEL.sub("", cleaned)).strip("/.,;:-")
    return re.sub(r"^0+(?=[0-9])", "", joined) or None
