"""A landed batch of which only some records are wanted: those that are driven again out of quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lgsp.land.archive import Batch, Landed

# Fetched one by one: each answer is a record, and nothing is read beside it.
FETCHED = ("edocs",)


@dataclass(frozen=True)
class Selection(Batch):
    """A landing folder narrowed to records, each the number of its answer and its place in it.

    Lists of which nothing was picked (agencies, procedures, the listing of messages) stay whole: the picked records
    are read beside them. Of messages, each an answer by itself, none but the picked is read.
    """

    picked: frozenset[tuple[int, int]] = field(repr=False, default=frozenset())

    @classmethod
    def of(cls, folder: Path, pointers: Iterable[str]) -> Self:
        """The records that some raw pointers speak of. Raises ContractError when the folder holds no sealed batch."""
        landed = Batch.open(folder)
        return cls(landed.folder, landed.manifest, frozenset(place(pointer) for pointer in pointers))

    def calls(self, list_name: str | None = None) -> list[Landed]:
        """The answers that hold a picked record; of a list in which nothing was picked, all (of fetched messages none)."""
        calls = super().calls(list_name)
        numbers = {number for number, _ in self.picked}
        return [call for call in calls if call.number in numbers] or [
            call for call in calls if call.list not in FETCHED
        ]

    def places(self, list_name: str) -> list[tuple[int, int]]:
        """The picked records of one list; none when it is wanted whole."""
        numbers = {call.number for call in super().calls(list_name)}
        return sorted(spot for spot in self.picked if spot[0] in numbers)

    def pointers(self, batch_id: str) -> list[str]:
        """The picked records as another batch over the same folder points at them."""
        return sorted(f"{batch_id}#{number}:{ordinal}" for number, ordinal in self.picked)


def place(raw_pointer: str) -> tuple[int, int]:
    """The answer and the place in it that a raw pointer speaks of."""
    number, ordinal = raw_pointer.rpartition("#")[2].split(":")
    return int(number), int(ordinal)
