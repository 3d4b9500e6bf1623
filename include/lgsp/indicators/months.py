"""Periods of whole months: how long each is, and the first day of a month so many later."""

from __future__ import annotations

from datetime import date

LENGTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}


def shifted(first: date, months: int) -> date:
    """The first day of a month so many months later, or earlier."""
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)
