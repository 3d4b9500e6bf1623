"""Parameters that only exhaustive runs of the tests try."""

from __future__ import annotations

from typing import Any

import pytest


def exhaustive(*values: Any) -> list[Any]:
    """Parameters with the mark `exhaustive`; a tuple has one value for each argument of the test."""
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.exhaustive)
        for value in values
    ]
