"""Known errors of a source, as data: each with its reason and the day it was reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lgsp.sql import quoted


@dataclass(frozen=True)
class Correction:
    """A known error of a source: the wrong value (`says`, a regular expression) and the right one (`means`)."""

    list: str
    field: str
    says: str
    means: str
    reason: str
    reported_on: str
    status: str
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def condition(self, read: Callable[[str], str]) -> str:
        """The SQL condition under which a record has this error; `read` gives the SQL expression of a field."""
        patterns = {self.field: self.says, **self.where}
        return " and ".join(
            f"regexp_full_match(stripped({read(path)}::varchar), {quoted(pattern)})"
            for path, pattern in patterns.items()
        )
