"""Narrows a landed batch to some of its records, to process quarantined records again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lgsp.land.archive import Batch, LandedAnswer, by_key

# Lists whose records are requested individually: each answer is one record, so only picked answers are read.
REQUESTED_INDIVIDUALLY = ("edocs",)


@dataclass(frozen=True)
class Selection(Batch):
    """A landed batch narrowed to picked records, each given by (number of its answer, position in the answer).

    Lists without a picked record (agencies, procedures, the listing of messages) stay complete, because the picked
    records need them. Of lists that are requested individually, only the picked records are read.
    """

    picked: frozenset[tuple[int, int]] = field(repr=False, default=frozenset())

    @classmethod
    def from_pointers(cls, folder: Path, pointers: Iterable[str]) -> Self:
        """The records at some raw pointers. Raises ContractError when the folder has no sealed batch."""
        landed = Batch.open(folder)
        return cls(landed.folder, landed.manifest, frozenset(parse_pointer(pointer) for pointer in pointers))

    def calls(self, list_name: str | None = None) -> list[LandedAnswer]:
        """The answers with a picked record; all answers of a list without one (none when it is requested individually)."""
        calls = super().calls(list_name)
        numbers = {number for number, _ in self.picked}
        return [call for call in calls if call.number in numbers] or [
            call for call in calls if call.list not in REQUESTED_INDIVIDUALLY
        ]

    def positions(self, list_name: str) -> list[tuple[int, int]]:
        """The picked records of one list; empty when the list stays complete."""
        numbers = {call.number for name in (list_name, by_key(list_name)) for call in Batch.calls(self, name)}
        return sorted(position for position in self.picked if position[0] in numbers)

    def pointers(self, batch_id: str) -> list[str]:
        """The raw pointers of the picked records in another batch over the same folder."""
        return sorted(f"{batch_id}#{number}:{ordinal}" for number, ordinal in self.picked)


def parse_pointer(raw_pointer: str) -> tuple[int, int]:
    """The number of the answer and the position in it from a raw pointer (`<batch>#<number>:<position>`)."""
    number, ordinal = raw_pointer.rpartition("#")[2].split(":")
    return int(number), int(ordinal)
