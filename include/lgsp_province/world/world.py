"""Defines the simulated world: one consistent province, the same for the same seed and parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lgsp_province.defects.broken_feeds import BrokenFeed, plan_feeds, with_broken_feeds
from lgsp_province.defects.rates import Marks, draw_marks, parse_rates
from lgsp_province.world import documents, dossiers, view
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.document_data import DocumentData
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.services import Catalogue
from lgsp_province.world.view import View

TAIL_DAYS = 14  # events continue after the end, for a server that keeps running for some days


@dataclass(frozen=True, slots=True)
class Size:
    """Number of dossiers, documents and work files from start to end, and the default length in days."""

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
    """The correct data of the province, and the marks of the defects that the sources show in it."""

    seed: int
    start: date
    end: date
    calendar: WorkCalendar
    rates: Mapping[str, float]
    dossiers: Dossiers
    marks: Marks
    document_data: DocumentData
    feeds: tuple[BrokenFeed, ...] = ()

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
        """A world of the given size from `start` to `end`, both local days inclusive.

        Raises ValueError when the range is empty, a defect or a value of `broken_feeds` is unknown, or the world is
        too small for broken feeds; KeyError when the size is unknown.
        """
        if end < start:
            raise ValueError(f"the province's range ends on {end}, before it starts on {start}")
        size_counts = SIZES[size]
        rates = parse_rates(defects_chosen)
        calendar = WorkCalendar(start, end)
        count = size_counts.dossiers if dossiers_count is None else dossiers_count
        generated = dossiers.generate(seed, calendar, start, end, TAIL_DAYS, count)
        document_data = documents.generate(
            seed,
            calendar,
            start,
            end,
            TAIL_DAYS,
            size_counts.documents if documents_count is None else documents_count,
            size_counts.work_files,
            rates,
        )
        marks = draw_marks(seed, generated, rates)
        feeds = plan_feeds(broken_feeds, generated, calendar, start, end)
        return cls(seed, start, end, calendar, rates, generated, marks, document_data, feeds)

    @property
    def catalogue(self) -> Catalogue:
        """The procedures in the systems' lists, and the agencies that offer them."""
        return self.dossiers.catalogue

    def view(self, as_of: int) -> View:
        """The content of the two dossier systems at an instant, with broken feeds applied."""
        return with_broken_feeds(view.build(self.dossiers, self.marks, as_of), self.feeds)
