"""Known errors of a source, as data: each with its reason and the day it was reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lgsp.sql import quoted


@dataclass(frozen=True)
class Correction:
    """A known error of a source: what it says in a field (a regular expression for all of it), and what it means."""

    list: str
    field: str
    says: str
    means: str
    reason: str
    reported_on: str
    status: str
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def condition(self, read: Callable[[str], str]) -> str:
        """When a record shows this error; `read` gives the expression of a field as it was sent, of a text as it was treated."""
        told = {self.field: self.says, **self.where}
        return " and ".join(
            f"regexp_full_match(bare({read(path)}::varchar), {quoted(value)})" for path, value in told.items()
        )
