"""The simulated province: one coherent world, the same for the same seed and parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from lgsp_province.defects.broken_feeds import Feed, broken, planted
from lgsp_province.defects.rates import Marks, chosen, mark
from lgsp_province.world import documents, dossiers, view
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.papers import Papers
from lgsp_province.world.services import Catalogue
from lgsp_province.world.view import View

if TYPE_CHECKING:
    from lgsp_province.truth.truth import Truth

TAIL_DAYS = 14  # the world goes on after its end, for a server that runs into the next days


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens from start to end."""

    dossiers: int
    documents: int
    work_files: int
    days: int


SIZES: Mapping[str, Size] = {
    "tiny": Size(400, 30, 20, 10),
    "demo": Size(30_000, 1_000, 600, 90),
    "province": Size(1_000_000, 20_000, 12_000, 365),
}


@dataclass(frozen=True)
class World:
    """The clean facts, and the marks of what the sources get wrong about them."""

    seed: int
    start: date
    end: date
    calendar: WorkCalendar
    rates: Mapping[str, float]
    dossiers: Dossiers
    marks: Marks
    papers: Papers
    feeds: tuple[Feed, ...] = ()

    @classmethod
    def generate(
        cls,
        size: str,
        seed: int,
        start: date,
        end: date,
        *,
        dossiers_count: int | None = None,
        documents_count: int | None = None,
        defects_chosen: Mapping[str, float] | str | None = None,
        broken_feeds: str = "none",
    ) -> "World":
        """A world in which `size` happens from `start` to `end`, both local days inclusive."""
        if end < start:
            raise ValueError(f"the province's range ends on {end}, before it starts on {start}")
        wanted = SIZES[size]
        rates = chosen(defects_chosen)
        calendar = WorkCalendar(start, end)
        count = wanted.dossiers if dossiers_count is None else dossiers_count
        lived = dossiers.generate(seed, calendar, start, end, TAIL_DAYS, count)
        papers = documents.generate(
            seed,
            calendar,
            start,
            end,
            TAIL_DAYS,
            wanted.documents if documents_count is None else documents_count,
            wanted.work_files,
            rates,
        )
        marks = mark(seed, lived, rates)
        broken = planted(broken_feeds, lived, calendar, start, end)
        return cls(seed, start, end, calendar, rates, lived, marks, papers, broken)

    @classmethod
    def scenario(cls, name: str, seed: int = 1) -> "World":
        """A world in which the figures of a named scenario are planted; ValueError when nobody knows it."""
        from lgsp_province.scenarios.scenario import load

        return load(name).world(seed)

    @property
    def catalogue(self) -> Catalogue:
        """The procedures of its lists, and who offers them."""
        return self.dossiers.catalogue

    def view(self, as_of: int) -> View:
        """What the two dossier systems show at an instant."""
        return broken(view.look(self.dossiers, self.marks, as_of), self.feeds)

    def truth(self, as_of: int) -> "Truth":
        """What a perfect reader of all three systems would publish at an instant."""
        from lgsp_province.truth import truth

        return truth.of(self, as_of)
